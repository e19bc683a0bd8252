"""Groups: making, showing and ending them. (docs/api.md, "Groups".)"""

from attrs import evolve
from klein import Klein
from twisted.web.iweb import IRequest

from otter.domain.group import Group, GroupId, GroupState
from otter.domain.limits import Page
from otter.domain.policy import Policy
from otter.domain.roster import Roster
from otter.operations.groups import Groups
from otter.operations.policies import Policies
from otter.operations.webhooks import Webhooks
from otter.rest.bodies import answer, flag, following, is_true, json_body, page
from otter.rest.documents import Documents, id_of, number_in
from otter.rest.headers import if_match, tag
from otter.rest.schemas import CONFIG_BODY, GROUP_BODY, LAUNCH_BODY

ALL = Page(limit=10**9)


def group_routes(app: Klein, groups: Groups, policies: Policies, webhooks: Webhooks, documents: Documents) -> None:
    @app.route("/v1.0/<tenant>/groups", methods=["GET"])
    async def list_groups(request: IRequest, tenant: str) -> bytes:
        asked = page(request, documents.page_size)
        some = await groups.page(tenant, asked)
        listed = [documents.group(group) for group in some]
        more = following([group.id.group for group in some], asked, documents.root, tenant, "groups")
        return answer(request, 200, {"groups": listed, "groups_links": more})

    @app.route("/v1.0/<tenant>/groups", methods=["POST"])
    async def create_group(request: IRequest, tenant: str) -> bytes:
        body = json_body(request, GROUP_BODY)
        group, created = await groups.create(
            tenant, body["groupConfiguration"], body["launchConfiguration"], body.get("scalingPolicies", [])
        )
        # Whatever has begun meanwhile, clients are shown how the group was born.
        newborn = evolve(group, state=GroupState(), roster=Roster())
        manifest = documents.manifest(newborn, [documents.policy(group.id, policy) for policy in created])
        return answer(request, 201, {"group": manifest}, location=documents.url_of(group.id))

    @app.route("/v1.0/<tenant>/groups/<group>", methods=["GET"])
    async def show_group(request: IRequest, tenant: str, group: str) -> bytes:
        shown = await groups.get(GroupId(tenant, group))
        with_webhooks = is_true(request, "webhooks")
        listed = [await policy_document(shown, policy, with_webhooks) for policy in await policies.page(shown.id, ALL)]
        return answer(request, 200, {"group": documents.manifest(shown, listed)})

    async def policy_document(group: Group, policy: Policy, with_webhooks: bool) -> dict:
        if not with_webhooks:
            return documents.policy(group.id, policy)
        listed = [
            documents.webhook(group.id, policy.id, webhook, webhooks.capability_of(webhook))
            for webhook in await webhooks.page(group.id, policy.id, ALL)
        ]
        return documents.policy_with_webhooks(group.id, policy, listed)

    @app.route("/v1.0/<tenant>/groups/<group>", methods=["DELETE"])
    async def delete_group(request: IRequest, tenant: str, group: str) -> bytes:
        force = flag(request, "force", default=False)
        await groups.delete(GroupId(tenant, group), force)
        return answer(request, 204)

    @app.route("/v1.0/<tenant>/groups/<group>/state", methods=["GET"])
    async def show_state(request: IRequest, tenant: str, group: str) -> bytes:
        return answer(request, 200, {"group": documents.state((await groups.get(GroupId(tenant, group))).summary)})

    @app.route("/v1.0/<tenant>/groups/<group>/history", methods=["GET"])
    async def show_history(request: IRequest, tenant: str, group: str) -> bytes:
        group_id, asked = GroupId(tenant, group), page(request, documents.page_size)
        some = await groups.history(group_id, asked.limit, number_in(asked.marker))
        path = documents.path_of(group_id)
        more = following([id_of(entry) for entry in some], asked, documents.root, *path, "history")
        listed = [documents.entry(entry) for entry in some]
        return answer(request, 200, {"history": listed, "history_links": more})

    @app.route("/v1.0/<tenant>/groups/<group>/converge", methods=["POST"])
    async def converge(request: IRequest, tenant: str, group: str) -> bytes:
        await groups.converge(GroupId(tenant, group))
        return answer(request, 204)

    @app.route("/v1.0/<tenant>/groups/<group>/pause", methods=["POST"])
    async def pause(request: IRequest, tenant: str, group: str) -> bytes:
        await groups.pause(GroupId(tenant, group))
        return answer(request, 204)

    @app.route("/v1.0/<tenant>/groups/<group>/resume", methods=["POST"])
    async def resume(request: IRequest, tenant: str, group: str) -> bytes:
        await groups.resume(GroupId(tenant, group))
        return answer(request, 204)

    @app.route("/v1.0/<tenant>/groups/<group>/config", methods=["GET"])
    async def show_config(request: IRequest, tenant: str, group: str) -> bytes:
        shown = await groups.get(GroupId(tenant, group))
        tag(request, shown.config.document)
        return answer(request, 200, {"groupConfiguration": shown.config.document})

    @app.route("/v1.0/<tenant>/groups/<group>/config", methods=["PUT"])
    async def replace_config(request: IRequest, tenant: str, group: str) -> bytes:
        body = json_body(request, CONFIG_BODY)
        stored = await groups.replace_config(GroupId(tenant, group), body, if_match(request))
        tag(request, stored.document)
        return answer(request, 204)

    @app.route("/v1.0/<tenant>/groups/<group>/launch", methods=["GET"])
    async def show_launch(request: IRequest, tenant: str, group: str) -> bytes:
        shown = await groups.get(GroupId(tenant, group))
        tag(request, shown.launch.document)
        return answer(request, 200, {"launchConfiguration": shown.launch.document})

    @app.route("/v1.0/<tenant>/groups/<group>/launch", methods=["PUT"])
    async def replace_launch(request: IRequest, tenant: str, group: str) -> bytes:
        body = json_body(request, LAUNCH_BODY)
        stored = await groups.replace_launch(GroupId(tenant, group), body, if_match(request))
        tag(request, stored.document)
        return answer(request, 204)
