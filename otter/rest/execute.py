"""Executing policies: by the group's owner, and by whoever knows a webhook's URL. (docs/api.md, "Executing a policy".)"""

from klein import Klein
from twisted.logger import Logger
from twisted.web.iweb import IRequest

from otter.domain.errors import OtterError, StoreUnavailable
from otter.domain.group import GroupId
from otter.operations.policies import Policies
from otter.rest.bodies import answer
from otter.rest.site import note_owner

log = Logger()


def execute_routes(app: Klein, policies: Policies) -> None:
    @app.route("/v1.0/execute/<version>/<capability>", methods=["POST"])
    async def execute_capability(request: IRequest, version: str, capability: str) -> bytes:
        try:
            group_id = await policies.execute_capability(capability)
            note_owner(request, group_id)
        except StoreUnavailable:
            raise  # nothing was stored: the caller had better ask again
        except OtterError as refusal:
            # The caller is anonymous: nothing may tell them whether the capability exists, or what became of the policy.
            log.info("webhook-refused", reason=type(refusal).__name__)
        return answer(request, 202)

    @app.route("/v1.0/<tenant>/groups/<group>/policies/<policy>/execute", methods=["POST"])
    async def execute_policy(request: IRequest, tenant: str, group: str, policy: str) -> bytes:
        await policies.execute_by_id(GroupId(tenant, group), policy)
        return answer(request, 202, {})
