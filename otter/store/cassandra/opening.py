"""Opening the store: everything that blocks, before the reactor runs."""

from typing import Any

from twisted.internet.interfaces import IReactorTime

from otter.store.cassandra import queries, schema
from otter.store.cassandra.client import CannotConnect, Cassandra, Place
from otter.store.cassandra.store import CassandraStore


def open_store(reactor: Any, clock: IReactorTime, place: Place, consistency: str) -> CassandraStore:
    """:raises CannotConnect:"""
    client = Cassandra(reactor, place, queries.ALL, consistency)
    try:
        schema.require_current(client.session, place.keyspace)
        client.prepare()
        return CassandraStore(client, clock, begin_epoch(client))
    except BaseException:
        client.close()
        raise


def begin_epoch(client: Cassandra) -> int:
    """The number of this opening. What others count at the same time is another one."""
    for _ in range(50):
        rows = client.execute_now(queries.EPOCH, {}, "LOCAL_SERIAL")
        if not rows:
            query, args, epoch = queries.FIRST_EPOCH, {}, 1
        else:
            epoch = rows[0]["epoch"] + 1
            query, args = queries.NEXT_EPOCH, {"epoch": epoch - 1, "new": epoch}
        if client.execute_now(query, args)[0]["[applied]"]:
            return epoch
    raise CannotConnect("others open the store all the time")
