"""Which nodes the load balancers should gain and lose."""

from collections import defaultdict
from collections.abc import Iterator

from pyrsistent import pset

from otter.domain.servers import Server
from otter.planning.servers import Fleet
from otter.planning.steps import AddNodesToCLB, ConvergeLater, RemoveNodesFromCLB, Step
from otter.planning.world import Observed

MOST_REMOVALS = 10
"""Node ids that Cloud Load Balancers accepts in one DELETE."""


def plan_balancers(fleet: Fleet, observed: Observed) -> Iterator[Step]:
    """
    At most one change for each load balancer, removals first: a CLB refuses a second change while it applies the first.

    Nodes of serving servers that nobody asked for are their owner's business, and stay.
    """
    for reason in sorted(set(observed.unreadable.values())):
        yield ConvergeLater(reason, trouble=True)

    abandoned = addresses(*fleet.leaving, *fleet.deleting, *fleet.gone) - addresses(*fleet.serving, *fleet.busy)
    present = {(node.target, node.address) for node in observed.nodes}
    surplus, missing = defaultdict(set), defaultdict(set)
    for node in observed.nodes:
        if node.address in abandoned:
            surplus[node.target.lb_id].add(node.id)
    for server in fleet.serving:
        for target in server.targets:
            unreadable = target.lb_id in observed.unreadable
            if server.address and not unreadable and (target, server.address) not in present:
                missing[target.lb_id].add((server.address, target.port))

    for lb_id in sorted(surplus.keys() | missing.keys()):
        if removals := sorted(surplus[lb_id]):
            yield RemoveNodesFromCLB(lb_id, pset(removals[:MOST_REMOVALS]))
        else:
            yield AddNodesToCLB(lb_id, pset(missing[lb_id]))
    for server in fleet.serving:
        if server.targets and not server.address:
            yield ConvergeLater(f"Server {server.id} has no ServiceNet address to put on a load balancer", trouble=True)


def addresses(*servers: Server) -> set[str]:
    return {server.address for server in servers if server.address}
