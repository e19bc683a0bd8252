"""The application: all routes."""

from collections.abc import Callable
from typing import Any

from attrs import frozen
from klein import Klein
from twisted.web.resource import Resource

from otter.domain.limits import Limits
from otter.operations.callers import Callers
from otter.operations.groups import Groups
from otter.operations.policies import Policies
from otter.operations.servers import Servers
from otter.operations.webhooks import Webhooks
from otter.rest.about import about_routes
from otter.rest.auth import Gate
from otter.rest.documents import Documents
from otter.rest.errors import error_routes
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
    routes = make_app(operations, documents, limits, health).resource()
    return CapabilityUrls(operations.policies, routes if callers is None else Gate(callers, routes))


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
