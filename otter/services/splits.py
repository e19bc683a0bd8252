"""Tenants with so many groups that several processes share the work on them. See Note [Splits] in ``domain.shares``."""

from collections.abc import Callable, Collection, Mapping
from math import inf

from attrs import define, evolve, field, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from otter.domain.group import GroupId
from otter.domain.shares import PAUSE, SHARES, Parts, Split, parts_wanted, share_of, share_of_group
from otter.store.interface import IStore

log = Logger()
BELIEVED = 10.0
"""Seconds for which what the store said is believed."""
NOTICE = BELIEVED + 2 * PAUSE
"""Seconds between the moment when a split is decided and the split."""


@frozen
class Unsplit:
    """For a process that has everything: in which parts is all the same."""

    def parts(self, tenant: str) -> Parts | None:
        return Parts()

    def most(self, tenant: str) -> int:
        return 1

    def share_of(self, group_id: GroupId) -> int:
        return share_of(group_id.tenant)

    def homes(self, shares: Collection[int]) -> Collection[int]:
        return frozenset()


@define(eq=False)
class Splits(Service):
    """
    What the store says, as far as this process can be sure of it.

    :ivar clock: says what time it is to everybody. :ivar timer: nobody can set it.
    :ivar interval: seconds between two looks.
    """

    store: IStore
    clock: IReactorTime
    timer: IReactorTime
    interval: float = 1.0
    stored: Mapping[str, Split] = field(init=False, factory=dict)
    _asked: float = field(init=False, default=-inf)
    _reading: LoopingCall = field(init=False)

    def parts(self, tenant: str) -> Parts | None:
        """Into which the tenant's groups are split now; None if nobody works on them, or nobody knows."""
        if self.timer.seconds() - self._asked > BELIEVED:
            return None
        split = self.stored.get(tenant)
        return Parts() if split is None else split.parts(self.clock.seconds())

    def most(self, tenant: str) -> int:
        """The parts that there may be."""
        split = self.stored.get(tenant)
        return 1 if split is None else split.most

    def share_of(self, group_id: GroupId) -> int:
        """Where the group is worked on, or was, or will be: good enough for hints."""
        return share_of_group(group_id, (self.parts(group_id.tenant) or Parts(self.most(group_id.tenant))).count)

    def homes(self, shares: Collection[int]) -> Collection[int]:
        """Where tenants are listed of whom some part may be in one of ``shares``."""
        homes = {share_of(tenant): split.most for tenant, split in self.stored.items()}
        return {home for home, most in homes.items() if any((home + part) % SHARES in shares for part in range(most))}

    def startService(self) -> None:
        super().startService()
        self._reading = LoopingCall(self._look)
        self._reading.clock = self.timer
        self._reading.start(self.interval)

    def stopService(self) -> None:
        super().stopService()
        self._reading.stop()

    def _look(self) -> Deferred:
        return ensureDeferred(self.read()).addErrback(self._told)

    def _told(self, failure: Failure) -> None:
        log.emit(LogLevel.warn, "splits-not-read", error=str(failure.value))

    async def read(self) -> None:
        asked = self.timer.seconds()
        self.stored = await self.store.splits()
        self._asked = asked


@define(eq=False)
class Splitter(Service):
    """
    Decides, if this process leads, whose groups are split.

    :ivar most: groups of a tenant that one process is to work on.
    :ivar interval: seconds between two looks at splits that are to be made; ``review``: at how many groups there are.
    """

    store: IStore
    splits: Splits
    leads: Callable[[], bool]
    most: int
    interval: float = 1.0
    review: float = 300.0
    _reviewed: float = field(init=False, default=-inf)
    _looking: LoopingCall = field(init=False)

    def startService(self) -> None:
        super().startService()
        self._looking = LoopingCall(self._look)
        self._looking.clock = self.splits.timer
        self._looking.start(self.interval)

    def stopService(self) -> None:
        super().stopService()
        self._looking.stop()

    def _look(self) -> Deferred | None:
        if not self.leads():
            return None
        return ensureDeferred(self._decide()).addErrback(lambda failure: log.failure("split-postponed", failure))

    async def _decide(self) -> None:
        for tenant, split in self.splits.stored.items():
            if split.number is None and self.splits.clock.seconds() >= split.since:
                await self._replace(tenant, split, evolve(split, number=await self.store.next_epoch()))
        now = self.splits.timer.seconds()
        if now - self._reviewed >= self.review:
            self._reviewed = now
            await self._announce()

    async def _announce(self) -> None:
        await self.splits.read()
        crowds = await self.store.crowds(self.most // 4)
        for tenant in crowds.keys() | self.splits.stored.keys():
            old = self.splits.stored.get(tenant)
            parts = self.splits.parts(tenant)
            if parts is None or (old is not None and old.number is None):
                continue
            wanted = parts_wanted(crowds.get(tenant, 0), self.most, parts.count)
            if wanted != parts.count:
                await self._replace(tenant, old, Split(parts, wanted, self.splits.clock.seconds() + NOTICE))

    async def _replace(self, tenant: str, old: Split | None, new: Split) -> None:
        if await self.store.replace_split(tenant, old, new):
            facts = {"parts": new.count, "since": new.since, "number": new.number}
            log.info("split", tenant=tenant, before=new.before.count, **facts)
