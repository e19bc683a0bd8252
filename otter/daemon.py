"""The one place where all rooms meet."""

import gc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import define, field
from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, ensureDeferred, inlineCallbacks, maybeDeferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from otter.cloud.http import Http, make_client
from otter.cloud.identity import Account, Identity, Impersonation, SingleTenant
from otter.cloud.performer import Cloud
from otter.cloud.throttle import Doors, Limit, Throttle, Traffic
from otter.config import (
    Config,
    ConfigError,
    EngineName,
    IdentityStrategy,
    TrafficConfig,
    load_config,
    password_of,
    service_keys,
)
from otter.convergence.iterate import Pass, Rules
from otter.convergence.pace import Pace
from otter.coordination.interface import IMarks
from otter.coordination.local import LocalMarks
from otter.domain.limits import Limits
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
from otter.rest.site import ApiSite
from otter.services.converger import Converger
from otter.services.health import Health
from otter.services.scheduler import Scheduler
from otter.services.selfheal import SelfHeal
from otter.services.turns import Turns
from otter.store.interface import IStore
from otter.store.sqlite.database import CannotOpen, GroupCommit
from otter.store.sqlite.schema import WrongVersion
from otter.store.sqlite.store import SQLiteStore

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
        except (ConfigError, CannotOpen, WrongVersion) as error:
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

    def __init__(self, database: GroupCommit) -> None:
        super().__init__()
        self.database = database

    @inlineCallbacks
    def stopService(self):
        self.running = False
        for service in reversed(list(self)):
            yield service.stopService()
        yield self.database.close()
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


def make_service(config: Config, password: str, reactor: Any) -> MultiService:
    """Everything this process runs, wired and not yet started. :raises ConfigError, CannotOpen, WrongVersion:"""
    database = GroupCommit(reactor, Path(config.store.path))
    store = SQLiteStore(database)
    keys = service_keys(Path(config.secrets.key_file), used_keys(store))
    marks = LocalMarks()
    limits = Limits(
        config.limits.absolute.maxGroups,
        config.limits.absolute.maxPoliciesPerGroup,
        config.limits.absolute.maxWebhooksPerPolicy,
    )
    otter = Otter(database)
    cloud = make_cloud(config, password, reactor)
    engine = make_engine(config, cloud, store, marks, reactor)
    engine.setServiceParent(otter)
    SelfHeal(store, marks, reactor, config.selfheal.interval).setServiceParent(otter)
    health = Health(store, config.engine.value)
    health.setServiceParent(otter)

    policies = Policies(store, engine, reactor, limits, new_id, config.scheduler.latest)
    Scheduler(store, policies.fire, reactor, config.scheduler.interval).setServiceParent(otter)
    operations = Operations(
        Groups(store, engine, reactor, limits, new_id, Launches(cloud, reactor)),
        policies,
        Webhooks(store, keys, limits, new_id),
        Servers(store, engine, cloud, reactor),
    )
    documents = Documents(config.url_root.rstrip("/"), config.limits.pagination)
    site = ApiSite(make_root(operations, documents, limits, health.document), config.http.max_body)
    Listener(serverFromString(reactor, config.listen), site, config.listen).setServiceParent(otter)
    if config.admin:
        admin = ApiSite(make_admin(Tenants(store, reactor)), config.http.max_body)
        Listener(serverFromString(reactor, config.admin), admin, config.admin).setServiceParent(otter)
    log.info("otter-made", engine=config.engine.value, listen=config.listen, store=config.store.path, pid=os.getpid())
    return otter


def make_engine(config: Config, cloud: Cloud, store: IStore, marks: IMarks, reactor: Any) -> Converger:
    """The engine that is configured: the only place that knows which."""
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
    run_pass = Pass(store, cloud, reactor, store.epoch, rules, pace)
    match config.engine:
        case EngineName.CONVERGENCE:
            turns = Turns(config.converger.passes_at_once, config.converger.passes_at_once_per_tenant)
            interval, grace = config.converger.interval, config.converger.stop_grace
            return Converger(marks, store, run_pass, reactor, interval, turns, grace)


def make_cloud(config: Config, password: str, reactor: Any) -> Cloud:
    client, _ = make_client(reactor)
    http = Http(client, reactor, config.cloud.timeout)
    url = config.identity.url.rstrip("/")
    admin_url = config.identity.admin_url.rstrip("/") or url
    account = Account(url, admin_url, config.identity.username, password)
    impersonate = config.identity.strategy is IdentityStrategy.IMPERSONATION
    login = Impersonation(http, account) if impersonate else SingleTenant(http, account)
    identity = Identity(login, reactor, config.identity.cache_ttl)
    names, traffic = config.services, config.cloud.throttle
    limits = {
        "nova": limits_of(traffic.nova),
        "clb": limits_of(traffic.clb),
        "rackconnect": limits_of(traffic.rackconnect),
    }
    catalog = {"nova": names.nova, "clb": names.clb, "rackconnect": names.rackconnect}
    return Cloud(http, identity, Throttle(reactor, limits), Doors(reactor), reactor, config.region, catalog)


def limits_of(config: TrafficConfig) -> dict[Traffic, Limit]:
    return {
        Traffic.READS: Limit(config.reads.rate, config.reads.burst),
        Traffic.CHANGES: Limit(config.changes.rate, config.changes.burst),
    }


def used_keys(store: IStore) -> list[str]:
    """The ids of the service keys that the store needs. Its reads do not wait, so they are known at once."""
    used: list[str] = []
    ensureDeferred(store.capability_key_ids()).addCallback(used.extend)
    return used


def new_id() -> str:
    return str(uuid4())


def makeService(options: Options) -> IService:
    """What ``twistd otter`` calls; the name is twistd's."""
    from twisted.internet import reactor

    try:
        return options.make_service(reactor)
    except UsageError as error:
        raise SystemExit(f"otter: {error}") from None
