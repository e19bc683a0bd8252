"""
A cloud that costs next to nothing: ``python -m benchmarks.cloud PORT SECONDS``.

Identity and Nova, as far as otter needs them. Servers are active as soon as they are asked for; Nova takes its time for each
answer, lists as many servers on a page as it is asked for, and remembers when each request came in. A server is made into JSON
once, so that long lists are cheap, too.
"""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from itertools import count
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
LONGEST_PAGE = 1000


@define
class Nova:
    """:ivar servers: tenant -> id -> server, as JSON."""

    servers: defaultdict[str, dict[str, str]] = field(factory=lambda: defaultdict(dict))
    _numbers: count = field(init=False, factory=count)

    def answer(self, method: str, tenant: str, path: str, query: Mapping[str, str], body: Any) -> tuple[int, str]:
        """Status and JSON."""
        servers = self.servers[tenant]
        match method, path.split("/"):
            case "GET", ["servers", "detail"]:
                return 200, page_of(servers, int(query.get("limit", LONGEST_PAGE)), query.get("marker"))
            case "POST", ["servers"]:
                server = active_server(body["server"], next(self._numbers))
                servers[server["id"]] = json.dumps(server)
                return 202, one(servers[server["id"]])
            case "GET", ["servers", server_id] if server_id in servers:
                return 200, one(servers[server_id])
            case "GET", ["flavors", flavor_id]:
                return 200, json.dumps({"flavor": {"id": flavor_id}})
            case "DELETE", ["servers", server_id] if servers.pop(server_id, None):
                return 204, ""
        return 404, json.dumps({"itemNotFound": {"message": "Instance could not be found", "code": 404}})


def page_of(servers: Mapping[str, str], limit: int, marker: str | None) -> str:
    """The servers after the ``marker``; as Nova does, with a link to the next page if this one is full."""
    ids = list(servers)
    first = ids.index(marker) + 1 if marker else 0
    shown = ids[first : first + limit]
    links = [{"rel": "next", "href": f"?limit={limit}&marker={shown[-1]}"}] if len(shown) == limit else []
    return f'{{"servers": [{", ".join(servers[id] for id in shown)}], "servers_links": {json.dumps(links)}}}'


def one(server: str) -> str:
    return f'{{"server": {server}}}'


def active_server(body: Mapping[str, Any], number: int) -> dict[str, Any]:
    server_id, now = str(uuid4()), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    href = f"https://servers.example.com/v2/servers/{server_id}"
    private = {"addr": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", "version": 4}
    public = {"addr": f"2001:db8::{number:x}", "version": 6}
    return {
        "id": server_id,
        "name": body["name"],
        "status": "ACTIVE",
        "created": now,
        "updated": now,
        "addresses": {"private": [private], "public": [public]},
        "metadata": body.get("metadata", {}),
        "links": [{"rel": "self", "href": href}, {"rel": "bookmark", "href": href}],
        "flavor": {"id": body["flavorRef"], "links": [{"rel": "bookmark", "href": href}]},
        "image": {"id": body["imageRef"], "links": [{"rel": "bookmark", "href": href}]},
        "OS-EXT-STS:task_state": None,
        "OS-EXT-STS:vm_state": "active",
        "progress": 100,
    }


def access(tenant: str, root: str) -> dict[str, Any]:
    """Identity's answer to a login."""
    endpoint = {"region": REGION, "publicURL": f"{root}/nova/{tenant}"}
    return {"access": {"token": {"id": "t"}, "serviceCatalog": [{"name": CATALOG_NAME, "endpoints": [endpoint]}]}}


def make_app(root: str, delay: float) -> Klein:
    app, nova = Klein(), Nova()
    seen: list[tuple[float, str, str, str]] = []

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
        query = {name.decode(): values[-1].decode() for name, values in request.args.items()}
        status, answer = nova.answer(method, tenant, path, query, json.loads(request.content.read() or b"null"))
        await deferLater(reactor, delay)
        request.setResponseCode(status)
        return answer

    return app


def main(port: int, delay: float) -> None:
    app = make_app(f"http://{HERE}:{port}", delay)
    reactor.listenTCP(port, QuietSite(app.resource()), interface=HERE)
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
