"""The store on a real node of Cassandra: what every store does, and what is Cassandra's own."""

import time
from datetime import UTC, datetime

import pytest
from attrs import Factory, define, evolve, field
from cassandra import ConsistencyLevel
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList, ensureDeferred, gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from otter.domain.errors import GroupsOverLimit, NoSuchCapability, NoSuchScalingGroup, StoreUnavailable
from otter.domain.group import GroupId
from otter.store.cassandra import driver, queries
from otter.store.cassandra.changes import REMEMBERED
from otter.store.cassandra.client import Cassandra, Place, Unknown
from otter.store.cassandra.opening import open_cassandra, used_keys
from otter.store.cassandra.partition import ONCE, POLICY
from otter.store.cassandra.store import FORGOTTEN, HASTE, PARTS, CassandraStore, event_of, place_of, stamp_of
from tests.contracts.store import ALL, OTHER, StoreContract, a_webhook, deleting
from tests.rig.keyspaces import a_keyspace
from tests.worlds import GROUP_ID, a_group, a_policy

KEPT_TABLES = {"schema_versions", "schema_lock"}
BURIED = {"shares", "divergent", "outbox"}
"""Their tombstones have the numbers of versions, and would hide what the next test writes."""


@define
class Keyspace:
    """:ivar session: for what otter itself would never do."""

    place: Place
    session: object
    client: Cassandra

    def rows(self, table, columns="*"):
        return list(self.session.execute(f"SELECT {columns} FROM {self.place.keyspace}.{table}"))

    def do(self, statement, *args):
        self.session.execute(statement.replace("INTO ", f"INTO {self.place.keyspace}."), args)

    def empty(self):
        tables = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s"
        for row in self.session.execute(tables, [self.place.keyspace]):
            table = row["table_name"]
            if table in BURIED or (table not in KEPT_TABLES and self.rows(table)):
                self.session.execute(f"TRUNCATE {self.place.keyspace}.{table}", timeout=60)


@pytest.fixture(scope="session")
def keyspace(cassandra_node):
    """Of one worker, for all of its tests."""
    with a_keyspace(cassandra_node.hosts, cassandra_node.port) as place:
        cluster, session = driver.connect(place)
        client = Cassandra(reactor, place, queries.ALL)
        client.prepare()
        yield Keyspace(place, session, client)
        client.close()
        cluster.shutdown()


@define
class Later:
    """The reactor's clock, in some seconds."""

    seconds_ahead: float = 0.0

    def seconds(self):
        return time.time() + self.seconds_ahead

    def callLater(self, *args, **named):
        return reactor.callLater(*args, **named)


@define
class Disturbed:
    """
    A client to which things happen when it changes something.

    :ivar plan: what is to be done in place of the next changes: each is called with what would be sent.
    :ivar broken: queries that fail, as often as they are here.
    """

    client: Cassandra
    plan: list = field(factory=list)
    broken: list = field(factory=list)
    trouble: str | None = None
    place: Place = field(default=Factory(lambda self: self.client.place, takes_self=True))

    def __getattr__(self, name):
        return getattr(self.client, name)

    async def change(self, changes):
        if self.plan:
            return await self.plan.pop(0)(changes)
        return await self.client.change(changes)

    async def execute(self, query, args, consistency=""):
        if (query, consistency) in self.broken:
            self.broken.remove((query, consistency))
            await deferLater(reactor, 0.01)
            raise StoreUnavailable("too few replicas are alive: 1 of 2")
        return await self.client.execute(query, args, consistency)

    async def answer_lost(self, changes):
        await self.client.change(changes)
        raise Unknown("the coordinator died")

    async def request_lost(self, changes):
        raise Unknown("the coordinator died")


class Forgetful:
    """The driver's session and its answers, which never come."""

    def execute_async(self, statement):
        return self

    def add_callbacks(self, answered, failed):
        pass


def bigger(group):
    return group.asked(desired=group.state.desired + 1)


def converged(group):
    return evolve(group, state=evolve(group.state, converged_generation=group.state.generation, look_at=None))


def refuses(group):
    raise ZeroDivisionError


class OnCassandra:
    @pytest.fixture(autouse=True)
    def given(self, keyspace):
        keyspace.empty()
        self.keyspace = keyspace

    def make_store(self):
        return self.store_over(self.keyspace.client)

    def store_over(self, client, clock=reactor):
        return CassandraStore(client, clock, 0)

    def disturbed(self):
        """A store, and the client below it."""
        client = Disturbed(self.keyspace.client)
        return self.store_over(client), client

    async def all_of(self, *waits):
        return await gatherResults([ensureDeferred(wait) for wait in waits], consumeErrors=True)

    async def desired(self):
        return (await self.store.get_group(GROUP_ID)).state.desired


class Own:
    """What is Cassandra's own, so that the contract need not be tried again."""

    def setUp(self):
        self.store = self.make_store()

    async def create(self, group=None, policies=(), most=1000):
        await self.store.create_group(group or a_group(), policies, most)


class CassandraStoreTests(OnCassandra, StoreContract, TestCase):
    async def test_each_opening_has_a_higher_epoch(self):
        epochs = []
        for _ in range(2):
            store, _ = open_cassandra(reactor, self.keyspace.place, "LOCAL_QUORUM")
            epochs.append(store.epoch)
            await store.close()
        self.assertEqual(epochs, [1, 2])

    async def test_a_request_that_the_driver_forgets_fails_in_the_end(self):
        store, _ = open_cassandra(reactor, evolve(self.keyspace.place, timeout=2.0), "LOCAL_QUORUM")
        self.addCleanup(store.close)
        await self.create()
        store.client.session, session = Forgetful(), store.client.session
        for asked in (store.get_group(GROUP_ID), store.change_group(GROUP_ID, bigger)):
            with self.assertRaises(StoreUnavailable):
                await asked
        store.client.session = session
        self.assertEqual((await store.get_group(GROUP_ID)).state.desired, 0)

    async def test_where_all_data_centres_must_agree_they_do_so_on_conditional_writes_too(self):
        self.assertEqual(self.keyspace.client.serial, "LOCAL_SERIAL")
        store, _ = open_cassandra(reactor, self.keyspace.place, "QUORUM")
        self.addCleanup(store.close)
        statement = store.client._bound(queries.STATICS, {"tenant": "1", "grp": "g"}, "LOCAL_SERIAL")
        self.assertEqual(statement.consistency_level, ConsistencyLevel.SERIAL)
        self.assertEqual(statement.serial_consistency_level, ConsistencyLevel.SERIAL)
        await store.create_group(a_group(), [], 1)
        self.assertEqual(await store.get_group(GROUP_ID), await self.store.get_group(GROUP_ID))

    async def test_what_is_asked_of_cassandra_is_counted_by_name(self):
        before = dict(self.store.numbers())
        await self.create()
        after = self.store.numbers()
        self.assertEqual(after["update_statics"] - before["update_statics"], 1)
        self.assertEqual(after["errors"], before["errors"])


class FoldingTests(OnCassandra, Own, TestCase):
    def writes(self):
        return self.keyspace.client.asked[queries.UPDATE_STATICS]

    async def test_two_hundred_changes_at_once_are_few_conditional_writes(self):
        await self.create()
        before = self.writes()
        await self.all_of(*(self.store.change_group(GROUP_ID, bigger) for _ in range(200)))
        self.assertEqual(await self.desired(), 200)
        self.assertLess(self.writes() - before, 5)

    async def test_each_of_them_has_its_own_verdict(self):
        await self.create()
        fails = []

        async def tried(change):
            try:
                return (await self.store.change_group(GROUP_ID, change)).state.desired
            except ZeroDivisionError:
                fails.append(change)

        sizes = await self.all_of(*(tried(refuses if number % 3 == 0 else bigger) for number in range(30)))
        self.assertEqual([size for size in sizes if size], list(range(1, 21)))
        self.assertEqual((len(fails), await self.desired()), (10, 20))

    async def test_two_processes_that_change_one_group_lose_nothing(self):
        await self.create()
        other = self.make_store()
        await self.all_of(*(store.change_group(GROUP_ID, bigger) for _ in range(50) for store in (self.store, other)))
        self.assertEqual(await self.desired(), 100)

    async def test_groups_that_a_tenant_makes_at_once_in_two_processes_are_all_made(self):
        ids = [GroupId("111", f"g{number}") for number in range(30)]
        stores = [self.store, self.make_store()] * 15
        await self.all_of(
            *(store.create_group(a_group(group_id=id), [], 30) for store, id in zip(stores, ids, strict=True))
        )
        self.assertEqual((await self.store.counts()).groups, 30)
        with self.assertRaises(GroupsOverLimit):
            await self.create(a_group(group_id=GroupId("111", "one too many")), most=30)


class UnknownOutcomeTests(OnCassandra, Own, TestCase):
    """Changes of whose answers nobody knows; see Note [Unknown outcomes]."""

    async def others(self, times):
        other = self.make_store()
        for _ in range(times):
            await other.change_group(GROUP_ID, bigger)

    async def test_a_change_whose_answer_is_lost_is_not_made_twice(self):
        store, client = self.disturbed()
        await self.create()
        client.plan = [client.answer_lost] * 3
        for _ in range(3):
            await store.change_group(GROUP_ID, bigger)
        self.assertEqual(await self.desired(), 3)

    async def test_a_change_whose_request_is_lost_is_made(self):
        store, client = self.disturbed()
        await self.create()
        client.plan = [client.request_lost] * 3
        await store.change_group(GROUP_ID, bigger)
        self.assertEqual(await self.desired(), 1)

    async def test_of_changes_that_were_folded_into_one_whose_answer_is_lost_each_is_made_once(self):
        store, client = self.disturbed()
        await self.create()
        client.plan = [client.answer_lost, client.request_lost, client.answer_lost]
        groups = await self.all_of(*(store.change_group(GROUP_ID, bigger) for _ in range(20)))
        self.assertEqual([group.state.desired for group in groups], list(range(1, 21)))
        self.assertEqual(await self.desired(), 20)

    async def test_a_change_is_found_again_among_as_many_later_ones_as_are_remembered(self):
        await self.create()
        store, client = self.disturbed()

        async def made_and_overtaken(changes):
            await client.client.change(changes)
            await self.others(REMEMBERED - 1)
            raise Unknown("the coordinator died")

        client.plan = [made_and_overtaken]
        await store.change_group(GROUP_ID, bigger)
        self.assertEqual(await self.desired(), REMEMBERED)

    async def test_after_more_than_are_remembered_the_caller_is_told_that_nobody_knows_and_nothing_is_made_twice(self):
        await self.create()
        for is_made in (True, False):
            store, client = self.disturbed()
            before = await self.desired()

            async def overtaken(changes, client=client, is_made=is_made):
                if is_made:
                    await client.client.change(changes)
                await self.others(REMEMBERED + 1)
                raise Unknown("the coordinator died")

            client.plan = [overtaken]
            with self.assertRaisesRegex(StoreUnavailable, "nobody knows whether the change was stored"):
                await store.change_group(GROUP_ID, bigger)
            self.assertEqual(await self.desired(), before + REMEMBERED + 1 + is_made)

    async def test_a_request_that_comes_late_after_it_had_been_given_up_is_not_made_twice(self):
        for others in (0, REMEMBERED):
            await self.create(a_group(group_id=GROUP_ID))
            store, client = self.disturbed()
            sent = []

            async def paused(changes, sent=sent):
                sent.append(changes)
                raise Unknown("the coordinator is paused")

            async def resumed(changes, sent=sent, client=client, others=others):
                await client.client.change(sent[0])
                await self.others(others)
                return await client.client.change(changes)

            client.plan = [paused, resumed]
            try:
                await store.change_group(GROUP_ID, bigger)
            except StoreUnavailable:
                self.assertEqual(others, REMEMBERED)
            self.assertEqual(await self.desired(), 1 + others)
            await self.store.delete_group(GROUP_ID)

    async def test_while_it_cannot_be_read_what_became_of_a_change_it_is_asked_again(self):
        await self.create()
        store, client = self.disturbed()
        client.plan, client.broken = [client.answer_lost], [(queries.STATICS, "LOCAL_SERIAL")] * 3
        await store.change_group(GROUP_ID, bigger)
        self.assertEqual((await self.desired(), client.broken), (1, []))

    async def test_while_the_cluster_fails_those_who_wait_behind_a_change_do_not_wait_for_as_long_again(self):
        await self.create()
        store, client = self.disturbed()
        client.broken, client.trouble = [(queries.STATICS, "")], "too few replicas are alive: 1 of 2"
        changes = [store.change_group(GROUP_ID, bigger) for _ in range(20)]
        results = await DeferredList([ensureDeferred(change) for change in changes], consumeErrors=True)
        self.assertEqual([failure.type for _, failure in results], [StoreUnavailable] * 20)
        self.assertEqual((await store.change_group(GROUP_ID, bigger)).state.desired, 1)

    async def test_a_caller_is_told_in_time_that_nobody_knows_though_nothing_is_answered_any_more(self):
        await self.create()
        for is_made in (True, False):
            client = Disturbed(self.keyspace.client, place=evolve(self.keyspace.place, timeout=0.5))
            store, before = self.store_over(client), await self.desired()

            async def silent(changes, client=client, is_made=is_made):
                client.broken = [(queries.STATICS, "LOCAL_SERIAL")] * 10**6
                if is_made:
                    await client.client.change(changes)
                await Deferred()

            client.plan = [silent]
            with self.assertRaisesRegex(StoreUnavailable, "nobody knows whether the change was stored: "):
                await store.change_group(GROUP_ID, bigger)
            self.assertEqual(await self.desired(), before + is_made)
            client.broken = []
            self.assertEqual((await store.change_group(GROUP_ID, bigger)).state.desired, before + is_made + 1)

    async def test_those_who_wait_behind_a_change_of_which_nobody_knows_are_told_what_is_known_of_theirs(self):
        await self.create()
        client = Disturbed(self.keyspace.client, place=evolve(self.keyspace.place, timeout=0.5))
        store, behind = self.store_over(client), []

        async def lost(changes):
            client.trouble, client.broken = "too few replicas", [(queries.STATICS, "LOCAL_SERIAL")] * 10**6
            behind.append(ensureDeferred(store.change_group(GROUP_ID, bigger)))
            raise Unknown("the coordinator died")

        client.plan = [lost]
        with self.assertRaisesRegex(StoreUnavailable, "nobody knows whether the change was stored"):
            await store.change_group(GROUP_ID, bigger)
        with self.assertRaisesRegex(StoreUnavailable, "^too few replicas$"):
            await behind[0]
        self.assertEqual(await self.desired(), 0)

    async def test_of_what_was_not_sent_the_caller_is_not_told_that_nobody_knows(self):
        await self.create()
        store, client = self.disturbed()

        async def hopeless(changes):
            raise StoreUnavailable("nothing is answered")

        client.plan = [hopeless]
        with self.assertRaisesRegex(StoreUnavailable, "^nothing is answered$"):
            await store.change_group(GROUP_ID, bigger)
        self.assertEqual(await self.desired(), 0)

    async def test_a_group_whose_making_or_deletion_has_no_answer_is_made_and_deleted(self):
        store, client = self.disturbed()
        client.plan = [client.client.change, client.answer_lost]
        await store.create_group(a_group(), [a_policy("p1")], 1)
        self.assertEqual(await self.store.get_policy(GROUP_ID, "p1"), a_policy("p1"))
        client.plan = [client.answer_lost]
        await store.delete_group(GROUP_ID)
        with self.assertRaises(NoSuchScalingGroup):
            await self.store.get_group(GROUP_ID)
        await self.create(most=1)

    async def test_a_change_of_a_group_that_is_deleted_meanwhile_is_refused_and_leaves_nothing(self):
        await self.create(policies=[a_policy("p1")])
        store, client = self.disturbed()

        async def too_late(changes):
            await self.store.delete_group(GROUP_ID)
            return await client.client.change(changes)

        client.plan = [too_late]
        with self.assertRaises(NoSuchScalingGroup):
            await store.create_policies(GROUP_ID, [a_policy("p2")], 10)
        [left] = self.keyspace.rows("groups")
        self.assertEqual((left["version"], left["config"], left["kind"]), (2, None, None))

    async def test_a_deleted_group_can_be_made_again_and_is_found_again(self):
        for _ in range(3):
            await self.create(policies=[a_policy("p1")], most=1)
            await self.store.change_group(GROUP_ID, converged)
            self.assertEqual(await self.store.settled_groups(), [GROUP_ID])
            await self.store.change_group(GROUP_ID, bigger)
            self.assertEqual(await self.store.divergent_groups(1.0), [(GROUP_ID, 0.0)])
            await self.store.delete_group(GROUP_ID)
        self.assertEqual((await self.store.divergent_groups(1.0), await self.store.settled_groups()), ([], []))


class ForgottenTests(OnCassandra, Own, TestCase):
    """Processes that died between two writes."""

    async def dead(self, *words):
        raise StoreUnavailable("the process died")

    async def half_made(self, group_id=OTHER):
        store, client = self.disturbed()
        client.plan = [client.client.change, self.dead]
        with self.assertRaises(StoreUnavailable):
            await store.create_group(a_group(group_id=group_id), [], 1)

    def later(self, seconds=FORGOTTEN + 1):
        return self.store_over(self.keyspace.client, Later(seconds))

    async def test_a_group_that_was_never_made_counts_for_a_while_and_no_longer(self):
        await self.half_made()
        with self.assertRaises(GroupsOverLimit):
            await self.create(most=1)
        await self.later().create_group(a_group(), [], 1)
        self.assertEqual([row["grp"] for row in self.keyspace.rows("groups_of_tenant")], [GROUP_ID.group])

    async def test_whoever_makes_a_group_that_was_given_up_is_refused(self):
        clock = Later()
        client = Disturbed(self.keyspace.client)
        store = self.store_over(client, clock)

        async def asleep(changes):
            clock.seconds_ahead = FORGOTTEN + 1
            await self.later().create_group(a_group(), [], 1)
            return await self.keyspace.client.change(changes)

        client.plan = [self.keyspace.client.change, asleep]
        with self.assertRaises(StoreUnavailable):
            await store.create_group(a_group(group_id=OTHER), [], 1)
        with self.assertRaises(NoSuchScalingGroup):
            await self.store.get_group(OTHER)
        self.assertEqual([group.id for group in await self.store.list_groups("111", ALL)], [GROUP_ID])

    async def test_a_group_that_is_being_deleted_does_not_count(self):
        await self.create(most=1)
        await self.store.change_group(GROUP_ID, deleting)
        await self.create(a_group(group_id=OTHER), most=1)
        with self.assertRaises(GroupsOverLimit):
            await self.create(a_group(group_id=GroupId("111", "g3")), most=1)

    async def test_a_group_that_is_gone_and_still_listed_does_not_count_and_is_not_shown(self):
        await self.create(most=1)
        written = datetime.fromtimestamp(time.time() - FORGOTTEN - 1, UTC)
        self.keyspace.do("INSERT INTO groups_of_tenant (tenant, grp, made) VALUES (%s, %s, %s)", "111", "g0", written)
        self.assertEqual([group.id for group in await self.store.list_groups("111", ALL)], [GROUP_ID])
        await self.create(a_group(group_id=OTHER), most=2)

    async def test_nothing_is_left_of_a_group_that_was_never_made(self):
        await self.half_made()
        self.assertEqual(await self.store.divergent_groups(1.0), [])
        self.assertEqual(len(self.keyspace.rows("divergent")), 1)
        for _ in range(2):
            self.assertEqual(await self.later().divergent_groups(1.0), [])
        for table in ("divergent", "shares", "groups_of_tenant"):
            self.assertEqual([row for row in self.keyspace.rows(table) if row["grp"]], [])

    async def test_a_divergent_row_of_a_group_that_is_done_is_not_believed_and_dropped(self):
        await self.create()
        await self.store.change_group(GROUP_ID, converged)
        row = {**place_of(GROUP_ID), "due": 0.0, "stamp": stamp_of(1, 0.0)}
        await self.keyspace.client.execute(queries.PUT_DIVERGENT, {**row, "stamp": stamp_of(2, 5.0)})
        self.assertEqual(self.keyspace.rows("divergent"), [])
        client = Disturbed(self.keyspace.client, broken=[(queries.DROP_DIVERGENT, "")])
        await self.store.change_group(GROUP_ID, bigger)
        await self.store_over(client).change_group(GROUP_ID, converged)
        self.assertEqual((client.broken, len(self.keyspace.rows("divergent"))), ([], 1))
        self.assertEqual(await self.store.divergent_groups(1.0), [])
        self.assertEqual(self.keyspace.rows("divergent"), [])
        self.assertEqual(await self.store.settled_groups(), [GROUP_ID])

    async def test_what_is_about_to_be_stored_is_not_swept_away(self):
        await self.create()
        await self.store.change_group(GROUP_ID, converged)
        store, client = self.disturbed()

        async def swept(changes):
            self.assertEqual(len(self.keyspace.rows("divergent")), 1)
            self.assertEqual(await self.store.divergent_groups(1.0), [])
            return await client.client.change(changes)

        client.plan = [swept]
        await store.change_group(GROUP_ID, bigger)
        self.assertEqual(await self.store.divergent_groups(1.0), [(GROUP_ID, 0.0)])

    async def test_of_two_who_were_about_to_write_the_same_version_the_one_who_is_due_first_is_found(self):
        await self.create()
        await self.store.change_group(GROUP_ID, converged)
        store, client = self.disturbed()

        async def overtaken(changes):
            await self.store.change_group(GROUP_ID, bigger)
            client.plan = [self.dead]
            return await client.client.change(changes)

        client.plan = [overtaken]
        with self.assertRaises(StoreUnavailable):
            await store.change_group(
                GROUP_ID, lambda group: evolve(group, state=evolve(group.state, look_at=1000.0, tries=1))
            )
        self.assertEqual(await self.store.divergent_groups(1.0), [(GROUP_ID, 0.0)])

    async def test_a_resumed_group_is_settled_though_the_process_died_after_the_change(self):
        await self.create()
        for paused in (True, False):
            await self.store.change_group(GROUP_ID, lambda group, paused=paused: converged(group.asked(paused=paused)))
            self.assertEqual(await self.store.settled_groups(), [] if paused else [GROUP_ID])
        await self.store.change_group(GROUP_ID, lambda group: converged(group.asked(paused=True)))
        client = Disturbed(self.keyspace.client)
        store = self.store_over(client)
        store._changes.after = self.dead
        await store.change_group(GROUP_ID, lambda group: converged(group.asked(paused=False)))
        self.assertEqual(await self.store.divergent_groups(1.0), [])
        self.assertEqual(await self.store.settled_groups(), [GROUP_ID])

    async def test_a_capability_that_leads_nowhere_is_dropped_when_nobody_can_be_about_to_store_it(self):
        await self.create(policies=[a_policy("p1")])
        hint = {"digest": "digest 1", "tenant": "111", "grp": "g1", "policy": "p1", "webhook": "w1"}
        await self.keyspace.client.execute(queries.PUT_CAPABILITY, hint)
        for store, left in ((self.store, 1), (self.later(), 0)):
            with self.assertRaises(NoSuchCapability):
                await store.find_capability("digest 1")
            self.assertEqual(len(self.keyspace.rows("capabilities")), left)
        await self.store.create_webhooks(GROUP_ID, "p1", [a_webhook()], 1)
        self.assertEqual(await self.later().find_capability("digest 1"), (GROUP_ID, a_policy("p1")))

    async def test_a_key_whose_capabilities_never_came_or_are_gone_is_not_needed_when_nobody_can_be_about_to_store_them(
        self,
    ):
        await self.create(policies=[a_policy("p1")])
        for number in range(40):
            args = {"key_id": "k0", "part": number % PARTS, "digest": f"nobody's {number}"}
            await self.keyspace.client.execute(queries.PUT_OF_KEY, args)
        for key_id in ("k0", "k1"):
            await self.keyspace.client.execute(queries.PUT_KEY, {"key_id": key_id})
        await self.store.create_webhooks(GROUP_ID, "p1", [a_webhook()], 1)
        self.assertEqual(await self.store.capability_key_ids(), ["k0", "k1"])
        self.assertEqual(await self.later().capability_key_ids(), ["k1"])
        self.assertEqual(used_keys(self.keyspace.client, reactor), ["k1"])
        self.assertEqual([row["digest"] for row in self.keyspace.rows("capabilities_of_key")], ["digest 1"])

    async def test_a_capability_does_not_lead_to_another_webhook(self):
        await self.create(policies=[a_policy("p1")])
        await self.store.create_webhooks(GROUP_ID, "p1", [a_webhook()], 1)
        hint = {"digest": "forged", "tenant": "111", "grp": "g1", "policy": "p1", "webhook": "w1"}
        await self.keyspace.client.execute(queries.PUT_CAPABILITY, hint)
        with self.assertRaises(NoSuchCapability):
            await self.store.find_capability("forged")

    async def test_an_event_that_is_not_due_any_more_does_not_happen_and_is_dropped(self):
        now = time.time()
        await self.create(policies=[a_policy("p1")])
        for due in (now, now - HASTE - 1):
            await self.store._schedule(GROUP_ID, "p1", due)
        self.assertEqual(await self.store.due_policies(now + 1, 10), [])
        self.assertEqual([row["due"] for row in self.keyspace.rows("schedule")], [now])

    async def test_an_event_that_is_looked_for_before_its_policy_is_stored_is_not_lost(self):
        await self.create()
        for ago in (0.0, HASTE + 1):
            due = time.time() - ago
            policy = evolve(a_policy(f"due {ago}"), due=due)
            store, client = self.disturbed()

            async def looked_for(changes, client=client):
                self.assertEqual(await self.store.due_policies(time.time() + 1, 10), [])
                return await client.client.change(changes)

            client.plan = [looked_for]
            await store.create_policies(GROUP_ID, [policy], 10)
            self.assertEqual(await self.store.due_policies(time.time() + 1, 10), [(GROUP_ID, policy)])
            await self.store.delete_policy(GROUP_ID, policy.id)

    async def test_an_event_that_happened_leaves_nothing(self):
        policy = evolve(a_policy("p1"), due=time.time() - 1)
        await self.create(policies=[policy])
        await self.store.fire(GROUP_ID, policy, None, bigger)
        self.assertEqual(self.keyspace.rows("schedule"), [])
        self.assertEqual(await self.desired(), 1)

    async def test_a_slot_of_the_schedule_that_is_over_and_empty_is_forgotten(self):
        event = event_of(GROUP_ID, "p1", 1000.0)
        await self.store._schedule(GROUP_ID, "p1", 1000.0)
        for _ in range(2):
            await self.store.due_policies(time.time(), 10)
        self.assertEqual((self.keyspace.rows("schedule"), self.keyspace.rows("schedule_slots")), ([], []))
        self.assertEqual((event["due"], event["slot"]), (1000.0, 0))


class OrderTests(SynchronousTestCase):
    def test_executions_that_are_over_are_not_in_the_way_of_whoever_reads_the_group(self):
        self.assertLess(POLICY, ONCE)


class StampTests(SynchronousTestCase):
    def test_a_later_version_beats_an_earlier_one_whatever_is_due(self):
        for earlier in (None, 0.0, 5.0, 1e12):
            for later in (None, 0.0, 5.0, 1e12):
                self.assertGreater(stamp_of(8, later), stamp_of(7, earlier))

    def test_of_one_version_the_first_beats_the_later_and_a_drop_all(self):
        stamps = [stamp_of(7, due) for due in (None, 0.0, 5.0, 2e9, float("inf"))]
        self.assertEqual(stamps, sorted(stamps, reverse=True))
        self.assertGreaterEqual(stamp_of(7), max(stamps))
