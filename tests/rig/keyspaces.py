"""Keyspaces of their own, with otter's tables, for those who share a cluster."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from otter.store.cassandra import driver, schema
from otter.store.cassandra.client import Place

STRATEGY = "{{'class': 'NetworkTopologyStrategy', 'replication_factor': {copies}}}"


@contextmanager
def a_keyspace(hosts: Sequence[str], port: int, copies: int = 1) -> Iterator[Place]:
    """Where it is. It is dropped in the end."""
    place = new_keyspace(hosts, port, copies)
    yield place
    cluster, session = driver.connect(place)
    try:
        session.execute(f"DROP KEYSPACE {place.keyspace}", timeout=60)
    finally:
        cluster.shutdown()


def new_keyspace(hosts: Sequence[str], port: int, copies: int = 1) -> Place:
    """Where it is. It is there as long as its cluster."""
    place = Place(tuple(hosts), port, f"otter_{uuid4().hex[:12]}", timeout=20.0)
    cluster, session = driver.connect(place)
    try:
        schema.Migration(cluster, session, place.keyspace, lambda _: None, STRATEGY.format(copies=copies)).run()
    finally:
        cluster.shutdown()
    return place


def stored_in(place: Place) -> dict[str, Any]:
    """What an otter that stores there is to be configured with."""
    store = {"backend": "cassandra", "hosts": list(place.hosts), "port": place.port, "keyspace": place.keyspace}
    return {"store": store}
