"""
Several otters on one port, as ``make run-cluster`` runs them: equal, with the same keys and the same store.

    fleet = make_fleet(tmp_path, mimic.identity_url, 3, store=..., coordination=...)
    for otter in fleet:
        otter.start()
    group = fleet[0].create_group("t1", least=2)    # whichever of them answers
    fleet[1].kill()
"""

import json
from http.client import HTTPException
from pathlib import Path
from typing import Any

from otter.config import laid_over
from tests.rig.otter import Otter
from tests.rig.processes import HERE, free_port, send


class Member(Otter):
    """
    One of several otters that listen on one port. Its ``url`` is its own admin listener, so that it is known when it is up.

    :param port: the one that it shares.
    """

    def __init__(self, folder: Path, identity_url: str, port: int, **config: Any) -> None:
        admin = free_port()
        own = {
            "listen": f"tcp:{port}:interface={HERE}:backlog=511",
            "url_root": f"http://{HERE}:{port}",
            "admin": f"tcp:{admin}:interface={HERE}",
            "http": {"share_port": True},
        }
        super().__init__(folder, identity_url, **laid_over(own, config))
        self.shared_port, self.url = port, f"http://{HERE}:{admin}/"

    @property
    def root(self) -> str:
        return f"http://{HERE}:{self.shared_port}/v1.0"

    def post(self, url: str, key: str) -> int:
        """The status of an execution that may be repeated with the same key; 0 if there was no answer."""
        try:
            return send("POST", url, timeout=self.timeout, headers={"idempotency-key": key})[0]
        except (OSError, HTTPException):
            return 0

    def metrics(self) -> dict[str, int]:
        """What it says of itself, by name. :raises OSError, HTTPException: it does not answer."""
        status, _, content = send("GET", f"{self.url}metrics", timeout=5)
        assert status == 200, content
        return {each["id"].removeprefix("otter.metrics."): each["value"] for each in json.loads(content)["metrics"]}


def make_fleet(folder: Path, identity_url: str, count: int, port: int = 0, **config: Any) -> list[Member]:
    """So many that are not started yet. :param port: 0 for any."""
    port = port or free_port()
    shared = laid_over({"secrets": {"key_file": str(folder / "keys.json")}}, config)
    return [Member(folder / f"otter-{number}", identity_url, port, **shared) for number in range(1, count + 1)]
