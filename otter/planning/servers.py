"""Which servers stay, which leave, how many are missing: first sort them into named sets, then treat set by set."""

from collections.abc import Iterator, Sequence

from attrs import frozen

from otter.domain.servers import Server, ServerState
from otter.planning.steps import ConvergeLater, CreateServer, DeleteServer, Step
from otter.planning.world import Desired, Observed, Ticket


@frozen
class Fleet:
    """A group's servers by what is to become of them. Only those that stay count towards the desired capacity."""

    serving: Sequence[Server]
    busy: Sequence[Server]
    building: Sequence[Server]
    leaving: Sequence[Server]
    deleting: Sequence[Server]
    gone: Sequence[Server]

    @property
    def staying(self) -> int:
        return len(self.serving) + len(self.busy) + len(self.building)


def sort_servers(observed: Observed, capacity: int, build_timeout: float) -> Fleet:
    """
    Servers that are broken, or have been building for too long, leave. So do those beyond the capacity: late arrivals
    first, then building ones, then busy ones, then serving ones, and among equals the oldest. (docs/convergence.md,
    "Which servers go".)
    """
    newest_first = sorted(observed.servers, key=lambda server: (-server.created, server.id))
    of_state: dict[ServerState, list[Server]] = {state: [] for state in ServerState}
    for server in newest_first:
        of_state[server.state].append(server)
    builds = of_state[ServerState.BUILD]
    building = [server for server in builds if observed.at - server.created < build_timeout]
    stuck = [server for server in builds if observed.at - server.created >= build_timeout]
    usable = of_state[ServerState.ACTIVE] + of_state[ServerState.OTHER] + building
    in_order = [s for s in usable if s.id not in observed.late] + [s for s in usable if s.id in observed.late]
    staying = in_order[:capacity]

    return Fleet(
        serving=[server for server in staying if server.state is ServerState.ACTIVE],
        busy=[server for server in staying if server.state is ServerState.OTHER],
        building=[server for server in staying if server.state is ServerState.BUILD],
        leaving=of_state[ServerState.BROKEN] + stuck + in_order[capacity:],
        deleting=of_state[ServerState.DELETING],
        gone=of_state[ServerState.GONE],
    )


def plan_servers(desired: Desired, fleet: Fleet, observed: Observed, tickets: Sequence[Ticket]) -> Iterator[Step]:
    """Creates for what is missing, deletes for what leaves and is on no load balancer any more."""
    missing = max(0, desired.capacity - fleet.staying - len(observed.pending))
    for ticket in tickets[:missing]:
        yield CreateServer(ticket.create_id, ticket.name, desired.server, desired.targets)
    if missing > len(tickets):
        yield ConvergeLater(f"{missing - len(tickets)} more servers to create than one pass may")
    if fleet.building:
        yield ConvergeLater("waiting for servers to become active")
    if observed.pending:
        yield ConvergeLater("Nova does not show servers that it was asked to create", trouble=True)
    if any(server.state is ServerState.BROKEN for server in fleet.leaving):
        yield ConvergeLater("Servers are in the state ERROR or SHUTOFF; they are being replaced", trouble=True)
    if desired.leaving and fleet.deleting:
        yield ConvergeLater("waiting for the last servers to disappear")

    on_a_balancer = {node.address for node in observed.nodes}
    for server in fleet.leaving:
        unread = sorted(target.lb_id for target in server.targets if target.lb_id in observed.unreadable)
        if unread and server.address:
            yield ConvergeLater(f"server {server.id} may still be on load balancer {unread[0]}")
        elif server.address not in on_a_balancer:
            yield DeleteServer(server.id)
