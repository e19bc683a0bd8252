"""The processes that are measured."""

import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from attrs import asdict

from otter.config import CloudConfig, ConvergerConfig, SelfHealConfig, laid_over
from tests.rig.otter import Otter
from tests.rig.processes import HERE, Process, call, free_port, until

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
    """``config``: laid over what is shipped, key by key."""
    return Otter(folder / "otter", identity_url, **laid_over(AS_SHIPPED, config))


def otter_on(folder: Path, cloud: Process, /, **config: Any) -> Otter:
    """An otter on the cloud of ``benchmarks.cloud``."""
    return otter(folder, f"{cloud.url}/identity/v2.0", identity={"strategy": "single_tenant"}, **config)


def settle(service: Otter, within: float, every: float = 0.02) -> None:
    """Wait until no group is due for a pass any more. The store is asked, so that otter itself is left alone."""
    with closing(sqlite3.connect(f"file:{service.store}?mode=ro", uri=True)) as store:
        due = "SELECT COUNT(*) FROM groups WHERE due IS NOT NULL"
        until(lambda: store.execute(due).fetchone() == (0,), within, every, "no group is due for a pass")


def seen(cloud: Process) -> list[Any]:
    """(when, method, tenant, path) of the requests to Nova since the last question."""
    return call("GET", f"{cloud.url}/seen", timeout=60)[1]


def cheap_cloud(folder: Path, delay: float) -> Process:
    """The cloud of ``benchmarks.cloud``, which takes ``delay`` seconds for an answer."""
    return child(folder, "benchmarks.cloud", str(delay))


def bare(folder: Path) -> Process:
    """The route of ``benchmarks.bare``."""
    return child(folder, "benchmarks.bare", str(folder / "bare.sqlite"))


def ready(folder: Path, documents: Mapping[str, Any]) -> Process:
    """The route of ``benchmarks.ready``, which answers with ``documents``."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "documents.json"
    file.write_text(json.dumps(documents))
    return child(folder, "benchmarks.ready", str(file))


def child(folder: Path, module: str, argument: str) -> Process:
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", module, str(port), argument]
    return Process(command, f"http://{HERE}:{port}", folder / f"{module}.log")
