"""What the planner compares: the world as it should be, and as it is."""

from collections.abc import Mapping

from attrs import frozen
from pyrsistent import PMap, PSet, PVector, pmap, pset, pvector

from otter.domain.balancers import Balancer, BalancerId, Target, Traits
from otter.domain.group import Group, Status
from otter.domain.servers import Server


@frozen
class Desired:
    """
    So many servers, made from this body, in these places.

    :ivar draining_timeout: seconds that a server on its way out gets to finish its connections.
    :ivar going: the group is being deleted, and is to have nothing at all.
    :ivar refused: why no servers can be created for now; sentences for the owner.
    """

    capacity: int
    server: Mapping
    targets: PSet[Target] = pset()
    draining_timeout: float = 0.0
    going: bool = False
    refused: PVector[str] = pvector()


@frozen
class Observed:
    """
    The group's servers, and every load balancer that they belong on.

    :ivar at: when that was (epoch seconds).
    :ivar pending: ids of creates whose servers may exist although nothing shows them.
    :ivar late: ids of servers nobody was waiting for any more when they turned up.
    :ivar leaving: server id -> since when it is on its way out. See Note [Leaving is final] in ``domain.roster``.
    :ivar seen: server id -> when it was first seen.
    :ivar released: ids of the servers that were let go and still exist.
    :ivar gone: ids of servers of which Nova just said that they do not exist any more.
    :ivar clinging: those of them whose metadata still say that they are the group's.
    :ivar troubles: what could not be seen, in words for the owner.
    """

    at: float
    servers: PVector[Server] = pvector()
    balancers: PMap[BalancerId, Balancer] = pmap()
    pending: frozenset[str] = frozenset()
    late: frozenset[str] = frozenset()
    leaving: PMap[str, float] = pmap()
    seen: PMap[str, float] = pmap()
    released: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    clinging: frozenset[str] = frozenset()
    troubles: frozenset[str] = frozenset()

    def leaving_for(self, server: Server) -> float:
        """For how long the server has been on its way out (seconds)."""
        return self.at - self.leaving.get(server.id, self.at)

    def seen_for(self, server: Server) -> float:
        """For how long we have known of the server (seconds). When it was made says a clock that may be another than ours."""
        return self.at - self.seen.get(server.id, self.at)


@frozen
class Ticket:
    """What makes one create recognisable among all others: the id in its metadata, and a name nobody else uses."""

    create_id: str
    name: str


@frozen
class Timeouts:
    """
    Seconds.

    :ivar build: a server still in BUILD is given up and replaced.
    :ivar online: a node that its health monitor does not find working is reported.
    :ivar detach: a server on its way out is deleted even if it could not be taken off a load balancer.
    :ivar forget: what such a load balancer may still have of a server that is gone does not matter any more.
    """

    build: float = 3600.0
    online: float = 600.0
    detach: float = 600.0
    forget: float = 86400.0


def host_of(server: Server, traits: Traits) -> str:
    """What a load balancer of this kind knows the server by; "" if there is nothing yet."""
    return server.address if traits.by_address else server.id


def desired_of(group: Group, now: float) -> Desired:
    """What the group's owner asked for. :param now: epoch seconds."""
    going = group.state.status is Status.DELETING
    refusal = group.state.refusal
    return Desired(
        capacity=0 if going else group.state.desired,
        server=group.launch.server,
        targets=group.launch.targets,
        draining_timeout=group.launch.draining_timeout,
        going=going,
        refused=refusal.reasons if refusal is not None and now < refusal.until else pvector(),
    )
