"""The planner's front door."""

from collections.abc import Sequence

from otter.planning.balancers import plan_balancers
from otter.planning.servers import plan_servers, sort_servers
from otter.planning.steps import Step
from otter.planning.world import Desired, Observed, Ticket, Timeouts


def plan(desired: Desired, observed: Observed, tickets: Sequence[Ticket], timeouts: Timeouts) -> tuple[Step, ...]:
    """
    The steps that bring the observed world nearer to the desired one; none if it is there.

    :param tickets: one for each server that this pass may create; it creates no more than there are tickets.
    """
    fleet = sort_servers(observed, desired.capacity, timeouts.build)
    servers = plan_servers(desired, fleet, observed, tickets, timeouts.detach)
    return (*servers, *plan_balancers(desired, fleet, observed, timeouts.online))
