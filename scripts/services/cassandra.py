"""A node of Cassandra, and as much of its native protocol (version 4) as it takes to ask it something."""

import socket
import struct
from enum import IntEnum
from pathlib import Path

from scripts.services.nodes import Node
from scripts.services.settings import COMMITLOG_SYNCS

OPEN = ("jdk.internal.ref", "java.io", "sun.nio.ch")
"""Parts of Java's base into which Cassandra reaches; the first is exported, the others are opened."""


class Code(IntEnum):
    STARTUP, READY, QUERY, RESULT = 1, 2, 7, 8


class Consistency(IntEnum):
    ONE, ALL = 1, 5


class Cassandra(Node):
    kind = "cassandra"
    ports = (9042, 7000)

    def arguments(self, jars: Path) -> list[str]:
        (jamm,) = jars.glob("jamm-*.jar")
        exported, *opened = (f"java.base/{package}=ALL-UNNAMED" for package in OPEN)
        access = ["--add-exports", exported, *(word for package in opened for word in ("--add-opens", package))]
        memory = ["-Xms128m", f"-Xmx{self.settings.cassandra_heap}", "-XX:MaxDirectMemorySize=256m"]
        places = [f"-Dcassandra.config=file://{self.configuration()}", f"-Dcassandra.storagedir={self.folder}"]
        haste = ["-Dcassandra.skip_wait_for_gossip_to_settle=0", "-Dcassandra.ring_delay_ms=1000"]
        main = ["-Dcassandra-foreground=yes", "-cp", f"{jars}/*", "org.apache.cassandra.service.CassandraDaemon"]
        return [*access, *memory, f"-javaagent:{jamm}", *places, *haste, *main]

    def configuration(self) -> Path:
        """The nodes share the ring evenly."""
        sync = self.settings.commitlog_sync
        return self.fill(
            "cassandra.yaml",
            TOKEN=-(2**63) + (self.number - 1) * 2**64 // self.count,
            SEEDS=",".join(self.addresses),
            COMMITLOG_SYNC=sync,
            COMMITLOG_SYNC_PERIOD=COMMITLOG_SYNCS[sync],
            PAXOS=self.settings.paxos,
        )

    def answers(self) -> bool:
        return self.executes("SELECT key FROM system.local")

    def sees_all(self) -> bool:
        """Every node answers it: a read that needs each of them succeeds."""
        return self.executes("SELECT * FROM system_distributed.view_build_status", Consistency.ALL)

    def executes(self, cql: str, consistency: Consistency = Consistency.ONE) -> bool:
        """It answers ``cql`` with a result."""
        query = struct.pack(">i", len(cql.encode())) + cql.encode() + struct.pack(">HB", consistency, 0)
        try:
            with socket.create_connection((self.address, self.ports[0]), timeout=5) as connection:
                started = asked(connection, Code.STARTUP, b"\0\1\0\x0bCQL_VERSION\0\x053.0.0")
                return started == Code.READY and asked(connection, Code.QUERY, query) == Code.RESULT
        except OSError:
            return False


def asked(connection: socket.socket, code: Code, body: bytes) -> int:
    """One request; the code of its answer. :raises OSError:"""
    connection.sendall(struct.pack(">BBhBi", 4, 0, 0, code, len(body)) + body)
    *_, answer, length = struct.unpack(">BBhBi", received(connection, 9))
    received(connection, length)
    return int(answer)


def received(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionError("closed")
        data += more
    return data
