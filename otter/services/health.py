"""Whether this process can do what it is for."""

from typing import Any

from attrs import define
from twisted.application.service import Service

from otter.services.holds import Holds
from otter.store.interface import IStore


@define(eq=False)
class Health(Service):
    """
    :ivar engine: the name of the engine that runs. :ivar worker_tenants: how many tenants have the worker engine instead.
    """

    store: IStore
    holds: Holds
    engine: str
    worker_tenants: int = 0

    def document(self) -> dict[str, Any]:
        """What ``GET /health`` shows. (docs/api.md, "Health".)"""
        trouble = self.store.trouble
        store = {"healthy": trouble is None} | ({"details": trouble} if trouble else {})
        held = self.holds.now
        return {
            "healthy": bool(self.running and trouble is None),
            "engine": self.engine,
            "worker_tenants": self.worker_tenants,
            "held": {"everything": held.everything, "tenants": len(held.tenants)},
            "store": store,
        }
