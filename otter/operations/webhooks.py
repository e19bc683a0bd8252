"""Handing out the right to execute a policy, and taking it back."""

from collections.abc import Callable, Mapping, Sequence

from attrs import evolve, frozen

from otter.domain.group import GroupId
from otter.domain.limits import Limits, Page
from otter.domain.webhook import ServiceKeys, Webhook, digest_of, webhook_of
from otter.store.interface import IStore


@frozen
class Webhooks:
    store: IStore
    keys: ServiceKeys
    limits: Limits
    new_id: Callable[[], str]

    def capability_of(self, webhook: Webhook) -> str:
        """What is to be shown to the webhook's owner, and to nobody else."""
        return self.keys.capability_of(webhook)

    async def create(self, group_id: GroupId, policy_id: str, documents: Sequence[Mapping]) -> list[Webhook]:
        """:raises NoSuchScalingGroup, NoSuchPolicy, WebhooksOverLimit:"""
        webhooks = [webhook_of(self.new_id(), self.keys.newest, document) for document in documents]
        stored = [(webhook, digest_of(self.capability_of(webhook))) for webhook in webhooks]
        await self.store.create_webhooks(group_id, policy_id, stored, self.limits.webhooks_per_policy)
        return webhooks

    async def page(self, group_id: GroupId, policy_id: str, page: Page) -> Sequence[Webhook]:
        """:raises NoSuchScalingGroup, NoSuchPolicy:"""
        return await self.store.list_webhooks(group_id, policy_id, page)

    async def get(self, group_id: GroupId, policy_id: str, webhook_id: str) -> Webhook:
        """:raises NoSuchScalingGroup, NoSuchPolicy, NoSuchWebhook:"""
        return await self.store.get_webhook(group_id, policy_id, webhook_id)

    async def replace(self, group_id: GroupId, policy_id: str, webhook_id: str, document: Mapping) -> None:
        """Another name or metadata; the capability stays. :raises NoSuchScalingGroup, NoSuchPolicy, NoSuchWebhook:"""
        webhook = await self.store.get_webhook(group_id, policy_id, webhook_id)
        changed = evolve(webhook, document=document)
        await self.store.replace_webhook(group_id, policy_id, changed, digest_of(self.capability_of(changed)))

    async def delete(self, group_id: GroupId, policy_id: str, webhook_id: str) -> None:
        """:raises NoSuchScalingGroup, NoSuchPolicy, NoSuchWebhook:"""
        await self.store.delete_webhook(group_id, policy_id, webhook_id)
