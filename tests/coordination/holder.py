"""
A process that has shares and does nothing with them but write down what it believes, for tests that stop it.

    python -m tests.coordination.holder HOSTS ROOT SESSION NUMBERS > views

NUMBERS is a file from which all draw their fences. A line of its output is JSON: ``at`` (seconds of the clock that all
processes of this machine have in common), ``held`` (share -> fence), and ``woke`` if it was written by the very first
code that ran after a SIGSTOP.
"""

import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path
from uuid import uuid4

from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import LoopingCall

from otter.clock import steadied
from otter.coordination.zookeeper.opening import Place, by_kazoo, coordinate
from otter.domain.shares import share_of


def drawn(numbers: Path) -> int:
    """One more than whoever came before."""
    with numbers.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        number = len(file.read()) + 1
        file.write(".")
        file.flush()
    return number


def main(hosts: str, root: str, session: str, numbers: str) -> None:
    steadied(reactor)
    place = Place(hosts.split(","), root, float(session))

    async def number() -> int:
        return drawn(Path(numbers))

    process = coordinate(
        reactor, by_kazoo(reactor, place), place, uuid4().hex, number, lambda group_id: share_of(group_id.tenant)
    )
    seen = {}

    def view() -> dict:
        return {share: process.shares.fence(share) for share in process.shares.held()}

    def write(**more) -> None:
        line = {"at": time.monotonic(), "held": view(), **more}
        os.write(1, (json.dumps(line) + "\n").encode())

    def look() -> None:
        if view() != seen.get("view"):
            seen["view"] = view()
            write()

    signal.signal(signal.SIGCONT, lambda *_: write(woke=True))
    reactor.callWhenRunning(process.services[0].startService)
    reactor.addSystemEventTrigger("before", "shutdown", lambda: maybeDeferred(process.services[0].stopService))
    LoopingCall(look).start(0.005)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
