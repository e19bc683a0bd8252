"""Policies that are executed by themselves. (docs/api.md, "Schedules".)"""

from collections.abc import Callable, Coroutine

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from otter.domain.group import GroupId
from otter.domain.policy import Policy
from otter.store.interface import IStore, Mine

log = Logger()


@define(eq=False)
class Scheduler(Service):
    """
    What is due is in the store, so nothing is kept here: a process that dies loses no event, and one that comes late finds them.

    :ivar mine: whose policies they are. That each event happens once does not depend on that.
    :ivar fire: executes a policy that is due; ``operations.policies.Policies.fire``.
    :ivar interval: seconds between two looks.
    :ivar batch: events that are fired side by side.
    :ivar grace: seconds that they get when the service stops; whether one happened, the store knows in any case.
    """

    store: IStore
    mine: Mine
    fire: Callable[[GroupId, Policy], Coroutine]
    clock: IReactorTime
    interval: float = 1.0
    batch: int = 500
    grace: float = 5.0
    _looking: LoopingCall = field(init=False)
    _busy: Deferred | None = field(init=False, default=None)

    def startService(self) -> None:
        super().startService()
        self._looking = LoopingCall(self._look)
        self._looking.clock = self.clock
        self._looking.start(self.interval)

    def stopService(self) -> Deferred:
        """What is being fired is finished, if that takes no longer than it may."""
        super().stopService()
        self._looking.stop()
        busy = [] if self._busy is None else [self._busy.addTimeout(self.grace, self.clock)]
        return DeferredList(busy, consumeErrors=True)

    def _look(self) -> Deferred:
        """It does not begin again before it is over."""
        self._busy = ensureDeferred(self._fire_all())
        self._busy.addErrback(lambda failure: log.failure("schedule-postponed", failure))
        return self._busy

    async def _fire_all(self) -> None:
        """Batch by batch, the earliest first; what comes due meanwhile waits for the next look."""
        until = self.clock.seconds()
        while self.running:
            due = await self.store.due_policies(until, self.batch, self.mine)
            firing: Deferred = DeferredList([ensureDeferred(self.fire(*event)) for event in due], consumeErrors=True)
            results = await firing
            failures = [failure for well, failure in results if not well]
            for failure in failures:
                log.failure("schedule-postponed", failure)
            if len(due) < self.batch or failures:
                return
