"""
What otter's webhooks are measured against: ``python -m benchmarks.bare PORT FOLDER [nothing]``.

A Klein route that answers when one small UPDATE is durable, by the same writer as otter's (group commit, a full fsync). It has
no log, no ids, no rules. With ``nothing``: no HTTP to speak of either, to see what the load generator can do.
"""

import sys
from pathlib import Path
from typing import Any

from klein import Klein
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.web.iweb import IRequest
from twisted.web.server import Site

from otter.store.sqlite.database import GroupCommit
from tests.rig.processes import HERE

COUNT = "INSERT INTO hits VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET count = count + 1"
ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


class QuietSite(Site):
    def log(self, request: Any) -> None:
        """No line for each answer."""


def make_app(database: GroupCommit) -> Klein:
    app = Klein()

    @app.route("/v1.0/execute/1/<name>", methods=["POST"])
    async def hit(request: IRequest, name: str) -> bytes:
        await database.write(lambda execute: execute(COUNT, (name,)))
        request.setResponseCode(202)
        return b""

    return app


class Nothing(Protocol):
    def dataReceived(self, data: bytes) -> None:
        self.transport.write(ANSWER)


def main(port: int, folder: Path, nothing: bool = False) -> None:
    if nothing:
        reactor.listenTCP(port, Factory.forProtocol(Nothing), interface=HERE)
    else:
        database = GroupCommit(reactor, folder / "bare.sqlite")
        database.write(lambda execute: execute("CREATE TABLE hits (id TEXT PRIMARY KEY, count INTEGER)"))
        site = (Site if "--log" in sys.argv else QuietSite)(make_app(database).resource())
        if "--log" in sys.argv:
            from twisted.python import log
            log.startLogging(sys.stdout)
        reactor.listenTCP(port, site, backlog=511, interface=HERE)
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), "nothing" in sys.argv)
