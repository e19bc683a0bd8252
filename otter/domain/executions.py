"""Executing a policy at most once for each key that a client gives."""

from enum import Enum

from attrs import frozen

from otter.domain.capacity import decide, refused
from otter.domain.errors import CannotExecutePolicy, GroupPaused, TenantSuspended
from otter.domain.group import Group
from otter.domain.policy import Policy

KEPT = 86400.0
"""Seconds for which a key is remembered."""


class Verdict(Enum):
    EXECUTED = "EXECUTED"
    REFUSED = "REFUSED"
    PAUSED = "PAUSED"
    SUSPENDED = "SUSPENDED"


@frozen
class Outcome:
    """What came of executing a policy. :ivar why: it was refused; empty otherwise."""

    verdict: Verdict
    why: str = ""


@frozen
class Once:
    """
    A request to execute a policy that may be repeated, and means the same one execution each time.

    :ivar key: the client's name for it, unique among those of the policy.
    :ivar now: epoch seconds.
    """

    policy_id: str
    key: str
    now: float

    @property
    def expires(self) -> float:
        return self.now + KEPT


def outcome_of(group: Group, policy: Policy, now: float) -> tuple[Group, Outcome]:
    """The group after ``policy`` was executed at ``now`` or refused, and which of both it was. See ``decide``."""
    try:
        return decide(group, policy, now), Outcome(Verdict.EXECUTED)
    except GroupPaused:
        return group, Outcome(Verdict.PAUSED)
    except TenantSuspended:
        return group, Outcome(Verdict.SUSPENDED)
    except CannotExecutePolicy as refusal:
        return refused(group, now), Outcome(Verdict.REFUSED, refusal.why)
