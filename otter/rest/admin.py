"""What operators ask, on a listener of its own. Nobody else may reach it. (docs/operations.md, "The admin listener".)"""

from collections.abc import Callable, Mapping
from typing import Any

from klein import Klein
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from otter.operations.tenants import Tenants
from otter.rest.bodies import answer
from otter.rest.errors import error_routes


def make_admin(
    tenants: Tenants, health: Callable[[], dict[str, Any]], numbers: Callable[[], Mapping[str, int]] = dict
) -> Resource:
    """Everything that is answered there. :param health: as in ``rest.about``. :param numbers: more of them, by name."""
    app = Klein()
    app.url_map.strict_slashes = False

    @app.route("/", methods=["GET"])
    async def root(request: IRequest) -> bytes:
        return answer(request, 200)

    @app.route("/metrics", methods=["GET"])
    async def metrics(request: IRequest) -> bytes:
        counts, now = await tenants.count()
        said = health()
        shown = {
            "groups": counts.groups,
            "policies": counts.policies,
            "webhooks": counts.webhooks,
            f"engine.{said['engine']}": 1,
            "worker_tenants": said["worker_tenants"],
            "held": int(said["held"]["everything"]),
            "held_tenants": said["held"]["tenants"],
            **numbers(),
        }
        listed = [{"id": f"otter.metrics.{name}", "value": value, "time": int(now)} for name, value in shown.items()]
        return answer(request, 200, {"metrics": listed})

    @app.route("/suspended", methods=["GET"])
    async def list_suspended(request: IRequest) -> bytes:
        return answer(request, 200, {"suspended": await tenants.suspended()})

    @app.route("/suspended/<tenant>", methods=["PUT"])
    async def suspend(request: IRequest, tenant: str) -> bytes:
        await tenants.suspend(tenant)
        return answer(request, 204)

    @app.route("/suspended/<tenant>", methods=["DELETE"])
    async def reinstate(request: IRequest, tenant: str) -> bytes:
        await tenants.reinstate(tenant)
        return answer(request, 204)

    error_routes(app)
    return app.resource()
