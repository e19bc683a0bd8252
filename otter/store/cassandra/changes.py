"""
Changing a group's partition: all that wait in this process are folded into one conditional write, each with its own verdict.

Note [Unknown outcomes]: a conditional write whose answer is lost may have been made. Each has an id, and the last ``REMEMBERED`` ids are kept in
the partition. A read at SERIAL ends what was under way; so if the id is there, the write was made, and if it is not, and no more
writes than that came after, it was not, and never will be. If more came after, nobody knows: whoever asked is told so, and nothing
is made twice. A request whose coordinator was paused may still be made after such a read, as long as the version is the one that it names: so it is
in doubt until the version is another. Whoever asked is told the same if it cannot be found out in time.
"""

import json
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from random import Random, SystemRandom
from typing import Any

from attrs import define, evolve, field, frozen
from pyrsistent import PMap
from twisted.internet.defer import Deferred, TimeoutError, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger, LogLevel

from otter.domain.errors import StoreUnavailable
from otter.domain.group import GroupId
from otter.store.cassandra.client import Cassandra, Change, Unknown
from otter.store.cassandra.partition import Key, Partition, Row, Rows, statics_of
from otter.store.cassandra.queries import DELETE_PARTITION, DELETE_ROW, LEAVE_VERSION, PUT_ROW, UPDATE_STATICS

log = Logger()

REMEMBERED = 32
MOST_FOLDED = 200
PATIENCE = 1.5
"""Times ``store.timeout``: for so long a change is tried again that others were quicker than, or of which nobody knows what came of it."""
BREATH = 0.2
"""Seconds after which it is asked again what came of it."""
TOMBSTONE = 864000
"""Seconds for which the version of a deleted group refuses late writes."""
Work = Callable[[Partition], Any]
Read = Callable[[GroupId, Sequence[Rows], bool], Awaitable[tuple[Partition, Sequence[str]]]]


@frozen
class Op:
    """One change that somebody waits for. :ivar needs: the rows that ``work`` looks at or changes."""

    needs: Sequence[Rows]
    work: Work
    answer: Deferred = field(factory=Deferred, eq=False)


@frozen
class Attempt:
    """What was sent, and what everybody is to be told if it was made."""

    id: str
    before: Partition
    after: Partition
    verdicts: Sequence[tuple[bool, Any]]


@define(eq=False)
class Fold:
    """
    Changes of one group that are made together.

    :ivar deadline: as the client's clock has it.
    :ivar sent: all that was tried. :ivar doubtful: those of them that may have been made, or still be made.
    """

    group_id: GroupId
    ops: Sequence[Op]
    needs: Sequence[Rows]
    deadline: float
    sent: list[Attempt] = field(factory=list)
    doubtful: list[Attempt] = field(factory=list)

    def review(self, version: int) -> None:
        """None of them is among the writes that are remembered at ``version``. :raises StoreUnavailable: it may have been forgotten."""
        if any(version - (attempt.before.version or 0) > REMEMBERED for attempt in self.doubtful):
            raise StoreUnavailable("too much was changed since")
        self.doubtful = [attempt for attempt in self.doubtful if (attempt.before.version or 0) == version]


@define(eq=False)
class Changes:
    """
    :ivar read: the partition with some rows, and the ids of the last writes; at SERIAL if that is said.
    :ivar indexed: what is to be done about indexes ``before`` a write, and ``after`` it.
    """

    client: Cassandra
    clock: IReactorTime
    read: Read
    before: Callable[[Partition, Partition], Awaitable[None]]
    after: Callable[[Partition, Partition], Awaitable[None]]
    random: Random = field(factory=SystemRandom)
    _lines: dict[GroupId, deque[Op]] = field(init=False, factory=dict)

    def make(self, group_id: GroupId, needs: Sequence[Rows], work: Work) -> Deferred:
        """What ``work`` returned or raised, once what it did to the partition is stored. It may be called more than once."""
        op = Op(needs, work)
        if group_id in self._lines:
            self._lines[group_id].append(op)
        else:
            self._lines[group_id] = deque([op])
            ensureDeferred(self._serve(group_id))
        return op.answer

    async def _serve(self, group_id: GroupId) -> None:
        line = self._lines[group_id]
        while line:
            ops = [line.popleft() for _ in range(min(len(line), MOST_FOLDED))]
            try:
                verdicts = await self._fold(group_id, ops)
            except Exception as error:
                verdicts = [(False, error)] * len(ops)
                if isinstance(error, StoreUnavailable) and self.client.trouble is not None:
                    self._turn_away(line, self.client.trouble)
            for op, (well, value) in zip(ops, verdicts, strict=True):
                (op.answer.callback if well else op.answer.errback)(value)
        del self._lines[group_id]

    def _turn_away(self, line: deque[Op], trouble: str) -> None:
        """Nothing of theirs was sent; they would wait for as long as those before them, and for the same answer."""
        while line:
            line.popleft().answer.errback(StoreUnavailable(trouble))

    async def _fold(self, group_id: GroupId, ops: Sequence[Op]) -> Sequence[tuple[bool, Any]]:
        """What each is to be told. :raises StoreUnavailable: to all of them; nothing was stored, unless it says that nobody knows."""
        needs = tuple({rows: None for op in ops for rows in op.needs})
        fold = Fold(group_id, ops, needs, self.client.clock() + PATIENCE * self.client.place.timeout)
        try:
            return await self._stored(fold)
        except StoreUnavailable as error:
            known = "" if not fold.doubtful else "nobody knows whether the change was stored: "
            raise StoreUnavailable(f"{known}{error}") from error

    async def _stored(self, fold: Fold) -> Sequence[tuple[bool, Any]]:
        while True:
            before, made = await self._read(fold)
            for attempt in fold.sent:
                if attempt.id in made:
                    return await self._made(attempt)
            fold.review(before.version or 0)
            if fold.sent and self._left(fold) <= 0:
                raise StoreUnavailable("it takes too long to change the group")
            attempt = applied(before, fold.ops, f"{self.random.getrandbits(64):016x}")
            if not is_change(attempt):
                return attempt.verdicts
            await self._in_time(fold, self.before(attempt.before, attempt.after))
            if await self._try(fold, attempt, made):
                return await self._made(attempt)
            await deferLater(self.clock, self.random.uniform(0.0, 0.05) * len(fold.sent))

    async def _read(self, fold: Fold) -> tuple[Partition, Sequence[str]]:
        """As often as it takes, if it has to be found out what was made. :raises StoreUnavailable:"""
        while True:
            try:
                return await self._in_time(fold, self.read(fold.group_id, fold.needs, bool(fold.doubtful)))
            except StoreUnavailable:
                if not fold.doubtful or self._left(fold) <= BREATH:
                    raise
            await deferLater(self.clock, BREATH)

    async def _try(self, fold: Fold, attempt: Attempt, made: Sequence[str]) -> bool:
        """Whether it is known to be made. :raises StoreUnavailable: nothing was sent."""
        fold.sent.append(attempt)
        fold.doubtful.append(attempt)
        try:
            answer = await self._in_time(fold, self.client.change(statements(attempt, made)))
        except Unknown:
            return False
        except StoreUnavailable:
            fold.doubtful.remove(attempt)
            raise
        fold.doubtful.remove(attempt)
        return bool(answer["[applied]"])

    async def _in_time(self, fold: Fold, wait: Awaitable[Any]) -> Any:
        """:raises Unknown: it takes longer than whoever asked may have to wait."""
        try:
            return await ensureDeferred(wait).addTimeout(self._left(fold), self.clock)  # type: ignore[arg-type]
        except TimeoutError:
            raise Unknown("there is no answer in time") from None

    def _left(self, fold: Fold) -> float:
        """Seconds."""
        return max(0.0, fold.deadline - self.client.clock())

    async def _made(self, attempt: Attempt) -> Sequence[tuple[bool, Any]]:
        """What everybody is to be told. That an index is late is nobody's trouble: whoever finds it looks at the group."""
        try:
            await self.after(attempt.before, attempt.after)
        except StoreUnavailable as error:
            log.emit(LogLevel.warn, "index-late", group=attempt.before.id.group, error=str(error))
        return attempt.verdicts


def applied(partition: Partition, ops: Sequence[Op], id: str) -> Attempt:
    """All ``ops``, one after the other; one that raises changes nothing."""
    after, verdicts = evolve(partition), []
    for op in ops:
        snapshot = evolve(after)
        try:
            verdicts.append((True, op.work(after)))
        except Exception as error:
            verdicts.append((False, error))
            after = snapshot
    return Attempt(id, partition, after, verdicts)


def is_change(attempt: Attempt) -> bool:
    before, after = attempt.before, attempt.after
    if before.group is None or after.group is None:
        return before.group is not after.group
    return bool(statics_of(after.group, before.group)) or before.rows != after.rows


def statements(attempt: Attempt, made: Sequence[str]) -> list[Change]:
    """The conditional batch that makes ``after`` of ``before``."""
    before, after = attempt.before, attempt.after
    key = {"tenant": before.id.tenant, "grp": before.id.group}
    ids = json.dumps([*made, attempt.id][-REMEMBERED:])
    version = {"version": before.version, "new": (before.version or 0) + 1, "ops": ids}
    if after.group is None:
        return [Change(LEAVE_VERSION, {**key, **version, "ttl": TOMBSTONE}), Change(DELETE_PARTITION, key)]
    statics = statics_of(after.group, before.group)
    return [Change(UPDATE_STATICS, {**key, **version, **statics}), *row_changes(key, before.rows, after.rows)]


def row_changes(key: dict[str, str], before: PMap[Key, Row], after: PMap[Key, Row]) -> list[Change]:
    puts = [(place, row) for place, row in after.items() if before.get(place) != row]
    drops = [place for place in before if place not in after]
    return [
        *(
            Change(PUT_ROW, {**key, "kind": k, "id": i, "data": r.data, "due": r.due, "ttl": r.ttl})
            for (k, i), r in puts
        ),
        *(Change(DELETE_ROW, {**key, "kind": kind, "id": id}) for kind, id in drops),
    ]
