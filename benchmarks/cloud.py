"""
A cloud that costs next to nothing: ``python -m benchmarks.cloud PORT SECONDS``.

Identity and Nova, as far as otter needs them. Servers are active as soon as they are asked for; Nova takes its time for each
answer, and remembers when each request came in.
"""

import json
import sys
import time
from collections import defaultdict
from typing import Any
from uuid import uuid4

from attrs import define, field
from klein import Klein
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.web.iweb import IRequest

from benchmarks.bare import QuietSite
from tests.rig.processes import HERE

REGION, CATALOG_NAME = "ORD", "cloudServersOpenStack"


@define
class Nova:
    """The servers of each tenant, by id."""

    servers: defaultdict[str, dict[str, dict]] = field(factory=lambda: defaultdict(dict))

    def answer(self, method: str, tenant: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and document."""
        servers = self.servers[tenant]
        match method, path.split("/"):
            case "GET", ["servers", "detail"]:
                return 200, {"servers": list(servers.values())}
            case "POST", ["servers"]:
                server = active_server(body["server"])
                servers[server["id"]] = server
                return 202, {"server": server}
            case "GET", ["servers", server_id] if server_id in servers:
                return 200, {"server": servers[server_id]}
            case "DELETE", ["servers", server_id] if servers.pop(server_id, None):
                return 204, None
        return 404, {"itemNotFound": {"message": "Instance could not be found", "code": 404}}


def active_server(body: dict[str, Any]) -> dict[str, Any]:
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {**body, "id": str(uuid4()), "status": "ACTIVE", "created": created, "addresses": {}, "links": []}


def access(tenant: str, root: str) -> dict[str, Any]:
    """Identity's answer to a login."""
    endpoint = {"region": REGION, "publicURL": f"{root}/nova/{tenant}"}
    return {"access": {"token": {"id": "t"}, "serviceCatalog": [{"name": CATALOG_NAME, "endpoints": [endpoint]}]}}


def make_app(root: str, delay: float) -> Klein:
    app, nova, seen = Klein(), Nova(), []

    @app.route("/")
    def greet(request: IRequest) -> str:
        return "a cloud that costs next to nothing"

    @app.route("/seen")
    def tell(request: IRequest) -> str:
        """(when, method, tenant, path) of the requests since the last question; ``when`` on the machine's monotonic clock."""
        told = json.dumps(seen)
        seen.clear()
        return told

    @app.route("/identity/v2.0/tokens", methods=["POST"])
    def log_in(request: IRequest) -> str:
        return json.dumps(access(json.load(request.content)["auth"]["tenantId"], root))

    @app.route("/nova/<tenant>/<path:path>", methods=["GET", "POST", "DELETE"])
    async def ask_nova(request: IRequest, tenant: str, path: str) -> str:
        method = request.method.decode()
        seen.append((time.monotonic(), method, tenant, path))
        status, document = nova.answer(method, tenant, path, json.loads(request.content.read() or b"null"))
        await deferLater(reactor, delay)
        request.setResponseCode(status)
        return "" if document is None else json.dumps(document)

    return app


def main(port: int, delay: float) -> None:
    app = make_app(f"http://{HERE}:{port}", delay)
    reactor.listenTCP(port, QuietSite(app.resource()), interface=HERE)
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
