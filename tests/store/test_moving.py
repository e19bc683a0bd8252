"""A store as a file, and back: nothing is lost, nothing is added, and nothing that is not whole is taken."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st
from pyrsistent import pmap
from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred, gatherResults
from twisted.trial.unittest import TestCase

from otter.domain.errors import NoSuchCapability
from otter.domain.executions import KEPT, Once, Outcome, Verdict
from otter.domain.group import GroupId, Status
from otter.domain.hold import Hold
from otter.domain.jobs import Job, Jobs, Kind
from otter.domain.limits import Page
from otter.domain.policy import policy_of
from otter.domain.webhook import webhook_of
from otter.store.cassandra import moving as cassandra_moving
from otter.store.cassandra.moving import to_move
from otter.store.cassandra.opening import open_cassandra
from otter.store.documents import load_roster, load_state
from otter.store.lines import Remembered, Whole, group_lines, whole_of
from otter.store.moving import FORMAT, CannotMove, Unfinished, export, import_, require_good
from otter.store.sqlite.database import CannotOpen, GroupCommit, Inline, connect, lock
from otter.store.sqlite.files import what_is_held
from otter.store.sqlite.moving import SQLiteMoving, to_export, to_import
from otter.store.sqlite.schema import MIGRATIONS, migrate
from otter.store.sqlite.store import SQLiteStore
from tests.contracts.store import BASE, NEWS, REFUSAL, ROSTER
from tests.rig.keyspaces import a_keyspace
from tests.worlds import a_group, a_policy

NOW = 1_000_000.0
EVENT = NOW + 60.0
MANY = cassandra_moving.AT_ONCE * 2 + 50
"""More than are written or read at once."""
JOBS = Jobs(4, pmap({job.key: job for job in (Job(Kind.LAUNCH, "c1", 7, 900.5), Job(Kind.DELETE, "s2", 3, 1.0, "s2"))}))
RICH, PLAIN, GOING, RESTING = (
    GroupId("111", "g1"),
    GroupId("111", "g2"),
    GroupId("t\u00e9nant \U0001f9a6", "g1"),
    GroupId("333", "a"),
)
SCHEDULE = {"name": "noon", "type": "schedule", "cooldown": 0.5, "change": 3, "args": {"cron": "0 12 * * *"}}


def now():
    return NOW


def rich():
    group = a_group(2, RICH, {"draining_timeout": 30}, maxEntities=1000)
    state = evolve(
        group.state,
        generation=7,
        converged_generation=5,
        look_at=NOW + 3.25,
        refusal=REFUSAL,
        group_touched=NOW - 1.5,
        policy_touched=pmap({f"p{number}": NOW - number for number in range(9)}),
    )
    return evolve(group, state=state, roster=evolve(ROSTER, jobs=JOBS))


def going():
    return a_group(group_id=GOING).asked(status=Status.DELETING)


def resting():
    return a_group(1, RESTING).asked(paused=True)


def a_hook(number):
    document = {"name": f"hook {number}", "metadata": {"z": "1", "a": "\u00fc \x00"}}
    return webhook_of(f"w{number}", f"k{number % 2}", document, number), f"digest {number}"


def untouched(group):
    return group, Outcome(Verdict.EXECUTED)


async def fill(store):
    """Some of everything, as otter stores it; one execution is too old to be remembered."""
    noon = evolve(policy_of("p2", SCHEDULE), due=EVENT)
    await store.create_group(rich(), [a_policy("p1"), noon], 1000)
    await store.create_webhooks(RICH, "p1", [a_hook(1), a_hook(2)], 25)
    await store.create_webhooks(RICH, "p2", [a_hook(3)], 25)
    refused = Outcome(Verdict.REFUSED, "it is too early")
    await store.execute_once(RICH, Once("p2", "a/b c", NOW - KEPT + 9.5), lambda group: (group, refused))
    await gatherResults(
        ensureDeferred(store.execute_once(RICH, Once("p1", f"key {number}", NOW - number), untouched))
        for number in range(MANY)
    )
    await store.execute_once(RICH, Once("p1", "old", NOW - KEPT), untouched)
    await store.create_group(a_group(group_id=PLAIN), [], 1000)
    await store.create_group(resting(), [evolve(policy_of("p1", SCHEDULE), due=None)], 1000)
    await store.create_group(a_group(group_id=GOING), [a_policy("p1")], 1000)
    await store.create_webhooks(GOING, "p1", [a_hook(9)], 25)
    await store.change_group(GOING, lambda group: group.asked(status=Status.DELETING))
    for group_id in (RICH, GOING):
        await store.change_group(group_id, lambda group: group.telling(NEWS, BASE, NOW), even_deleting=True)
    await store.suspend("333")
    await store.hold("t2")


def stored(path):
    """All that is in a SQLite store, but for executions that are forgotten at ``NOW``."""
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in names}
    tables["executions"] = [row for row in tables["executions"] if row[4] > NOW]
    tables["groups"] = [
        (tenant, id, config, launch, load_state(state), load_roster(roster), *rest)
        for tenant, id, config, launch, state, roster, *rest in tables["groups"]
    ]
    return tables


class Moving(TestCase):
    def setUp(self):
        folder = TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path, self.file, self.new = (self.folder / name for name in ("otter.sqlite", "file", "new.sqlite"))

    async def make(self, path=None):
        store = SQLiteStore(Inline(connect(str(path or self.path))))
        await fill(store)
        await store.close()

    async def export(self, path=None, file=None):
        with to_export(path or self.path) as store:
            return await export(store, file or self.file, now)

    async def import_(self, path=None, file=None):
        require_good(file or self.file)
        with to_import(path or self.new) as store:
            return await import_(file or self.file, store, now)

    async def refuses(self, words, coroutine):
        with self.assertRaisesRegex((CannotMove, CannotOpen), words):
            await coroutine


class ExportTests(Moving):
    async def test_nothing_is_lost_and_nothing_is_added_but_the_hold(self):
        await self.make()
        before = stored(self.path)
        await self.export()
        self.assertEqual(stored(self.path), before)
        words = await self.import_()
        after = stored(self.new)
        self.assertEqual(after.pop("holds"), [(0, "t2"), (1, "")])
        before.pop("holds")
        self.assertEqual(after, before)
        counts = f"4 groups, 4 policies, 4 webhooks, {MANY + 1} remembered executions, 1 suspension, 2 holds"
        self.assertIn(counts, words)
        self.assertIn("release", words)

    async def test_the_same_store_comes_to_the_same_file_wherever_it_has_been(self):
        await self.make()
        await self.export()
        await self.import_()
        again = self.folder / "again"
        await self.export(self.new, again)
        held = {"kind": "hold", "tenant": None}
        lines = [json.loads(line) for line in again.read_text().splitlines()]
        before = [json.loads(line) for line in self.file.read_text().splitlines()]
        self.assertEqual([line for line in lines[1:-1] if line != held], before[1:-1])
        self.assertIn(held, lines)

    async def test_only_its_owner_may_read_it_and_nothing_is_left_beside_it(self):
        await self.make()
        await self.export()
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)
        self.assertEqual([path.name for path in self.folder.glob("*file*")], ["file"])

    async def test_nothing_is_overwritten(self):
        await self.make()
        self.file.write_text("precious")
        await self.refuses("file exists already", self.export())
        self.assertEqual(self.file.read_text(), "precious")
        self.file.unlink()
        self.file.symlink_to(self.folder / "nowhere")
        await self.refuses("file exists already", self.export())
        self.assertEqual([path.name for path in self.folder.glob(".*")], [])

    async def test_a_folder_that_is_not_there_is_named(self):
        await self.make()
        await self.refuses("nowhere/file could not be written", self.export(file=self.folder / "nowhere" / "file"))

    async def test_what_is_exported_is_one_moment_of_a_store_that_is_in_use(self):
        await self.make()
        store = SQLiteStore(GroupCommit(reactor, self.path))
        self.addCleanup(store.close)
        with to_export(self.path) as moment:
            self.assertEqual(len([whole async for whole in moment.wholes()]), 4)
            await store.create_group(a_group(group_id=GroupId("111", "later")), [a_policy("p1")], 1000)
            await store.delete_group(PLAIN)
            await export(moment, self.file, now)
        self.assertIn('"g2"', self.file.read_text())
        self.assertNotIn('"later"', self.file.read_text())

    async def test_a_store_of_another_version_is_left_as_it_is(self):
        for number, (words, migrations) in enumerate(
            (("OTTER_HOLD=1", MIGRATIONS[:5]), ("newer otter", [*MIGRATIONS, "CREATE TABLE later (x);"]))
        ):
            path = self.folder / f"store{number}"
            with closing(connect(str(path))) as connection:
                migrate(connection, path, migrations)
            before = path.read_bytes()
            await self.refuses(words, self.export(path))
            self.assertEqual(path.read_bytes(), before)

    async def test_a_store_that_is_not_there_is_not_made(self):
        await self.refuses("there is no .*otter.sqlite", self.export())
        self.assertEqual(list(self.folder.iterdir()), [])


class FileTests(Moving):
    """Of what is no whole file, nothing is taken: no store is even made."""

    async def refused(self, words, content):
        bad = self.folder / "bad"
        bad.write_bytes(content)
        await self.refuses(words, self.import_(file=bad))
        self.assertFalse(self.new.exists())

    async def lines(self):
        await self.make()
        await self.export()
        return self.file.read_bytes().splitlines(keepends=True)

    async def test_cut_anywhere(self):
        lines = await self.lines()
        for number in some_of(lines):
            await self.refused("cut", b"".join(lines[:number]))
        whole = b"".join(lines)
        for end in range(1, 80):
            await self.refused("cut", whole[:-end])
        await self.refused("nothing that otter-store export has made", b"")

    async def test_a_line_less_or_more_or_elsewhere(self):
        lines = await self.lines()
        for number in some_of(lines):
            await self.refused("cut", b"".join(lines[:number] + lines[number + 1 :]))
            await self.refused("cut", b"".join(lines[:number] + lines[number:][:1] + lines[number:]))
        await self.refused("cut", b"".join([lines[0], lines[2], lines[1], *lines[3:]]))
        await self.refused("cut", b"".join([*lines, b"\n"]))

    async def test_any_byte_altered(self):
        whole = b"".join(await self.lines())
        step = len(whole) // 150
        for place in [*range(0, len(whole), step), *range(len(whole) - 90, len(whole))]:
            other = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
            await self.refused("cut|nothing that otter-store export has made|newer otter", other)

    async def test_a_newer_format_is_named(self):
        header, *rest = await self.lines()
        newer = json.dumps({**json.loads(header), "format": FORMAT + 1}).encode() + b"\n"
        await self.refused(f"format {FORMAT + 1}.*newer otter", b"".join([newer, *rest]))

    async def test_what_is_no_export(self):
        for content in (b"precious", b"{}\n{}\n", b"[1]\n", b"\xff\x00" * 99):
            await self.refused("nothing that otter-store export has made", content)
        await self.refuses("cannot be read", self.import_(file=self.folder / "nowhere"))

    async def test_counts_that_are_right_of_lines_that_mean_nothing(self):
        await self.make()
        with to_export(self.path) as store:
            await export(Stray(store), self.file, now)
        await self.refused("cut", self.file.read_bytes())


def some_of(lines):
    """Places between the first line and the last: all but for those among remembered executions, which are alike."""
    kinds = [json.loads(line)["kind"] for line in lines[:-1]]
    return [number for number in range(1, len(kinds)) if kinds[number - 1 : number + 1] != ["execution"] * 2]


@frozen
class Stray:
    """A store with a policy whose rule nobody knows."""

    store: SQLiteMoving

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def wholes(self):
        async for whole in self.store.wholes():
            policies = [evolve(policy, document={"name": "stray"}) for policy in whole.policies]
            yield evolve(whole, policies=policies)


class ImportTests(Moving):
    async def setUp_file(self):
        await self.make()
        await self.export()

    async def test_a_store_that_is_not_empty_is_refused_and_left_as_it_is(self):
        await self.setUp_file()
        ways = {
            "group g1 of tenant 111": lambda store: store.create_group(a_group(), [], 1),
            "tenant 333": lambda store: store.suspend("333"),
            "tenant t9": lambda store: store.hold("t9"),
        }
        for words, change in ways.items():
            store = SQLiteStore(Inline(connect(str(self.new))))
            await change(store)
            await store.close()
            before = stored(self.new)
            await self.refuses(f"not empty.*{words}", self.import_())
            self.assertEqual(stored(self.new), before)
            self.new.unlink()

    async def test_a_store_that_was_made_and_held_and_never_used_is_empty(self):
        await self.setUp_file()
        store = SQLiteStore(Inline(connect(str(self.new))))
        await store.hold(None)
        await store.close()
        self.assertIn("4 groups", await self.import_())

    async def test_a_store_that_an_otter_has_open_is_refused(self):
        await self.setUp_file()
        with closing(lock(self.new)):
            await self.refuses("in use by another otter", self.import_())

    async def test_what_is_no_store_of_otters_is_left_as_it_is(self):
        await self.setUp_file()
        with closing(sqlite3.connect(self.new)) as other:
            other.executescript("CREATE TABLE groups (x); PRAGMA user_version = 6;")
        before = self.new.read_bytes()
        await self.refuses("no store of otter's", self.import_())
        self.assertEqual(self.new.read_bytes(), before)

    async def test_everything_is_held_before_the_first_group_is_there_and_a_second_attempt_is_welcome(self):
        await self.setUp_file()
        with to_import(self.new) as store, self.assertRaisesRegex(Unfinished, "everything is held.*the disk is full"):
            await import_(self.file, Failing(store, self.new), now)
        self.assertEqual(what_is_held(self.new), Hold(True))
        self.assertIn("4 groups", await self.import_())

    async def test_what_does_not_come_back_as_it_went_in_is_said(self):
        await self.setUp_file()
        with to_import(self.new) as store, self.assertRaisesRegex(Unfinished, "3 webhooks.*in place of.*4 webhooks"):
            await import_(self.file, Forgetful(store), now)
        self.assertEqual(what_is_held(self.new), Hold(True, frozenset(["t2"])))

    async def test_openings_go_on_counting(self):
        for _ in range(7):
            await SQLiteStore(Inline(connect(str(self.path)))).close()
        await self.setUp_file()
        await self.import_()
        before, after = (SQLiteStore(Inline(connect(str(path)))) for path in (self.path, self.new))
        self.assertEqual((before.epoch, after.epoch), (9, 9))

    async def test_an_empty_store_can_be_moved_too(self):
        await SQLiteStore(Inline(connect(str(self.path)))).close()
        self.assertIn("nothing", await self.export())
        await self.import_()
        self.assertEqual(what_is_held(self.new), Hold(True))


@frozen
class Failing:
    """A store that cannot store the last group, and looks what others would see then."""

    store: SQLiteMoving
    path: Path

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def put(self, whole, now):
        assert what_is_held(self.path) == Hold(True)
        if whole.group.id == GOING:
            raise OSError("the disk is full")
        await self.store.put(whole, now)


@frozen
class Forgetful:
    """A store that loses a webhook of each policy's second ones."""

    store: SQLiteMoving

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def put(self, whole, now):
        await self.store.put(evolve(whole, webhooks=[each for each in whole.webhooks if each[1].id != "w2"]), now)


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
MOMENTS = st.floats(0, 2e9) | st.integers(0, 10**9)


@given(
    st.dictionaries(NAMES, MOMENTS),
    st.dictionaries(st.tuples(NAMES, NAMES), MOMENTS),
    st.dictionaries(NAMES, st.dictionaries(NAMES, NAMES)),
    st.integers(0, 10**6),
)
def test_a_group_comes_back_from_its_lines_and_the_same_group_is_the_same_lines(touched, remembered, hooks, generation):
    group = rich()
    state = evolve(group.state, generation=generation, policy_touched=pmap(touched))
    roster = evolve(group.roster, leaving=pmap(touched), gone=pmap(reversed(touched.items())))
    executions = [Remembered(policy, key, at, Outcome(Verdict.PAUSED, key)) for (policy, key), at in remembered.items()]
    webhooks = [("p1", webhook_of(id, "k1", {"name": id, "metadata": more}), id) for id, more in hooks.items()]
    whole = Whole(evolve(group, state=state, roster=roster), [a_policy("p1")], webhooks, executions)
    lines = [json.loads(json.dumps(line)) for line in group_lines(whole)]
    back = whole_of(lines)
    assert (back.group, list(back.policies)) == (whole.group, list(whole.policies))
    assert sorted(back.executions, key=repr) == sorted(whole.executions, key=repr)
    assert sorted(back.webhooks, key=repr) == sorted(whole.webhooks, key=repr)
    assert list(group_lines(back)) == lines
    turned = evolve(whole, webhooks=whole.webhooks[::-1], executions=whole.executions[::-1])
    assert list(group_lines(turned)) == lines


class CassandraMovingTests(Moving):
    @pytest.fixture(autouse=True)
    def in_a_keyspace(self, cassandra_node):
        with a_keyspace(cassandra_node.hosts, cassandra_node.port) as self.place:
            yield

    async def to_cassandra(self):
        await self.make()
        await self.export()
        with to_move(reactor, self.place, "LOCAL_QUORUM") as store:
            return await import_(self.file, store, now)

    def opened(self):
        store, keys = open_cassandra(reactor, self.place, "LOCAL_QUORUM")
        self.addCleanup(store.close)
        return store, keys

    async def test_there_and_back_nothing_is_lost_and_nothing_is_added_but_the_hold(self):
        words = await self.to_cassandra()
        counts = f"4 groups, 4 policies, 4 webhooks, {MANY + 1} remembered executions, 1 suspension, 2 holds"
        self.assertIn(counts, words)
        back = self.folder / "back"
        with to_move(reactor, self.place, "LOCAL_QUORUM") as store:
            await export(store, back, now)
        await self.import_(file=back)
        before, after = stored(self.path), stored(self.new)
        self.assertEqual(after.pop("holds"), [(0, "t2"), (1, "")])
        before.pop("holds")
        self.assertEqual(after, before)

    async def test_what_is_asked_for_is_found_as_it_was(self):
        await self.to_cassandra()
        store, keys = self.opened()
        self.assertEqual(keys, ["k0", "k1"])
        self.assertEqual(await store.held(), Hold(True, frozenset(["t2"])))
        old = SQLiteStore(Inline(connect(str(self.path))))
        for number, policy_id in ((1, "p1"), (2, "p1"), (3, "p2")):
            group_id, policy = await store.find_capability(f"digest {number}")
            self.assertEqual((group_id, policy), await old.find_capability(f"digest {number}"))
            self.assertEqual((group_id, policy.id), (RICH, policy_id))
        for digest in ("digest 4", "k1"):
            with self.assertRaises(NoSuchCapability):
                await store.find_capability(digest)
        for until in (NOW, NOW + 5):
            self.assertEqual(set(await store.divergent_groups(until)), set(await old.divergent_groups(until)))
        self.assertEqual(set(await store.settled_groups()), set(await old.settled_groups()))
        self.assertEqual(await store.counts(), await old.counts())
        for tenant in ("111", "333", GOING.tenant):
            page = Page(100)
            self.assertEqual(await store.list_groups(tenant, page), await old.list_groups(tenant, page))
        self.assertGreater(store.epoch, 1)

    async def test_an_event_happens_once(self):
        await self.to_cassandra()
        store, _ = self.opened()
        self.assertEqual(await store.due_policies(EVENT - 1, 100), [])
        [(group_id, policy)] = await store.due_policies(EVENT, 100)
        fired = [
            await store.fire(group_id, policy, None, lambda group: group.asked(desired=group.state.desired + 3))
            for _ in range(2)
        ]
        self.assertEqual([group and group.state.desired for group in fired], [5, None])
        self.assertEqual(await store.due_policies(EVENT, 100), [])

    async def test_what_was_executed_is_not_executed_again(self):
        await self.to_cassandra()
        store, _ = self.opened()
        refused = await store.execute_once(RICH, Once("p2", "a/b c", NOW), untouched)
        self.assertEqual(refused, Outcome(Verdict.REFUSED, "it is too early"))
        for key, desired in (("key 0", 2), (f"key {MANY - 1}", 2), ("old", 3), ("new", 4), ("new", 4)):
            await store.execute_once(RICH, Once("p1", key, NOW), one_more)
            self.assertEqual((await store.get_group(RICH)).state.desired, desired)

    async def test_a_keyspace_that_is_not_empty_is_refused_and_not_held(self):
        store, _ = self.opened()
        await store.create_group(a_group(), [], 1)
        with self.assertRaisesRegex(CannotMove, "group g1 of tenant 111"):
            await self.to_cassandra()
        self.assertEqual(await store.held(), Hold())

    async def test_a_group_that_was_deleted_is_not_moved(self):
        await self.to_cassandra()
        store, _ = self.opened()
        await store.delete_group(RICH)
        with to_move(reactor, self.place, "LOCAL_QUORUM") as moving:
            left = [whole.group.id async for whole in moving.wholes()]
        self.assertEqual(left, [PLAIN, RESTING, GOING])


def one_more(group):
    return group.asked(desired=group.state.desired + 1), Outcome(Verdict.EXECUTED)
