"""Handing out the right to execute a policy, and taking it back."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

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
        await self._change(group_id, policy_id, webhook_id, lambda webhook: evolve(webhook, document=document))

    async def rotate(self, group_id: GroupId, policy_id: str, webhook_id: str) -> Webhook:
        """
        Another capability, made with the newest of the service keys; the one before is worth nothing from now on.

        :raises NoSuchScalingGroup, NoSuchPolicy, NoSuchWebhook:
        """
        return await self._change(group_id, policy_id, webhook_id, partial(rotated, self.keys.newest))

    async def delete(self, group_id: GroupId, policy_id: str, webhook_id: str) -> None:
        """:raises NoSuchScalingGroup, NoSuchPolicy, NoSuchWebhook:"""
        await self.store.delete_webhook(group_id, policy_id, webhook_id)

    async def _change(
        self, group_id: GroupId, policy_id: str, webhook_id: str, change: Callable[[Webhook], Webhook]
    ) -> Webhook:
        def changed(webhook: Webhook) -> tuple[Webhook, str]:
            new = change(webhook)
            return new, digest_of(self.capability_of(new))

        return await self.store.change_webhook(group_id, policy_id, webhook_id, changed)


def rotated(key_id: str, webhook: Webhook) -> Webhook:
    return evolve(webhook, key_id=key_id, rotation=webhook.rotation + 1)
