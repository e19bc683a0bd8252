"""Servers of a group. (docs/api.md, "Servers".)"""

from klein import Klein
from twisted.web.iweb import IRequest

from otter.domain.errors import NotProvided
from otter.domain.group import GroupId
from otter.operations.servers import Servers
from otter.rest.bodies import answer, flag, page
from otter.rest.documents import Documents


def server_routes(app: Klein, servers: Servers, documents: Documents) -> None:
    @app.route("/v1.0/<tenant>/groups/<group>/servers", methods=["GET"])
    @app.route("/v1.0/<tenant>/groups/<group>/servers/<server>", methods=["GET"])
    async def show_servers(request: IRequest, tenant: str, group: str, server: str = "") -> bytes:
        page(request, documents.page_size)
        raise NotProvided()

    @app.route("/v1.0/<tenant>/groups/<group>/servers/<server>", methods=["DELETE"])
    async def evict_server(request: IRequest, tenant: str, group: str, server: str) -> bytes:
        replace, purge = flag(request, "replace", default=True), flag(request, "purge", default=True)
        await servers.evict(GroupId(tenant, group), server, replace, purge)
        return answer(request, 202)
