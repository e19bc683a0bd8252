"""What must be true of the world: at every change that otter makes, from time to time, and in the end."""

from collections.abc import Sequence
from functools import partial

from attrs import define, field

from otter.cloud.nova import CREATE_KEY, GROUP_KEY, OLD_GROUP_KEY, OUR_KEYS, server_of
from otter.convergence.record import OLDEST_LIST
from otter.domain.balancers import Target
from otter.domain.group import Group, GroupId, Status
from tests.sim.happenings import Asked, Hands, Owned, Users, servers_of
from tests.sim.plan import BALANCERS, CLIMATES, MIXED, TENANTS
from tests.sim.simulation import Simulation, balancer_of
from tests.sim.world.answers import Ask
from tests.sim.world.clb import Balancer, Node
from tests.sim.world.nova import Server
from tests.sim.world.rackconnect import Pool

WORKS = ("ACTIVE", "BUILD")
LONGEST_LEAVING = 300.0
"""Seconds that a server may be on its way out: what was decided then is done now."""
HELD = "change nothing for now"
"""What only those may read who look at a group's troubles."""
SEEN_WITHIN = 2.0
"""Looks at what is held after which a process knows that a tenant is; in a storm there is one in a second."""
LATE = 60.0
"""Seconds after which a create that was decided is not on its way any more."""
CAUSES_LAST = 3600.0
"""Seconds after the last trouble for which a group may be in ERROR; or two self-heal sweeps, if they take longer."""


class Violation(BaseException):
    """A promise was broken. Not an Exception: nothing of otter's may take it for an error of the cloud's."""


def require(good: object, promise: str) -> None:
    if not good:
        raise Violation(promise)


@define(eq=False)
class Oracles:
    """
    :ivar changes: what requests have changed, in order.
    :ivar placed: (balancer or pool, address or id of a server) that were brought together at any time.
    :ivar fences: the highest that was seen with what, tenants' requests or groups' records.
    """

    simulation: Simulation
    users: Users
    hands: Hands
    changes: list[str] = field(factory=list)
    placed: set[tuple[str, str]] = field(factory=set)
    fences: dict[str | GroupId, int] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        nova, clb, rackconnect = self.simulation.nova, self.simulation.clb, self.simulation.rackconnect
        self.simulation.on_effect.append(self.sent)
        self.users.on_answer.append(self.answered)
        nova.on_create.append(self.created)
        nova.on_delete.append(self.deleted)
        nova.on_metadata.append(self.relabelled)
        clb.on_add.append(self.nodes_added)
        clb.on_change.append(self.nodes_changed)
        clb.on_remove.append(self.nodes_removed)
        rackconnect.on_add.append(self.members_added)
        rackconnect.on_remove.append(self.members_removed)

    # Of every change

    def sent(self, effect: str) -> None:
        service, method, *where = effect.split(" ")
        if service in ("store", "identity") or method == "GET" or where[-1] == "done":
            return
        tenant = where[0].partition("/")[0]
        self.sent_under(self.simulation.fence_of_actor(tenant), tenant, effect)
        held = self.simulation.time.now - self.hands.held_since(tenant)
        if held > SEEN_WITHIN * CLIMATES[self.simulation.plan.climate].hold_interval:
            self.require_soon(False, f"nothing is changed for who is held: {effect}")

    def sent_under(self, fence: int | None, tenant: str, effect: str) -> None:
        """If the coordinator has lost everything, there are two for a while who believe."""
        coordinator = self.simulation.coordinator
        self.require_soon(fence is not None, f"nothing is changed by who has not got the share: {effect}")
        if fence is not None and self.simulation.time.now > coordinator.forgot + coordinator.timeout:
            self.require_soon(self.rises(tenant, fence), f"nothing is changed under an older fence: {effect}, {fence}")

    def rises(self, what: str | GroupId, fence: int) -> bool:
        """Whether it is not lower than before."""
        self.fences[what] = max(before := self.fences.get(what, 0), fence)
        return fence >= before

    def answered(self, what: str, answer: object) -> None:
        refused = isinstance(answer, Exception) and HELD in str(answer)
        self.require_soon(not refused, f"what is asked while all is held is accepted; {what}: {answer}")

    def require_soon(self, good: bool, promise: str) -> None:
        """Of what is heard in the middle of otter, which must not see what is raised."""
        if not good:
            self.simulation.time.later(0.0, partial(require, good, promise))

    def created(self, ask: Ask, server: Server) -> None:
        self.note(f"create {server.id}")
        group = self.group_of(ask.tenant, server)
        require(group is not None, "every server that is made carries the id of a group that there is")
        assert group is not None
        require(server.metadata.get(OLD_GROUP_KEY) == group.id.group, "old tools know the server too")
        create_id = server.metadata.get(CREATE_KEY)
        require(create_id in group.roster.creates, "a create is written down before it is sent")
        going = group.state.status is Status.DELETING and not self.has_just_been_deleted(group)
        require(not going, "nothing is made for a group that is being deleted")
        known = self.working(group)
        owner = self.owner(group.id)
        lately = owner.most_since(self.simulation.time.now - LATE) if owner else 0
        most = max(group.config.max_entities, lately)
        require(len(known) <= most, f"never more than {most} servers, and there are {len(known)}: {known}")

    def deleted(self, ask: Ask, server: Server) -> None:
        self.note(f"delete {server.id}")
        group = self.theirs(server)
        if group is None or server.id in self.hands.touched:
            return
        require(server.id in group.roster.leaving, "leaving is written down before anything is done about it")
        owner = self.owner(group.id)
        require(owner is None or server.id not in owner.let_go, "who was let go is left alone")
        asked_for = (owner is not None and server.id in owner.evicted) or self.is_undone(server)
        if server.status == "ACTIVE" and not asked_for and group.state.status is not Status.DELETING:
            began = self.simulation.time.now - LONGEST_LEAVING
            evicted = owner.evicted if owner else set()
            left = set(group.roster.known) - (set(filter(self.works, group.roster.leaving)) - evicted)
            least = min(group.config.min_entities, group.state.desired, owner.least_since(began) if owner else 0)
            require(len(left) >= least, f"a working server was deleted, and {len(left)} of at least {least} are left")

    def relabelled(self, ask: Ask, server: Server) -> None:
        self.note(f"relabel {server.id}")
        before = server.metadata_before or {}
        if server.id in self.hands.touched:
            return
        owned = [owned for owned in self.users.groups if server.id in {*owned.let_go, *owned.perhaps_let_go}]
        require(GROUP_KEY in before or owned, "other people's metadata are left alone")
        theirs = {key: value for key, value in before.items() if not key.startswith(OUR_KEYS)}
        still = {key: value for key, value in server.metadata.items() if not key.startswith(OUR_KEYS)}
        require(theirs == still, "what is not otter's is kept")

    def nodes_added(self, ask: Ask, balancer: Balancer, nodes: Sequence[Node]) -> None:
        self.note(f"add nodes to {balancer.id}")
        for node in nodes:
            self.placed.add((balancer.id, node.address))
            server_id = self.server_at(ask.tenant, node.address) or self.hands.vanished.get(node.address)
            require(server_id, f"nodes lead to servers of groups; {node.address} does not")
            require(server_id not in self.hands.strangers, "nodes do not lead to other people's servers")
            server = self.simulation.nova.server(server_id)
            works = server is None or server.status == "ACTIVE" or self.has_just_changed(server)
            require(works, f"no node leads to a server that does not work: {server_id}")

    def nodes_changed(self, ask: Ask, balancer: Balancer, nodes: Sequence[Node]) -> None:
        self.note(f"change nodes of {balancer.id}")
        self.require_ours(balancer, nodes)

    def nodes_removed(self, ask: Ask, balancer: Balancer, nodes: Sequence[Node]) -> None:
        self.note(f"remove nodes of {balancer.id}")
        self.require_ours(balancer, nodes)

    def members_added(self, ask: Ask, pool: Pool, servers: Sequence[str]) -> None:
        self.note(f"add members to {pool.id}")
        self.placed |= {(pool.id, server_id) for server_id in servers}
        require(not set(servers) & self.hands.strangers, "other people's servers are no members by otter's doing")

    def members_removed(self, ask: Ask, pool: Pool, servers: Sequence[str]) -> None:
        self.note(f"remove members of {pool.id}")
        require(not set(servers) & self.hands.strangers, "other people's members are left alone")

    def require_ours(self, balancer: Balancer, nodes: Sequence[Node]) -> None:
        theirs = self.hands.foreign.get(balancer.id, set())
        for node in nodes:
            require(node.id not in theirs, f"other people's nodes are left alone: {node}")

    def note(self, change: str) -> None:
        self.changes.append(change)

    # From time to time

    def look(self) -> None:
        """Quick enough to be asked often. Where nothing heals by itself, an error lasts until its owner asks for something."""
        now = self.simulation.time.now
        for group in self.simulation.stored_groups().values():
            require(
                self.rises(group.id, group.roster.fence),
                "what was written under a fence is not overwritten under an older one",
            )
            if group.state.status is Status.ERROR and self.simulation.heals(group.id.tenant):
                last = max(CAUSES_LAST, 2 * self.simulation.config.selfheal.interval)
                since, owner = now - max(self.hands.last, self.users.last), self.owner(group.id)
                has_cause = since < last or (owner is not None and owner.invalid)
                require(has_cause, f"an error has a cause: {list(group.state.reasons)}")
                require(group.state.reasons, "an error says what is wrong")

    # In the end

    def unsettled(self) -> str:
        """Why the world is not yet as it was asked for; "" if it is."""
        for group in self.simulation.stored_groups().values():
            if problem := self.wrong_with(group) or self.wrong_behind_balancers(group):
                return f"{group.id.group}: {problem}"
        if self.simulation.has_events_to_come():
            return "a schedule is still to come"
        if not self.simulation.is_divided():
            return "the work is not divided"
        return self.left_behind()

    def problem_of(self, group_id: GroupId) -> str:
        """What another look at a group could mend; "" if it is as it should be, or is on its way out."""
        group = self.simulation.group(group_id)
        if group is None or group.state.status is Status.DELETING:
            return ""
        return self.wrong_with(group) or self.wrong_behind_balancers(group) or self.left_behind()

    def wrong_with(self, group: Group) -> str:
        state, roster = group.state, group.roster
        if state.status is Status.DELETING:
            return "it is still being deleted"
        if state.status is Status.ERROR:
            return f"it is in ERROR: {list(state.reasons)}"
        if state.due is not None or state.paused:
            return "it is not finished"
        members = self.members(group.id)
        if len(members) != state.desired:
            return f"it has {len(members)} servers, and should have {state.desired}"
        if broken := [server.id for server in members if server.status != "ACTIVE" or server.is_going]:
            return f"it counts servers that do not work: {broken}"
        if any(self.in_hand(group)):
            return f"it has something in hand: {roster.creates} {roster.leaving} {roster.draining}"
        if {member.id for member in roster.active} != {server.id for server in members}:
            return "it shows other servers than it has"
        return ""

    def in_hand(self, group: Group) -> tuple[int, int, int]:
        """How many creates, servers on their way out, and draining nodes. Who does not heal may not have seen the end of a server."""
        roster, heals = group.roster, self.simulation.heals(group.id.tenant)
        there = self.simulation.nova.server
        leaving = [id for id in roster.leaving if id not in roster.gone and (heals or there(id))]
        return len(roster.creates), len(leaving), len(roster.draining)

    def wrong_behind_balancers(self, group: Group) -> str:
        for server in self.members(group.id):
            for target in server_of(server.document).targets:
                if not self.is_served(server, target):
                    return f"{server.id} is not served by {target}"
        return ""

    def left_behind(self) -> str:
        """What leads to servers that are none, or that should not be there."""
        for tenant in TENANTS:
            wanted = {(target, server.id) for server in self.all_members(tenant) for target in targets_of(server)}
            theirs = {*self.hands.touched, *self.hands.strangers, *self.all_let_go()}
            by_address = self.hands.vanished | {
                server.address: server.id for server in self.simulation.nova.servers(tenant) if server.address
            }
            for lb_id in BALANCERS:
                balancer = balancer_of(tenant, lb_id)
                for node in self.simulation.clb.nodes(balancer):
                    server_id = by_address.get(node.address, "")
                    if node.id in self.hands.foreign.get(balancer, ()) or server_id in theirs:
                        continue
                    if (balancer, server_id) not in wanted:
                        return f"balancer {balancer} still has {node}"
            pool = self.simulation.pools[tenant]
            for member in self.simulation.rackconnect.members(pool):
                if member not in theirs and (pool, member) not in wanted:
                    return f"pool {pool} still has {member}"
            groups = {group_id.group for group_id in self.simulation.stored_groups() if group_id.tenant == tenant}
            for server in self.simulation.nova.servers(tenant):
                orphan = server.metadata.get(GROUP_KEY, "") not in {"", *groups}
                if orphan and server.id not in theirs:
                    return f"{server.id} is of a group that is no more"
        return ""

    def is_served(self, server: Server, target: Target) -> bool:
        if target.port is None:
            return server.id in self.simulation.rackconnect.members(target.balancer.id)
        return any(
            (node.address, node.port, node.condition, node.weight, node.type)
            == (server.address, target.port, "ENABLED", 1, "PRIMARY")
            for node in self.simulation.clb.nodes(target.balancer.id)
        )

    def check_accounts(self) -> None:
        """Every request that was acknowledged counts once; one whose fate nobody knows, once or not at all."""
        for owned in self.users.groups:
            group = self.simulation.group(owned.id) if owned.id else None
            if group is None or not owned.plan.counted or owned.deleted:
                continue
            sure = sum(asked.step for asked in owned.asked if asked.told == "yes")
            possible = sums(sure, [asked for asked in owned.asked if not asked.told])
            desired = group.state.desired
            require(desired in possible, f"{owned.name} wants {desired}, and what was asked of it comes to {possible}")

    def check_groups(self) -> None:
        """Acknowledged groups are there, and deleted ones are not."""
        for owned in self.users.groups:
            if owned.id is not None:
                exists = self.simulation.group(owned.id) is not None
                require(exists != owned.deleted, f"{owned.name} {'was deleted' if owned.deleted else 'is lost'}")

    def check_strangers(self) -> None:
        for server_id in self.hands.strangers:
            require(self.simulation.nova.server(server_id) is not None, "other people's servers are left alone")
        for owned in self.users.groups:
            for server_id, kept in owned.let_go.items():
                server = self.simulation.nova.server(server_id)
                if server is not None and server_id not in self.hands.touched and GROUP_KEY not in server.metadata:
                    require(dict(server.metadata) == kept, f"{server_id} was let go, and has other metadata")

    # Who is who

    def is_undone(self, server: Server) -> bool:
        """Whether it may be a launch that the worker gave up: the server works, and yet it never was wherever it belongs."""
        names = (server.address, server.id)
        everywhere = all(any((id, name) in self.placed for name in names) for id in targets_of(server))
        return bool(self.simulation.had & {"worker", MIXED}) and not everywhere

    def group_of(self, tenant: str, server: Server) -> Group | None:
        return self.simulation.group(GroupId(tenant, server.metadata.get(GROUP_KEY, "")))

    def theirs(self, server: Server) -> Group | None:
        group = self.group_of(server.tenant, server)
        require(
            group is not None or server.id in self.hands.touched or GROUP_KEY in server.metadata,
            f"other people's servers are left alone: {server.id}",
        )
        return group

    def owner(self, group_id: GroupId) -> Owned | None:
        return next((owned for owned in self.users.groups if owned.id == group_id), None)

    def has_just_changed(self, server: Server) -> bool:
        """A list may be from before that."""
        return self.simulation.time.now - server.updated < OLDEST_LIST

    def has_just_been_deleted(self, group: Group) -> bool:
        owner = self.owner(group.id)
        return owner is not None and self.simulation.time.now - owner.delete_asked < LATE

    def works(self, server_id: str) -> bool:
        server = self.simulation.nova.server(server_id)
        return server is not None and server.status in WORKS

    def working(self, group: Group) -> list[str]:
        """Servers that otter could know of, and that count."""
        roster = group.roster
        gone = {*roster.leaving, *roster.released}
        now = self.simulation.time.now + self.simulation.ahead
        believed = {id for id, create in roster.creates.items() if create.resolve_by >= now}
        return [
            server.id
            for server in servers_of(self.simulation, group.id)
            if server.status in WORKS and not server.is_going and server.id not in gone
            if server.id in roster.known or server.metadata.get(CREATE_KEY) in believed
        ]

    def members(self, group_id: GroupId) -> list[Server]:
        owner = self.owner(group_id)
        let_go = owner.let_go if owner else {}
        return [server for server in servers_of(self.simulation, group_id) if server.id not in let_go]

    def all_members(self, tenant: str) -> list[Server]:
        groups = [group_id for group_id in self.simulation.stored_groups() if group_id.tenant == tenant]
        return [server for group_id in groups for server in self.members(group_id)]

    def all_let_go(self) -> set[str]:
        return {server_id for owned in self.users.groups for server_id in (*owned.let_go, *owned.perhaps_let_go)}

    def server_at(self, tenant: str, address: str) -> str | None:
        servers = self.simulation.nova.servers(tenant)
        return next((server.id for server in servers if server.address == address), None)


def targets_of(server: Server) -> list[str]:
    return [target.balancer.id for target in server_of(server.document).targets]


def sums(sure: int, open_ends: Sequence[Asked]) -> set[int]:
    possible = {sure}
    for asked in open_ends:
        possible |= {total + asked.step for total in possible}
    return possible
