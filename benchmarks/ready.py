"""
What otter's answers to GET are measured against: ``python -m benchmarks.ready PORT FILE``.

A Klein route that answers with a document that it has in memory, made into JSON anew each time. It has no store, no rules, and
no log. The file is a JSON object of the documents, by name.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from klein import Klein
from twisted.internet import reactor
from twisted.web.iweb import IRequest
from twisted.web.server import Site

from benchmarks.bare import QuietSite
from tests.rig.processes import HERE


def make_site(documents: Mapping[str, Any]) -> Site:
    app = Klein()

    @app.route("/documents/<name>")
    async def show(request: IRequest, name: str) -> bytes:
        return json.dumps(documents[name]).encode()

    return QuietSite(app.resource())


def main(port: int, file: Path) -> None:
    reactor.listenTCP(port, make_site(json.loads(file.read_text())), interface=HERE)
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
