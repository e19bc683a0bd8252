"""
The configuration: JSON files and the environment in, one frozen ``Config`` out. Nothing else reads them.

The records below are the whole truth about what may be configured: names, types and defaults. ``config.example.json``
shows every key, docs/configuration.md explains it.
"""

import json
import os
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from attrs import NOTHING, Attribute, field, fields, frozen
from twisted.internet.endpoints import serverFromString

from otter.domain.webhook import ServiceKeys

SHORTEST_KEY = 32
"""Bytes."""
SUCCESSORS = {
    "port": "listen",
    "environment": None,
    "mock": None,
    "bobby_url": None,
    "root": None,
    "metrics": None,
    "cloudfeeds": "feeds",
    "terminator": None,
    "regionOverrides": None,
    "cassandra": "store",
    "zookeeper": "coordination",
    "non-convergence-tenants": "worker_tenants",
    "convergence-tenants": None,
    "worker": None,
    "cloud_client": "cloud.throttle",
    "cloudServersOpenStack": "services.nova",
    "cloudLoadBalancers": "services.clb",
    "cloudOrchestration": None,
    "rackconnect": "services.rackconnect",
    "cloud.rate": "cloud.throttle",
    "cloud.burst": "cloud.throttle",
    "identity.password": "identity.password_file or identity.password_env",
    "identity.max_retries": None,
    "identity.retry_interval": None,
    "identity.wait": None,
    "scheduler.batchsize": None,
    "scheduler.buckets": None,
    "scheduler.partition": None,
    "converger.limited_retry_iterations": "converger.patience",
    "converger.step_limits": "converger.creates_per_pass",
}
"""
Keys of Rackspace Autoscale's configuration, and earlier ones of ours -> what to use here; None if there is nothing to
configure any more.
"""


NEEDED = "; capability URLs in the store were made with the keys {}: put them back"
Names = tuple[str, ...]


class ConfigError(Exception):
    """The configuration cannot be used; the text names the key."""


class EngineName(Enum):
    """What makes changed groups come true. (docs/engines.md.)"""

    CONVERGENCE = "convergence"
    CYCLE = "cycle"
    WORKER = "worker"


class AuthMode(Enum):
    """Who checks tokens: ``none`` trusts whatever stands in front of otter to have done it, ``identity`` asks Identity."""

    NONE = "none"
    IDENTITY = "identity"


class StoreBackend(Enum):
    """Where otter keeps its data: in a file of one process, or in a cluster that many share."""

    SQLITE = "sqlite"
    CASSANDRA = "cassandra"


class Consistency(Enum):
    """What must agree on each change and each read: most replicas of the local data centre, or of all."""

    LOCAL_QUORUM = "LOCAL_QUORUM"
    QUORUM = "QUORUM"


class CoordinationBackend(Enum):
    """Who works on what: one process on everything, or several that agree on it by ZooKeeper."""

    LOCAL = "local"
    ZOOKEEPER = "zookeeper"


class ZooKeeperClient(Enum):
    """What speaks to ZooKeeper."""

    KAZOO = "kazoo"
    TXKAZOO = "txkazoo"


class IdentityStrategy(Enum):
    """Whose rights otter has in a tenant: its administrator's, or those that its own account has there."""

    IMPERSONATION = "impersonation"
    SINGLE_TENANT = "single_tenant"


def positive(record: Any, attribute: "Attribute", value: float) -> None:
    if not 0 < value < float("inf"):
        raise ConfigError(f"{attribute.name}: must be above 0 and finite, not {value}")


def endpoint(record: Any, attribute: "Attribute", value: str) -> None:
    kind, _, rest = value.partition(":")
    port = rest.partition(":")[0]
    try:
        serverFromString(None, value)
        bad = kind == "tcp" and not 0 <= int(port) <= 65535
    except Exception as error:
        raise ConfigError(f"{attribute.name}: {value!r} is not a Twisted endpoint: {error}") from None
    if bad:
        raise ConfigError(f"{attribute.name}: there is no port {port}")


def endpoint_or_none(record: Any, attribute: "Attribute", value: str) -> None:
    if value:
        endpoint(record, attribute, value)


@frozen
class IdentityConfig:
    """
    URLs end with the version (".../v2.0"). The password comes from a file or from the environment, never from here.

    :ivar admin_url: where to impersonate; "" for the same as ``url``.
    :ivar cache_ttl: seconds.
    """

    url: str
    username: str
    admin_url: str = ""
    password_file: str = ""
    password_env: str = ""
    strategy: IdentityStrategy = IdentityStrategy.IMPERSONATION
    cache_ttl: float = field(default=300.0, validator=positive)


@frozen
class ServicesConfig:
    """What the tenants' service catalog calls the services."""

    nova: str = "cloudServersOpenStack"
    clb: str = "cloudLoadBalancers"
    rackconnect: str = "rackconnect"


@frozen
class LimitConfig:
    """:ivar rate: requests a second for one tenant, after ``burst`` at once."""

    rate: float = field(default=50.0, validator=positive)
    burst: int = field(default=50, validator=positive)


@frozen
class TrafficConfig:
    """What is limited separately: requests that change nothing, and the others."""

    reads: LimitConfig = LimitConfig()
    changes: LimitConfig = LimitConfig()


@frozen
class ThrottleConfig:
    nova: TrafficConfig = TrafficConfig()
    clb: TrafficConfig = TrafficConfig()
    rackconnect: TrafficConfig = TrafficConfig()


@frozen
class CloudConfig:
    """:ivar timeout: seconds for a whole answer."""

    timeout: float = field(default=30.0, validator=positive)
    throttle: ThrottleConfig = ThrottleConfig()


@frozen
class ConvergerConfig:
    """Times are seconds; see ``convergence.iterate.Rules``, ``planning.world.Timeouts`` and ``convergence.pace.Pace``."""

    interval: float = field(default=10.0, validator=positive)
    build_timeout: float = field(default=3600.0, validator=positive)
    online_timeout: float = field(default=600.0, validator=positive)
    detach_timeout: float = field(default=600.0, validator=positive)
    creates_per_pass: int = field(default=100, validator=positive)
    passes_at_once: int = field(default=100, validator=positive)
    passes_at_once_per_tenant: int = field(default=25, validator=positive)
    pass_timeout: float = field(default=180.0, validator=positive)
    send_window: float = field(default=30.0, validator=positive)
    resolve_timeout: float = field(default=300.0, validator=positive)
    patience: float = field(default=15.0, validator=positive)
    error_probe: float = field(default=60.0, validator=positive)
    longest_error_probe: float = field(default=900.0, validator=positive)
    stop_grace: float = field(default=5.0, validator=positive)


@frozen
class FeedsConfig:
    """
    Times are seconds; see ``services.courier.Courier``.

    :ivar url: of Cloud Feeds; "" if owners are not told what happens.
    :ivar tenant_id: as whom otter tells.
    """

    url: str = ""
    tenant_id: str = ""
    interval: float = field(default=5.0, validator=positive)
    longest_pause: float = field(default=300.0, validator=positive)
    keep: float = field(default=259200.0, validator=positive)


@frozen
class SelfHealConfig:
    interval: float = field(default=30.0, validator=positive)


@frozen
class SchedulerConfig:
    """
    Seconds.

    :ivar interval: between two looks for policies that are due.
    :ivar latest: how late an event that was missed is still made up for.
    """

    interval: float = field(default=0.5, validator=positive)
    latest: float = field(default=86400.0, validator=positive)


@frozen
class StoreConfig:
    """
    :ivar path: of SQLite's file. All that follows is about Cassandra.
    :ivar hosts: addresses of some of its nodes.
    :ivar local_dc: the data centre whose nodes are asked; "" for that of the node that answers first.
    :ivar username: "" if Cassandra asks nobody who they are. :ivar password_file: where its password is.
    :ivar ca_file: certificates of who signs those of the nodes; "" for no TLS.
    :ivar timeout: seconds for one request.
    """

    backend: StoreBackend = StoreBackend.SQLITE
    path: str = "otter.sqlite"
    hosts: Names = ()
    port: int = field(default=9042, validator=positive)
    keyspace: str = "otter"
    consistency: Consistency = Consistency.LOCAL_QUORUM
    local_dc: str = ""
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    timeout: float = field(default=5.0, validator=positive)


@frozen
class CoordinationConfig:
    """
    All but ``backend`` and ``split_groups`` is about ZooKeeper.

    :ivar hosts: addresses of its servers, with ports if those are not 2181.
    :ivar root: the node below which otter's own are.
    :ivar session: seconds without a word from a process after which others take over its work.
    :ivar split_groups: a tenant with more groups is worked on by several processes.
    """

    backend: CoordinationBackend = CoordinationBackend.LOCAL
    hosts: Names = ()
    root: str = "/otter"
    session: float = field(default=10.0, validator=positive)
    client: ZooKeeperClient = ZooKeeperClient.KAZOO
    split_groups: int = field(default=1000, validator=positive)


@frozen
class SecretsConfig:
    """:ivar key_file: what capability URLs are derived from; made at the first start."""

    key_file: str = "otter-keys.json"


@frozen
class AbsoluteLimits:
    """Named as clients know them."""

    maxGroups: int = field(default=1000, validator=positive)
    maxPoliciesPerGroup: int = field(default=100, validator=positive)
    maxWebhooksPerPolicy: int = field(default=25, validator=positive)


@frozen
class LimitsConfig:
    pagination: int = field(default=100, validator=positive)
    absolute: AbsoluteLimits = AbsoluteLimits()


@frozen
class HttpConfig:
    """:ivar max_body: bytes. :ivar share_port: other processes may listen where this one listens."""

    max_body: int = field(default=1024 * 1024, validator=positive)
    share_port: bool = False


@frozen
class AuthConfig:
    """
    All but ``mode`` counts only for ``identity``.

    :ivar cache_ttl: seconds for which a token that was found good is not looked at again.
    :ivar admin_roles: who has one of these roles may do everything; who has one of ``observer_roles``, look.
    """

    mode: AuthMode = AuthMode.NONE
    cache_ttl: float = field(default=60.0, validator=positive)
    admin_roles: Names = ("autoscale:admin", "admin", "identity:user-admin")
    observer_roles: Names = ("autoscale:observer", "observer")


@frozen
class Config:
    """
    :ivar listen: a Twisted endpoint.
    :ivar admin: another one, for operators alone; "" for none.
    :ivar url_root: what clients put before ``/v1.0``; every link begins with it.
    :ivar region: the region of the service catalog.
    :ivar worker_tenants: ids of tenants that have the worker engine, whichever the others have.
    :ivar hold: nothing is changed in the cloud.
    """

    identity: IdentityConfig
    region: str
    listen: str = field(default="tcp:9000:interface=127.0.0.1", validator=endpoint)
    admin: str = field(default="", validator=endpoint_or_none)
    url_root: str = "http://127.0.0.1:9000"
    engine: EngineName = EngineName.CONVERGENCE
    worker_tenants: Names = ()
    hold: bool = False
    services: ServicesConfig = ServicesConfig()
    cloud: CloudConfig = CloudConfig()
    feeds: FeedsConfig = FeedsConfig()
    converger: ConvergerConfig = ConvergerConfig()
    selfheal: SelfHealConfig = SelfHealConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    store: StoreConfig = StoreConfig()
    coordination: CoordinationConfig = CoordinationConfig()
    secrets: SecretsConfig = SecretsConfig()
    limits: LimitsConfig = LimitsConfig()
    http: HttpConfig = HttpConfig()
    auth: AuthConfig = AuthConfig()


def load_config(paths: Sequence[str], environ: Mapping[str, str]) -> Config:
    """
    The configuration in the files, each laid over the one before, and in the environment over all of them.

    :raises ConfigError:
    """
    document: dict[str, Any] = {}
    for path in paths:
        document = laid_over(document, read_json(path))
    document |= from_environment(environ)
    config = read(Config, document, "")
    refuse_hasty_resolving(config)
    refuse_unusable_store(config.store)
    if config.feeds.url and not config.feeds.tenant_id:
        raise ConfigError("feeds.tenant_id: missing; it goes with feeds.url")
    refuse_unusable_coordination(config.coordination)
    refuse_unshareable_port(config)
    return config


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the environment says about operations, for a configuration. :raises ConfigError:"""
    document: dict[str, Any] = {}
    if "OTTER_ENGINE" in environ:
        document["engine"] = read(EngineName, environ["OTTER_ENGINE"], "OTTER_ENGINE").value
    if "OTTER_WORKER_TENANTS" in environ:
        tenants = [tenant.strip() for tenant in environ["OTTER_WORKER_TENANTS"].split(",")]
        if "" in tenants and len(tenants) > 1:
            raise ConfigError("OTTER_WORKER_TENANTS: must be tenant ids with commas between them")
        document["worker_tenants"] = [tenant for tenant in tenants if tenant]
    if "OTTER_HOLD" in environ:
        if environ["OTTER_HOLD"] not in ("", "0", "1"):
            raise ConfigError(f"OTTER_HOLD: must be 1 or 0, not {environ['OTTER_HOLD']!r}")
        document["hold"] = environ["OTTER_HOLD"] == "1"
    return document


def password_of(identity: IdentityConfig, environ: Mapping[str, str]) -> str:
    """The service account's password. :raises ConfigError:"""
    if bool(identity.password_file) == bool(identity.password_env):
        raise ConfigError("identity: exactly one of password_file and password_env must be given")
    if identity.password_env:
        if identity.password_env not in environ:
            raise ConfigError(f"identity.password_env: the environment has no {identity.password_env}")
        return environ[identity.password_env]
    try:
        return Path(identity.password_file).read_text().strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"identity.password_file: {error}") from None


def service_keys(path: Path, used: Collection[str] = ()) -> ServiceKeys:
    """
    The keys in the file, which is made with a first one if it is not there.

    To begin with a new key, append it to the list; capabilities that were made with the older ones stay valid.

    :param used: ids of keys without which capabilities in the store could not be shown any more.
    :raises ConfigError:
    """
    if used and not path.exists():
        raise ConfigError(f"secrets.key_file: {path} is missing{NEEDED.format(', '.join(sorted(used)))}")
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_new_key_file(path)
        listed = json.loads(path.read_text())["keys"]
        keys = {entry["id"]: bytes.fromhex(entry["key"]) for entry in listed}
        newest = listed[-1]["id"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigError(f"secrets.key_file: {path} is not usable: {error!r}") from None
    if any(len(key) < SHORTEST_KEY for key in keys.values()) or len(keys) != len(listed):
        raise ConfigError(
            f"secrets.key_file: {path} must have keys of {SHORTEST_KEY} bytes or more, each with its own id"
        )
    if missing := set(used) - keys.keys():
        raise ConfigError(f"secrets.key_file: {path} is incomplete{NEEDED.format(', '.join(sorted(missing)))}")
    return ServiceKeys(keys, newest)


def write_new_key_file(path: Path) -> None:
    """Complete or not at all, and readable for nobody else at any moment. Of several processes that begin together, one makes it."""
    key = {"id": secrets.token_hex(4), "key": secrets.token_hex(SHORTEST_KEY)}
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"keys": [key]}, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # Another process was quicker, and its key is everybody's.
    finally:
        os.unlink(draft)


def read_json(path: str) -> dict[str, Any]:
    """:raises ConfigError:"""
    try:
        document = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: must be an object")
    return document


def laid_over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """``lower`` with what ``upper`` says instead; objects are merged key by key."""
    merged = dict(lower)
    for key, value in upper.items():
        both_objects = isinstance(value, dict) and isinstance(lower.get(key), dict)
        merged[key] = laid_over(lower[key], value) if both_objects else value
    return merged


def refuse_hasty_resolving(config: Config) -> None:
    """A create must not be given up before it is certain that it is not being sent any more."""
    least = config.converger.send_window + config.cloud.timeout
    if config.converger.resolve_timeout <= least:
        raise ConfigError(
            "converger.resolve_timeout: must be above converger.send_window plus cloud.timeout,"
            f" which is {least:g}, not {config.converger.resolve_timeout:g}"
        )


def refuse_unshareable_port(config: Config) -> None:
    if config.http.share_port and not config.listen.startswith("tcp:"):
        raise ConfigError(f"http.share_port: only what listens at tcp:... can share it, not {config.listen!r}")


def refuse_unusable_store(store: StoreConfig) -> None:
    """What cannot be right, whatever the cluster says."""
    if store.backend is StoreBackend.CASSANDRA and not store.hosts:
        raise ConfigError("store.hosts: missing; Cassandra needs the address of one node or more")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,47}", store.keyspace):
        raise ConfigError(f"store.keyspace: must be small letters, digits and _, not {store.keyspace!r}")
    if bool(store.username) != bool(store.password_file):
        raise ConfigError("store.username: goes with store.password_file")


def refuse_unusable_coordination(coordination: CoordinationConfig) -> None:
    if coordination.backend is CoordinationBackend.ZOOKEEPER and not coordination.hosts:
        raise ConfigError("coordination.hosts: missing; ZooKeeper needs the address of one server or more")
    for host in coordination.hosts:
        if not re.fullmatch(r"([^\s,/:\[\]]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?", host):
            raise ConfigError(f"coordination.hosts: each must be an address, or address:port, not {host!r}")
    if not re.fullmatch(r"(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+", coordination.root):
        raise ConfigError(f"coordination.root: must be the path of a node, such as /otter, not {coordination.root!r}")


def read(kind: Any, document: Any, where: str) -> Any:
    """``document`` as a ``kind``, a record or one of its fields' types. :raises ConfigError: naming ``where`` it is wrong."""
    if kind == Names:
        if not isinstance(document, list) or not all(isinstance(name, str) for name in document):
            raise ConfigError(f"{where}: must be a list of strings, not {document!r}")
        return tuple(document)
    if issubclass(kind, Enum):
        names = [choice.value for choice in kind]
        if document not in names:
            raise ConfigError(f"{where}: must be one of {', '.join(names)}, not {document!r}")
        return kind(document)
    if hasattr(kind, "__attrs_attrs__"):
        return read_record(kind, document, where)
    good = {float: (int, float)}.get(kind, kind)
    if not isinstance(document, good) or (isinstance(document, bool) and kind is not bool):
        raise ConfigError(f"{where}: must be a {kind.__name__}, not {document!r}")
    return document


def read_record(kind: Any, document: Any, where: str) -> Any:
    if not isinstance(document, dict):
        raise ConfigError(f"{where or 'configuration'}: must be an object, not {document!r}")
    known = {attribute.name: attribute for attribute in fields(kind)}
    prefix = f"{where}." if where else ""
    for name in document:
        if name not in known:
            raise ConfigError(f"{prefix}{name}: {unknown(prefix + name, known)}")
    for name, attribute in known.items():
        if attribute.default is NOTHING and name not in document:
            raise ConfigError(f"{prefix}{name}: missing")
    values = {name: read(known[name].type, value, prefix + name) for name, value in document.items()}
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f"{prefix}{error}") from None


def unknown(key: str, known: Mapping[str, Any]) -> str:
    if key not in SUCCESSORS:
        return f"unknown; known are {', '.join(known)}"
    successor = SUCCESSORS[key]
    return f"not configured this way any more; use {successor}" if successor else "not needed any more; leave it out"
