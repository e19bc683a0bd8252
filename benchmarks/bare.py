"""
What otter's webhooks are measured against: ``python -m benchmarks.bare PORT FILE``.

A Klein route that answers when one small UPDATE is durable, by the same writer as otter's: one fsync for all that wait. It has
no rules, no ids, and no log.
"""

import sys
from pathlib import Path
from typing import Any

from klein import Klein
from twisted.internet import reactor
from twisted.web.iweb import IRequest
from twisted.web.server import Site

from otter.store.sqlite.database import GroupCommit
from tests.rig.processes import HERE

COUNTERS = 64


class QuietSite(Site):
    def log(self, request: Any) -> None:
        """No line for each answer."""


def make_app(database: GroupCommit) -> Klein:
    app = Klein()

    @app.route("/count/<int:number>", methods=["POST"])
    async def count(request: IRequest, number: int) -> bytes:
        await database.write(lambda execute: execute("UPDATE counters SET hits = hits + 1 WHERE number = ?", (number,)))
        request.setResponseCode(202)
        return b""

    return app


def make_counters(execute: Any) -> None:
    execute("CREATE TABLE counters (number INTEGER PRIMARY KEY, hits INTEGER NOT NULL)")
    for number in range(COUNTERS):
        execute("INSERT INTO counters VALUES (?, 0)", (number,))


def main(port: int, file: Path) -> None:
    database = GroupCommit(reactor, file)
    database.write(make_counters)
    reactor.listenTCP(port, QuietSite(make_app(database).resource()), interface=HERE)
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
