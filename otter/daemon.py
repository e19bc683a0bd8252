"""The one place where all rooms meet."""

import gc
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random, SystemRandom
from typing import Any
from uuid import UUID

from attrs import define, evolve, field, frozen
from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, ensureDeferred, inlineCallbacks, maybeDeferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorTime, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from otter.clock import steadied
from otter.cloud.feeds import Feed
from otter.cloud.http import Http, HTTPClient, make_client
from otter.cloud.identity import Account, Identity, Impersonation, OwnToken, SingleTenant
from otter.cloud.performer import Cloud
from otter.cloud.throttle import Doors, Limit, Throttle, Traffic
from otter.cloud.tokens import Tokens
from otter.config import (
    AuthMode,
    Config,
    ConfigError,
    CoordinationBackend,
    CoordinationConfig,
    EngineName,
    IdentityStrategy,
    StoreBackend,
    StoreConfig,
    TrafficConfig,
    ZooKeeperClient,
    load_config,
    password_of,
    service_keys,
)
from otter.convergence.iterate import Pass, Rules
from otter.convergence.pace import Pace
from otter.convergence.scope import Always, IScope, PerRequest
from otter.coordination.interface import Coordination, IMarks
from otter.coordination.local import LocalMarks, LocalShares
from otter.domain.access import Roles
from otter.domain.limits import Limits
from otter.domain.webhook import ServiceKeys
from otter.operations.callers import Callers
from otter.operations.groups import Groups
from otter.operations.launches import Launches
from otter.operations.policies import Policies
from otter.operations.servers import Servers
from otter.operations.tenants import Tenants
from otter.operations.webhooks import Webhooks
from otter.planning.world import Timeouts
from otter.rest.admin import make_admin
from otter.rest.app import Operations, make_root
from otter.rest.documents import Documents
from otter.rest.ports import Sharing
from otter.rest.site import ApiSite
from otter.services.by_tenant import ByTenant, RunPass
from otter.services.converger import Converger
from otter.services.courier import Courier
from otter.services.health import Health
from otter.services.holds import Holds
from otter.services.ownership import Ownership
from otter.services.scheduler import Scheduler
from otter.services.selfheal import SelfHeal
from otter.services.splits import Splits, Splitter, Unsplit
from otter.services.turns import Turns
from otter.store.cassandra.client import CannotConnect, Place
from otter.store.cassandra.opening import open_cassandra
from otter.store.cassandra.store import CassandraStore
from otter.store.interface import IStore
from otter.store.sqlite.database import CannotOpen, GroupCommit
from otter.store.sqlite.schema import WrongVersion
from otter.store.sqlite.store import SQLiteStore
from otter.worker.jobs import JobsOnly

log = Logger()


class Options(UsageOptions):
    synopsis = "[--config FILE]..."
    longdesc = "Keeps groups of servers at the size their owners ask for. Each --config is laid over the one before."

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    def opt_config(self, path: str) -> None:
        """a JSON configuration file (default: config.json)"""
        self.paths.append(path)

    opt_c = opt_config

    def make_service(self, reactor: Any, environ: Mapping[str, str] = os.environ) -> MultiService:
        """The service that is configured. :raises UsageError: it cannot be, and why."""
        try:
            config = load_config(self.paths or ["config.json"], environ)
            service = make_service(config, password_of(config.identity, environ), reactor)
        except (ConfigError, CannotOpen, CannotConnect, WrongVersion) as error:
            raise UsageError(str(error)) from None
        collect_rarely()
        return service


def collect_rarely() -> None:
    """
    What is there now stays; look for cycles in the rest a hundred times less often than Python does by default.

    A request makes some hundred objects and hardly a cycle among them: at the default, looking for cycles took a third of what
    a webhook hit costs (benchmarks/webhooks.py).
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


class Otter(MultiService):
    """Stops what runs before what it stands on."""

    def __init__(self, store: IStore) -> None:
        super().__init__()
        self.store = store

    @inlineCallbacks
    def stopService(self):
        self.running = False
        for service in reversed(list(self)):
            yield service.stopService()
        yield ensureDeferred(self.store.close())
        log.info("otter-stopped")


@define(eq=False)
class Listener(Service):
    """Accepts requests, or ends the start."""

    endpoint: IStreamServerEndpoint
    site: ApiSite
    where: str
    _port: IListeningPort | None = field(init=False, default=None)

    def startService(self) -> None:
        super().startService()
        ensureDeferred(self._listen())

    def stopService(self) -> Deferred:
        super().stopService()
        return maybeDeferred(self._port.stopListening) if self._port else succeed(None)

    async def _listen(self) -> None:
        try:
            self._port = await self.endpoint.listen(self.site)
        except (CannotListenError, OSError) as error:
            log.critical("cannot-listen", listen=self.where, error=str(error))
            os._exit(1)


@frozen
class Outside:
    """
    What a process gets from where it runs.

    :ivar clock: says what time it is, to people. :ivar timer: nobody can set it, and what otter does by itself goes by it; when
        the process began it agreed with ``clock``.
    :ivar client: the way to the cloud.
    :ivar random: ids and names come from it too.
    """

    clock: IReactorTime
    timer: IReactorTime
    client: HTTPClient
    random: Random = field(factory=SystemRandom)

    def new_id(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))


def make_service(config: Config, password: str, reactor: Any) -> MultiService:
    """Everything this process runs, wired and not yet started. :raises ConfigError, CannotOpen, CannotConnect, WrongVersion:"""
    store, used_keys = open_store(config.store, reactor)
    keys = service_keys(Path(config.secrets.key_file), used_keys)
    limits = limits_in(config)
    otter = Otter(store)
    client, _ = make_client(reactor)
    outside = Outside(steadied(reactor), reactor, client)
    holds = Holds(store, reactor, config.hold)
    splits = make_splits(config.coordination, store, outside)
    cloud = make_cloud(config, password, holds, outside, splits.most)
    coordination = make_coordination(config.coordination, store, splits, outside)
    ownership = Ownership(coordination.shares, splits)
    operations, services = furnish(config, store, cloud, keys, coordination.marks, ownership, holds, outside)
    health = Health(store, holds, config.engine.value, len(config.worker_tenants), coordination)
    splitting = services_of(splits, config.coordination, coordination)
    couriers = make_couriers(config, store, ownership, cloud.http, password, outside)
    for service in (*splitting, *coordination.services, *services, *couriers, health):
        service.setServiceParent(otter)

    documents = Documents(config.url_root.rstrip("/"), config.limits.pagination, holds.covers)
    callers = make_callers(config, cloud.http, password, outside.clock)
    site = ApiSite(make_root(operations, documents, limits, health.document, callers), config.http.max_body)
    place = Sharing(reactor) if config.http.share_port else reactor
    Listener(serverFromString(place, config.listen), site, config.listen).setServiceParent(otter)
    if config.admin:
        admin = ApiSite(
            make_admin(Tenants(store, outside.clock), health.document, numbers_of(store, coordination)),
            config.http.max_body,
        )
        Listener(serverFromString(reactor, config.admin), admin, config.admin).setServiceParent(otter)
    where = config.store.path if config.store.backend is StoreBackend.SQLITE else config.store.keyspace
    facts = {"listen": config.listen, "store": where, "pid": os.getpid()}
    engines = {"engine": config.engine.value, "worker_tenants": list(config.worker_tenants), "hold": config.hold}
    log.info("otter-made", **engines, **facts)
    return otter


def furnish(
    config: Config,
    store: IStore,
    cloud: Cloud,
    keys: ServiceKeys,
    marks: IMarks,
    ownership: Ownership,
    holds: Holds,
    outside: Outside,
) -> tuple[Operations, list[IService]]:
    """What can be asked for, and the services that make it come true, in the order in which they are to be started."""
    clock, limits, new_id = outside.clock, limits_in(config), outside.new_id
    engine, *healing = make_engine(config, cloud, store, marks, ownership, holds, outside)
    policies = Policies(store, engine, clock, limits, new_id, config.scheduler.latest, bool(config.feeds.url))
    operations = Operations(
        Groups(store, engine, clock, limits, new_id, Launches(cloud, outside.timer)),
        policies,
        Webhooks(store, keys, limits, new_id),
        Servers(store, engine, cloud, outside.timer),
    )
    scheduler = Scheduler(store, ownership.owns, policies.fire, clock, config.scheduler.interval)
    return operations, [holds, engine, *healing, scheduler]


def make_engine(
    config: Config,
    cloud: Cloud,
    store: IStore,
    marks: IMarks,
    ownership: Ownership,
    holds: Holds,
    outside: Outside,
) -> tuple[Converger, *tuple[SelfHeal, ...]]:
    """The engine that is configured, and what heals if it does: the only place that knows which. (docs/engines.md.)"""
    on_the_worker = frozenset(config.worker_tenants)
    usual = make_pass(config, cloud, store, scope_of(config.engine, store), ownership, outside)
    run_pass: RunPass = usual
    if on_the_worker:
        run_pass = ByTenant(usual, evolve(usual, scope=scope_of(EngineName.WORKER, store)), on_the_worker)
    turns = Turns(config.converger.passes_at_once, config.converger.passes_at_once_per_tenant)
    interval, grace = config.converger.interval, config.converger.stop_grace
    engine = Converger(marks, ownership, store, run_pass, outside.timer, interval, turns, grace, holds.covers)
    if config.engine is not EngineName.CONVERGENCE:
        return (engine,)
    return engine, SelfHeal(store, marks, ownership, outside.timer, config.selfheal.interval, on_the_worker)


def scope_of(engine: EngineName, store: IStore) -> IScope:
    match engine:
        case EngineName.CONVERGENCE:
            return Always()
        case EngineName.CYCLE:
            return PerRequest()
        case EngineName.WORKER:
            return JobsOnly(store.epoch)


def make_pass(
    config: Config, cloud: Cloud, store: IStore, scope: IScope, ownership: Ownership, outside: Outside
) -> Pass:
    rules = Rules(
        timeouts=Timeouts(
            build=config.converger.build_timeout,
            online=config.converger.online_timeout,
            detach=config.converger.detach_timeout,
        ),
        creates_per_pass=config.converger.creates_per_pass,
        send_window=config.converger.send_window,
        resolve_timeout=config.converger.resolve_timeout,
        patience=config.converger.patience,
        pass_timeout=config.converger.pass_timeout,
    )
    pace = Pace(
        interval=config.converger.interval,
        heal=config.selfheal.interval,
        probe=config.converger.error_probe,
        longest_probe=config.converger.longest_error_probe,
    )
    timer = outside.timer
    ways = (timer.seconds, outside.random, outside.new_id)
    tells = bool(config.feeds.url)
    return Pass(store, cloud, timer, store.epoch, rules, pace, *ways, scope, ownership.fence, tells)


def make_cloud(
    config: Config, password: str, holds: Holds, outside: Outside, parts: Callable[[str], int] = lambda tenant: 1
) -> Cloud:
    """:param parts: see ``Throttle``."""
    clock, timer = outside.clock, outside.timer
    http = Http(outside.client, clock, config.cloud.timeout)
    account = account_of(config, password)
    impersonate = config.identity.strategy is IdentityStrategy.IMPERSONATION
    login = Impersonation(http, account) if impersonate else SingleTenant(http, account)
    identity = Identity(login, timer, config.identity.cache_ttl)
    names, traffic = config.services, config.cloud.throttle
    limits = {
        "nova": limits_of(traffic.nova),
        "clb": limits_of(traffic.clb),
        "rackconnect": limits_of(traffic.rackconnect),
    }
    catalog = {"nova": names.nova, "clb": names.clb, "rackconnect": names.rackconnect}
    throttle, doors = Throttle(timer, limits, parts), Doors(timer)
    ways = (timer.seconds, outside.random.random, holds.covers)
    return Cloud(http, identity, throttle, doors, clock, config.region, catalog, *ways)


def make_couriers(
    config: Config, store: IStore, ownership: Ownership, http: Http, password: str, outside: Outside
) -> tuple[Courier, ...]:
    """Who tells owners what happens to their groups; nobody if there are no feeds."""
    feeds, timer = config.feeds, outside.timer
    if not feeds.url:
        return ()
    identity = Identity(SingleTenant(http, account_of(config, password)), timer, config.identity.cache_ttl)
    feed = Feed(http, identity, feeds.url.rstrip("/"), feeds.tenant_id, config.region)
    return (Courier(store, ownership.owns, feed.send, timer, feeds.interval, feeds.longest_pause, feeds.keep),)


def make_callers(config: Config, http: Http, password: str, reactor: Any) -> Callers | None:
    """Who looks at the tokens of callers; None if that is done in front of otter."""
    match config.auth.mode:
        case AuthMode.NONE:
            return None
        case AuthMode.IDENTITY:
            tokens = Tokens(OwnToken(http, account_of(config, password)), reactor, config.auth.cache_ttl)
            return Callers(tokens, Roles(config.auth.admin_roles, config.auth.observer_roles))


def account_of(config: Config, password: str) -> Account:
    url = config.identity.url.rstrip("/")
    return Account(url, config.identity.admin_url.rstrip("/") or url, config.identity.username, password)


def limits_of(config: TrafficConfig) -> dict[Traffic, Limit]:
    return {
        Traffic.READS: Limit(config.reads.rate, config.reads.burst),
        Traffic.CHANGES: Limit(config.changes.rate, config.changes.burst),
    }


def limits_in(config: Config) -> Limits:
    absolute = config.limits.absolute
    return Limits(absolute.maxGroups, absolute.maxPoliciesPerGroup, absolute.maxWebhooksPerPolicy)


def open_store(config: StoreConfig, reactor: Any) -> tuple[IStore, Sequence[str]]:
    """The store, and the ids of the service keys that it needs. :raises CannotOpen, CannotConnect, WrongVersion:"""
    match config.backend:
        case StoreBackend.SQLITE:
            store = SQLiteStore(GroupCommit(reactor, Path(config.path)))
            return store, used_keys(store)
        case StoreBackend.CASSANDRA:
            return open_cassandra(reactor, place_of(config), config.consistency.value)


def make_splits(config: CoordinationConfig, store: IStore, outside: Outside) -> Splits | Unsplit:
    return Unsplit() if config.backend is CoordinationBackend.LOCAL else Splits(store, outside.clock, outside.timer)


def services_of(splits: Splits | Unsplit, config: CoordinationConfig, coordination: Coordination) -> Sequence[IService]:
    if isinstance(splits, Unsplit):
        return ()
    return splits, Splitter(splits.store, splits, lambda: coordination.leader.leads, config.split_groups)


def make_coordination(
    config: CoordinationConfig, store: IStore, splits: Splits | Unsplit, outside: Outside
) -> Coordination:
    """Who works on what. :raises ConfigError: the client of ZooKeeper is not installed."""
    if config.backend is CoordinationBackend.LOCAL:
        shares = LocalShares(store.epoch)
        return Coordination(LocalMarks(), shares, shares)
    try:
        from otter.coordination.zookeeper import opening

        place = opening.Place(config.hosts, config.root, config.session)
        by_kazoo = config.client is ZooKeeperClient.KAZOO
        way = opening.by_kazoo(outside.timer, place) if by_kazoo else opening.by_txkazoo(outside.timer, place)
    except ImportError as error:
        extra = "zookeeper" if config.client is ZooKeeperClient.KAZOO else "txkazoo"
        raise ConfigError(f"coordination.client: {error}; install otter[{extra}]") from None
    return opening.coordinate(outside.timer, way, place, outside.new_id(), store.next_epoch, splits.share_of)


def numbers_of(store: IStore, coordination: Coordination) -> Callable[[], Mapping[str, int]]:
    """For the admin listener: how many shares this process has, and what its store has to say of itself."""

    def numbers() -> Mapping[str, int]:
        asked = store.numbers() if isinstance(store, CassandraStore) else {}
        shares = {"shares": len(coordination.shares.held())}
        return shares | {f"cassandra.{name}": number for name, number in asked.items()}

    return numbers


def used_keys(store: SQLiteStore) -> list[str]:
    """The ids of the service keys that the store needs. Its reads do not wait, so they are known at once."""
    used: list[str] = []
    ensureDeferred(store.capability_key_ids()).addCallback(used.extend)
    return used


def place_of(config: StoreConfig) -> Place:
    return Place(
        config.hosts,
        config.port,
        config.keyspace,
        config.local_dc,
        config.username,
        config.password_file,
        config.ca_file,
        config.timeout,
    )


def makeService(options: Options) -> IService:
    """What ``twistd otter`` calls; the name is twistd's."""
    from twisted.internet import reactor

    try:
        return options.make_service(reactor)
    except UsageError as error:
        raise SystemExit(f"otter: {error}") from None
