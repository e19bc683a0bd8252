"""Servers of a group: taking single ones out of it."""

from attrs import evolve, frozen
from pyrsistent import pvector
from twisted.internet.interfaces import IReactorTime

from otter.cloud import nova
from otter.cloud.errors import CloudError
from otter.cloud.perform import perform
from otter.cloud.performer import Cloud
from otter.domain.capacity import refuse_suspended
from otter.domain.errors import BelowMinEntities, NoSuchServer, UpstreamUnavailable
from otter.domain.group import Group, GroupId
from otter.domain.roster import Place
from otter.domain.servers import Server
from otter.operations.engine import IEngine
from otter.store.interface import IStore

EVICT = "take a server out of"


@frozen
class Servers:
    store: IStore
    engine: IEngine
    cloud: Cloud
    clock: IReactorTime

    async def evict(self, group_id: GroupId, server_id: str, replace: bool, purge: bool) -> None:
        """
        Take a server out of the group, for good. See Note [Leaving is final] in ``domain.roster``.

        :param replace: another one takes its place; otherwise the group is to be smaller by one.
        :param purge: it is deleted, as soon as its connections are finished; otherwise it lives on, on its load balancers too.
        :raises NoSuchScalingGroup, TenantSuspended, NoSuchServer, BelowMinEntities:
        :raises UpstreamUnavailable: Nova does not say whether it is a member.
        """
        refuse_suspended(await self.store.get_group(group_id), EVICT)
        server = await self._member(group_id, server_id)
        now = self.clock.seconds()
        await self.store.change_group(group_id, lambda group: evicted(group, server, replace, purge, now))
        await self.engine.capacity_changed(group_id)

    async def _member(self, group_id: GroupId, server_id: str) -> Server:
        requests = self.cloud.dispatcher(group_id.tenant, group_id.group)
        try:
            server = await perform(requests, nova.get_server(server_id))
        except CloudError as error:
            raise UpstreamUnavailable(error.user_message) from error
        if server is None or server.group_id != group_id.group:
            raise NoSuchServer(group_id, server_id)
        return server


def evicted(group: Group, server: Server, replace: bool, purge: bool, now: float) -> Group:
    """
    ``group`` without the server. One that is on its way out already stays so, and does not count twice.

    :raises NoSuchServer: it was let go before, or it is too late to let it go.
    :raises TenantSuspended, BelowMinEntities:
    """
    refuse_suspended(group, EVICT)
    roster = group.roster
    is_leaving = server.id in roster.leaving
    if server.id in roster.released or (is_leaving and not purge):
        raise NoSuchServer(group.id, server.id)
    if is_leaving:
        return group.asked()
    desired = group.state.desired if replace else group.state.desired - 1
    if desired < min(group.config.min_entities, group.state.desired):
        raise BelowMinEntities(group.id, server.id, group.config.min_entities)

    roster = evolve(roster, active=pvector(member for member in roster.active if member.id != server.id))
    if purge:
        place = Place(server.address, server.targets, roster.first_seen(server.id, now))
        roster = evolve(roster, leaving=roster.leaving.set(server.id, None), known=roster.known.set(server.id, place))
    else:
        roster = evolve(roster, released=roster.released.add(server.id), known=roster.known.discard(server.id))
    return evolve(group.asked(desired=desired), roster=roster)
