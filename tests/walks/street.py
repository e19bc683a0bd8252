"""
What all walks stand on: one Mimic, one fault proxy and some otters, started by whoever needs them first, used by all.

``python -m tests.walks.street FOLDER PID [HOST]`` is the process that holds them. It ends, and they with it, when the process
PID, the test session's own, is gone: however that came about, and whichever of its workers lived longest. With a HOST, the
only otter is one that stores in the Cassandra there, in a keyspace that goes with that node.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from otter.config import laid_over
from tests.rig.cassandra import PORT, CassandraNode
from tests.rig.keyspaces import new_keyspace, stored_in
from tests.rig.mimic import start_mimic
from tests.rig.otter import Client, Otter
from tests.rig.processes import REPOSITORY, until
from tests.rig.proxying import start_proxy

QUICK = {
    "cloud": {"timeout": 5},
    "converger": {
        "interval": 1,
        "build_timeout": 6,
        "online_timeout": 4,
        "patience": 2,
        "error_probe": 4,
        "send_window": 4,
        "resolve_timeout": 12,
    },
    "selfheal": {"interval": 3},
}
"""For the otter that most walks share: whatever has to be waited for comes soon."""
HASTY = {
    "cloud": {"timeout": 2},
    "converger": {"send_window": 1, "resolve_timeout": 4, "longest_error_probe": 900},
    "selfheal": {"interval": 3600},
}
"""For an otter that gives up early, and that never looks at a group just so."""
PATIENT = {
    "converger": {"patience": 20, "error_probe": 60, "longest_error_probe": 900},
    "selfheal": {"interval": 1.5},
}
"""For an otter that is slow to complain, and slow to ask again for what was refused, but looks at its groups often."""
OTTERS = {"otter": QUICK, "hasty": HASTY, "patient": PATIENT}
START_WITHIN = 120.0
"""Seconds, on a machine that has much else to do."""


@frozen
class Home:
    """
    Where an otter is.

    :ivar url: its ``/health``. :ivar store: its SQLite file.
    """

    url: str
    pid: int
    log: str
    store: str


@frozen
class Street:
    """
    :ivar identity_url: Mimic's, for ``Cloud``.
    :ivar proxy_url: the proxy's ``/control/``.
    :ivar otters: by their names in OTTERS.
    """

    identity_url: str
    proxy_url: str
    otters: Mapping[str, Home]


class SharedOtter(Client):
    """An otter of all walks: whoever kills it, or waits for it to be idle, disturbs the others."""

    def __init__(self, home: Home) -> None:
        self.url, self.pid = home.url, home.pid
        self.log, self.store = Path(home.log), Path(home.store)
        self.root = f"{home.url.removesuffix('/health')}/v1.0"


def shared_street(folder: Path, session_pid: int, node: CassandraNode | None = None) -> Street:
    """
    The session's street, for which all of its workers name the same ``folder``. The first to come builds it.

    :param node: where to store; None: in SQLite.
    """
    folder.mkdir(exist_ok=True)
    with open(folder / "street.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        written = folder / "street.json"
        if not written.exists():
            build(folder, [str(session_pid), *(node.hosts if node else ())], written)
        document = json.loads(written.read_text())
        homes = {name: Home(**home) for name, home in document.pop("otters").items()}
        return Street(**document, otters=homes)


def build(folder: Path, words: Sequence[str], written: Path) -> None:
    log = folder / "street.log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "tests.walks.street", str(folder), *words]
        keeper = subprocess.Popen(command, cwd=REPOSITORY, stdout=out, stderr=out, start_new_session=True)
    until(lambda: written.exists() or keeper.poll() is not None, START_WITHIN, saying="the street is there")
    assert written.exists(), f"the street could not be built:\n{log.read_text()}"


def keep(folder: Path, session_pid: int, hosts: Sequence[str] = ()) -> None:
    """Build the street and hold it until the session is gone."""
    with ExitStack() as built:
        mimic = start_mimic(folder)
        built.callback(mimic.kill)
        proxy = start_proxy(folder)
        built.callback(proxy.process.kill)
        configs = on_cassandra(hosts) if hosts else OTTERS
        otters = {name: Otter(folder / name, mimic.identity_url, **config) for name, config in configs.items()}
        for otter in otters.values():
            otter.start()
            built.callback(otter.kill)
        homes = {name: Home(it.url, it.pid, str(it.log), str(it.store)) for name, it in otters.items()}
        draft = folder / "street.draft"
        draft.write_text(json.dumps(asdict(Street(mimic.identity_url, proxy.process.url, homes))))
        draft.rename(folder / "street.json")
        while lives(session_pid):
            time.sleep(0.2)


def on_cassandra(hosts: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """One is enough: each looks at all groups of its keyspace."""
    return {"otter": laid_over(QUICK, stored_in(new_keyspace(hosts, PORT)))}


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    keep(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
