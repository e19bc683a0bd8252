"""
A client of the shape that silverberg had, over the driver of the Apache Cassandra project.

The driver works in a thread of its own (libev); what it answers comes into the reactor by ``callFromThread``. It repeats requests
whose connection broke, also those that must not be made twice, so it gets a policy that does not. (docs/cassandra.md, "The client".)
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.python.failure import Failure

from otter.domain.errors import StoreUnavailable
from otter.store.cassandra.breaker import Breaker

Row = Mapping[str, Any]
IN_FLIGHT = 96
"""Requests that this process has on their way at once; more brings no throughput, and everybody waits for longer."""


PATIENCE = 2
"""Times ``Place.timeout``: after that, nothing is expected of the driver any more. In a process that stood still, it forgets some requests."""


class CannotConnect(Exception):
    """The cluster cannot be used; the text says why, in one sentence."""


class Unknown(StoreUnavailable):
    """A change was sent, and nobody knows whether it was made."""


@frozen
class Place:
    """
    Where the cluster is, and who we are there.

    :ivar local_dc: the data centre whose nodes are asked; "" for that of the first node that answers.
    :ivar password_file, username: "" if the cluster asks nobody who they are.
    :ivar ca_file: what the nodes' certificates are checked with; "" for no TLS.
    """

    hosts: Sequence[str]
    port: int
    keyspace: str
    local_dc: str = ""
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    timeout: float = 5.0


@frozen
class Change:
    """One statement of a conditional batch. :ivar args: name -> value."""

    query: str
    args: Mapping[str, Any]


@define(eq=False)
class Cassandra:
    """
    Connected when it is made, which blocks; so it is made before the reactor runs.

    :ivar consistency: of everything that is not said otherwise: "LOCAL_QUORUM", or "QUORUM" where all data centres must agree.
    :ivar clock: seconds that never go back.
    :ivar asked: query -> how often. :ivar failed: how often in vain: "errors", and "unknown" for those of them that were changes and may have been made.
    """

    reactor: Any
    place: Place
    queries: Sequence[str]
    consistency: str = "LOCAL_QUORUM"
    clock: Callable[[], float] = monotonic
    trouble: str | None = field(init=False, default=None)
    asked: Counter[str] = field(init=False, factory=Counter)
    failed: Counter[str] = field(init=False, factory=Counter)
    cluster: Any = field(init=False)
    session: Any = field(init=False)
    _prepared: dict[str, Any] = field(init=False, factory=dict)
    _slots: DeferredSemaphore = field(init=False, factory=lambda: DeferredSemaphore(IN_FLIGHT))
    _waiting: set[Deferred] = field(init=False, factory=set)
    _breaker: Breaker = field(init=False, factory=Breaker)

    def __attrs_post_init__(self) -> None:
        """:raises CannotConnect:"""
        from otter.store.cassandra.driver import connect

        self.cluster, self.session = connect(self.place)

    @property
    def serial(self) -> str:
        """Who must agree on conditional writes: two data centres that change the same rows, each for itself, would lose changes."""
        return "LOCAL_SERIAL" if self.consistency == "LOCAL_QUORUM" else "SERIAL"

    def unusable(self, error: Exception) -> CannotConnect:
        from otter.store.cassandra.driver import unusable

        return unusable(self.place, error)

    def prepare(self) -> None:
        """What is asked from now on, in one go; blocks. :raises CannotConnect: the schema is not what it should be."""
        from otter.store.cassandra.driver import plainly

        for query in self.queries:
            try:
                self._prepared[query] = self.session.prepare(query.format(keyspace=self.place.keyspace))
            except Exception as error:
                raise CannotConnect(f"Cassandra does not understand what otter asks: {plainly(error)}") from error

    def execute_now(self, query: str, args: Mapping[str, Any], consistency: str = "") -> list[Row]:
        """``execute``, blocking; for the start."""
        return list(self.session.execute(self._bound(query, args, consistency or self.consistency)))

    async def execute(self, query: str, args: Mapping[str, Any], consistency: str = "") -> list[Row]:
        """
        The rows that ``query`` comes to; all of them, whatever the pages that they come in.

        :param args: name -> value. :param consistency: "" for what is usual here; "LOCAL_SERIAL" ends what is under way before
            it looks, in all data centres if they must agree.
        :raises StoreUnavailable:
        """
        self.asked[query] += 1
        statement = self._bound(query, args, consistency or self.consistency)
        statement.is_idempotent = True
        try:
            return await self._sent(statement)
        except Unknown as error:
            raise StoreUnavailable(str(error)) from error  # It may be asked again.

    async def change(self, changes: Sequence[Change]) -> Row:
        """
        Make all changes, which are of one partition and have a condition, or none; what came of it.

        :raises Unknown: they may have been made. :raises StoreUnavailable: they were not.
        """
        from cassandra import ConsistencyLevel
        from cassandra.query import BatchStatement

        batch = BatchStatement(serial_consistency_level=getattr(ConsistencyLevel, self.serial))
        batch.consistency_level = getattr(ConsistencyLevel, self.consistency)
        batch.is_idempotent = False
        for change in changes:
            self.asked[change.query] += 1
            batch.add(self._prepared[change.query], change.args)
        try:
            rows = await self._sent(batch)
        except Unknown:
            self.failed["unknown"] += 1
            raise
        return rows[0]

    def close(self) -> None:
        """Blocks for a moment."""
        self.cluster.shutdown()

    def forget_waiting(self) -> None:
        """Whoever still waits after the end is told so; the driver tells nobody."""
        while self._waiting:
            self._waiting.pop().errback(StoreUnavailable("otter stops"))

    def _bound(self, query: str, args: Mapping[str, Any], consistency: str) -> Any:
        from cassandra import ConsistencyLevel

        statement = self._prepared[query].bind(args)
        level = self.serial if consistency == "LOCAL_SERIAL" else consistency
        statement.consistency_level = getattr(ConsistencyLevel, level)
        statement.serial_consistency_level = getattr(ConsistencyLevel, self.serial)
        return statement

    async def _sent(self, statement: Any) -> list[Row]:
        """:raises StoreUnavailable, Unknown:"""
        now = self.clock()
        if not self._breaker.lets_through(now):
            raise self._hopeless()
        return await self._slots.run(self._send, statement, now)

    def _hopeless(self) -> StoreUnavailable:
        return StoreUnavailable(f"nothing is answered, and it is tried again each second: {self.trouble}")

    def _send(self, statement: Any, waiting_since: float) -> Deferred:
        if self._breaker.is_over_for(waiting_since):
            raise self._hopeless()
        asked = self.clock()
        answer: Deferred = Deferred()
        self._waiting.add(answer)
        rows: list[Row] = []
        future = self.session.execute_async(statement)

        def more(page: Sequence[Row] | None) -> None:
            rows.extend(page or ())
            if future.has_more_pages:
                future.start_fetching_next_page()
            else:
                self.reactor.callFromThread(self._answered, answer, rows)

        def failed(error: Exception) -> None:
            self.reactor.callFromThread(self._failed, answer, error, asked, statement.is_idempotent)

        future.add_callbacks(more, failed)
        return answer.addTimeout(self.place.timeout * PATIENCE, self.reactor, lambda *_: self._gave_up(answer))

    def _gave_up(self, answer: Deferred) -> None:
        """:raises Unknown: the driver does not say what came of it."""
        self._waiting.discard(answer)
        self.failed["errors"] += 1
        raise Unknown("there is no answer")

    def _answered(self, answer: Deferred, rows: list[Row]) -> None:
        """In the reactor, and at most once."""
        self._breaker.succeeded(self.clock())
        self.trouble = None
        if answer in self._waiting:
            self._waiting.discard(answer)
            answer.callback(rows)

    def _failed(self, answer: Deferred, error: Exception, asked: float, of_several: bool) -> None:
        """
        In the reactor, and at most once.

        :param asked: when. :param of_several: nodes, one after the other; that a single one is silent says nothing of the cluster.
        """
        from otter.store.cassandra.driver import SILENCE, meaning_of

        meaning = meaning_of(error)
        if of_several and isinstance(error, SILENCE):
            self._breaker.failed(asked, self.clock())
        self.failed["errors"] += 1
        self.trouble = str(meaning)
        if answer in self._waiting:
            self._waiting.discard(answer)
            answer.errback(Failure(meaning))


def password_in(path: str) -> str:
    """:raises CannotConnect:"""
    try:
        return Path(path).read_text().strip()
    except (OSError, ValueError) as error:
        raise CannotConnect(f"store.password_file: {error}") from None
