"""
A whole store as a file of JSON lines, and back, between back ends. (docs/operations.md, "Moving to Cassandra, and back".)

The first line is a header. Then comes a line for each thing: what is stored of tenants, and each group with all that belongs to
it after it. The last line has the counts of all things, and the SHA-256 digest of all lines before it. The same things are the
same lines, whichever back end they come from; so what was written is read back, made lines again, and compared.
"""

import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol

from attrs import define, evolve, field, frozen

from otter.domain.errors import OtterError
from otter.domain.executions import Outcome, Verdict
from otter.domain.group import Group, GroupId, config_of
from otter.domain.hold import Hold
from otter.domain.launch import launch_of
from otter.domain.policy import Policy, policy_of
from otter.domain.webhook import Webhook, webhook_of
from otter.store.documents import dump_roster, dump_state, load_roster, load_state

FORMAT = 1
HEADER, SUSPENSION, HOLD, GROUP, POLICY, WEBHOOK, EXECUTION, END = (
    "otter-store",
    "suspension",
    "hold",
    "group",
    "policy",
    "webhook",
    "execution",
    "end",
)
KINDS = {
    GROUP: ("group", "groups"),
    POLICY: ("policy", "policies"),
    WEBHOOK: ("webhook", "webhooks"),
    EXECUTION: ("remembered execution", "remembered executions"),
    SUSPENSION: ("suspension", "suspensions"),
    HOLD: ("hold", "holds"),
}
"""Kinds of things, and what one and several of them are called."""
NEWER = "{source} has format {found}, and this otter knows formats up to {known}; take the newer otter's otter-store"
FOREIGN = "{source} is nothing that otter-store export has made"
CUT = "{source} is not what otter-store export has made: it was cut, or altered"
Line = dict[str, Any]
Clock = Callable[[], float]
"""Epoch seconds."""


class CannotMove(Exception):
    """A sentence that says why nothing was done."""


class Unfinished(Exception):
    """A sentence that says what went wrong when something was done already."""


@frozen
class Remembered:
    """An execution that somebody may repeat. :ivar expires: epoch seconds."""

    policy_id: str
    key: str
    expires: float
    outcome: Outcome


@frozen
class Whole:
    """A group with all that belongs to it. :ivar webhooks: each with its policy's id, and the digest of its capability."""

    group: Group
    policies: Sequence[Policy] = ()
    webhooks: Sequence[tuple[str, Webhook, str]] = ()
    executions: Sequence[Remembered] = ()

    def at(self, now: float) -> "Whole":
        """Without what is not remembered any more at ``now`` (epoch seconds)."""
        return evolve(self, executions=[each for each in self.executions if each.expires > now])


@frozen
class Tenants:
    """What is stored of tenants besides their groups."""

    suspended: frozenset[str] = frozenset()
    held: Hold = field(factory=Hold)

    def all_held(self) -> "Tenants":
        return evolve(self, held=evolve(self.held, everything=True))


class IMoving(Protocol):
    """What a back end does so that all of it can be moved. Whoever opens it for this does not count as an opening of the store."""

    async def last_epoch(self) -> int:
        """The number of the last opening."""

    async def tenants(self) -> Tenants:
        """What is stored of them."""

    def wholes(self) -> AsyncIterator[Whole]:
        """Every group, also those that are being deleted, ordered by tenant and id. Each is as it was at one moment."""

    async def hold_everything(self) -> None:
        """It survives our death, and is so for all who work on the store."""

    async def begin(self, epoch: int, tenants: Tenants) -> None:
        """Openings will have higher numbers than ``epoch``, and what is said of ``tenants`` is stored."""

    async def put(self, whole: Whole, now: float) -> None:
        """Store a group that is not there. :param now: epoch seconds."""

    async def end(self) -> None:
        """What was put survives our death."""


@define
class Tally:
    """What some lines came to."""

    counts: Counter[str] = field(factory=Counter)
    digest: Any = field(factory=sha256)

    def add(self, line: Line) -> str:
        """The line as it is written."""
        text = json.dumps(line) + "\n"
        self.digest.update(text.encode())
        self.counts[line["kind"]] += 1
        return text

    @property
    def last(self) -> Line:
        """The last line of a file of these lines."""
        return {"kind": END, "counts": {kind: self.counts[kind] for kind in KINDS}, "sha256": self.digest.hexdigest()}

    @property
    def words(self) -> str:
        named = [f"{n} {names[n != 1]}" for kind, names in KINDS.items() if (n := self.counts[kind])]
        return ", ".join(named) or "nothing"


# Out


async def export(store: IMoving, target: Path, clock: Clock) -> str:
    """
    All that is stored, in a new file that only its owner may read: complete, or not at all. What was done, in a sentence.

    :raises CannotMove:
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with private(draft) as file:
            tally = await write(store, file, clock())
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, target)  # which replaces nothing
        keep(target.absolute().parent)
    except FileExistsError as error:
        raise CannotMove(f"{error.filename2 or error.filename} exists already") from None
    except OSError as error:
        raise CannotMove(f"{target} could not be written: {error}") from error
    finally:
        draft.unlink(missing_ok=True)
    return f"{target} has all that is stored: {tally.words}; SHA-256 {tally.digest.hexdigest()}."


async def write(store: IMoving, file: IO[str], now: float) -> Tally:
    tally = Tally()
    file.write(tally.add({"kind": HEADER, "format": FORMAT, "epoch": await store.last_epoch()}))
    for line in tenant_lines(await store.tenants()):
        file.write(tally.add(line))
    async for whole in store.wholes():
        for line in group_lines(whole.at(now)):
            file.write(tally.add(line))
    file.write(json.dumps(tally.last) + "\n")
    return tally


def private(path: Path) -> IO[str]:
    """A new file; launch configurations may hold secrets. :raises FileExistsError:"""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")


def keep(folder: Path) -> None:
    """See to it that what the folder has in it survives power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# In


async def import_(source: Path, store: IMoving, clock: Clock) -> str:
    """
    All that is in a file, in a store that has been empty. Everything is held there before anything else is. What was done, in a
    sentence.

    :raises CannotMove, Unfinished:
    """
    await require_empty(store)
    await store.hold_everything()
    try:
        await put_all(source, store, clock())
        there, wanted = await compared(source, store, clock)
    except Exception as error:
        raise Unfinished(f"the import has failed, and everything is held in what is there of it: {error}") from error
    if there.last != wanted.last:
        raise Unfinished(
            f"what was read back is not what is in {source}: {there.words} in place of {wanted.words}; SHA-256"
            f" {there.digest.hexdigest()} in place of {wanted.digest.hexdigest()}. Everything is held; do not use this store"
        )
    return (
        f"All that is in {source} was stored, read back and compared: {there.words}; SHA-256 {there.digest.hexdigest()}."
        " Everything is held: an otter on this store changes nothing in the cloud until you release it (otter-store release)."
    )


async def require_empty(store: IMoving) -> None:
    """Everything may be held already. :raises CannotMove:"""
    tenants = await store.tenants()
    for tenant in sorted(tenants.suspended | tenants.held.tenants):
        raise CannotMove(f"the store is not empty: tenant {tenant} is suspended or held in it")
    async for whole in store.wholes():
        id = whole.group.id
        raise CannotMove(f"the store is not empty: group {id.group} of tenant {id.tenant} is in it")


async def put_all(source: Path, store: IMoving, now: float) -> None:
    groups = groups_of(things_in(source))
    await store.begin(epoch_in(source), tenants_of(next(groups)).all_held())
    for group in groups:
        await store.put(whole_of(group).at(now), now)
    await store.end()


async def compared(source: Path, store: IMoving, clock: Clock) -> tuple[Tally, Tally]:
    """What is in the store, and what is to be there. What is forgotten while we compare is in neither."""
    there, wanted = Tally(), Tally()
    groups = groups_of(things_in(source))
    add_all(there, tenant_lines(await store.tenants()))
    add_all(wanted, tenant_lines(tenants_of(next(groups)).all_held()))
    async for whole in store.wholes():
        now = clock()
        add_all(there, group_lines(whole.at(now)))
        add_all(wanted, (line for line in next(groups, []) if lasts(line, now)))
    for group in groups:
        add_all(wanted, group)
    return there, wanted


def add_all(tally: Tally, lines: Iterable[Line]) -> None:
    for line in lines:
        tally.add(line)


def lasts(line: Line, now: float) -> bool:
    return line["kind"] != EXECUTION or line["expires"] > now


# Files


def require_good(source: Path) -> None:
    """
    All of it is read, so that nothing is begun that cannot be ended.

    :raises CannotMove: it is nothing that ``export`` has made, or not all of it, or something else than it was.
    """
    try:
        with open(source, "rb") as file:
            require_known(source, file.readline())
        if last_line(source) != json.dumps(tally_of(source).last).encode() + b"\n":
            raise CannotMove(CUT.format(source=source))
        tenants, *groups = groups_of(things_in(source))
        tenants_of(tenants)
        for group in groups:
            whole_of(group)
    except OSError as error:
        raise CannotMove(f"{source} cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, AttributeError, OtterError) as error:
        raise CannotMove(CUT.format(source=source)) from error


def require_known(source: Path, first: bytes) -> None:
    """:raises CannotMove: the file does not begin with a header, or its format is a newer one."""
    try:
        header = json.loads(first)
        found = header["format"] if header["kind"] == HEADER else None
    except (ValueError, LookupError, TypeError):
        found = None
    if not isinstance(found, int):
        raise CannotMove(FOREIGN.format(source=source))
    if found > FORMAT:
        raise CannotMove(NEWER.format(source=source, found=found, known=FORMAT))


def tally_of(source: Path) -> Tally:
    """Of all lines but the last, as they are in the file."""
    tally = Tally()
    for text in texts_in(source):
        tally.digest.update(text)
        tally.counts[json.loads(text)["kind"]] += 1
    return tally


def texts_in(source: Path) -> Iterator[bytes]:
    """All lines but the last."""
    with open(source, "rb") as file:
        before = file.readline()
        for text in file:
            yield before
            before = text


def last_line(source: Path) -> bytes:
    last = b""
    with open(source, "rb") as file:
        for last in file:
            pass
    return last


def epoch_in(source: Path) -> int:
    return json.loads(next(texts_in(source)))["epoch"]


def things_in(source: Path) -> Iterator[Line]:
    """All lines but the first and the last."""
    return map(json.loads, islice(texts_in(source), 1, None))


def groups_of(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """First what is stored of tenants, then each group with all that belongs to it."""
    some: list[Line] = []
    for line in lines:
        if line["kind"] == GROUP:
            yield some
            some = []
        some.append(line)
    yield some


# Lines


def tenant_lines(tenants: Tenants) -> Iterator[Line]:
    for tenant in sorted(tenants.suspended):
        yield {"kind": SUSPENSION, "tenant": tenant}
    if tenants.held.everything:
        yield {"kind": HOLD, "tenant": None}
    for tenant in sorted(tenants.held.tenants):
        yield {"kind": HOLD, "tenant": tenant}


def tenants_of(lines: Sequence[Line]) -> Tenants:
    suspended = frozenset(line["tenant"] for line in lines if line["kind"] == SUSPENSION)
    held = frozenset(line["tenant"] for line in lines if line["kind"] == HOLD)
    return Tenants(suspended, Hold(None in held, held - {None}))


def group_lines(whole: Whole) -> Iterator[Line]:
    """The same for what is the same, in whichever order a back end keeps it."""
    group = whole.group
    yield {
        "kind": GROUP,
        "tenant": group.id.tenant,
        "id": group.id.group,
        "config": dict(group.config.document),
        "launch": dict(group.launch.document),
        "state": in_order(json.loads(dump_state(group.state))),
        "roster": in_order(json.loads(dump_roster(group.roster))),
    }
    for policy in sorted(whole.policies, key=lambda policy: policy.id):
        yield {"kind": POLICY, "id": policy.id, "due": policy.due, "document": dict(policy.document)}
    for policy_id, webhook, digest in sorted(whole.webhooks, key=lambda each: (each[0], each[1].id)):
        yield {
            "kind": WEBHOOK,
            "policy": policy_id,
            "id": webhook.id,
            "digest": digest,
            "key_id": webhook.key_id,
            "rotation": webhook.rotation,
            "document": dict(webhook.document),
        }
    for each in sorted(whole.executions, key=lambda each: (each.policy_id, each.key)):
        yield {
            "kind": EXECUTION,
            "policy": each.policy_id,
            "key": each.key,
            "expires": each.expires,
            "verdict": each.outcome.verdict.value,
            "why": each.outcome.why,
        }


def in_order(document: Line) -> Line:
    """With what has no order in a state or roster in one: sets and mappings are dumped as they come."""
    sorted_ones: Line = {
        name: dict(sorted(value.items())) for name, value in document.items() if isinstance(value, dict)
    }
    lists = {"creates": lambda create: create["id"], "draining": lambda place: place[:3]}
    for name, order in lists.items():
        if name in document:
            sorted_ones[name] = sorted(document[name], key=order)
    return document | sorted_ones


def whole_of(lines: Sequence[Line]) -> Whole:
    """What ``group_lines`` made these of."""
    first, *rest = lines
    group = Group(
        GroupId(first["tenant"], first["id"]),
        config_of(first["config"]),
        launch_of(first["launch"]),
        load_state(json.dumps(first["state"])),
        load_roster(json.dumps(first["roster"])),
    )
    policies = [policy_in(line) for line in rest if line["kind"] == POLICY]
    webhooks = [webhook_in(line) for line in rest if line["kind"] == WEBHOOK]
    executions = [execution_in(line) for line in rest if line["kind"] == EXECUTION]
    return Whole(group, policies, webhooks, executions)


def policy_in(line: Line) -> Policy:
    return evolve(policy_of(line["id"], line["document"]), due=line["due"])


def webhook_in(line: Line) -> tuple[str, Webhook, str]:
    return line["policy"], webhook_of(line["id"], line["key_id"], line["document"], line["rotation"]), line["digest"]


def execution_in(line: Line) -> Remembered:
    return Remembered(line["policy"], line["key"], line["expires"], Outcome(Verdict(line["verdict"]), line["why"]))
