"""What operators have told otter to leave alone, as this process knows it."""

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from otter.domain.hold import Hold
from otter.store.interface import IStore

log = Logger()


@define(eq=False)
class Holds(Service):
    """
    What the store says, not older than ``interval``. As long as it has said nothing, everything is held.

    :ivar forced: everything is held, whatever the store says.
    :ivar interval: seconds.
    """

    store: IStore
    clock: IReactorTime
    forced: bool = False
    interval: float = 1.0
    _stored: Hold | None = field(init=False, default=None)
    _unread: bool = field(init=False, default=False)
    _reading: LoopingCall = field(init=False)

    @property
    def now(self) -> Hold:
        if self._stored is None or self.forced:
            return Hold(everything=True)
        return self._stored

    def covers(self, tenant: str) -> bool:
        """Whether nothing may be changed in the cloud for the tenant at this moment."""
        return self.now.covers(tenant)

    def startService(self) -> None:
        super().startService()
        self._reading = LoopingCall(self._read_again)
        self._reading.clock = self.clock
        self._reading.start(self.interval)

    def stopService(self) -> None:
        super().stopService()
        self._reading.stop()

    def _read_again(self) -> Deferred:
        return ensureDeferred(self._read()).addErrback(self._told_once)

    def _told_once(self, failure: Failure) -> None:
        if not self._unread:
            log.failure("hold-not-read", failure)
        self._unread = True

    async def _read(self) -> None:
        stored = await self.store.held()
        self._unread = False
        if stored == self._stored:
            return
        before, self._stored = self._stored, stored
        if before is not None or stored != Hold() or self.forced:
            log.info("hold", everything=self.now.everything, tenants=sorted(stored.tenants))
