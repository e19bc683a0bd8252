"""What we know of a group's servers besides what the cloud shows at this moment."""

from collections.abc import Mapping

from attrs import evolve, field, frozen
from pyrsistent import PMap, PSet, PVector, pmap, pset, pvector

from otter.domain.balancers import BalancerId, Target
from otter.domain.jobs import Jobs


@frozen
class Create:
    """
    A create that was decided and whose server was not seen yet. It counts as a server until it is resolved.

    Note [Creates in flight]: the record is stored before the request is sent. Nova's no removes it; Nova's yes adds the id
    of the server. Anything else (a lost answer, a 5xx, our death) leaves it as it is. It is resolved by the server that
    turns up: with the promised id, with the create's id in its metadata or, failing that, with exactly its name. If none
    has by ``resolve_by``, another may be created in its place; what arrives later still is a member like any other, and the
    first to go if it is one too many. ``send_by`` makes that safe: whoever wrote the record sends nothing after it, however
    long the process was stopped in between.

    :ivar id: unique; also in the server's metadata.
    :ivar generation: the group's, when the create was decided.
    :ivar epoch: which start of which process decided it.
    :ivar send_by: after this the request is not sent any more (epoch seconds).
    :ivar resolve_by: after this the request is not believed in any more (epoch seconds).
    :ivar server_id: what Nova promised; None if its answer is not known.
    """

    id: str
    name: str
    generation: int
    epoch: int
    send_by: float
    resolve_by: float
    server_id: str | None = None


@frozen
class Place:
    """
    Where a server gets its traffic: its address, and the targets it belongs to.

    :ivar since: when we saw it first (epoch seconds); None for before that was written down. Nova's clock, which says when a
        server was made, may be another one than ours.
    """

    address: str = ""
    targets: PSet[Target] = pset()
    since: float | None = None


@frozen
class Member:
    """A server in service, as the state document shows it."""

    id: str
    links: PVector[Mapping]


@frozen
class Roster:
    """
    Note [What we know of servers]: a listing may be older than the one before, so a server is known, by its id, from the
    moment Nova showed it until Nova answers 404 for that very id *and* no load balancer has its address left. Ids are never
    given twice, so for some time after that answer no listing is believed that shows the server still.

    Note [Leaving is final]: a server that was once to leave never stays after all, whatever its owner wants meanwhile: its
    nodes may be draining already, or gone. So it is written down before anything is done about it. The same holds for one
    that was let go: it is not the group's any more, whatever its metadata still say in a listing that lags.

    :ivar active: the servers that were in service when the group was last looked at.
    :ivar known: server id -> where it was last seen.
    :ivar creates: create id -> create in flight.
    :ivar leaving: server id -> since when it is on its way out (epoch seconds); None until somebody works on that: a server that is
        taken out while otter is held still gets the time for its connections.
    :ivar released: ids of servers that were let go, and live on without the group.
    :ivar gone: ids of servers for which Nova answered 404 -> when (epoch seconds), as long as listings may be that old.
    :ivar draining: (load balancer, node id) -> since when the node is draining (epoch seconds).
    :ivar jobs: the worker engine's; other engines have none, and forget them.
    :ivar fence: of the last pass over the group. See Note [Fences] in ``coordination.interface``.
    """

    active: PVector[Member] = pvector()
    known: PMap[str, Place] = pmap()
    creates: PMap[str, Create] = pmap()
    leaving: PMap[str, float | None] = pmap()
    released: PSet[str] = pset()
    gone: PMap[str, float] = pmap()
    draining: PMap[tuple[BalancerId, str], float] = pmap()
    jobs: Jobs = field(factory=Jobs)
    fence: int = 0

    def first_seen(self, server_id: str, now: float) -> float:
        """No moment is later than now: a clock that is set back must not make anything wait for it to catch up."""
        known = self.known.get(server_id)
        return now if known is None or known.since is None else min(known.since, now)

    def believed(self, latest: float) -> "Roster":
        """With creates that are resolved at ``latest``, in case a clock that was ahead said when (epoch seconds)."""
        return evolve(
            self,
            creates=pmap(
                {id: evolve(create, resolve_by=min(create.resolve_by, latest)) for id, create in self.creates.items()}
            ),
        )
