"""Executing policies: by the group's owner, and by whoever knows a webhook's URL. (docs/api.md, "Executing a policy".)"""

import re
from urllib.parse import unquote

from klein import Klein
from twisted.internet.defer import ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from otter.domain.errors import InvalidIdempotencyKey, OtterError, StoreUnavailable
from otter.domain.group import GroupId
from otter.operations.policies import Policies
from otter.rest.bodies import answer, send
from otter.rest.errors import apologise, refuse, refuse_method
from otter.rest.headers import idempotency_key
from otter.rest.site import note_owner

log = Logger()
CAPABILITY_URL = re.compile(rb"/v1\.0/execute/[^/]+/([^/]+)/?")


def execute_routes(app: Klein, policies: Policies) -> None:
    @app.route("/v1.0/<tenant>/groups/<group>/policies/<policy>/execute", methods=["POST"])
    async def execute_policy(request: IRequest, tenant: str, group: str, policy: str) -> bytes:
        await policies.execute_by_id(GroupId(tenant, group), policy, idempotency_key(request))
        return answer(request, 202, {})


class CapabilityUrls(Resource):
    """
    ``POST /v1.0/execute/<version>/<capability>``, and everything else as ``rest`` has it.

    The one URL that machines hit by the thousand. It stands before the routes because finding one and calling it costs twice
    as much as all that is done here (benchmarks/webhooks.py).
    """

    isLeaf = True

    def __init__(self, policies: Policies, rest: Resource) -> None:
        super().__init__()
        self.policies, self.rest = policies, rest

    def render(self, request: Request) -> bytes | int:
        found = CAPABILITY_URL.fullmatch(request.path)
        if found is None:
            return self.rest.render(request)
        if request.method != b"POST":
            return refuse_method(request, ["POST"])
        ensureDeferred(self._answer(request, unquote(found[1].decode())))
        return NOT_DONE_YET

    async def _answer(self, request: Request, capability: str) -> None:
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)
        try:
            body = await self.execute_capability(request, capability)
        except OtterError:
            body = refuse(request, Failure())
        except Exception:
            body = apologise(request, Failure())
        if not gone:
            send(request, body)

    async def execute_capability(self, request: Request, capability: str) -> bytes:
        """202, whatever the capability is worth. :raises StoreUnavailable:"""
        try:
            note_owner(request, await self.policies.execute_capability(capability, valid_key(request)))
        except StoreUnavailable:
            raise  # nothing was stored: the caller had better ask again
        except OtterError as refusal:
            # The caller is anonymous: nothing may tell them whether the capability exists, or what became of the policy.
            log.info("webhook-refused", reason=type(refusal).__name__)
        return answer(request, 202)


def valid_key(request: Request) -> str | None:
    """A key that is none is as good as no key, where nobody is told anything."""
    try:
        return idempotency_key(request)
    except InvalidIdempotencyKey:
        return None
