"""What every store promises; ``tests/contracts/store.py`` holds it to it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from otter.domain.executions import Once, Outcome
from otter.domain.group import Group, GroupId, Summary
from otter.domain.history import Entry
from otter.domain.hold import Hold
from otter.domain.limits import Counts, Page
from otter.domain.policy import Policy
from otter.domain.shares import Split
from otter.domain.tags import ANYTHING, Expected
from otter.domain.webhook import Webhook

Change = Callable[[Group], Group]
"""A plain function of the group: no clock, no log, no I/O. A store may call it more than once, and in another thread."""

WebhookChange = Callable[[Webhook], tuple[Webhook, str]]
"""A plain function of the webhook: what it becomes, and the digest of its capability."""

Mine = Callable[[GroupId], bool]
"""Whether a group is worked on by whoever asks. A plain function, like a ``Change``."""

Execution = Callable[[Group], tuple[Group, Outcome]]
"""A ``Change`` that also says what came of it."""


class IStore(Protocol):
    """
    When a method that writes has returned, what it wrote survives the death of this process.

    A group that is being deleted does not exist, except for those who say that they mean ``even_deleting`` ones.

    :raises StoreUnavailable: from every method; nothing is half-written.
    """

    @property
    def epoch(self) -> int:
        """Which opening of the store this is; higher than any before."""

    async def next_epoch(self) -> int:
        """
        A number that is higher than any that this, or ``epoch``, ever was for anybody.

        See Note [Fences] in ``coordination.interface``.
        """

    @property
    def trouble(self) -> str | None:
        """Why nothing can be stored at this moment; None if, as far as we know, it can."""

    async def close(self) -> None:
        """Nothing can be read or stored afterwards; what was begun is finished, or its caller is told."""

    async def create_group(self, group: Group, policies: Sequence[Policy], most: int) -> None:
        """
        Store a new group with its policies, all or nothing.

        :param most: how many groups the tenant may have.
        :raises GroupsOverLimit:
        """

    async def get_group(self, group_id: GroupId, even_deleting: bool = False) -> Group:
        """:raises NoSuchScalingGroup:"""

    async def list_groups(self, tenant: str, page: Page) -> Sequence[Summary]:
        """The tenant's groups, ordered by id."""

    async def change_group(self, group_id: GroupId, change: Change, even_deleting: bool = False) -> Group:
        """
        Replace the group by ``change(group)``; the group as it is now.

        No change made by anybody meanwhile is lost. If ``change`` raises, nothing is written and the error comes
        through; if it returns what it was given, nothing is written either. What the group has ``noted`` by then is written with
        it, or nothing is.

        :raises NoSuchScalingGroup:
        """

    async def list_passes(self, group_id: GroupId, most: int, before: int | None, since: float) -> Sequence[Entry]:
        """
        The last ``most`` entries of the group's history, the newest first.

        :param before: of those with smaller numbers; None for of all.
        :param since: older ones are over (epoch seconds).
        :raises NoSuchScalingGroup:
        """

    async def delete_group(self, group_id: GroupId) -> None:
        """Forget the group, with everything that belongs to it; fine if it is gone already."""

    async def groups_with_events(self) -> Sequence[GroupId]:
        """Every group with something in its outbox, also those that are being deleted; perhaps some whose outbox is empty."""

    async def divergent_groups(
        self, until: float, shares: Collection[int] | None = None
    ) -> Sequence[tuple[GroupId, float]]:
        """
        Every group whose next pass is due before ``until`` (epoch seconds), and when. See Note [Divergence]. Not those
        to be left alone.

        :param shares: those of the tenants (``domain.shares.share_of``) that are looked at; None for all.
        """

    async def settled_groups(self, shares: Collection[int] | None = None) -> Sequence[GroupId]:
        """Every group that is neither divergent nor to be left alone. :param shares: as in ``divergent_groups``."""

    async def suspend(self, tenant: str) -> None:
        """From now on all groups of the tenant are suspended, also new ones; fine if they are."""

    async def reinstate(self, tenant: str) -> None:
        """The end of ``suspend``; fine if there was none."""

    async def suspended_tenants(self) -> Sequence[str]:
        """Ordered by their ids."""

    async def hold(self, tenant: str | None) -> None:
        """From now on the tenant is held, also if it has no groups; None for everything. Fine if it is."""

    async def release(self, tenant: str | None) -> None:
        """The end of ``hold``; fine if there was none. With None, tenants that are held by themselves stay held."""

    async def held(self) -> Hold:
        """What is held, by whomever: operators change it from outside of this process too."""

    async def splits(self) -> Mapping[str, Split]:
        """Of all tenants whose groups are split, or were once. See Note [Splits] in ``domain.shares``."""

    async def replace_split(self, tenant: str, old: Split | None, new: Split) -> bool:
        """Whether ``new`` is stored now: only in place of ``old``, None for none."""

    async def crowds(self, least: int) -> Mapping[str, int]:
        """How many groups each tenant has that has at least so many, those that are being deleted included."""

    async def counts(self) -> Counts:
        """What is stored, groups that are being deleted included."""

    async def create_policies(self, group_id: GroupId, policies: Sequence[Policy], most: int) -> None:
        """
        Add all policies, or none.

        :param most: how many the group may have.
        :raises NoSuchScalingGroup, PoliciesOverLimit:
        """

    async def list_policies(self, group_id: GroupId, page: Page) -> Sequence[Policy]:
        """The group's policies, ordered by id. :raises NoSuchScalingGroup:"""

    async def get_policy(self, group_id: GroupId, policy_id: str) -> Policy:
        """:raises NoSuchScalingGroup, NoSuchPolicy:"""

    async def replace_policy(self, group_id: GroupId, policy: Policy, expected: Expected = ANYTHING) -> None:
        """
        :param expected: of the document that is replaced; nobody replaces it between this look and the change.
        :raises NoSuchScalingGroup, NoSuchPolicy, PreconditionFailed:
        """

    async def due_policies(
        self, until: float, most: int, mine: Mine = lambda group_id: True
    ) -> Sequence[tuple[GroupId, Policy]]:
        """
        The policies that are to be executed by themselves at ``until`` or before (epoch seconds), the earliest first.

        :param mine: those of other groups are not counted, however many there are.
        """

    async def fire(self, group_id: GroupId, policy: Policy, then: float | None, change: Change) -> Group | None:
        """
        ``change_group``, if the policy is still as it is here, ``due`` and all; it is due ``then`` from now on (epoch seconds;
        None for never again). The group as it is now; None if the policy is not due any more, or is another one.

        Both or none: so each event happens once.

        :raises NoSuchScalingGroup:
        """

    async def execute_once(self, group_id: GroupId, once: Once, execution: Execution) -> Outcome:
        """
        ``change_group`` by ``execution``, and remember its outcome until ``once.expires``, as long as there is the policy.

        If an outcome is remembered for the policy and the key of ``once``, and has not expired at ``once.now``, it is
        returned, and nothing changes. Both changes are written or none; of two at the same time, one finds the other's.

        :raises NoSuchScalingGroup, NoSuchPolicy:
        """

    async def delete_policy(self, group_id: GroupId, policy_id: str, expected: Expected = ANYTHING) -> None:
        """
        Forget the policy, its webhooks, and what is remembered of its executions.

        :param expected: as in ``replace_policy``.
        :raises NoSuchScalingGroup, NoSuchPolicy, PreconditionFailed:
        """

    async def create_webhooks(
        self, group_id: GroupId, policy_id: str, webhooks: Sequence[tuple[Webhook, str]], most: int
    ) -> None:
        """
        Add all webhooks, each with the digest of its capability, or none.

        :param most: how many the policy may have.
        :raises NoSuchScalingGroup, NoSuchPolicy, WebhooksOverLimit:
        """

    async def list_webhooks(self, group_id: GroupId, policy_id: str, page: Page) -> Sequence[Webhook]:
        """The policy's webhooks, ordered by id. :raises NoSuchScalingGroup, NoSuchPolicy:"""

    async def get_webhook(self, group_id: GroupId, policy_id: str, webhook_id: str) -> Webhook:
        """:raises NoSuchScalingGroup, NoSuchPolicy, NoSuchWebhook:"""

    async def change_webhook(
        self, group_id: GroupId, policy_id: str, webhook_id: str, change: WebhookChange
    ) -> Webhook:
        """
        Replace the webhook by ``change(webhook)``; the webhook as it is now. No change made by anybody meanwhile is lost.

        :raises NoSuchScalingGroup, NoSuchPolicy, NoSuchWebhook:
        """

    async def delete_webhook(self, group_id: GroupId, policy_id: str, webhook_id: str) -> None:
        """:raises NoSuchScalingGroup, NoSuchPolicy, NoSuchWebhook:"""

    async def find_capability(self, digest: str) -> tuple[GroupId, Policy]:
        """What the capability with that digest may execute. :raises NoSuchCapability:"""

    async def capability_key_ids(self) -> Sequence[str]:
        """The ids of the service keys without which some capability could not be shown any more."""
