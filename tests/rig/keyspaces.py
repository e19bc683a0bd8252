"""Keyspaces of their own, with otter's tables, for those who share a cluster."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

from otter.store.cassandra import driver, schema
from otter.store.cassandra.client import Place

STRATEGY = "{{'class': 'NetworkTopologyStrategy', 'replication_factor': {copies}}}"


@contextmanager
def a_keyspace(hosts: Sequence[str], port: int, copies: int = 1) -> Iterator[Place]:
    """Where it is. It is dropped in the end."""
    place = Place(tuple(hosts), port, f"otter_{uuid4().hex[:12]}", timeout=20.0)
    cluster, session = driver.connect(place)
    try:
        schema.Migration(cluster, session, place.keyspace, lambda _: None, STRATEGY.format(copies=copies)).run()
        yield place
        session.execute(f"DROP KEYSPACE {place.keyspace}", timeout=60)
    finally:
        cluster.shutdown()
