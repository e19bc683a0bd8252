"""Whether this process can do what it is for."""

from typing import Any

from attrs import define
from twisted.application.service import Service

from otter.store.interface import IStore


@define(eq=False)
class Health(Service):
    """:ivar engine: the name of the engine that runs."""

    store: IStore
    engine: str

    def document(self) -> dict[str, Any]:
        """What ``GET /health`` shows. (docs/api.md, "Health".)"""
        trouble = self.store.trouble
        store = {"healthy": trouble is None} | ({"details": trouble} if trouble else {})
        return {"healthy": bool(self.running and trouble is None), "engine": self.engine, "store": store}
