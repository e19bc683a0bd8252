"""Sends what owners are to be told. (docs/operations.md, "Customer events".)"""

from collections.abc import Awaitable, Callable

from attrs import define, field, frozen
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList, DeferredSemaphore, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from otter.domain.errors import NoSuchScalingGroup
from otter.domain.events import CannotBeSent, Event
from otter.domain.group import GroupId
from otter.services.rounds import Rounds
from otter.store.interface import IStore, Mine

log = Logger()
AT_ONCE = 10
"""Groups."""
BATCH = 50
"""Events of one group that may have to be sent again if the process dies."""
FIRST_PAUSE = 2.0
"""Seconds."""


@frozen
class Pause:
    """:ivar tries: how many there were in vain, one after the other. :ivar until: when the next one is (seconds)."""

    tries: int
    until: float


@define(eq=False)
class Courier(Service):
    """
    What is to be sent is in the store, with the group that it is about, until it was sent: so it is sent at least once. The events of
    a group are sent in their order; those of another do not wait for them.

    :ivar mine: whose events are sent; if two processes take a group for theirs, an event may be sent twice.
    :ivar send: one event of a group; raises ``CannotBeSent``.
    :ivar interval: seconds between two looks.
    :ivar longest_pause: seconds; pauses grow up to that while events of a group cannot be sent.
    :ivar keep: seconds after which an event is given up.
    :ivar grace: seconds that what is being sent gets when the service stops.
    """

    store: IStore
    mine: Mine
    send: Callable[[GroupId, Event], Awaitable[None]]
    clock: IReactorTime
    interval: float = 5.0
    longest_pause: float = 300.0
    keep: float = 259200.0
    grace: float = 5.0
    _pauses: dict[GroupId, Pause] = field(init=False, factory=dict)
    _rounds: Rounds = field(init=False)

    def startService(self) -> None:
        super().startService()
        self._rounds = Rounds(self._deliver_all, self._postponed, self.clock, self.interval, self.grace)
        self._rounds.start()

    def stopService(self) -> Deferred:
        super().stopService()
        return self._rounds.stop()

    def _postponed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            log.failure("events-postponed", failure)

    async def _deliver_all(self) -> None:
        group_ids = [id for id in await self.store.groups_with_events() if self.mine(id)]
        self._pauses = {group_id: self._pauses[group_id] for group_id in group_ids if group_id in self._pauses}
        turns, now = DeferredSemaphore(AT_ONCE), self.clock.seconds()
        due = [id for id in group_ids if id not in self._pauses or self._pauses[id].until <= now]
        deliveries: Deferred = DeferredList([turns.run(self._delivery, id) for id in due], consumeErrors=True)
        for well, failure in await deliveries:
            if not well:
                self._postponed(failure)

    def _delivery(self, group_id: GroupId) -> Deferred:
        return ensureDeferred(self._deliver(group_id))

    async def _deliver(self, group_id: GroupId) -> None:
        """Send a group's events, as far as they can be, and forget those that need not be sent any more."""
        try:
            outbox = (await self.store.get_group(group_id, even_deleting=True)).outbox
            done: set[str] = set()
            for event in outbox.events[:BATCH]:
                if not self.running or not await self._is_done(group_id, event):
                    break
                done.add(event.id)
            if outbox.dropped:
                log.emit(
                    LogLevel.warn, "events-dropped", tenant=group_id.tenant, group=group_id.group, count=outbox.dropped
                )
            if done or outbox.dropped:
                await self.store.change_group(group_id, lambda it: it.told(done, outbox.dropped), even_deleting=True)
        except NoSuchScalingGroup:
            return

    async def _is_done(self, group_id: GroupId, event: Event) -> bool:
        """Whether the event need not be sent any more: it was, or nobody would take it, or it is too old."""
        facts = {"tenant": group_id.tenant, "group": group_id.group, "id": event.id, "kind": event.notice.kind}
        if self.clock.seconds() - event.at > self.keep:
            log.emit(LogLevel.warn, "event-dropped", why="it could not be sent for too long", **facts)
            return True
        try:
            await self.send(group_id, event)
        except CannotBeSent as error:
            if error.is_final:
                log.emit(LogLevel.warn, "event-dropped", why=str(error), **facts)
                return True
            self._wait(group_id, error.wait)
            log.info("event-postponed", why=str(error), tries=self._pauses[group_id].tries, **facts)
            return False
        self._pauses.pop(group_id, None)
        log.info("event-sent", **facts)
        return True

    def _wait(self, group_id: GroupId, least: float) -> None:
        tries = self._pauses[group_id].tries + 1 if group_id in self._pauses else 1
        pause = min(self.longest_pause, max(least, FIRST_PAUSE * 2 ** min(tries - 1, 20)))
        self._pauses[group_id] = Pause(tries, self.clock.seconds() + pause)
