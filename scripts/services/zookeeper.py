"""A node of ZooKeeper."""

import socket
from pathlib import Path

from scripts.services.nodes import Node


class ZooKeeper(Node):
    kind = "zookeeper"
    ports = (2181,)

    def arguments(self, jars: Path) -> list[str]:
        memory, quiet = f"-Xmx{self.settings.zookeeper_heap}", "-Dzookeeper.jmx.log4j.disable=true"
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        return [memory, quiet, "-cp", f"{jars}/*", main, str(self.configuration())]

    def configuration(self) -> Path:
        """One that is alone needs neither a number nor a list of the others."""
        if self.count == 1:
            return self.fill("zoo.cfg", SERVERS="")
        (self.folder / "myid").write_text(str(self.number))
        servers = [f"server.{number}={address}:2888:3888" for number, address in enumerate(self.addresses, 1)]
        return self.fill("zoo.cfg", SERVERS="\n".join(servers))

    def answers(self) -> bool:
        """It serves clients, which it does only with a quorum."""
        return bool(self.role)

    @property
    def role(self) -> str:
        """``standalone``, ``leader`` or ``follower``."""
        words = self.told("srvr").partition("Mode:")[2].split()
        return words[0] if words else ""

    def told(self, word: str) -> str:
        """The answer to a four-letter word; empty if there is none."""
        try:
            with socket.create_connection((self.address, self.ports[0]), timeout=2) as connection:
                connection.sendall(word.encode())
                return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError:
            return ""
