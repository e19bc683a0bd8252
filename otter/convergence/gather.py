"""Looking at the world."""

from collections.abc import Collection, Mapping, Sequence

from effect import Effect, catch, parallel
from effect.do import do
from pyrsistent import pmap, pvector

from otter.cloud import nova
from otter.cloud.balancers import clb
from otter.cloud.errors import CloudError
from otter.domain.group import GroupId
from otter.domain.roster import Place, Roster
from otter.domain.servers import Server, ServerState
from otter.planning.world import Observed


@do
def gather(group_id: GroupId, now: float, roster: Roster):
    """
    Effect of what there is of the group: its servers, and the nodes on the load balancers that they belong on.

    A known server that is missing from the list is asked for by its id: lists lag, and may even go back in time. One that is
    really gone is still observed for as long as a load balancer may send traffic to where it was.
    """
    listed = yield nova.list_servers()
    present = {server.id: server for server in listed}
    missing = sorted(set(roster.known) - present.keys())
    found = yield parallel(nova.get_server(server_id) for server_id in missing)
    present |= {server.id: server for server in found if server is not None}
    vanished = {server_id: roster.known[server_id] for server_id in missing if server_id not in present}
    ours = [server for server in present.values() if server.group_id == group_id.group]
    ours += ghosts(vanished, present.values())

    lb_ids = sorted({target.lb_id for server in ours for target in server.targets})
    readings = yield parallel(map(read_nodes, lb_ids))
    return Observed(
        at=now,
        servers=pvector(ours),
        nodes=pvector(node for reading in readings if not isinstance(reading, CloudError) for node in reading),
        pending=pending(roster, now, present.values()),
        late=late(roster, ours),
        unreadable=pmap(
            {
                lb_id: reading.user_message
                for lb_id, reading in zip(lb_ids, readings, strict=True)
                if isinstance(reading, CloudError)
            }
        ),
    )


def read_nodes(lb_id: str) -> Effect:
    """Effect of a balancer's nodes, or of the error that there was: one bad balancer does not hide the others."""
    return clb.list_nodes(lb_id).on(error=catch(CloudError, lambda error: error))


def ghosts(vanished: Mapping[str, Place], present: Collection[Server]) -> list[Server]:
    """Servers that do not exist any more. Whoever has one's address now, has its nodes too."""
    taken = {server.address for server in present if server.state is not ServerState.DELETING}
    return [
        Server(id, "", ServerState.GONE, 0.0, "" if place.address in taken else place.address, targets=place.targets)
        for id, place in vanished.items()
    ]


def pending(roster: Roster, now: float, present: Collection[Server]) -> frozenset[str]:
    """Ids of the creates that may still turn up. See Note [Creates in flight]."""
    ids = {server.create_id for server in present}
    names = {server.name for server in present}
    return frozenset(
        create.id
        for create in roster.creates.values()
        if create.id not in ids and create.name not in names and now < create.resolve_by
    )


def late(roster: Roster, ours: Sequence[Server]) -> frozenset[str]:
    """Ids of the servers that nobody was waiting for any more."""
    names = {create.name for create in roster.creates.values()}
    return frozenset(
        server.id
        for server in ours
        if server.id not in roster.known and server.create_id not in roster.creates and server.name not in names
    )
