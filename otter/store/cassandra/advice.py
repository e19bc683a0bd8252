"""What can be seen of the cluster that endangers otter's promises. (docs/cassandra.md, "What otter needs of the cluster".)"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from time import time
from typing import Any

from attrs import frozen

from otter.store.cassandra.client import Place

LEAST = 3
"""Replicas; of fewer, no two make a majority that survives one."""
SKEW = 0.5
"""Seconds by which a node's clock may differ from ours."""
PATIENCE = 2.0
"""Seconds for each question."""
REPLICATION = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s"
COMMITLOG = "SELECT value FROM system_views.settings WHERE name = 'commitlog_sync'"
CLOCK = "SELECT toTimestamp(now()) AS now FROM system.local"
EPOCH = datetime(1970, 1, 1)
"""As the driver says it: without a zone, and meaning UTC."""


@frozen
class Advice:
    """:ivar about: a word to look for in docs/cassandra.md."""

    about: str
    text: str


def advice_for(cluster: Any, session: Any, place: Place) -> list[Advice]:
    """Everything that is to be said of a cluster at this moment; blocks."""
    rows = list(session.execute(REPLICATION, [place.keyspace]))
    nodes = {str(host.address): host for host in cluster.metadata.all_hosts() if host.is_up}
    sync = {name: told(commitlog_of, session, host) for name, host in nodes.items()}
    skew = {name: told(skew_of, session, host) for name, host in nodes.items()}
    return [
        *on_replication(place.keyspace, rows[0]["replication"] if rows else {}, place.local_dc),
        *on_commitlog(sync),
        *on_clocks(skew),
        *on_data_centre(place.local_dc),
    ]


def told(ask: Callable[[Any, Any], Any], session: Any, host: Any) -> Any:
    """None if it cannot be found out: to ask takes rights that otter needs for nothing else."""
    try:
        return ask(session, host)
    except Exception:
        return None


def commitlog_of(session: Any, host: Any) -> str:
    return session.execute(COMMITLOG, host=host, timeout=PATIENCE).one()["value"]


def skew_of(session: Any, host: Any) -> float:
    """By how many seconds the node's clock differs from ours, as far as the time that the answer took leaves no doubt."""
    before = time()
    there = session.execute(CLOCK, host=host, timeout=PATIENCE).one()["now"]
    after = time()
    seconds = (there - EPOCH).total_seconds()
    return max(before - seconds, seconds - after, 0.0)


def on_replication(keyspace: str, replication: Mapping[str, str], local_dc: str) -> Iterator[Advice]:
    strategy = replication.get("class", "").rpartition(".")[2]
    factors = {where: int(factor) for where, factor in replication.items() if where != "class" and factor.isdigit()}
    if strategy == "SimpleStrategy":
        yield Advice(
            "replication", f"keyspace {keyspace} has SimpleStrategy; NetworkTopologyStrategy is for several racks"
        )
    for where, factor in sorted(factors.items()):
        if factor < LEAST:
            place = "" if where == "replication_factor" else f" in {where}"
            yield Advice(
                "replication",
                f"keyspace {keyspace} has {factor} replicas{place}: one node that is down is one too many",
            )
    if local_dc and strategy == "NetworkTopologyStrategy" and local_dc not in factors:
        yield Advice("replication", f"keyspace {keyspace} has no replicas in {local_dc}, which is store.local_dc")


def on_commitlog(sync: Mapping[str, str | None]) -> Iterator[Advice]:
    periodic = named(node for node, value in sync.items() if value == "periodic")
    hidden = named(node for node, value in sync.items() if value is None)
    if periodic:
        yield Advice(
            "commitlog_sync", f"periodic at {periodic}: a node that dies forgets what it has acknowledged; use batch"
        )
    if hidden:
        yield Advice("commitlog_sync", f"not to be seen at {hidden}: make sure that it is batch or group")


def on_clocks(skew: Mapping[str, float | None]) -> Iterator[Advice]:
    for node, seconds in sorted(skew.items()):
        if seconds is not None and seconds > SKEW:
            yield Advice("clocks", f"that of {node} differs from ours by {seconds:.1f} s or more")


def on_data_centre(local_dc: str) -> Iterator[Advice]:
    if not local_dc:
        yield Advice("local_dc", "store.local_dc is not given: the data centre of the node that answers first is asked")


def named(nodes: Iterable[str]) -> str:
    return ", ".join(sorted(nodes))
