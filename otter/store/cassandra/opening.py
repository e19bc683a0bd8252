"""Opening the store: everything that blocks, before the reactor runs."""

from collections.abc import Sequence
from typing import Any

from twisted.logger import Logger, LogLevel

from otter.store.cassandra import queries, schema
from otter.store.cassandra.advice import advice_for
from otter.store.cassandra.client import CannotConnect, Cassandra, Place
from otter.store.cassandra.store import PARTS, CassandraStore, counted

log = Logger()


def open_cassandra(reactor: Any, place: Place, consistency: str) -> tuple[CassandraStore, Sequence[str]]:
    """The store, and the ids of the service keys that it needs. :raises CannotConnect:"""
    client = Cassandra(reactor, place, queries.ALL, consistency)
    try:
        return opened(client, reactor)
    except BaseException as error:
        client.close()
        if isinstance(error, CannotConnect) or not isinstance(error, Exception):
            raise
        raise client.unusable(error) from error


def opened(client: Cassandra, clock: Any) -> tuple[CassandraStore, Sequence[str]]:
    schema.require_current(client.session, client.place.keyspace)
    client.prepare()
    store = CassandraStore(client, clock, begin_epoch(client))
    for advice in advice_for(client.cluster, client.session, client.place):
        log.emit(LogLevel.warn, "cassandra-advice", about=advice.about, advice=advice.text)
    return store, used_keys(client)


def used_keys(client: Cassandra) -> Sequence[str]:
    key_ids = [row["key_id"] for row in client.execute_now(queries.KEYS, {})]
    places = [(key_id, {"key_id": key_id, "part": part}) for key_id in key_ids for part in range(PARTS)]
    return sorted({key_id for key_id, place in places if client.execute_now(queries.OF_KEY, place)})


def begin_epoch(client: Cassandra) -> int:
    """The number of this opening. What others count at the same time is another one."""
    for _ in range(50):
        statement, epoch = counted(client.execute_now(queries.EPOCH, {}, "LOCAL_SERIAL"))
        if client.execute_now(statement.query, statement.args)[0]["[applied]"]:
            return epoch
    raise CannotConnect("others open the store all the time")
