"""A world, and in it a process that runs otter's own code: one thread, simulated time, and chance that comes from a seed."""

from collections import deque
from collections.abc import Callable
from hashlib import sha256
from random import Random
from typing import Any

from attrs import define, evolve, field
from twisted.application.service import IService
from twisted.internet.defer import DeferredList, maybeDeferred

from otter.config import Config, EngineName, read
from otter.coordination.local import LocalShares
from otter.daemon import Outside, furnish, make_cloud
from otter.domain.group import Group, GroupId
from otter.domain.shares import share_of
from otter.domain.webhook import ServiceKeys
from otter.rest.app import Operations
from otter.services.holds import Holds
from otter.services.ownership import Ownership
from otter.store.sqlite.database import Inline, connect
from otter.store.sqlite.store import SQLiteStore
from tests.sim.coordination import Coordinator, Hints, Seat, is_divided
from tests.sim.network import Client, Network
from tests.sim.plan import BALANCERS, CLIMATES, MIXED, TENANTS, Plan
from tests.sim.store import Disk, DistantStore
from tests.sim.time import ProcessClock, Time
from tests.sim.world.answers import Nature
from tests.sim.world.clb import CloudLoadBalancers
from tests.sim.world.identity import Identity
from tests.sim.world.nova import Nova
from tests.sim.world.rackconnect import RackConnect

KEYS = ServiceKeys({"k1": b"1" * 32}, "k1")
CATALOG = {"cloudServersOpenStack": "nova", "cloudLoadBalancers": "clb", "rackconnect": "rackconnect"}
REMEMBERED = 4000
"""Lines of the trace that are kept."""


@define(eq=False)
class Trace:
    """Everything that a process did to the world, and what happened to it, in order. The digest stands for all of it."""

    lines: deque[str] = field(factory=lambda: deque(maxlen=REMEMBERED))
    digest: Any = field(factory=sha256)
    length: int = 0

    def add(self, now: float, line: str) -> None:
        whole = f"{now:.4f} {line}"
        self.lines.append(whole)
        self.digest.update(whole.encode())
        self.length += 1


@define(eq=False)
class Process:
    """One life of otter. :ivar seat: what it has of the work; None if there are no others."""

    clock: ProcessClock
    operations: Operations
    services: list[IService]
    seat: Seat | None = None

    def start(self) -> None:
        for service in self.services:
            service.startService()
        if self.seat is not None:
            self.seat.start()

    def stop(self) -> None:
        """What is held is read, and what it has is its own, until the last pass is over."""
        holds, *others = self.services
        over = [maybeDeferred(service.stopService) for service in reversed(others)]
        DeferredList(over, consumeErrors=True).addBoth(lambda _: self._stop_last(holds))

    def _stop_last(self, holds: IService) -> None:
        holds.stopService()
        if self.seat is not None:
            self.seat.leave()


@define(eq=False)
class Place:
    """
    Where one process after the other lives: a machine.

    :ivar engine: see ``Plan``; the next process's, and this one's unless it was changed since. :ivar config: this one's.
    :ivar ahead: seconds by which the clock of the machine differs from the world's.
    :ivar closed: no process begins here for now.
    """

    engine: str
    config: Config
    ahead: float = 0.0
    closed: bool = False
    process: Process | None = None

    @property
    def next_config(self) -> Config:
        """Of a process that begins now."""
        if self.engine == MIXED:
            return evolve(self.config, engine=EngineName.CONVERGENCE, worker_tenants=TENANTS[-1:])
        return evolve(self.config, engine=EngineName(self.engine), worker_tenants=())

    def heals(self, tenant: str) -> bool:
        """Whether groups of the tenant that are worked on here become well without anybody's asking."""
        config = self.next_config if self.process is None else self.config
        return config.engine is EngineName.CONVERGENCE and tenant not in config.worker_tenants

    def set_clock(self, seconds: float) -> None:
        """Of the machine that processes run on, forward or back."""
        self.ahead += seconds
        if self.process is not None:
            self.process.clock.ahead += seconds


@define(eq=False)
class Simulation:
    """
    :ivar effects: how many things processes have done to the world so far.
    :ivar places: one, unless ``Plan.others`` says that there are more.
    :ivar coordinator: divides the work among processes; asked by nobody if there is but one place.
    :ivar dies_at: the effect that its process does not outlive; None if it does outlive all. :ivar freezes_at: likewise, the
        effect at which its process is stopped, for ``freezes_for`` seconds. :ivar frozen_until: when it went on, or will (seconds since 1970).
    :ivar hints: what becomes of hints at this moment.
    :ivar hinted: how many there have been. :ivar lost_hint: the one that gets lost whatever becomes of others; None for none.
    :ivar had: the engines that processes had.
    """

    plan: Plan
    trace: Trace = field(factory=Trace)
    time: Time = field(factory=Time)
    effects: int = 0
    dies_at: int | None = None
    freezes_at: int | None = None
    freezes_for: float = 0.0
    frozen_until: float = 0.0
    hints: str = ""
    hinted: int = 0
    lost_hint: int | None = None
    on_effect: list[Callable[[str], None]] = field(factory=list)
    on_death: list[Callable[[Place], None]] = field(factory=list)
    places: list[Place] = field(init=False)
    coordinator: Coordinator = field(init=False)
    had: set[str] = field(init=False, factory=set)
    config: Config = field(init=False)
    network: Network = field(init=False)
    disk: Disk = field(init=False)
    nova: Nova = field(init=False)
    clb: CloudLoadBalancers = field(init=False)
    rackconnect: RackConnect = field(init=False)
    identity: Identity = field(init=False)
    pools: dict[str, str] = field(init=False, factory=dict)
    _connection: Any = field(init=False, factory=lambda: connect(":memory:"))
    _lives: int = field(init=False, default=0)
    _asked: int = field(init=False, default=0)
    _seats: dict[ProcessClock, Seat] = field(init=False, factory=dict)
    _actor: Seat | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        document = {
            "identity": {"url": "http://sim/identity/v2.0", "username": "otter", "password_env": "P"},
            "region": "ORD",
            **{key: value for key, value in CLIMATES[self.plan.climate].config.items() if key != "identity"},
        }
        document["identity"] |= CLIMATES[self.plan.climate].config.get("identity", {})
        self.config = read(Config, document, "")
        self.places = [Place(engine, self.config) for engine in (self.plan.engine, *self.plan.others)]
        session = CLIMATES[self.plan.climate].session
        self.coordinator = Coordinator(self.time, self.chance("coordinator"), session)
        nature = Nature(lambda: self.time.now, self.time.later, self.chance("cloud"))
        self.identity = Identity(nature, {name: f"http://sim/{service}" for name, service in CATALOG.items()})
        self.nova = Nova(nature)
        self.clb = CloudLoadBalancers(nature, works=self._works)
        self.rackconnect = RackConnect(nature, exists=lambda _, server_id: self.nova.server(server_id) is not None)
        services = {
            "nova": self.nova.answer,
            "clb": self.clb.answer,
            "rackconnect": self.rackconnect.answer,
        }
        self.network = Network(self.time, self.chance("network"), services, self.identity)
        self.disk = Disk(self.chance("disk"))
        for tenant in TENANTS:
            for lb_id in BALANCERS:
                self.clb.create(tenant, balancer_of(tenant, lb_id), limit=60)
            self.pools[tenant] = self.rackconnect.create_pool(tenant)

    def chance(self, name: str) -> Random:
        return Random(f"{name} {self.plan.seed}")

    # Processes

    def begin_process(self, place: Place) -> Process:
        """A process on the same disk; otter's own wiring."""
        self._lives += 1
        place.config = config = place.next_config
        self.had.add(place.engine)
        clock = ProcessClock(self.time, place.ahead)
        store = DistantStore(
            SQLiteStore(Inline(self._connection)), self.disk, clock, lambda what: self.effect(place, clock, what)
        )
        client: Any = Client(self.network, clock, lambda what: self.effect(place, clock, what))
        outside = Outside(clock, clock.timer, client, self.chance(f"process {self._lives}"))
        interval = CLIMATES[self.plan.climate].hold_interval
        holds = Holds(store, clock.timer, config.hold, interval)  # type: ignore[arg-type]
        cloud = make_cloud(config, "password", holds, outside)
        seat = None
        if self.plan.others:
            seat = self._seats[clock] = Seat(self.coordinator, clock, f"p{self._lives}", store.next_epoch)
        hints = Hints(clock, self.next_hint, seat)
        ownership = Ownership(seat or LocalShares(store.epoch))
        rooms = (config, store, cloud, KEYS, hints, ownership, holds, outside)
        operations, services = furnish(*rooms)  # type: ignore[arg-type]
        place.process = Process(clock, operations, services, seat)
        place.process.start()
        return place.process

    @property
    def processes(self) -> list[Process]:
        return [place.process for place in self.places if place.process is not None]

    def next_process(self) -> Process | None:
        """Whichever is asked next: each in its turn; None if there is none."""
        self._asked += 1
        return self.processes[self._asked % len(self.processes)] if self.processes else None

    def die(self, place: Place) -> None:
        """As by SIGKILL. What was on its way to a service arrives all the same."""
        if place.process is not None:
            self.trace.add(self.time.now, "the process dies")
            process, place.process = place.process, None
            self._end(place, process)

    def stop(self, place: Place) -> None:
        """As by SIGTERM: nobody listens any more, and what is under way has some seconds to end."""
        process, place.process = place.process, None
        assert process is not None
        process.stop()
        self.time.later(10.0, lambda: self._end(place, process))

    def freeze(self, clock: ProcessClock, seconds: float) -> None:
        """As by SIGSTOP, and SIGCONT some time later."""
        self.trace.add(self.time.now, f"a process is stopped for {seconds:g} s")
        clock.freeze(seconds)
        self.frozen_until = max(self.frozen_until, self.time.now + seconds)

    def _end(self, place: Place, process: Process) -> None:
        process.clock.die()
        for listener in self.on_death:
            listener(place)

    def next_hint(self) -> str:
        """What becomes of a hint that is given now."""
        self.hinted += 1
        return "lost" if self.hinted == self.lost_hint else self.hints

    def effect(self, place: Place, clock: ProcessClock, what: str) -> bool:
        """A process does something to the world. Whether it lives on."""
        if clock.dead:
            return False
        self.effects += 1
        self._actor = self._seats.get(clock)
        self.trace.add(self.time.now, f"{self.places.index(place)} {what}" if self.plan.others else what)
        for listener in self.on_effect:
            listener(what)
        if self.freezes_at is not None and self.effects >= self.freezes_at:
            self.freezes_at = None
            self.freeze(clock, self.freezes_for)
        if self.dies_at is not None and self.effects >= self.dies_at:
            self.dies_at = None
            self.die(place)
        return not clock.dead

    def fence_of_actor(self, tenant: str) -> int | None:
        """That under which the process whose effect was the last one works for the tenant at this moment; 0 if it has no others."""
        return self._actor.fence(share_of(tenant)) if self._actor else 0

    def heals(self, tenant: str) -> bool:
        """Whether the tenant's groups become well without anybody's asking, wherever they are worked on."""
        return all(place.heals(tenant) for place in self.places)

    @property
    def ahead(self) -> float:
        """Seconds by which the machine that is most ahead is."""
        return max(place.ahead for place in self.places)

    # The truth

    def is_divided(self) -> bool:
        """Whether each share of the work has one owner, and none has more than others."""
        return not self.plan.others or is_divided(self.coordinator)

    def group(self, group_id: GroupId) -> Group | None:
        """As it is stored."""
        return self.stored_groups().get(group_id)

    def stored_groups(self) -> dict[GroupId, Group]:
        from otter.store.sqlite.store import COLUMNS, group_of

        rows = self._connection.execute(f"SELECT {COLUMNS} FROM groups ORDER BY tenant, id").fetchall()
        return {group.id: group for group in map(group_of, rows)}

    def last_event(self) -> float:
        """When a policy is going to be executed by itself for the last time (epoch seconds); 0 if none is."""
        return self._connection.execute("SELECT max(due) FROM policies").fetchone()[0] or 0.0

    def has_events_to_come(self) -> bool:
        """Whether a policy is going to be executed by itself."""
        return bool(self._connection.execute("SELECT 1 FROM policies WHERE due IS NOT NULL").fetchall())

    def _works(self, address: str) -> bool:
        return any(
            server.address == address and server.status == "ACTIVE"
            for tenant in TENANTS
            for server in self.nova.servers(tenant)
        )


def balancer_of(tenant: str, lb_id: str) -> str:
    """Ids of balancers are numbers, and no two tenants have the same."""
    return f"{TENANTS.index(tenant) + 1}{lb_id}"
