"""
Several otters on one port, with a simulated cloud, a real Cassandra and a real ZooKeeper, until Ctrl-C.

PROCESSES, NODES, PORT, CLOUD_PORT, DATA, CONFIG: see the Makefile. Process N logs to otter-N.log in DATA, and tells operators about
itself at PORT + N.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from otter.store.cassandra.client import CannotConnect
from scripts.backing import backing
from scripts.run import CLOUD_PORT, DATA, PORT, NotReady, interrupt, start, stop
from scripts.services.settings import Problem

PROCESSES = int(os.environ.get("PROCESSES") or 3)
HERE = "127.0.0.1"
WELCOME = """
{count} processes of otter are ready, on one port:  http://{here}:{port}/v1.0/100200/groups
the simulated cloud:                      http://{here}:{cloud_port}/
what each says of itself:                 {admins}
logs:                                     tail -f {data}/otter-*.log

  kill -9 {pid}     is otter-1; the others go on, and have its work within seconds

make demo PORT={port} CLOUD_PORT={cloud_port} plays its story here. Ctrl-C stops everything; the groups are kept.
"""


def main() -> int:
    DATA.mkdir(parents=True, exist_ok=True)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, interrupt)
    try:
        with backing(os.environ, "otter") as sections:
            return run(sections)
    except KeyboardInterrupt:
        print("Stopped.", flush=True)
        return 0
    except (NotReady, Problem, CannotConnect) as error:
        print(error, file=sys.stderr)
        return 1


def run(sections: Mapping[str, Any]) -> int:
    """Until Ctrl-C. One that dies is told about; the others go on, as they would elsewhere."""
    children: list[subprocess.Popen] = []
    try:
        children.append(start("cloud", ["scripts/cloud"], f"http://{HERE}:{CLOUD_PORT}/"))
        for number in range(1, PROCESSES + 1):  # the first one makes the keys that all have
            children.append(start_otter(number, sections))
        admins = " ".join(f"http://{HERE}:{admin_port(number)}/metrics" for number in range(1, PROCESSES + 1))
        facts = {"count": PROCESSES, "here": HERE, "port": PORT, "cloud_port": CLOUD_PORT, "data": DATA}
        print(WELCOME.format(admins=admins, pid=children[1].pid, **facts), flush=True)
        watch(children)
        print(f"None of them is left; see the logs in {DATA}.", file=sys.stderr)
        return 1
    finally:
        stop(children)


def watch(children: list[subprocess.Popen]) -> None:
    """As long as the cloud and an otter live."""
    cloud, *otters = children
    dead: set[int] = set()
    while cloud.poll() is None and len(dead) < len(otters):
        for number, child in enumerate(otters, 1):
            if child.poll() is not None and number not in dead:
                dead.add(number)
                print(f"otter-{number} ended with {child.returncode}.", flush=True)
        time.sleep(0.2)


def start_otter(number: int, sections: Mapping[str, Any]) -> subprocess.Popen:
    """:raises NotReady:"""
    file = DATA / f"otter-{number}.json"
    file.write_text(json.dumps({**configuration(number), **sections}, indent=2))
    files = [str(file), *filter(None, [os.environ.get("CONFIG")])]
    command = [".venv/bin/twistd", "--nodaemon", "--pidfile=", "--logger", "otter.logs.json_lines.observer", "otter"]
    for each in files:
        command += ["--config", each]
    return start(f"otter-{number}", command, f"http://{HERE}:{admin_port(number)}/")


def configuration(number: int) -> dict[str, Any]:
    """All but what the processes stand on."""
    password = DATA / "password"
    if not password.exists():
        password.write_text("simulated clouds take any password\n")
    return {
        "listen": f"tcp:{PORT}:interface={HERE}:backlog=511",
        "http": {"share_port": True},
        "admin": f"tcp:{admin_port(number)}:interface={HERE}",
        "url_root": f"http://{HERE}:{PORT}",
        "region": "ORD",
        "identity": {
            "url": f"http://{HERE}:{CLOUD_PORT}/identity/v2.0",
            "username": "otter",
            "password_file": str(password),
        },
        "secrets": {"key_file": str(DATA / "keys.json")},
        "selfheal": {"interval": 15},
    }


def admin_port(number: int) -> int:
    return int(PORT) + number


if __name__ == "__main__":
    sys.exit(main())
