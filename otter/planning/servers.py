"""Which servers stay, which leave, how many are missing: first sort them into named sets, then treat set by set."""

from collections.abc import Collection, Iterator, Sequence

from attrs import frozen

from otter.domain.balancers import Access, BalancerId, Traits
from otter.domain.servers import Server, ServerState
from otter.planning.steps import ConvergeLater, CreateServer, DeleteServer, MarkLeaving, ReleaseServer, Step, Tell
from otter.planning.world import Desired, Observed, Ticket, host_of


@frozen
class Fleet:
    """
    A group's servers by what is to become of them. Only those that stay count towards the desired capacity.

    Those that are ``retiring`` work, and may finish their connections; those that are ``broken`` go at once.
    """

    serving: Sequence[Server]
    busy: Sequence[Server]
    building: Sequence[Server]
    retiring: Sequence[Server]
    broken: Sequence[Server]
    deleting: Sequence[Server]
    gone: Sequence[Server]

    @property
    def staying(self) -> tuple[Server, ...]:
        return (*self.serving, *self.busy, *self.building)

    @property
    def leaving(self) -> tuple[Server, ...]:
        return (*self.retiring, *self.broken)


def sort_servers(observed: Observed, capacity: int, build_timeout: float) -> Fleet:
    """
    Servers that are broken, or have been building for too long, leave; so do those that were leaving already, and those
    beyond the capacity: late arrivals first, then building ones, then busy ones, then serving ones, and among equals the
    oldest. (docs/convergence.md, "Which servers go".)
    """
    newest_first = sorted(observed.servers, key=lambda server: (-server.created, server.id))
    of_state: dict[ServerState, list[Server]] = {state: [] for state in ServerState}
    for server in newest_first:
        of_state[server.state].append(server)
    builds = of_state[ServerState.BUILD]
    building = [server for server in builds if observed.seen_for(server) < build_timeout]
    stuck = [server for server in builds if observed.seen_for(server) >= build_timeout]
    usable = of_state[ServerState.ACTIVE] + of_state[ServerState.OTHER] + building
    going = set(observed.leaving)
    in_order = sorted((s for s in usable if s.id not in going), key=lambda s: s.id in observed.late)
    staying = in_order[:capacity]

    return Fleet(
        serving=[server for server in staying if server.state is ServerState.ACTIVE],
        busy=[server for server in staying if server.state is ServerState.OTHER],
        building=[server for server in staying if server.state is ServerState.BUILD],
        retiring=[server for server in usable if server.id in going] + in_order[capacity:],
        broken=of_state[ServerState.BROKEN] + stuck,
        deleting=of_state[ServerState.DELETING],
        gone=of_state[ServerState.GONE],
    )


def plan_servers(
    desired: Desired, fleet: Fleet, observed: Observed, tickets: Sequence[Ticket], detach_timeout: float
) -> Iterator[Step]:
    """Creates for what is missing, deletes for what leaves and is on no load balancer any more."""
    yield from plan_creates(desired, fleet, observed, tickets)
    yield from plan_waiting(desired, fleet, observed)
    for server_id in sorted(observed.clinging):
        yield ReleaseServer(server_id)
    ties = ties_of(observed)
    for server in fleet.leaving:
        overdue = observed.leaving_for(server) >= desired.draining_timeout + detach_timeout
        if overdue or not ties.hold(server):
            yield DeleteServer(server.id)
        elif server.state in (ServerState.ACTIVE, ServerState.BUILD) and not server.marked:
            yield MarkLeaving(server.id)


def plan_creates(desired: Desired, fleet: Fleet, observed: Observed, tickets: Sequence[Ticket]) -> Iterator[Step]:
    missing = desired.capacity - len(fleet.staying) - len(observed.pending)
    if missing > 0 and desired.refused:
        yield from (ConvergeLater(reason, Tell.AT_ONCE) for reason in desired.refused)
        return
    for ticket in tickets[: max(0, missing)]:
        yield CreateServer(ticket.create_id, ticket.name, desired.server, desired.targets)
    if missing > len(tickets):
        yield ConvergeLater(f"{missing - len(tickets)} more servers to create than one pass may", more=True)


def plan_waiting(desired: Desired, fleet: Fleet, observed: Observed) -> Iterator[Step]:
    if fleet.building:
        yield ConvergeLater("waiting for servers to become active")
    if observed.pending:
        yield ConvergeLater("Nova does not show servers that it was asked to create", Tell.IF_IT_LASTS)
    if any(server.state is ServerState.BROKEN for server in fleet.broken):
        yield ConvergeLater("Servers are in the state ERROR or SHUTOFF; they are being replaced", Tell.IF_IT_LASTS)
    if desired.going and fleet.deleting:
        yield ConvergeLater("waiting for the last servers to disappear")
    for trouble in sorted(observed.troubles):
        yield ConvergeLater(trouble, Tell.IF_IT_LASTS)


@frozen
class Ties:
    """Why a server may still get traffic. A load balancer that is gone, or on its way out, holds nobody back."""

    unread: Collection[BalancerId]
    served: Sequence[tuple[Traits, Collection[str]]]

    def hold(self, server: Server) -> bool:
        if any(target.balancer in self.unread for target in server.targets):
            return True
        return any(host_of(server, traits) in hosts for traits, hosts in self.served)


def ties_of(observed: Observed) -> Ties:
    unread = {id for id, balancer in observed.balancers.items() if balancer.access is Access.UNREADABLE}
    open_ones = (balancer for balancer in observed.balancers.values() if balancer.access is not Access.CLOSED)
    return Ties(unread, [(balancer.traits, {node.host for node in balancer.nodes}) for balancer in open_ones])
