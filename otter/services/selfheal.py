"""The self-heal sweep: groups that nobody asks about are looked at too, for the cloud changes by itself."""

from collections.abc import Collection

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from otter.coordination.interface import IMarks
from otter.domain.group import GroupId
from otter.services.ownership import Ownership
from otter.store.interface import IStore

log = Logger()


@define(eq=False)
class SelfHeal(Service):
    """
    :ivar interval: seconds in which every group of ours gets one look; they are spread evenly over it.
    :ivar others: ids of tenants whose engine does not heal.
    """

    store: IStore
    marks: IMarks
    ownership: Ownership
    clock: IReactorTime
    interval: float = 30.0
    others: Collection[str] = ()
    _sweeping: Deferred = field(init=False)

    def startService(self) -> None:
        super().startService()
        self._sweeping = ensureDeferred(self._sweep())

    def stopService(self) -> Deferred:
        super().stopService()
        self._sweeping.addErrback(lambda failure: failure.trap(CancelledError))
        self._sweeping.cancel()
        return self._sweeping

    async def _sweep(self) -> None:
        while self.running:
            try:
                group_ids = await self._settled()
            except CancelledError:
                raise  # It is the end, and nobody is to wait for the next sweep.
            except Exception:
                # The store, most likely. Whatever it was: the next sweep tries again.
                log.failure("selfheal-postponed")
                group_ids = []
            began = self.clock.seconds()
            for number, group_id in enumerate(group_ids):
                await self._sleep_until(began + self.interval * number / len(group_ids))
                if self.ownership.owns(group_id):
                    await self.marks.mark(group_id)
            await self._sleep_until(began + self.interval)

    async def _settled(self) -> list[GroupId]:
        settled = await self.store.settled_groups(self.ownership.listed_in(self.ownership.shares.held()))
        return [id for id in settled if id.tenant not in self.others and self.ownership.owns(id)]

    async def _sleep_until(self, moment: float) -> None:
        """However many groups there are, what it takes to wake up does not add up."""
        if (wait := moment - self.clock.seconds()) > 0:
            await deferLater(self.clock, wait)
