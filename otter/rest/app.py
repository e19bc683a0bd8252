"""The application: all routes."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from attrs import frozen
from klein import Klein
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Request
from werkzeug.exceptions import NotFound

from otter.domain.limits import Limits
from otter.operations.callers import Callers
from otter.operations.groups import Groups
from otter.operations.policies import Policies
from otter.operations.servers import Servers
from otter.operations.webhooks import Webhooks
from otter.rest.about import about_routes
from otter.rest.auth import Gate
from otter.rest.documents import Documents
from otter.rest.errors import error_routes, no_such_route
from otter.rest.execute import CapabilityUrls, execute_routes
from otter.rest.groups import group_routes
from otter.rest.openapi import description
from otter.rest.policies import policy_routes
from otter.rest.servers import server_routes
from otter.rest.webhooks import webhook_routes


@frozen
class Operations:
    """Everything that can be asked for over HTTP."""

    groups: Groups
    policies: Policies
    webhooks: Webhooks
    servers: Servers


def make_root(
    operations: Operations,
    documents: Documents,
    limits: Limits,
    health: Callable[[], dict[str, Any]],
    callers: Callers | None = None,
) -> Resource:
    """Everything that is answered. :param callers: who looks at tokens; None if that is done in front of otter."""
    routes = PlainPaths(make_app(operations, documents, limits, health).resource())
    return CapabilityUrls(operations.policies, routes if callers is None else Gate(callers, routes))


class PlainPaths(Resource):
    """
    Lets nothing through to ``routes`` whose path could be read in two ways.

    To the routes slashes are slashes, quoted ones and those in front too; what stands before otter, and looks at paths, may see
    others. And no tenant is called "execute": what is below that is open to everybody.
    """

    isLeaf = True

    def __init__(self, routes: Resource) -> None:
        super().__init__()
        self.routes = routes

    def render(self, request: Request) -> bytes | int:
        path = unquote_to_bytes(request.path) + b"/"
        if b"//" in path[:-1] or b"%2f" in request.path.lower() or path.startswith(b"/v1.0/execute/"):
            return no_such_route(request, Failure(NotFound()))
        return self.routes.render(request)


def make_app(
    operations: Operations, documents: Documents, limits: Limits, health: Callable[[], dict[str, Any]]
) -> Klein:
    """Everything but the capability URLs."""
    app = Klein()
    app.url_map.strict_slashes = False  # every route answers with and without a trailing slash
    app.url_map.merge_slashes = False
    execute_routes(app, operations.policies)
    group_routes(app, operations.groups, operations.policies, operations.webhooks, documents)
    policy_routes(app, operations.policies, documents)
    webhook_routes(app, operations.webhooks, documents)
    server_routes(app, operations.servers, documents)
    about_routes(app, limits, health, description(documents.root))
    error_routes(app)
    return app
