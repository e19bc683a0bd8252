"""Looking at the world."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from attrs import evolve
from effect import Effect, catch, parallel
from effect.do import do
from pyrsistent import PMap, pmap, pvector

from otter.cloud import nova
from otter.cloud.balancers.kinds import KINDS
from otter.cloud.errors import CloudError
from otter.domain.balancers import Balancer, BalancerId, Condition
from otter.domain.group import GroupId
from otter.domain.roster import Place, Roster
from otter.domain.servers import Server, ServerState
from otter.planning.world import Observed, host_of


@do
def gather(group_id: GroupId, now: float, roster: Roster):
    """
    Effect of what there is of the group: its servers, and the load balancers that they belong on.

    A server that we know of and that is missing from the list is asked for by its id: lists lag, and may even go back in time.
    So is one that nobody was waiting for: it may be the group's no more.
    A known one that is really gone is still observed while a load balancer may send traffic to where it was.
    """
    listed = yield nova.list_servers()
    present = {server.id: server for server in listed if server.id not in roster.gone}
    doubtful = sorted(doubts(group_id, roster, present))
    answers = yield parallel(map(look_for, doubtful))
    found = dict.fromkeys(roster.gone) | dict(zip(doubtful, answers, strict=True))
    absent = {id for id, answer in found.items() if answer is None}
    present |= {id: server for id, server in found.items() if isinstance(server, Server)}
    in_service = {member.id for member in roster.active}
    present = {
        id: no_older(server, roster.known.get(id, Place()), id in in_service)
        for id, server in present.items()
        if id not in absent
    }
    unseen = {id for id, answer in found.items() if isinstance(answer, CloudError)} - present.keys()

    ours = [server for server in present.values() if server.group_id == group_id.group]
    members = [server for server in ours if server.id not in roster.released]
    members += lost_sight_of({id: roster.known[id] for id in unseen if id in roster.known})
    members += ghosts({id: roster.known[id] for id in roster.known if id in absent}, present.values())

    ids = sorted({target.balancer for server in members for target in server.targets})
    readings = yield parallel(KINDS[id.kind].look(id.id) for id in ids)
    return Observed(
        at=now,
        servers=pvector(members),
        balancers=pmap(
            {id: timed(id, reading, members, roster, now) for id, reading in zip(ids, readings, strict=True)}
        ),
        pending=pending(roster, now, present.values()),
        late=late(roster, members),
        leaving=leaving(roster, members, now),
        seen=pmap({server.id: roster.first_seen(server.id, now) for server in members}),
        released=frozenset(id for id in roster.released if id in present or id in unseen),
        gone=frozenset(absent) - set(roster.gone) - promised(roster),
        clinging=frozenset(server.id for server in ours if server.id in roster.released),
        troubles=frozenset(answer.user_message for answer in answers if isinstance(answer, CloudError)),
    )


def doubts(group_id: GroupId, roster: Roster, listed: Mapping[str, Server]) -> set[str]:
    """Ids of servers about which a list is not to be believed."""
    missing = {*roster.known, *roster.released, *promised(roster)} - listed.keys() - set(roster.gone)
    return missing | late(roster, [server for server in listed.values() if server.group_id == group_id.group])


def promised(roster: Roster) -> set[str]:
    """Ids of servers that Nova has promised; it may take a while to know them itself."""
    return {create.server_id for create in roster.creates.values() if create.server_id is not None} - set(roster.known)


def no_older(server: Server, known: Place, in_service: bool) -> Server:
    """``server``, but not as it was once: without the address that it has had since, or in BUILD after it was in service."""
    if not server.address and known.address:
        server = evolve(server, address=known.address)
    if in_service and server.state is ServerState.BUILD:
        server = evolve(server, state=ServerState.ACTIVE)
    return server


def look_for(server_id: str) -> Effect:
    """Effect of one ``Server``, of None if it does not exist, or of the error that there was: it does not hide the others."""
    return nova.get_server(server_id).on(error=catch(CloudError, lambda error: error))


def lost_sight_of(known: Mapping[str, Place]) -> list[Server]:
    """Servers of which Nova does not say whether they exist. They count, and are left alone."""
    return [
        Server(id, "", ServerState.OTHER, 0.0, place.address, targets=place.targets)
        for id, place in sorted(known.items())
    ]


def ghosts(vanished: Mapping[str, Place], present: Collection[Server]) -> list[Server]:
    """Servers that do not exist any more. Whoever has one's address now, has its nodes too."""
    taken = {server.address for server in present if server.state is not ServerState.DELETING}
    return [
        Server(id, "", ServerState.GONE, 0.0, "" if place.address in taken else place.address, targets=place.targets)
        for id, place in vanished.items()
    ]


def timed(id: BalancerId, balancer: Balancer, members: Iterable[Server], roster: Roster, now: float) -> Balancer:
    """``balancer``, with since when our nodes on it are draining."""
    ours = {host_of(server, balancer.traits) for server in members}
    return evolve(
        balancer,
        nodes=pvector(
            evolve(node, draining_since=min(roster.draining.get((id, node.id), now), now))
            if node.condition is Condition.DRAINING and node.host in ours
            else node
            for node in balancer.nodes
        ),
    )


def leaving(roster: Roster, members: Sequence[Server], now: float) -> PMap[str, float]:
    """Since when which servers are on their way out. See Note [Leaving is final]."""
    marked = {s.id: now for s in members if s.marked and s.state in (ServerState.ACTIVE, ServerState.BUILD)}
    return pmap(marked).update({id: now if since is None else min(since, now) for id, since in roster.leaving.items()})


def pending(roster: Roster, now: float, present: Collection[Server]) -> frozenset[str]:
    """Ids of the creates that may still turn up; what was seen before, has. See Note [Creates in flight]."""
    servers = {server.id for server in present} | set(roster.known)
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
