"""Opening the store: everything that blocks, before the reactor runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from twisted.logger import Logger, LogLevel

from otter.store.cassandra import queries, schema
from otter.store.cassandra.advice import advice_for
from otter.store.cassandra.client import CannotConnect, Cassandra, Place, Row
from otter.store.cassandra.store import CassandraStore, counted

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
    return store, used_keys(client, clock)


@frozen
class Blocking:
    """A client for the time before the reactor runs: whatever it is asked is answered at once."""

    client: Cassandra

    async def execute(self, query: str, args: Mapping[str, Any], consistency: str = "") -> Sequence[Row]:
        return self.client.execute_now(query, args, consistency)


def used_keys(client: Cassandra, clock: Any) -> Sequence[str]:
    """The ids of the service keys that the store needs; blocks."""
    store = CassandraStore(Blocking(client), clock, 0)  # type: ignore[arg-type]
    try:
        store.capability_key_ids().send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("there was something to wait for")


def begin_epoch(client: Cassandra) -> int:
    """The number of this opening. What others count at the same time is another one."""
    for _ in range(50):
        statement, epoch = counted(client.execute_now(queries.EPOCH, {}, "LOCAL_SERIAL"))
        if client.execute_now(statement.query, statement.args)[0]["[applied]"]:
            return epoch
    raise CannotConnect("others open the store all the time")
