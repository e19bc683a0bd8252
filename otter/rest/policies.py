"""Scaling policies. (docs/api.md, "Policies".)"""

from klein import Klein
from twisted.web.iweb import IRequest

from otter.domain.group import GroupId
from otter.operations.policies import Policies
from otter.rest.bodies import answer, following, json_body, page
from otter.rest.documents import Documents
from otter.rest.headers import if_match, tag
from otter.rest.schemas import POLICIES_BODY, POLICY_BODY


def policy_routes(app: Klein, policies: Policies, documents: Documents) -> None:
    @app.route("/v1.0/<tenant>/groups/<group>/policies", methods=["GET"])
    async def list_policies(request: IRequest, tenant: str, group: str) -> bytes:
        group_id, asked = GroupId(tenant, group), page(request, documents.page_size)
        some = await policies.page(group_id, asked)
        more = following([item.id for item in some], asked, documents.root, *documents.path_of(group_id), "policies")
        listed = [documents.policy(group_id, policy) for policy in some]
        return answer(request, 200, {"policies": listed, "policies_links": more})

    @app.route("/v1.0/<tenant>/groups/<group>/policies", methods=["POST"])
    async def create_policies(request: IRequest, tenant: str, group: str) -> bytes:
        group_id = GroupId(tenant, group)
        created = await policies.create(group_id, json_body(request, POLICIES_BODY))
        listed = [documents.policy(group_id, policy) for policy in created]
        return answer(request, 201, {"policies": listed}, location=documents.url_of(group_id, "policies"))

    @app.route("/v1.0/<tenant>/groups/<group>/policies/<policy>", methods=["GET"])
    async def show_policy(request: IRequest, tenant: str, group: str, policy: str) -> bytes:
        group_id = GroupId(tenant, group)
        shown = await policies.get(group_id, policy)
        tag(request, shown.document)
        return answer(request, 200, {"policy": documents.policy(group_id, shown)})

    @app.route("/v1.0/<tenant>/groups/<group>/policies/<policy>", methods=["PUT"])
    async def replace_policy(request: IRequest, tenant: str, group: str, policy: str) -> bytes:
        body = json_body(request, POLICY_BODY)
        stored = await policies.replace(GroupId(tenant, group), policy, body, if_match(request))
        tag(request, stored.document)
        return answer(request, 204)

    @app.route("/v1.0/<tenant>/groups/<group>/policies/<policy>", methods=["DELETE"])
    async def delete_policy(request: IRequest, tenant: str, group: str, policy: str) -> bytes:
        await policies.delete(GroupId(tenant, group), policy, if_match(request))
        return answer(request, 204)
