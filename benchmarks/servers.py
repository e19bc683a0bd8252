"""The processes that are measured, each with a folder of its own."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.rig.processes import HERE, Process, free_port

TENANT = "100200"
LAUNCH = {"type": "launch_server", "args": {"server": {"name": "web", "flavorRef": "2", "imageRef": "any"}}}


def start_otter(folder: Path, identity_url: str, **config: Any) -> Process:
    """otter as it is run in service: with its log, its store and all its services."""
    folder.mkdir()
    url = f"http://{HERE}:{(port := free_port())}"
    (folder / "password").write_text("any")
    identity = {"url": identity_url, "username": "otter", "password_file": str(folder / "password")}
    document = {
        "listen": f"tcp:{port}:interface={HERE}:backlog=511",
        "url_root": url,
        "region": "ORD",
        "identity": {**identity, **config.pop("identity", {})},
        "store": {"path": str(folder / "otter.sqlite")},
        "secrets": {"key_file": str(folder / "keys.json")},
        **config,
    }
    (folder / "otter.json").write_text(json.dumps(document))
    command = [sys.executable, "-m", "otter", "run", "--config", str(folder / "otter.json")]
    return Process(command, f"{url}/health", folder / "otter.log").start()


def start_cloud(folder: Path, delay: float = 0.0) -> Process:
    """The cloud of ``benchmarks.cloud``."""
    folder.mkdir()
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.cloud", str(port), str(delay)]
    return Process(command, f"http://{HERE}:{port}/", folder / "cloud.log").start()
