"""Whether this process can do what it is for."""

from typing import Any

from attrs import define
from twisted.application.service import Service

from otter.coordination.interface import Coordination
from otter.services.holds import Holds
from otter.store.interface import IStore


@define(eq=False)
class Health(Service):
    """
    Without its store a process is good for nothing. Without coordination it is degraded: it answers and stores, and
    whoever may will work on that.

    :ivar engine: the name of the engine that runs.
    :ivar worker_tenants: how many tenants have the worker engine instead.
    """

    store: IStore
    holds: Holds
    engine: str
    worker_tenants: int
    coordination: Coordination

    def document(self) -> dict[str, Any]:
        """What ``GET /health`` shows. (docs/api.md, "Health".)"""
        store, coordination = self.store.trouble, self.coordination.trouble()
        held = self.holds.now
        return {
            "healthy": bool(self.running and store is None),
            "degraded": coordination is not None,
            "engine": self.engine,
            "worker_tenants": self.worker_tenants,
            "held": {"everything": held.everything, "tenants": len(held.tenants)},
            "store": part(store),
            "coordination": part(coordination),
        }


def part(trouble: str | None) -> dict[str, Any]:
    return {"healthy": trouble is None} | ({"details": trouble} if trouble else {})
