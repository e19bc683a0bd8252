"""Webhooks: named URLs that execute a policy. (docs/api.md, "Webhooks".)"""

from collections.abc import Sequence

from klein import Klein
from twisted.web.iweb import IRequest

from otter.domain.group import GroupId
from otter.domain.webhook import Webhook
from otter.operations.webhooks import Webhooks
from otter.rest.bodies import answer, following, json_body, page
from otter.rest.documents import Documents
from otter.rest.schemas import WEBHOOK_BODY, WEBHOOKS_BODY


def webhook_routes(app: Klein, webhooks: Webhooks, documents: Documents) -> None:
    def shown(group_id: GroupId, policy: str, some: Sequence[Webhook]) -> list[dict]:
        return [documents.webhook(group_id, policy, webhook, webhooks.capability_of(webhook)) for webhook in some]

    @app.route("/v1.0/<tenant>/groups/<group>/policies/<policy>/webhooks", methods=["GET"])
    async def list_webhooks(request: IRequest, tenant: str, group: str, policy: str) -> bytes:
        group_id, asked = GroupId(tenant, group), page(request, documents.page_size)
        some = await webhooks.page(group_id, policy, asked)
        path = (*documents.path_of(group_id), "policies", policy, "webhooks")
        more = following([item.id for item in some], asked, documents.root, *path)
        return answer(request, 200, {"webhooks": shown(group_id, policy, some), "webhooks_links": more})

    @app.route("/v1.0/<tenant>/groups/<group>/policies/<policy>/webhooks", methods=["POST"])
    async def create_webhooks(request: IRequest, tenant: str, group: str, policy: str) -> bytes:
        group_id = GroupId(tenant, group)
        created = await webhooks.create(group_id, policy, json_body(request, WEBHOOKS_BODY))
        location = documents.url_of(group_id, "policies", policy, "webhooks")
        return answer(request, 201, {"webhooks": shown(group_id, policy, created)}, location=location)

    @app.route("/v1.0/<tenant>/groups/<group>/policies/<policy>/webhooks/<webhook>", methods=["GET"])
    async def show_webhook(request: IRequest, tenant: str, group: str, policy: str, webhook: str) -> bytes:
        group_id = GroupId(tenant, group)
        [document] = shown(group_id, policy, [await webhooks.get(group_id, policy, webhook)])
        return answer(request, 200, {"webhook": document})

    @app.route("/v1.0/<tenant>/groups/<group>/policies/<policy>/webhooks/<webhook>", methods=["PUT"])
    async def replace_webhook(request: IRequest, tenant: str, group: str, policy: str, webhook: str) -> bytes:
        await webhooks.replace(GroupId(tenant, group), policy, webhook, json_body(request, WEBHOOK_BODY))
        return answer(request, 204)

    @app.route("/v1.0/<tenant>/groups/<group>/policies/<policy>/webhooks/<webhook>/rotate", methods=["POST"])
    async def rotate_webhook(request: IRequest, tenant: str, group: str, policy: str, webhook: str) -> bytes:
        group_id = GroupId(tenant, group)
        [document] = shown(group_id, policy, [await webhooks.rotate(group_id, policy, webhook)])
        return answer(request, 200, {"webhook": document})

    @app.route("/v1.0/<tenant>/groups/<group>/policies/<policy>/webhooks/<webhook>", methods=["DELETE"])
    async def delete_webhook(request: IRequest, tenant: str, group: str, policy: str, webhook: str) -> bytes:
        await webhooks.delete(GroupId(tenant, group), policy, webhook)
        return answer(request, 204)
