"""Policies: keeping them, and executing them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from attrs import evolve, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from otter.domain.capacity import EXECUTE, decide, refuse_resting, refused
from otter.domain.errors import (
    CannotExecutePolicy,
    GroupPaused,
    GroupResting,
    Invalid,
    NoSuchCapability,
    NoSuchPolicy,
    NoSuchScalingGroup,
    TenantSuspended,
)
from otter.domain.events import Notice, notices
from otter.domain.executions import Once, Verdict, outcome_of
from otter.domain.group import Group, GroupId
from otter.domain.limits import Limits, Page
from otter.domain.policy import ChangeBy, Policy, new_policy
from otter.domain.tags import ANYTHING, Expected
from otter.domain.webhook import digest_of
from otter.operations.engine import IEngine
from otter.store.interface import IStore

log = Logger()
NOBODY, NOTHING = GroupId("", ""), Policy("", "", 0, ChangeBy(0))
"""A group that is never there, for it has no tenant; and a policy of it."""


@frozen
class Policies:
    """
    :ivar latest: seconds after which a scheduled event that was missed is not made up for.
    :ivar tells: whether owners are told of scheduled executions, through the outboxes of their groups.
    """

    store: IStore
    engine: IEngine
    clock: IReactorTime
    limits: Limits
    new_id: Callable[[], str]
    latest: float
    tells: bool = False

    async def execute(self, group_id: GroupId, policy: Policy) -> None:
        """
        Change the group's desired capacity as the policy says, and have it come true.

        :raises CannotExecutePolicy: the capacity stays as it is; but the group is looked at, and healed if need be.
        :raises NoSuchScalingGroup, GroupResting:
        """
        now = self.clock.seconds()
        try:
            await self.store.change_group(group_id, lambda group: decide(group, policy, now))
        except CannotExecutePolicy as refusal:
            facts = {"tenant": group_id.tenant, "group": group_id.group, "policy": policy.id}
            log.info("policy-not-executed", why=refusal.why, **facts)
            await self.store.change_group(group_id, lambda group: refused(group, now))
            await self.engine.capacity_changed(group_id)
            raise
        await self.engine.capacity_changed(group_id)

    async def execute_once(self, group_id: GroupId, policy: Policy, key: str | None) -> None:
        """
        ``execute``, or say again what came of it when ``key`` was first given for this policy, at most a day ago.

        :param key: None for an execution that nobody means to repeat.
        """
        if key is None:
            await self.execute(group_id, policy)
            return
        now = self.clock.seconds()
        outcome = await self.store.execute_once(
            group_id, Once(policy.id, key, now), lambda group: outcome_of(group, policy, now)
        )
        if outcome.verdict is Verdict.PAUSED:
            raise GroupPaused(group_id, EXECUTE)
        if outcome.verdict is Verdict.SUSPENDED:
            raise TenantSuspended(group_id, EXECUTE)
        # Also for a repeat: the process that executed it may have died before it got here.
        await self.engine.capacity_changed(group_id)
        if outcome.verdict is Verdict.REFUSED:
            facts = {"tenant": group_id.tenant, "group": group_id.group, "policy": policy.id}
            log.info("policy-not-executed", why=outcome.why, **facts)
            raise CannotExecutePolicy(group_id, policy.id, outcome.why)

    async def execute_by_id(self, group_id: GroupId, policy_id: str, key: str | None = None) -> None:
        """``execute_once``, by the group's owner. :raises NoSuchPolicy: the group is not to be left alone either."""
        try:
            policy = await self.store.get_policy(group_id, policy_id)
        except NoSuchPolicy:
            refuse_resting(await self.store.get_group(group_id), EXECUTE)
            raise
        await self.execute_once(group_id, policy, key)

    async def execute_capability(self, capability: str, key: str | None = None) -> GroupId:
        """
        ``execute_once``, by anyone who knows the capability; the group whose policy it was.

        :raises NoSuchCapability: at the cost of the same reads, so that nobody learns by the time it takes which there are.
        """
        try:
            group_id, policy = await self.store.find_capability(digest_of(capability))
        except NoSuchCapability:
            with suppress(NoSuchScalingGroup):
                await self.execute_once(NOBODY, NOTHING, key)
            raise
        await self.execute_once(group_id, policy, key)
        return group_id

    async def fire(self, group_id: GroupId, policy: Policy) -> None:
        """
        ``execute`` a policy that is due, once; and see to its next event.

        A refusal uses up the event. So does being too late: ``latest`` says how late an event is still good for anything.
        """
        now = self.clock.seconds()
        facts = {"tenant": group_id.tenant, "group": group_id.group, "policy": policy.id, "due": policy.due}
        refusals: list[str] = []
        news = self.new_id() if self.tells else ""

        def told(group: Group, kind: str = "", why: str = "", is_error: bool = False) -> Group:
            told = fired_notices(policy, kind, why, is_error) if self.tells else []
            return group.telling(told, news, now)

        def change(group: Group) -> Group:
            refusals.clear()
            try:
                if now - (policy.due or now) > self.latest:
                    raise CannotExecutePolicy(group.id, policy.id, "its time was over long ago")
                return told(decide(group, policy, now))
            except GroupResting as refusal:
                refusals.append(str(refusal))
                return told(group, "sch-exec-pol-err", str(refusal), is_error=True)
            except CannotExecutePolicy as refusal:
                refusals.append(refusal.why)
                return told(refused(group, now), "sch-cannot-exec", refusal.why)

        then = None if policy.schedule is None else policy.schedule.next_after(now)
        try:
            fired = await self.store.fire(group_id, policy, then, change)
        except NoSuchScalingGroup:
            return
        if fired is None:
            return
        if refusals:
            log.info("schedule-not-executed", why=refusals[0], **facts)
        else:
            log.info("schedule-executed", desired=fired.state.desired, **facts)
        await self.engine.capacity_changed(group_id)

    async def create(self, group_id: GroupId, documents: Sequence[Mapping]) -> list[Policy]:
        """:raises NoSuchScalingGroup, PoliciesOverLimit:"""
        now = self.clock.seconds()
        policies = [new_policy(self.new_id(), document, now) for document in documents]
        await self.store.create_policies(group_id, policies, self.limits.policies_per_group)
        return policies

    async def page(self, group_id: GroupId, page: Page) -> Sequence[Policy]:
        """:raises NoSuchScalingGroup:"""
        return await self.store.list_policies(group_id, page)

    async def get(self, group_id: GroupId, policy_id: str) -> Policy:
        """:raises NoSuchScalingGroup, NoSuchPolicy:"""
        return await self.store.get_policy(group_id, policy_id)

    async def replace(
        self, group_id: GroupId, policy_id: str, document: Mapping, expected: Expected = ANYTHING
    ) -> Policy:
        """:raises NoSuchScalingGroup, NoSuchPolicy, Invalid, PreconditionFailed:"""
        existing = await self.store.get_policy(group_id, policy_id)
        policy = new_policy(policy_id, document, self.clock.seconds())
        if (policy.schedule is None) != (existing.schedule is None):
            raise Invalid("type cannot be changed")
        await self.store.replace_policy(group_id, policy, expected)
        return policy

    async def delete(self, group_id: GroupId, policy_id: str, expected: Expected = ANYTHING) -> None:
        """:raises NoSuchScalingGroup, NoSuchPolicy, PreconditionFailed:"""
        await self.store.delete_policy(group_id, policy_id, expected)
        await self.store.change_group(group_id, partial(without_policy, policy_id))


def fired_notices(policy: Policy, kind: str, why: str, is_error: bool) -> list[Notice]:
    """What the owner is told of a scheduled execution; ``kind`` and ``why`` say that it came to nothing, if it did."""
    begun = notices("sch-exec-pol", f"Executing scheduled policy {policy.id}", [])
    failed = notices(kind, f"Scheduled policy {policy.id} was not executed: {why}", [], is_error) if kind else []
    return [evolve(notice, policy_id=policy.id, scheduled=policy.due) for notice in (*begun, *failed)]


def without_policy(policy_id: str, group: Group) -> Group:
    """``group`` without the memory of a policy that is no more."""
    return evolve(group, state=evolve(group.state, policy_touched=group.state.policy_touched.discard(policy_id)))
