"""A node of Cassandra, and as much of its native protocol (version 4) as it takes to ask it something."""

import socket
import ssl
import struct
from enum import IntEnum
from pathlib import Path

from scripts.services.nodes import Node
from scripts.services.settings import COMMITLOG_SYNCS

OPEN = ("jdk.internal.ref", "java.io", "sun.nio.ch")
"""Parts of Java's base into which Cassandra reaches; the first is exported, the others are opened."""


KEYSTORE_PASSWORD = "otter-test"
ADMINISTRATOR = "cassandra"
"""The name and the password of the account that a new cluster has."""
SECURED = """authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
client_encryption_options: {{enabled: true, keystore: {keystore}, keystore_password: {password}, store_type: PKCS12}}"""
OPEN_TO_ALL = """authenticator: AllowAllAuthenticator
authorizer: AllowAllAuthorizer"""


class Code(IntEnum):
    STARTUP, READY, AUTHENTICATE, QUERY, RESULT, AUTH_RESPONSE, AUTH_SUCCESS = 1, 2, 3, 7, 8, 15, 16


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
        haste += ["-Dcassandra.superuser_setup_delay_ms=0"]
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
            ACCESS=self.access(),
        )

    def access(self) -> str:
        """Who may speak to it, and how."""
        keystore = self.settings.keystore
        return SECURED.format(keystore=keystore, password=KEYSTORE_PASSWORD) if keystore else OPEN_TO_ALL

    def answers(self) -> bool:
        return self.executes("SELECT key FROM system.local")

    def sees_all(self) -> bool:
        """Every node answers it: a read that needs each of them succeeds."""
        return self.executes("SELECT * FROM system_distributed.view_build_status", Consistency.ALL)

    def executes(self, cql: str, consistency: Consistency = Consistency.ONE) -> bool:
        """It answers ``cql`` with a result."""
        query = struct.pack(">i", len(cql.encode())) + cql.encode() + struct.pack(">HB", consistency, 0)
        try:
            with self.connection() as connection:
                return is_welcome(connection) and asked(connection, Code.QUERY, query) == Code.RESULT
        except OSError:
            return False

    def connection(self) -> socket.socket:
        """:raises OSError:"""
        connection = socket.create_connection((self.address, self.ports[0]), timeout=5)
        if not self.settings.keystore:
            return connection
        anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        return anybody.wrap_socket(connection)


def is_welcome(connection: socket.socket) -> bool:
    """Whether it may be asked something now. :raises OSError:"""
    answer = asked(connection, Code.STARTUP, b"\0\1\0\x0bCQL_VERSION\0\x053.0.0")
    if answer != Code.AUTHENTICATE:
        return answer == Code.READY
    words = f"\0{ADMINISTRATOR}\0{ADMINISTRATOR}".encode()
    return asked(connection, Code.AUTH_RESPONSE, struct.pack(">i", len(words)) + words) == Code.AUTH_SUCCESS


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
