"""Which nodes the load balancers should gain, change and lose."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from enum import Enum
from operator import attrgetter

from attrs import evolve, field, frozen
from pyrsistent import pset, pvector

from otter.domain.balancers import Access, Balancer, BalancerId, Condition, Node, Target, Traits
from otter.domain.servers import Server, ServerState
from otter.planning.servers import Fleet
from otter.planning.steps import AddNodes, ChangeNodes, ConvergeLater, RemoveNodes, Step, Tell
from otter.planning.world import Desired, Observed, host_of

by_id = attrgetter("id")


@frozen
class Work:
    """What there is to do on one load balancer. ``draining``, ``offline`` and ``overdue`` nodes are waited for."""

    removals: list[Node] = field(factory=list)
    changes: list[Node] = field(factory=list)
    additions: list[Node] = field(factory=list)
    draining: list[Node] = field(factory=list)
    offline: list[Node] = field(factory=list)
    overdue: list[Node] = field(factory=list)
    without_address: set[str] = field(factory=set)


def plan_balancers(desired: Desired, fleet: Fleet, observed: Observed, online_timeout: float) -> Iterator[Step]:
    """
    At most one kind of change for each load balancer: it may refuse another one while it applies the first.

    Nodes of serving servers that nobody asked for are their owner's business, and stay.
    """
    belonging = defaultdict(list)
    for server in fleet.serving:
        for target in server.targets:
            belonging[target.balancer].append((server, target))

    without_address: set[str] = set()
    for balancer_id, balancer in sorted(observed.balancers.items(), key=lambda item: item[0]):
        work = Work()
        sort_leaving(work, balancer, fleet, desired.draining_timeout, observed.at)
        sort_serving(work, balancer, belonging[balancer_id], observed.at - online_timeout)
        yield from plan_balancer(balancer_id, balancer, work)
        without_address |= work.without_address
    if without_address:
        servers = ", ".join(sorted(without_address))
        yield ConvergeLater(
            f"Servers have no ServiceNet address to put on a load balancer: {servers}", Tell.IF_IT_LASTS
        )


def sort_leaving(work: Work, balancer: Balancer, fleet: Fleet, draining_timeout: float, now: float) -> None:
    """Nodes of servers that leave, or left, go: at once, or when their connections are finished."""
    traits = balancer.traits
    retiring = {host_of(server, traits): server for server in fleet.retiring}
    abandoned = hosts(traits, *fleet.leaving, *fleet.deleting, *fleet.gone) - hosts(traits, *fleet.staying)
    for node in balancer.nodes:
        if node.host not in abandoned:
            continue
        server = retiring.get(node.host)
        in_peace = traits.drains and server is not None and server.state is not ServerState.BUILD
        match fate_of(node, draining_timeout if in_peace else 0.0, now):
            case Fate.DRAIN:
                work.changes.append(evolve(node, condition=Condition.DRAINING))
            case Fate.WAIT:
                work.draining.append(node)
            case Fate.REMOVE:
                work.removals.append(node)


class Fate(Enum):
    """What is to become of a node whose server leaves."""

    DRAIN = "it is to take no new connections"
    WAIT = "its connections are being finished"
    REMOVE = "it is to go"


def fate_of(node: Node, draining_timeout: float, now: float) -> Fate:
    """(docs/convergence.md, "Draining".)"""
    if not draining_timeout or node.condition is Condition.DISABLED:
        return Fate.REMOVE
    if node.condition is Condition.ENABLED:
        return Fate.DRAIN
    since = now if node.draining_since is None else node.draining_since
    return Fate.REMOVE if node.connections == 0 or now - since >= draining_timeout else Fate.WAIT


def sort_serving(
    work: Work, balancer: Balancer, belonging: Iterable[tuple[Server, Target]], offline_before: float
) -> None:
    """Each serving server is to have a node in each place where it belongs; one that was edited is set right."""
    present = {(node.target, node.host): node for node in balancer.nodes}
    for server, target in belonging:
        host = host_of(server, balancer.traits)
        node = present.get((target, host))
        if not host:
            work.without_address.add(server.id)
        elif node is None:
            work.additions.append(Node(target, host))
        elif node.condition is Condition.DRAINING and balancer.monitored and not node.online:
            since = node.draining_since
            waits = work.offline if since is None or since > offline_before else work.overdue
            waits.append(node)
        elif not node.as_wanted:
            work.changes.append(evolve(node, condition=Condition.ENABLED, weight=1, type="PRIMARY"))


def plan_balancer(balancer_id: BalancerId, balancer: Balancer, work: Work) -> Iterator[Step]:
    match balancer.access:
        case Access.UNREADABLE:
            yield ConvergeLater(balancer.why, Tell.IF_IT_LASTS)
            return
        case Access.CLOSED:
            if work.additions:
                yield ConvergeLater(balancer.why, Tell.AT_ONCE)
            return
        case Access.BUSY:
            if work.removals or work.changes or work.additions:
                yield ConvergeLater(balancer.why, Tell.IF_IT_LASTS)
        case Access.OPEN:
            yield from next_request(balancer_id, balancer, work)
    if work.draining:
        yield ConvergeLater("waiting for servers to finish their connections")
    if work.offline:
        yield ConvergeLater(f"waiting for new nodes of {balancer_id.id} to come ONLINE")
    if work.overdue:
        why = f"Load balancer {balancer_id.id} has kept new nodes OFFLINE for too long: its health monitor cannot reach them"
        yield ConvergeLater(why, Tell.AT_ONCE)


def next_request(balancer_id: BalancerId, balancer: Balancer, work: Work) -> Iterator[Step]:
    """Removals first: they make room, and end traffic that goes nowhere. Additions last: a full balancer refuses only them."""
    if work.removals:
        first = sorted(work.removals, key=by_id)[: balancer.traits.most_removals or None]
        yield RemoveNodes(balancer_id, pset(first))
    elif work.changes:
        yield ChangeNodes(balancer_id, pvector(sorted(work.changes, key=by_id)))
    elif work.additions:
        yield AddNodes(balancer_id, pset(work.additions), present=len(balancer.nodes))


def hosts(traits: Traits, *servers: Server) -> set[str]:
    return {host_of(server, traits) for server in servers} - {""}
