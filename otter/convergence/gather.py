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

    A known or promised server that is missing from the list is asked for by its id: lists lag, and may even go back in
    time. A known one that is really gone is still observed while a load balancer may send traffic to where it was.
    """
    listed = yield nova.list_servers()
    present = {server.id: server for server in listed}
    promised = {create.server_id for create in roster.creates.values() if create.server_id is not None}
    missing = sorted({*roster.known, *promised} - present.keys())
    found = yield parallel(nova.get_server(server_id) for server_id in missing)
    present |= {server.id: server for server in found if server is not None}
    vanished = {id: roster.known[id] for id in missing if id in roster.known and id not in present}
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
    servers = {server.id for server in present}
    ids = {server.create_id for server in present}
    names = {server.name for server in present}
    return frozenset(
        create.id
        for create in roster.creates.values()
        if create.server_id not in servers and create.id not in ids and create.name not in names
        if now < create.resolve_by
    )


def late(roster: Roster, ours: Sequence[Server]) -> frozenset[str]:
    """Ids of the servers that nobody was waiting for any more."""
    creates = roster.creates.values()
    awaited = {create.server_id for create in creates} | set(roster.known)
    names = {create.name for create in creates}
    return frozenset(
        server.id
        for server in ours
        if server.id not in awaited and server.create_id not in roster.creates and server.name not in names
    )
