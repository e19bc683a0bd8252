"""Processes that a test starts, and sentences with which they refuse to start."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from otter.config import laid_over
from tests.process.words import BAD_DAY, Cloud
from tests.rig.otter import Otter, watched
from tests.rig.processes import REPOSITORY

BIN = REPOSITORY / ".venv/bin"
HASTY = {"identity": {"strategy": "single_tenant"}, "converger": {"stop_grace": 0.5}}
"""Passes that get nothing from their cloud should not hold up a test."""


@define(eq=False)
class Lives:
    """
    :ivar folder: each otter gets its own folder in it.
    :ivar cloud: of otters that are given no other one. Groups can be made there, and nothing can be done for them.
    """

    folder: Path
    otters: list[Otter] = field(init=False, factory=list)
    cloud: Cloud = field(init=False, factory=lambda: Cloud(servers=BAD_DAY))

    def otter(self, identity_url: str = "", **config: Any) -> Otter:
        """An otter that is not started yet."""
        where = self.folder / f"otter-{len(self.otters) + 1}"
        otter = Otter(where, identity_url or self.cloud.identity_url, **laid_over(HASTY, config))
        self.otters.append(otter)
        return otter

    def on_the_data_of(self, other: Otter, **config: Any) -> Otter:
        """Another otter with the store and the keys of the ``other``."""
        store, keys = str(other.store), str(key_file(other))
        return self.otter(**{"store": {"path": store}, "secrets": {"key_file": keys}, **config})

    def end(self) -> None:
        for otter in self.otters:
            otter.kill()
        self.cloud.end()


def key_file(otter: Otter) -> Path:
    return otter.store.with_name("keys.json")


def config_file(otter: Otter) -> Path:
    return otter.store.with_name("otter.json")


def in_the_foreground(otter: Otter) -> list[str]:
    """The other way to run it, without twistd."""
    return [sys.executable, "-m", "otter", "run", "--config", str(config_file(otter))]


def said(command: Sequence[str], **environment: str) -> tuple[int, str]:
    """Exit status and words of a command that ends by itself."""
    ended = subprocess.run(
        command,
        check=False,
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", **watched(environment)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=20,
    )
    return ended.returncode, ended.stdout


def complaint(command: Sequence[str], **environment: str) -> str:
    """What a command says that refuses to work: in a sentence, not in a traceback."""
    status, words = said(command, **environment)
    assert status not in (0, None), words
    assert "Traceback" not in words, words
    return words
