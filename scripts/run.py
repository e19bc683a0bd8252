"""otter and a simulated cloud together, until Ctrl-C. PORT, CLOUD_PORT, DATA, STORE, CONFIG: see the Makefile."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

PORT, CLOUD_PORT, DATA = os.environ["PORT"], os.environ["CLOUD_PORT"], Path(os.environ["DATA"])
READY_WITHIN = 240.0
"""Seconds. A real Cassandra takes its time."""
TENANT = "100200"
WELCOME = """
otter is ready:        http://127.0.0.1:{port}/v1.0/{tenant}/groups     (health: http://127.0.0.1:{port}/health)
the simulated cloud:   http://127.0.0.1:{cloud_port}/
logs:                  {data}/otter.log and {data}/cloud.log
data:                  {data}

Create a group of two servers:

  curl -s -X POST http://127.0.0.1:{port}/v1.0/{tenant}/groups -d '{{
    "groupConfiguration": {{"name": "web", "cooldown": 0, "minEntities": 2, "maxEntities": 10}},
    "launchConfiguration": {{"type": "launch_server", "args": {{"server":
      {{"name": "web", "flavorRef": "2", "imageRef": "", "block_device_mapping": []}}}}}},
    "scalingPolicies": [{{"name": "up", "type": "webhook", "cooldown": 0, "change": 1}}]}}'

and look at it:

  curl -s http://127.0.0.1:{port}/v1.0/{tenant}/groups

Ctrl-C stops everything; the groups are kept.
"""


def main() -> int:
    DATA.mkdir(parents=True, exist_ok=True)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, interrupt)
    children: list[subprocess.Popen] = []
    try:
        children.append(start("cloud", ["scripts/cloud"], f"http://127.0.0.1:{CLOUD_PORT}/"))
        children.append(start("otter", ["scripts/serve"], f"http://127.0.0.1:{PORT}/health"))
        values = {"port": PORT, "cloud_port": CLOUD_PORT, "data": DATA, "tenant": TENANT}
        print(WELCOME.format(**values), flush=True)
        while all(child.poll() is None for child in children):
            time.sleep(0.2)
        print(f"A part of it stopped by itself; see the logs in {DATA}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopping...", flush=True)
        return 0
    except NotReady as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        stop(children)


class NotReady(Exception):
    """Something did not start; the text says what to look at."""


def start(name: str, command: list[str], url: str) -> subprocess.Popen:
    """The child, once it answers at ``url``. :raises NotReady:"""
    log = DATA / f"{name}.log"
    print(f"Starting {name}...", flush=True)
    with open(log, "a") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + READY_WITHIN
    while not answers(url):
        if child.poll() is not None or time.monotonic() > deadline:
            stop([child])
            raise NotReady(f"{name} did not start. The end of {log}:\n{log.read_text()[-1500:]}")
        time.sleep(0.1)
    if child.poll() is not None:
        raise NotReady(f"{name} did not start: something else answers at {url}. See {log}")
    return child


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2):
            return True
    except HTTPError:
        return True
    except (URLError, OSError):
        return False


def stop(children: list[subprocess.Popen]) -> None:
    """otter first: what it stands on goes last."""
    for child in reversed(children):
        if child.poll() is None:
            child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()


def interrupt(signal_number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # one is enough: the children got it too
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
