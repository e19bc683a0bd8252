"""The only rule about capacity: what executing a policy does to a group. (docs/api.md, "Executing a policy".)"""

from fractions import Fraction
from math import ceil, floor

from pyrsistent import pmap

from otter.domain.errors import CannotExecutePolicy, GroupPaused, TenantSuspended
from otter.domain.group import Group, GroupConfig
from otter.domain.policy import ChangeBy, ChangeByPercent, Policy, SetTo

EXECUTE = "execute a policy of"


def decide(group: Group, policy: Policy, now: float) -> Group:
    """
    The group after ``policy`` was executed at ``now`` (epoch seconds).

    :raises GroupResting:
    :raises CannotExecutePolicy: a cooldown is running, or nothing would change.
    """
    state = group.state
    refuse_resting(group, EXECUTE)
    if _cooling(state.group_touched, group.config.cooldown, now):
        raise CannotExecutePolicy(group.id, policy.id, "the group's cooldown is not over")
    if _cooling(state.policy_touched.get(policy.id), policy.cooldown, now):
        raise CannotExecutePolicy(group.id, policy.id, "the policy's cooldown is not over")
    target = clamp(group.config, wanted_by(policy, state.desired))
    if target == state.desired:
        raise CannotExecutePolicy(group.id, policy.id, "the group already has that size")
    return group.asked(desired=target, group_touched=now, policy_touched=state.policy_touched.set(policy.id, now))


def refused(group: Group, now: float) -> Group:
    """
    The group after a policy could not be executed at ``now``: it is looked at all the same.

    A time in the future is one that a clock gave that was set back since; it is pulled back, so that no cooldown lasts for longer.
    """
    state = group.state
    touched = None if state.group_touched is None else min(state.group_touched, now)
    policies = pmap({policy_id: min(when, now) for policy_id, when in state.policy_touched.items()})
    return group.asked(group_touched=touched, policy_touched=policies)


def refuse_suspended(group: Group, what: str) -> None:
    """:param what: the user asked for. :raises TenantSuspended:"""
    if group.suspended:
        raise TenantSuspended(group.id, what)


def refuse_resting(group: Group, what: str) -> None:
    """:param what: the user asked for. :raises GroupResting:"""
    refuse_suspended(group, what)
    if group.state.paused:
        raise GroupPaused(group.id, what)


def wanted_by(policy: Policy, current: int) -> int:
    """The size ``policy`` asks for when the group has ``current`` servers, before any bounds."""
    match policy.rule:
        case ChangeBy(servers):
            return current + servers
        case ChangeByPercent(percent):
            # Of the text, so that 0.1 % of 1000 is 1 and not 1.0000000000000000555, which rounds to 2.
            share = Fraction(str(percent)) * current / 100
            return current + (ceil(share) if share > 0 else floor(share))
        case SetTo(servers):
            return servers


def clamp(config: GroupConfig, wanted: int) -> int:
    """``wanted`` within the group's bounds; the lower bound wins."""
    return max(min(wanted, config.max_entities), config.min_entities)


def _cooling(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and max(0.0, now - since) < seconds
