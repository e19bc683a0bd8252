"""What the nodes of all kinds have in common."""

import signal
import socket
import string
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from scripts.services.jars import HERE, JAVA_VERSION, found_java
from scripts.services.processes import Process
from scripts.services.settings import Problem, Settings

OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError", "-Xshare:auto")
"""For a quick start on few cores: in the first minutes the second compiler takes more from them than it gives."""


@dataclass(frozen=True)
class Node(ABC):
    """One server. :ivar number: from 1 to ``count``, which is how many of its kind there are."""

    kind: ClassVar[str]
    ports: ClassVar[tuple[int, ...]]
    """Those on which it must be able to listen; the first is for clients."""

    settings: Settings
    number: int
    count: int

    @abstractmethod
    def arguments(self, jars: Path) -> list[str]:
        """Writes its configuration, and gives what ``java`` needs after the options common to all."""

    @abstractmethod
    def answers(self) -> bool:
        """It was asked what only a working server can answer."""

    @property
    def role(self) -> str:
        """What it is among its kind, such as leader; empty if there are no roles."""
        return ""

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}"

    @property
    def address(self) -> str:
        return f"{self.settings.net}.{self.number}"

    @property
    def addresses(self) -> list[str]:
        """Those of all nodes of its kind."""
        return [f"{self.settings.net}.{number}" for number in range(1, self.count + 1)]

    @property
    def folder(self) -> Path:
        return self.settings.data / self.name

    @property
    def process(self) -> Process:
        return Process(self.folder)

    @property
    def state(self) -> str:
        if self.process.pid is None:
            return "down"
        if self.process.paused:
            return "paused"
        return "up" if self.answers() else "starting"

    def start(self, jars: Path) -> None:
        """One that was paused goes on. :raises Problem: somebody else listens there."""
        if self.process.pid is not None:
            return self.process.send(signal.SIGCONT)
        self.folder.mkdir(parents=True, exist_ok=True)
        for port in self.ports:
            self.check_port(port)
        java = found_java(self.settings)
        if java is None:
            raise Problem(f"there is no Java {JAVA_VERSION}")
        logging = f"-Dlogback.configurationFile={HERE / 'logback.xml'}"
        self.process.spawn([java, *OPTIONS, logging, *self.settings.java_options, *self.arguments(jars)])

    def check_port(self, port: int) -> None:
        """:raises Problem: it cannot be listened on."""
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((self.address, port))
            except OSError as error:
                raise Problem(f"{self.name} cannot have {self.address}:{port}: {error.strerror}") from None

    def wait(self, deadline: float) -> None:
        """Until it answers. :param deadline: as :func:`time.monotonic` counts. :raises Problem:"""
        while not self.answers():
            if self.process.pid is None:
                raise Problem(f"{self.name} died. {self.last_words()}")
            if time.monotonic() > deadline:
                raise Problem(f"{self.name} does not answer in time. {self.last_words()}")
            time.sleep(0.1)

    def last_words(self) -> str:
        return f"The end of {self.process.log}:\n{self.process.last_words()}"

    def fill(self, template: str, **values: str | int) -> Path:
        """The template with these values, in the node's folder."""
        target = self.folder / template
        text = string.Template((HERE / template).read_text())
        target.write_text(text.substitute(ADDRESS=self.address, DATA=self.folder, **values))
        return target
