"""
The tables, as numbered files of CQL, and bringing a keyspace up to date with them. Everything here blocks.

Rules: a published file is never changed, only added to. Each statement may be made twice (``IF NOT EXISTS``), because whoever makes it may die
before that is written down. otter of one version works on its own version of the schema and on the next one; so a file may
add tables and columns, and what an older otter still reads or writes goes one version later. (docs/cassandra.md, "New versions".)
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

from attrs import define, field, frozen

from otter.store.cassandra.client import CannotConnect

FOLDER = Path(__file__).parent / "versions"
LEASE = 60
"""Seconds after which somebody else may go on with what a dead process began."""
PATIENCE = 180.0
HISTORY = (
    "CREATE TABLE IF NOT EXISTS {keyspace}.schema_versions"
    " (name text, number int, file text, PRIMARY KEY (name, number))"
)
LOCK = "CREATE TABLE IF NOT EXISTS {keyspace}.schema_lock (name text PRIMARY KEY, owner text)"
KEYSPACE = "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {replication}"
SEE_KEYSPACE = "SELECT keyspace_name, replication FROM system_schema.keyspaces WHERE keyspace_name = %s"
SEE_TABLE = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s AND table_name = 'schema_versions'"
DONE = "SELECT number FROM {keyspace}.schema_versions WHERE name = 'otter'"
RECORD = "INSERT INTO {keyspace}.schema_versions (name, number, file) VALUES ('otter', %s, %s) IF NOT EXISTS"
TAKE = "INSERT INTO {keyspace}.schema_lock (name, owner) VALUES ('otter', %s) IF NOT EXISTS USING TTL %s"
OWNER = "SELECT owner FROM {keyspace}.schema_lock WHERE name = 'otter'"
GIVE = "DELETE FROM {keyspace}.schema_lock WHERE name = 'otter' IF owner = %s"


@frozen
class Version:
    number: int
    name: str
    statements: Sequence[str]


def versions(folder: Path = FOLDER) -> Sequence[Version]:
    """In order, from 1 without gaps."""
    found = [version_in(path) for path in sorted(folder.glob("*.cql"))]
    assert [version.number for version in found] == list(range(1, len(found) + 1))
    return found


def version_in(path: Path) -> Version:
    lines = (line for line in path.read_text().splitlines() if not line.startswith("--"))
    statements = [text.strip() for text in "\n".join(lines).split(";") if text.strip()]
    return Version(int(path.name.partition("-")[0]), path.name, statements)


def current(session: Any, keyspace: str) -> int:
    """The version that the keyspace has. :raises CannotConnect: there is no keyspace."""
    if not list(session.execute(SEE_KEYSPACE, [keyspace])):
        raise CannotConnect(f"there is no keyspace {keyspace}; make it with otter-schema (docs/cassandra.md)")
    if not list(session.execute(SEE_TABLE, [keyspace])):
        return 0
    return max((row["number"] for row in session.execute(DONE.format(keyspace=keyspace))), default=0)


def require_current(session: Any, keyspace: str) -> None:
    """:raises CannotConnect: the keyspace has a version that this otter does not work with."""
    known, found = len(versions()), current(session, keyspace)
    if found not in (known, known + 1):
        advice = "run otter-schema" if found < known else "start the newer otter"
        raise CannotConnect(f"keyspace {keyspace} has version {found}, and this otter works with {known}; {advice}")


@define
class Migration:
    """:ivar say: is told what happens. :ivar replication: of the keyspace, if it is to be made; "" if not."""

    cluster: Any
    session: Any
    keyspace: str
    say: Callable[[str], None]
    replication: str = ""
    owner: str = field(init=False, factory=lambda: str(uuid4()))

    def run(self) -> None:
        """Bring the keyspace to the newest version; of many at once, one does it. :raises CannotConnect:"""
        if self.replication:
            self._make(KEYSPACE.format(keyspace=self.keyspace, replication=self.replication))
        if current(self.session, self.keyspace) > len(versions()):
            require_current(self.session, self.keyspace)
        for table in (HISTORY, LOCK):
            self._make(table.format(keyspace=self.keyspace))
        self._take()
        try:
            for version in self.missing():
                self._apply(version)
        finally:
            self._execute(GIVE, [self.owner])
        self.say(f"Keyspace {self.keyspace} has version {current(self.session, self.keyspace)}.")

    def missing(self) -> Sequence[Version]:
        return versions()[current(self.session, self.keyspace) :]

    def _apply(self, version: Version) -> None:
        self.say(f"Version {version.number}: {version.name}")
        for statement in version.statements:
            self._make(statement.format(keyspace=self.keyspace))
        self._execute(RECORD, [version.number, version.name])

    def _take(self) -> None:
        until, told = monotonic() + PATIENCE, False
        while monotonic() < until:
            self._execute(TAKE, [self.owner, LEASE])
            rows = self._execute(OWNER, [])
            if rows and rows[0]["owner"] == self.owner:
                return
            if not told:
                self.say("Somebody else is at it; waiting.")
                told = True
            sleep(0.5)
        raise CannotConnect("somebody else has been changing the schema for too long")

    def _make(self, statement: str) -> None:
        """A statement about the schema, on which all nodes agree afterwards."""
        self.session.execute(statement, timeout=60)
        if not self.cluster.control_connection.wait_for_schema_agreement():
            raise CannotConnect("the nodes do not agree on the schema; see nodetool describecluster")

    def _execute(self, query: str, args: Sequence[Any]) -> list[Any]:
        """At SERIAL, so that an answer that got lost is found out by asking."""
        from cassandra import ConsistencyLevel, OperationTimedOut, WriteTimeout
        from cassandra.query import SimpleStatement

        statement = SimpleStatement(query.format(keyspace=self.keyspace))
        reads = query.startswith("SELECT")
        statement.consistency_level = ConsistencyLevel.SERIAL if reads else ConsistencyLevel.QUORUM
        try:
            return list(self.session.execute(statement, args))
        except (WriteTimeout, OperationTimedOut):
            return []
