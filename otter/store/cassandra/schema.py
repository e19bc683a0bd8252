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
AGREEMENT = 150.0
"""Seconds; a node that did not get a change, for it was busy, asks for it a minute later."""
HISTORY = (
    "CREATE TABLE IF NOT EXISTS {keyspace}.schema_versions"
    " (name text, number int, file text, PRIMARY KEY (name, number))"
)
LOCK = "CREATE TABLE IF NOT EXISTS {keyspace}.schema_lock (name text PRIMARY KEY, owner text)"
KEYSPACE = "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {replication}"
SEE_KEYSPACE = "SELECT keyspace_name, replication FROM system_schema.keyspaces WHERE keyspace_name = %s"
SEE_TABLES = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s"
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


def is_there(session: Any, keyspace: str) -> bool:
    return bool(list(session.execute(SEE_KEYSPACE, [keyspace])))


def current(session: Any, keyspace: str) -> int:
    """The version that the keyspace has. :raises CannotConnect: there is no keyspace."""
    if not is_there(session, keyspace):
        raise CannotConnect(f"there is no keyspace {keyspace}; make it with otter-schema (docs/cassandra.md)")
    if not list(session.execute(SEE_TABLE, [keyspace])):
        return 0
    return max((row["number"] for row in session.execute(DONE.format(keyspace=keyspace))), default=0)


def require_current(session: Any, keyspace: str, folder: Path = FOLDER) -> None:
    """:raises CannotConnect: the keyspace has a version that this otter does not work with."""
    known, found = len(versions(folder)), current(session, keyspace)
    if found not in (known, known + 1):
        advice = "run otter-schema" if found < known else "start the newer otter"
        raise CannotConnect(f"keyspace {keyspace} has version {found}, and this otter works with {known}; {advice}")


@define
class Migration:
    """
    :ivar say: is told what happens.
    :ivar replication: of the keyspace, as CQL has it, if it is to be made; "" if not.
    :ivar folder: where the files are.
    """

    cluster: Any
    session: Any
    keyspace: str
    say: Callable[[str], None]
    replication: str = ""
    folder: Path = FOLDER
    owner: str = field(init=False, factory=lambda: str(uuid4()))

    def run(self) -> None:
        """Bring the keyspace to the newest version; of many at once, one does it. :raises CannotConnect:"""
        for statement in self._foundations():
            self._make(statement)
        self.missing()
        self._take()
        try:
            for version in self.missing():
                self._apply(version)
        finally:
            self._execute(GIVE, [self.owner])
        if self.missing():
            raise CannotConnect(f"nobody knows whether keyspace {self.keyspace} is complete; run otter-schema again")
        self.say(f"Keyspace {self.keyspace} has version {current(self.session, self.keyspace)}.")

    def plan(self) -> list[str]:
        """The statements about the schema that ``run`` would make now. Nothing is changed. :raises CannotConnect:"""
        missing = self.missing() if is_there(self.session, self.keyspace) else versions(self.folder)
        return [*self._foundations(), *(statement for version in missing for statement in self._statements(version))]

    def missing(self) -> Sequence[Version]:
        """:raises CannotConnect: the keyspace has more than that."""
        known, found = versions(self.folder), current(self.session, self.keyspace)
        if found > len(known):
            raise CannotConnect(
                f"keyspace {self.keyspace} has version {found}, and this otter-schema knows {len(known)}; it never goes back"
            )
        return known[found:]

    def _foundations(self) -> list[str]:
        """What has to be there before versions can be counted. :raises CannotConnect: there is no keyspace, and will be none."""
        made = {"keyspace": self.keyspace, "replication": self.replication}
        tables = [HISTORY.format(**made), LOCK.format(**made)]
        if not is_there(self.session, self.keyspace):
            if not self.replication:
                raise CannotConnect(f"there is no keyspace {self.keyspace}; with --replication, otter-schema makes it")
            return [KEYSPACE.format(**made), *tables]
        found = {row["table_name"] for row in self.session.execute(SEE_TABLES, [self.keyspace])}
        return [] if found >= {"schema_versions", "schema_lock"} else tables

    def _statements(self, version: Version) -> list[str]:
        return [statement.format(keyspace=self.keyspace) for statement in version.statements]

    def _apply(self, version: Version) -> None:
        self.say(f"Version {version.number}: {version.name}")
        for statement in self._statements(version):
            self._make(statement)
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
        if not self.cluster.control_connection.wait_for_schema_agreement(wait_time=AGREEMENT):
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
