"""What the service says about itself: its limits, whether it can work, and its API. (docs/api.md, from "Limits" on.)"""

import json
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from klein import Klein
from twisted.web.iweb import IRequest

from otter.domain.limits import Limits
from otter.rest.bodies import answer
from otter.rest.errors import RETRY_AFTER

NAMESPACE = "http://docs.openstack.org/common/api/v1.0"


def about_routes(app: Klein, limits: Limits, health: Callable[[], dict[str, Any]], description: dict[str, Any]) -> None:
    """:param description: of the whole API."""
    described = json.dumps(description).encode()
    absolute = {
        "maxGroups": limits.groups,
        "maxPoliciesPerGroup": limits.policies_per_group,
        "maxWebhooksPerPolicy": limits.webhooks_per_policy,
    }

    @app.route("/v1.0/<tenant>/limits", methods=["GET"])
    async def show_limits(request: IRequest, tenant: str) -> bytes:
        if "xml" in (request.getHeader("accept") or ""):
            request.setHeader("content-type", "application/xml")
            return limits_xml(absolute)
        return answer(request, 200, {"limits": {"absolute": absolute}})

    @app.route("/health", methods=["GET"])
    async def show_health(request: IRequest) -> bytes:
        document = health()
        if not document["healthy"]:
            request.setHeader("retry-after", RETRY_AFTER)
        return answer(request, 200 if document["healthy"] else 503, document)

    @app.route("/openapi.json", methods=["GET"])
    async def show_description(request: IRequest) -> bytes:
        request.setResponseCode(200)
        return described

    @app.route("/", methods=["GET"])
    async def root(request: IRequest) -> bytes:
        return answer(request, 200)


def limits_xml(absolute: dict[str, int]) -> bytes:
    root = Element("limits", xmlns=NAMESPACE)
    children = SubElement(root, "absolute")
    for name, value in absolute.items():
        SubElement(children, "limit", name=name, value=str(value))
    return tostring(root, encoding="utf-8", xml_declaration=True)
