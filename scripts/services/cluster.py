"""All nodes of one data folder; the file ``layout`` in it says which there are."""

import fcntl
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.services.cassandra import Cassandra
from scripts.services.jars import install
from scripts.services.nodes import Node
from scripts.services.settings import Problem, Settings, say
from scripts.services.zookeeper import ZooKeeper

KINDS: dict[str, type[Node]] = {kind.kind: kind for kind in (ZooKeeper, Cassandra)}


@dataclass(frozen=True)
class Cluster:
    settings: Settings

    @property
    def layout(self) -> Path:
        return self.settings.data / "layout"

    @property
    def nodes(self) -> list[Node]:
        """Those that ``up`` laid out, in order."""
        if not self.layout.exists():
            return []
        kinds, count = self.layout.read_text().split()
        numbers = range(1, int(count) + 1)
        return [KINDS[kind](self.settings, number, int(count)) for kind in kinds.split(",") for number in numbers]

    def named(self, names: Sequence[str]) -> list[Node]:
        """:raises Problem: there is none of a name."""
        nodes = {node.name: node for node in self.nodes}
        for name in names:
            if name not in nodes:
                raise Problem(f"there is no node {name!r}; there are: {', '.join(nodes) or 'none'}")
        return [nodes[name] for name in names]

    def up(self, count: int = 1, kinds: Sequence[str] = tuple(KINDS)) -> None:
        """Lays out the nodes, starts those that do not run, and waits until all are usable. :raises Problem:"""
        with self.alone():
            jars = install(self.settings)
            self.lay_out(f"{','.join(kinds)} {count}")
            self.start_nodes(self.nodes, jars)
            first = next((node for node in self.nodes if isinstance(node, Cassandra)), None)
            if first is not None and count > 1:
                self.wait_for_ring(first)

    def lay_out(self, layout: str) -> None:
        """Written at once or not at all: a layout is never read by half."""
        if self.layout.exists() and self.layout.read_text() != layout:
            there = self.layout.read_text()
            raise Problem(
                f"{self.settings.data} holds another layout ({there}); `make services-down WIPE=1` forgets it"
            )
        new = self.layout.with_suffix(".new")
        new.write_text(layout)
        new.rename(self.layout)

    def start(self, names: Sequence[str]) -> None:
        with self.alone():
            self.start_nodes(self.named(names), install(self.settings))

    def start_nodes(self, nodes: Sequence[Node], jars: Path) -> None:
        """All at the same moment: those of one ring wait for each other."""
        began = time.monotonic()
        for node in nodes:
            say(f"Starting {node.name}; its log: {node.process.log}")
            node.start(jars)
        for node in nodes:
            node.wait(began + self.settings.start_seconds)
            say(f"{node.name} answers at {node.address}:{node.ports[0]} after {time.monotonic() - began:.1f} s")

    def wait_for_ring(self, node: Cassandra) -> None:
        deadline = time.monotonic() + self.settings.start_seconds
        while not node.sees_all():
            if time.monotonic() > deadline:
                raise Problem(f"the nodes do not see each other. {node.last_words()}")
            time.sleep(0.2)
        say("Cassandra answers at consistency ALL")

    def down(self, wipe: bool = False) -> None:
        """Stops all of them. :param wipe: at once, and their data and logs are removed."""
        with self.alone():
            for node in self.nodes:
                node.process.send(signal.SIGCONT)
                node.process.send(signal.SIGKILL if wipe else signal.SIGTERM)
            for node in self.nodes:
                node.process.end(signal.SIGTERM)
                say(f"{node.name} does not run any more")
            if wipe:
                self.wipe()
                say(f"{self.settings.data} is empty")

    def wipe(self) -> None:
        """The layout goes last: what was wiped by half can be wiped again."""
        for node in self.nodes:
            shutil.rmtree(node.folder, ignore_errors=True)
            node.process.log.unlink(missing_ok=True)
            node.process.pid_file.unlink(missing_ok=True)
        self.layout.unlink(missing_ok=True)

    def environment(self) -> dict[str, str]:
        """How clients find it."""
        cassandra = [node.address for node in self.nodes if isinstance(node, Cassandra)]
        zookeeper = [f"{node.address}:{node.ports[0]}" for node in self.nodes if isinstance(node, ZooKeeper)]
        hosts = {"CASSANDRA_HOSTS": cassandra, "ZOOKEEPER_HOSTS": zookeeper}
        return {"CASSANDRA_PORT": str(Cassandra.ports[0])} | {name: ",".join(value) for name, value in hosts.items()}

    def status(self) -> Iterator[str]:
        """A line for each node."""
        for node in self.nodes:
            process, state = node.process, node.state
            role = node.role if state == "up" else ""
            memory = f"{process.megabytes:5} MB"
            yield f"{node.name:12} {node.address:11} {state:9} {process.pid or '-':>7} {memory}  {role}".rstrip()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Only one process at a time lays out, starts or stops."""
        self.settings.data.mkdir(parents=True, exist_ok=True)
        with (self.settings.data / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
