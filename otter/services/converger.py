"""The convergence engine: gives every divergent group its passes, one at a time for each group, many groups at once."""

from collections.abc import Awaitable, Callable, Collection
from math import inf
from typing import Any

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList, ensureDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from otter.convergence.fence import FenceLost
from otter.coordination.interface import IMarks
from otter.domain.errors import NoSuchScalingGroup
from otter.domain.group import Group, GroupId
from otter.services.ownership import Ownership
from otter.services.turns import Turns
from otter.store.interface import IStore

log = Logger()


@define(eq=False)
class Converger(Service):
    """
    An ``IEngine``. What is due is in the store, and a pass says when it wants the next one; marks only save the wait for the
    next sweep.

    :ivar ownership: whose groups are given passes; of all others it knows nothing.
    :ivar interval: seconds between two sweeps for groups that are due and that nobody told us of.
    :ivar turns: how many passes there may be; more wait their turn.
    :ivar grace: seconds that running passes get to finish when the service stops.
    :ivar is_held: whether a tenant's groups are to be left alone for now. Once they are not, the sweep finds them.
    """

    marks: IMarks
    ownership: Ownership
    store: IStore
    run_pass: Callable[[GroupId], Awaitable[Group | None]]
    clock: IReactorTime
    interval: float = 10.0
    turns: Turns = field(factory=Turns)
    grace: float = 5.0
    is_held: Callable[[str], bool] = lambda tenant: False
    _in_hand: dict[GroupId, Deferred] = field(init=False, factory=dict)
    _calls: dict[GroupId, IDelayedCall] = field(init=False, factory=dict)
    _sweeper: LoopingCall = field(init=False)
    _beginning: bool = field(init=False, default=False)
    _has_swept: bool = field(init=False, default=False)

    async def capacity_changed(self, group_id: GroupId) -> None:
        await self.marks.mark(group_id)

    def startService(self) -> None:
        super().startService()
        self.marks.subscribe(self.wake)
        self.ownership.shares.subscribe(self._taken)
        self._sweeper = LoopingCall(self._sweep)
        self._sweeper.clock = self.clock
        self._sweeper.start(self.interval)

    def stopService(self) -> Deferred:
        super().stopService()
        self._sweeper.stop()
        for call in self._calls.values():
            call.cancel()
        self._calls.clear()
        passes = [running.addTimeout(self.grace, self.clock) for running in self._in_hand.values()]
        return DeferredList(passes, consumeErrors=True)

    def wake(self, group_id: GroupId) -> None:
        """Look at the group very soon. If that is being done, its pass will see for itself that there is more to do."""
        if self.running and group_id not in self._in_hand and group_id not in self.turns:
            self._call(group_id, 0.0)

    def _call(self, group_id: GroupId, wait: float) -> None:
        if self._is_left_alone(group_id):
            return
        if (earlier := self._calls.pop(group_id, None)) is not None:
            earlier.cancel()
        self._calls[group_id] = self.clock.callLater(max(0.0, wait), self._begin, group_id)

    def _is_left_alone(self, group_id: GroupId) -> bool:
        return self.is_held(group_id.tenant) or not self.ownership.owns(group_id)

    async def _due(self, first: bool, shares: Collection[int]) -> None:
        """
        What is due before the next sweep.

        :param first: all that is unfinished: the clock that put it off was another one, or was wrong.
        """
        now = self.clock.seconds()
        listed_in = self.ownership.listed_in(shares)
        for group_id, due in await self.store.divergent_groups(inf if first else now + self.interval, listed_in):
            if self.running and not any(group_id in some for some in (self._in_hand, self._calls, self.turns)):
                self._call(group_id, 0.0 if first else due - now)

    def _sweep(self) -> Deferred:
        """What was asked of a process that died before it did it, or that nobody told us of, is found here."""
        first, self._has_swept = not self._has_swept, True
        return self._look(first, self.ownership.shares.held())

    def _taken(self, shares: Collection[int]) -> None:
        """Whoever had them before may have left anything undone."""
        if self.running:
            self._look(True, shares)

    def _look(self, first: bool, shares: Collection[int]) -> Deferred:
        return ensureDeferred(self._due(first, shares)).addErrback(lambda failure: log.failure("sweep-failed", failure))

    def _begin(self, group_id: GroupId) -> None:
        del self._calls[group_id]
        if self._is_left_alone(group_id):
            return
        self.turns.wait(group_id)
        self._begin_passes()

    def _begin_passes(self) -> None:
        """Of every group whose turn it is. Those that are over at once are not begun one inside the other."""
        if self._beginning:
            return
        self._beginning = True
        try:
            while self.running and (group_id := self.turns.take()) is not None:
                running = self._in_hand[group_id] = ensureDeferred(self._pass(group_id))
                # Added afterwards: the coroutine may be finished before ``ensureDeferred`` returns.
                running.addBoth(self._put_down, group_id)
        finally:
            self._beginning = False

    async def _pass(self, group_id: GroupId) -> Group | None:
        if not self.ownership.owns(group_id):
            return None
        try:
            return await self.run_pass(group_id)
        except NoSuchScalingGroup:
            return None

    def _put_down(self, result: Any, group_id: GroupId) -> None:
        """After a pass: the next look at its group, and the next group that waits for its turn."""
        del self._in_hand[group_id]
        self.turns.over(group_id)
        if not self.running:
            return
        if isinstance(result, Failure):
            if result.check(FenceLost):
                log.info("pass-ended", tenant=group_id.tenant, group=group_id.group, why=str(result.value))
            elif not result.check(CancelledError):
                log.failure("pass-failed", result, tenant=group_id.tenant, group=group_id.group)
            self._call(group_id, self.interval)
        elif result is not None and not result.resting and result.state.due is not None:
            self._call(group_id, result.state.due - self.clock.seconds())
        self._begin_passes()
