"""What operators ask about tenants, and decide about them."""

from collections.abc import Sequence

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from otter.domain.limits import Counts
from otter.store.interface import IStore

log = Logger()


@frozen
class Tenants:
    store: IStore
    clock: IReactorTime

    async def suspend(self, tenant: str) -> None:
        """
        Leave all groups of the tenant alone until it is reinstated, also those that it makes meanwhile.

        A tenant is known by its groups only; so one that has none can be suspended too.
        """
        await self.store.suspend(tenant)
        log.info("tenant-suspended", tenant=tenant)

    async def reinstate(self, tenant: str) -> None:
        """What was asked for meanwhile, and could be, comes true now. Fine if the tenant is not suspended."""
        await self.store.reinstate(tenant)
        log.info("tenant-reinstated", tenant=tenant)

    async def suspended(self) -> Sequence[str]:
        return await self.store.suspended_tenants()

    async def count(self) -> tuple[Counts, float]:
        """How much there is, and when (epoch seconds)."""
        return await self.store.counts(), self.clock.seconds()
