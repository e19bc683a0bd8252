"""How much of a group an engine takes care of, and for how long."""

from collections.abc import Sequence
from typing import Protocol

from attrs import evolve, field, frozen

from otter.convergence.execute import Outcome, Verdict
from otter.domain.group import Group, Status
from otter.domain.jobs import Jobs
from otter.planning.plan import plan
from otter.planning.servers import sort_servers
from otter.planning.steps import Step
from otter.planning.world import Observed, Ticket, Timeouts, desired_of


@frozen
class Work:
    """
    What a pass is to do.

    :ivar leaving: ids of the servers that are on their way out from now on.
    :ivar jobs: what is to be remembered of it, besides what every engine remembers.
    """

    steps: Sequence[Step]
    leaving: Sequence[str]
    jobs: Jobs = field(factory=Jobs)


class IScope(Protocol):
    def work_on(self, group: Group, observed: Observed, tickets: Sequence[Ticket], timeouts: Timeouts) -> Work:
        """What the engine does about the group now."""

    def concluded(self, group: Group, work: Work, outcome: Outcome) -> tuple[Jobs, Outcome]:
        """What is left of ``work`` after it came to ``outcome``, and what that means for the group."""


@frozen
class Always:
    """The whole group, whoever asked and whenever: it is compared with what it should be until it is."""

    def work_on(self, group: Group, observed: Observed, tickets: Sequence[Ticket], timeouts: Timeouts) -> Work:
        desired = desired_of(group, observed.at)
        fleet = sort_servers(observed, desired.capacity, timeouts.build)
        leaving = [server.id for server in (*fleet.leaving, *fleet.gone)]
        return Work(plan(desired, observed, tickets, timeouts), leaving)

    def concluded(self, group: Group, work: Work, outcome: Outcome) -> tuple[Jobs, Outcome]:
        return work.jobs, outcome


@frozen
class PerRequest(Always):
    """The whole group, from a request until it is what it should be, or until that cannot be. Then nothing, until the next one."""

    def concluded(self, group: Group, work: Work, outcome: Outcome) -> tuple[Jobs, Outcome]:
        return work.jobs, over_if_blocked(group, outcome)


def over_if_blocked(group: Group, outcome: Outcome) -> Outcome:
    """
    ``outcome``, for an engine that waits for the next request when nothing can be done, and looked once more to be sure: what
    failed as a whole may have come true in part. A group that is to go must go.
    """
    if outcome.verdict is not Verdict.BLOCKED or group.state.status is Status.DELETING:
        return outcome
    return evolve(outcome, verdict=Verdict.OVER if is_told(group, outcome) else Verdict.AGAIN)


def is_told(group: Group, outcome: Outcome) -> bool:
    """Whether the pass before this one, for the same request, came to the same."""
    return group.state.tries > 0 and set(outcome.reasons) <= set(group.state.reasons)
