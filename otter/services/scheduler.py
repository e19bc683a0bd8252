"""Policies that are executed by themselves. (docs/api.md, "Schedules".)"""

from collections.abc import Callable, Coroutine

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from otter.domain.group import GroupId
from otter.domain.policy import Policy
from otter.services.rounds import Rounds
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
    _rounds: Rounds = field(init=False)

    def startService(self) -> None:
        super().startService()
        self._rounds = Rounds(self._fire_all, self._postponed, self.clock, self.interval, self.grace)
        self._rounds.start()

    def stopService(self) -> Deferred:
        """What is being fired is finished, if that takes no longer than it may."""
        super().stopService()
        return self._rounds.stop()

    def _postponed(self, failure: Failure) -> None:
        log.failure("schedule-postponed", failure)

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
