"""What many otters share: a store in Cassandra and ZooKeeper, real ones on loopback (docs/services.md)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from otter.store.cassandra.client import Place
from otter.store.cassandra.schema import Migration
from scripts.services.cluster import Cluster
from scripts.services.settings import settings_of
from scripts.stores import say

REPLICATION = "{{'class': 'NetworkTopologyStrategy', 'replication_factor': {copies}}}"


@contextmanager
def backing(environ: Mapping[str, str], name: str) -> Iterator[dict[str, Any]]:
    """
    What is configured of it, once it is usable. What did not run before is stopped in the end, and keeps its data.

    :param name: of the keyspace, and of the root in ZooKeeper. NODES of the ``environ`` says how many there are of each: 1 or 3.
    :raises Problem, CannotConnect:
    """
    cluster = Cluster(settings_of(environ))
    ran = any(node.process.pid for node in cluster.nodes)
    try:
        cluster.up(int(environ.get("NODES", "1")))
        yield sections(cluster.environment(), name)
    finally:
        if not ran:
            cluster.down()


def sections(where: Mapping[str, str], name: str) -> dict[str, Any]:
    """:param where: as :meth:`Cluster.environment` says it. The keyspace is brought up to date."""
    hosts, port = where["CASSANDRA_HOSTS"].split(","), int(where["CASSANDRA_PORT"])
    prepare(Place(tuple(hosts), port, name, timeout=30.0), len(hosts))
    return {
        "store": {"backend": "cassandra", "hosts": hosts, "port": port, "keyspace": name},
        "coordination": {
            "backend": "zookeeper",
            "hosts": where["ZOOKEEPER_HOSTS"].split(","),
            "root": f"/{name.replace('_', '-')}",
            "session": 10,
        },
    }


def prepare(place: Place, copies: int) -> None:
    from otter.store.cassandra.driver import connect

    connection, session = connect(place)
    try:
        Migration(connection, session, place.keyspace, say, REPLICATION.format(copies=copies)).run()
    finally:
        connection.shutdown()
