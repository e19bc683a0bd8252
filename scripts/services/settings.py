"""The environment, as one record."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

COMMITLOG_SYNCS = {
    "batch": "",
    "group": "commitlog_sync_group_window: 10ms",
    "periodic": "commitlog_sync_period: 1000ms",
}
"""When a write is acknowledged -> the line of cassandra.yaml that belongs to it."""


class Problem(Exception):
    """Something that the user has to read; shown without a traceback."""


@dataclass(frozen=True)
class Settings:
    """
    :ivar cache: the jars are kept here.
    :ivar data: a folder, a log and a pid file for each node.
    :ivar net: node N listens on NET.N, and nowhere else.
    :ivar java: the only ``java`` to be considered; empty: whichever is found.
    :ivar keystore: PKCS #12, with a certificate and its key: clients of Cassandra have to speak TLS, and to say who they are; "" for neither.
    :ivar start_seconds: how long a node may take until it answers.
    """

    cache: Path
    data: Path
    net: str = "127.0.0"
    java: str = ""
    java_options: tuple[str, ...] = ()
    cassandra_heap: str = "512m"
    zookeeper_heap: str = "128m"
    commitlog_sync: str = "batch"
    paxos: str = "v2"
    keystore: str = ""
    start_seconds: float = 180.0


def settings_of(environment: Mapping[str, str]) -> Settings:
    """Every ``OTTER_SERVICES_...``; an empty one counts as missing. :raises Problem: a value that cannot be."""

    def value(name: str, default: str) -> str:
        return environment.get(f"OTTER_SERVICES_{name}") or default

    caches = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(value("CACHE", str(Path(caches, "otter-services")))).resolve()
    return Settings(
        cache=cache,
        data=Path(value("DATA", str(cache / "data"))).resolve(),
        net=value("NET", Settings.net),
        java=value("JAVA", Settings.java),
        java_options=tuple(value("JAVA_OPTS", "").split()),
        cassandra_heap=value("HEAP", Settings.cassandra_heap),
        zookeeper_heap=value("ZK_HEAP", Settings.zookeeper_heap),
        commitlog_sync=one_of(COMMITLOG_SYNCS, "COMMITLOG_SYNC", value("COMMITLOG_SYNC", Settings.commitlog_sync)),
        keystore=value("KEYSTORE", Settings.keystore),
        paxos=one_of(("v1", "v2"), "PAXOS", value("PAXOS", Settings.paxos)),
        start_seconds=seconds(value("START_SECONDS", str(Settings.start_seconds))),
    )


def one_of(choices: Mapping[str, str] | tuple[str, ...], name: str, value: str) -> str:
    if value not in choices:
        raise Problem(f"OTTER_SERVICES_{name} is {value!r}; it may be {', '.join(choices)}")
    return value


def seconds(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise Problem(f"OTTER_SERVICES_START_SECONDS is {value!r}, which is no number") from None


def say(text: str) -> None:
    """To standard error: standard output is for answers."""
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)
