"""The processes that are measured."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import asdict

from otter.config import CloudConfig, ConvergerConfig, SelfHealConfig
from tests.rig.otter import Otter
from tests.rig.processes import HERE, Process, free_port

AS_SHIPPED = {
    "cloud": asdict(CloudConfig()),
    "converger": asdict(ConvergerConfig()),
    "selfheal": asdict(SelfHealConfig()),
}
"""otter's own defaults: the rig's are for tests in a hurry."""


@contextmanager
def running(process: Any) -> Iterator[Any]:
    """``process``, started, and stopped at the end."""
    process.start()
    try:
        yield process
    finally:
        process.stop()


def otter(folder: Path, identity_url: str, **config: Any) -> Otter:
    return Otter(folder / "otter", identity_url, **AS_SHIPPED, **config)


def cheap_cloud(folder: Path, delay: float) -> Process:
    """The cloud of ``benchmarks.cloud``, which takes ``delay`` seconds for an answer."""
    return child(folder, "benchmarks.cloud", str(delay))


def bare(folder: Path) -> Process:
    """The route of ``benchmarks.bare``."""
    return child(folder, "benchmarks.bare", str(folder / "bare.sqlite"))


def child(folder: Path, module: str, argument: str) -> Process:
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", module, str(port), argument]
    return Process(command, f"http://{HERE}:{port}", folder / f"{module}.log")
