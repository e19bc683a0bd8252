"""What the planner compares: the world as it should be, and as it is."""

from collections.abc import Mapping

from attrs import frozen
from pyrsistent import PMap, PSet, PVector, pmap, pset, pvector

from otter.domain.balancers import Node, Target
from otter.domain.group import Group, Status
from otter.domain.servers import Server


@frozen
class Desired:
    """So many servers, made from this body, in these places. A group that is ``leaving`` is to have nothing at all."""

    capacity: int
    server: Mapping
    targets: PSet[Target] = pset()
    leaving: bool = False


@frozen
class Observed:
    """
    The group's servers, and the nodes of every load balancer that they belong on.

    :ivar at: when that was (epoch seconds).
    :ivar pending: ids of creates whose servers may exist although nothing shows them.
    :ivar late: ids of servers nobody was waiting for any more when they turned up.
    :ivar unreadable: load balancer id -> why its nodes could not be read, in words for the owner.
    """

    at: float
    servers: PVector[Server] = pvector()
    nodes: PVector[Node] = pvector()
    pending: frozenset[str] = frozenset()
    late: frozenset[str] = frozenset()
    unreadable: PMap[str, str] = pmap()


@frozen
class Ticket:
    """What makes one create recognisable among all others: the id in its metadata, and a name nobody else uses."""

    create_id: str
    name: str


def desired_of(group: Group) -> Desired:
    """What the group's owner asked for."""
    leaving = group.state.status is Status.DELETING
    capacity = 0 if leaving else group.state.desired
    return Desired(capacity, group.launch.server, group.launch.targets, leaving)
