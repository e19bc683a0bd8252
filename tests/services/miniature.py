"""All of otter but its HTTP, in one thread, over toy clouds: whichever engine runs, it can die, and another can go on."""

import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from random import Random
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, ensureDeferred
from twisted.internet.task import Clock

from otter.cloud.request import CloudRequest
from otter.config import Config, ConvergerConfig, EngineName, IdentityConfig
from otter.coordination.local import LocalMarks, LocalShares
from otter.daemon import Outside, furnish
from otter.domain.errors import NoSuchScalingGroup
from otter.domain.group import Group, GroupId
from otter.domain.webhook import ServiceKeys
from otter.rest.app import Operations
from otter.services.holds import Holds
from otter.services.ownership import Ownership
from otter.services.scheduler import Scheduler
from otter.store.sqlite.database import Inline, connect
from otter.store.sqlite.store import SQLiteStore
from tests.worlds import ToyCloud, a_group, a_policy

TENANT, NEIGHBOUR = "111", "222"
KEYS = ServiceKeys({"k1": b"1" * 32}, "k1")


def running(engine: EngineName, *worker_tenants: str, hold: bool = False) -> Config:
    """A configuration, with the usual times but one: creates of unknown fate are given up sooner."""
    rules = ConvergerConfig(resolve_timeout=100.0)
    engines = {"engine": engine, "worker_tenants": worker_tenants, "hold": hold}
    return Config(IdentityConfig("", ""), "ORD", converger=rules, **engines)  # type: ignore[arg-type]


CONVERGENCE, CYCLE, WORKER = map(running, EngineName)
ALL = (CONVERGENCE, CYCLE, WORKER)


@define
class Deadly(ToyCloud):
    """
    A toy cloud that whoever asks it may not outlive.

    :ivar fate: the so-many-th changing request is the last one, and dies "before" or "after" it is obeyed; None for no such one.
    :ivar dead: nobody is there any more who could ask.
    """

    fate: tuple[int, str] | None = None
    dead: bool = False
    _number: int = 0

    def answer(self, request: CloudRequest) -> dict | list | None:
        if self.dead:
            raise CancelledError()
        if request.method == "GET":
            return super().answer(request)
        self._number += 1
        self.dead = self.fate == (self._number, "before")
        if not self.dead:
            answer = super().answer(request)
            self.dead = self.fate == (self._number, "after")
        if self.dead:
            raise CancelledError()
        return answer


@define
class Clouds:
    """Each tenant's own; use it as a ``Cloud``."""

    by_tenant: dict[str, Deadly]

    def dispatcher(self, tenant: str, group: str, is_ours: Callable[[], bool] = lambda: True) -> Any:
        return self.by_tenant[tenant].dispatcher(tenant, group, is_ours)

    def changes_within(self, tenant: str, service: str, seconds: float) -> int:
        return 1000


class Moments(Clock):
    """A clock that does not let anything be called again and again in one moment, for ever."""

    _count = 0

    def callLater(self, delay: float, callable: Any, *args: Any, **kwargs: Any) -> Any:
        self._count += 1
        return super().callLater(delay if self._count < 1000 else 1e9, callable, *args, **kwargs)

    def advance(self, amount: float) -> None:
        self._count = 0
        super().advance(amount)
        assert self._count < 1000, "something happened again and again in one moment"


@define(eq=False)
class Miniature:
    """
    One store, one cloud for each of two tenants, and one process at a time.

    :ivar runs: the configuration of the process.
    :ivar cloud: of ``TENANT``, whom it is about where nothing else is said.
    """

    runs: Config
    clock: Moments = field(init=False, factory=Moments)
    clouds: Clouds = field(init=False, factory=lambda: Clouds({TENANT: Deadly(), NEIGHBOUR: Deadly()}))
    store: SQLiteStore = field(init=False)
    operations: Operations = field(init=False)
    group_id: GroupId = field(init=False)
    _connection: sqlite3.Connection = field(init=False, factory=lambda: connect(":memory:"))

    def __attrs_post_init__(self) -> None:
        self.clock.advance(1_000_000.0)
        self.begin(self.runs)

    @property
    def cloud(self) -> Deadly:
        return self.clouds.by_tenant[TENANT]

    # Processes

    def begin(self, runs: Config) -> None:
        """A process on the same store. Nothing is scheduled in it."""
        self.runs, self.store = runs, SQLiteStore(Inline(self._connection))
        for cloud in self.clouds.by_tenant.values():
            cloud.dead, cloud.fate = False, None
        outside = Outside(self.clock, self.clock, None, Random(self.store.epoch))  # type: ignore[arg-type]
        holds = Holds(self.store, self.clock, runs.hold)  # type: ignore[arg-type]
        ownership = Ownership(LocalShares(self.store.epoch))
        rooms = (runs, self.store, self.clouds, KEYS, LocalMarks(), ownership, holds, outside)
        self.operations, services = furnish(*rooms)  # type: ignore[arg-type]
        for service in services:
            if not isinstance(service, Scheduler):
                service.startService()

    def die(self) -> None:
        """As by SIGKILL."""
        for call in list(self.clock.getDelayedCalls()):
            call.cancel()

    def restart(self, runs: Config) -> None:
        self.die()
        self.begin(runs)

    # Asking

    def now(self, coroutine: Awaitable) -> Any:
        """The result of something that waits for nothing. :raises: what it raises."""
        results: list = []
        ensureDeferred(coroutine).addBoth(results.append)  # type: ignore[arg-type]
        [result] = results
        if hasattr(result, "raiseException"):
            result.raiseException()
        return result

    def create(self, size: int = 0, tenant: str = TENANT, **args: Any) -> GroupId:
        """A group of ``size`` servers at least. :param args: more of its launch configuration's."""
        group = a_group(args=args, minEntities=size)
        creating = self.operations.groups.create(tenant, group.config.document, group.launch.document, [])
        self.group_id = self.now(creating)[0].id
        return self.group_id

    def grown(self, size: int, **args: Any) -> None:
        """A new group with ``size`` servers in service, and no least size."""
        self.create(**args)
        self.resize(size)
        self.settle()
        self.cloud.changes.clear()

    def execute(self, **rule: float) -> None:
        self.now(self.operations.policies.execute(self.group_id, a_policy(**rule)))

    def resize(self, size: int) -> None:
        self.execute(desiredCapacity=size)

    def converge(self) -> None:
        self.now(self.operations.groups.converge(self.group_id))

    def pause(self) -> None:
        self.now(self.operations.groups.pause(self.group_id))

    def resume(self) -> None:
        self.now(self.operations.groups.resume(self.group_id))

    def delete(self) -> None:
        self.now(self.operations.groups.delete(self.group_id, force=True))

    def evict(self, server_id: str, replace: bool = True, purge: bool = True) -> None:
        self.now(self.operations.servers.evict(self.group_id, server_id, replace, purge))

    # Looking

    def group(self, group_id: GroupId | None = None) -> Group | None:
        """As it is stored; None if it is not."""
        try:
            return self.now(self.store.get_group(group_id or self.group_id, even_deleting=True))
        except NoSuchScalingGroup:
            return None

    def known(self) -> Group:
        group = self.group()
        assert group is not None, "there is no such group"
        return group

    def jobs(self) -> set[str]:
        return set(self.known().roster.jobs.by_key)

    def active(self) -> set[str]:
        return {member.id for member in self.known().roster.active}

    # Time

    def run(self, seconds: float) -> None:
        """Everything that is to happen within the next ``seconds``, unless the process dies of it."""
        until = self.clock.seconds() + seconds
        while not self.cloud.dead and self._next() <= until:
            self._go_on()
        if not self.cloud.dead:
            self.clock.advance(max(0.0, until - self.clock.seconds()))

    def settle(self) -> None:
        """Until nothing is due any more for the group, or it is no more, or the process died."""
        latest = self.clock.seconds() + 7200.0
        while not self.cloud.dead and (group := self.group()) is not None and group.state.due is not None:
            assert self.clock.seconds() < latest, f"it does not end: {group.state}"
            self._go_on()

    def _go_on(self) -> None:
        """To what happens next, and a little more: otherwise it might come a rounding error too early, for ever."""
        self.clock.advance(max(0.0, self._next() - self.clock.seconds()) + 1e-6)

    def _next(self) -> float:
        return min(call.getTime() for call in self.clock.getDelayedCalls())

    def becoming(self, status: str, server_ids: Iterable[str] | None = None) -> None:
        """What the servers become, all of them by default."""
        for server_id in list(self.cloud.servers if server_ids is None else server_ids):
            self.cloud.set_status(server_id, status)
