"""What owners ask for, and what happens to the world behind otter's back. Each method is one kind of ``Happening``."""

from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from math import inf
from random import Random
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.python.failure import Failure

from otter.cloud.nova import GROUP_KEY, OUR_KEYS
from otter.domain.errors import OtterError, StoreUnavailable, UpstreamUnavailable
from otter.domain.group import GroupId
from otter.domain.webhook import Webhook
from otter.rest.app import Operations
from otter.store.sqlite import holds
from tests.sim.network import Fault
from tests.sim.plan import GroupPlan, Happening
from tests.sim.simulation import Simulation, balancer_of
from tests.sim.store import StoreFault
from tests.sim.world.nova import Birth, Habits, Server

STEPS = {"up": 1, "down": -1, "two": 2}
PATIENCE = 40.0
"""Seconds after which a client that got no answer gives up, or asks again if it may."""


@define(eq=False)
class Asked:
    """
    A request that may change the desired capacity of a group by ``step``, and what its sender knows of it.

    :ivar told: "yes", "no", or "" for nothing.
    """

    step: int
    told: str = ""


@define(eq=False)
class Owned:
    """
    A group as its owner knows it.

    :ivar id: None as long as nobody has said that it was made.
    :ivar policies: by their names. :ivar hooks: a webhook for each.
    :ivar asked: what may have changed its desired capacity.
    :ivar let_go: server id -> the metadata that it is to keep.
    :ivar perhaps_let_go: ids of servers of which nobody knows whether they were.
    :ivar evicted: ids of servers whose end was asked for.
    :ivar invalid: the launch configuration is one that Nova refuses.
    """

    plan: GroupPlan
    name: str
    id: GroupId | None = None
    policies: dict[str, str] = field(factory=dict)
    hooks: dict[str, Webhook] = field(factory=dict)
    asked: list[Asked] = field(factory=list)
    let_go: dict[str, dict[str, str]] = field(factory=dict)
    perhaps_let_go: set[str] = field(factory=set)
    evicted: set[str] = field(factory=set)
    bounds: list[tuple[float, int, int]] = field(factory=list)
    """When which least and greatest size were asked for, besides the first."""
    delete_asked: float = -inf
    deleted: bool = False
    invalid: bool = False

    def most_since(self, moment: float) -> int:
        """The greatest size that it was to have at any time since then."""
        return max(most for _, most in self._bounds_since(moment))

    def least_since(self, moment: float) -> int:
        """The smallest least size that it had at any time since then."""
        return min(least for least, _ in self._bounds_since(moment))

    def _bounds_since(self, moment: float) -> list[tuple[int, int]]:
        sizes = [(0.0, self.plan.least, self.plan.most), *self.bounds, (inf, 0, 0)]
        return [(least, most) for (_, least, most), (until, *_) in pairwise(sizes) if until >= moment]


@define(eq=False)
class Users:
    """Owners, and whoever has a capability. They ask again as long as they know of no answer, if it is safe."""

    simulation: Simulation
    groups: list[Owned]
    capability_of: Callable[[Webhook], str]
    keys: int = 0
    answers: dict[str, int] = field(factory=dict)
    last: float = 0.0
    """When anybody last asked for servers that may be refused."""
    asking: int = 0
    """How many go on until they have an answer, or have had enough."""
    on_answer: list[Callable[[str, Any], None]] = field(factory=list)
    """Told what was asked for, and what came of it."""

    def begin(self, request: Coroutine) -> Deferred:
        self.asking += 1
        return ensureDeferred(request).addBoth(self._over)

    def _over(self, result: Any) -> Any:
        self.asking -= 1
        return result

    def ask(self, what: str, request: Callable[[Operations], Coroutine], seconds: float = PATIENCE) -> Deferred:
        """What came of it: its result, or the refusal; ``None`` and no answer if nobody was there, or if they died over it."""
        outcome: Deferred = Deferred()
        process = self.simulation.next_process()
        if process is None:
            self.count(what, "nobody there")
            return self._later(outcome, StoreUnavailable("nobody listens"))

        def tell(result: Any) -> None:
            if not outcome.called:
                self.count(what, type(result.value).__name__ if isinstance(result, Failure) else "done")
                answer = result.value if isinstance(result, Failure) else result
                for listener in self.on_answer:
                    listener(what, answer)
                outcome.callback(answer)

        def arrive() -> None:
            ensureDeferred(request(process.operations)).addBoth(tell)

        if process.clock.frozen_for:
            process.clock.callLater(0.0, arrive)
        else:
            arrive()
        self.simulation.time.later(seconds, lambda: outcome.called or outcome.callback(StoreUnavailable("no answer")))
        return outcome

    def count(self, what: str, answer: str) -> None:
        name = f"{what}: {answer}"
        self.answers[name] = self.answers.get(name, 0) + 1

    def _later(self, outcome: Deferred, result: Any) -> Deferred:
        self.simulation.time.later(1.0, lambda: outcome.callback(result))
        return outcome

    async def make(self, group: Owned) -> None:
        """Until it is there. A group that was made without anybody being told is a group too many; it is not asked for servers."""
        plan = group.plan
        least, most = plan.least, plan.most
        config = {"name": group.name, "cooldown": 0, "minEntities": least, "maxEntities": most}
        policies = [{"name": name, "cooldown": 0, "type": "webhook", "change": step} for name, step in STEPS.items()]
        launch = launch_of(self.simulation, plan)
        while group.id is None:
            made = await self.ask("create", lambda it: it.groups.create(plan.tenant, config, launch, policies))
            if isinstance(made, tuple):
                stored, listed = made
                group.id = stored.id
                group.policies = {policy.name: policy.id for policy in listed}
            else:
                await self._pause(20.0)
        for name, policy_id in group.policies.items():
            while name not in group.hooks and not group.deleted:
                made = await self.ask("webhook", partial(make_webhook, group.id, policy_id))
                if isinstance(made, list):
                    group.hooks[name] = made[0]
                else:
                    await self._pause(20.0)

    async def execute(self, which: int, name: str, way: str, times: int) -> None:
        """:param way: "id", "hook", or "key": the same request until it is answered, and once more. :param times: at the same moment."""
        group = self.groups[which]
        if group.id is None or name not in group.hooks:
            return
        self.keys += 1
        key = f"key {self.keys}" if way == "key" else None
        asked = Asked(STEPS[name])
        group.asked.append(asked)
        if key is None:
            group.asked += (others := [Asked(STEPS[name]) for _ in range(times - 1)])
            for each in (asked, *others):
                self.begin(self._execute(group, name, way, None, each))
            return
        for _ in range(times):
            self.begin(self._execute_for_sure(group, name, key, asked))

    async def _execute(self, group: Owned, name: str, way: str, key: str | None, asked: Asked) -> None:
        if way == "hook":
            capability = self.capability_of(group.hooks[name])
            answer = await self.ask("hook", lambda it: it.policies.execute_capability(capability, key))
        else:
            answer = await self.ask(
                "execute", lambda it: it.policies.execute_by_id(group.id, group.policies[name], key)
            )
        if not isinstance(answer, Exception):
            asked.told = "yes"
        elif isinstance(answer, OtterError) and not isinstance(answer, StoreUnavailable):
            asked.told = "no"

    async def _execute_for_sure(self, group: Owned, name: str, key: str, asked: Asked) -> None:
        tried = Asked(asked.step)
        for _ in range(40):
            tried.told = ""
            await self._execute(group, name, "key", key, tried)
            if tried.told:
                assert asked.told in ("", tried.told), f"{key} was answered {asked.told}, and then {tried.told}"
                asked.told = tried.told
                return
            await self._pause(30.0)

    async def schedule(self, which: int, seconds: float) -> None:
        """A policy that is to be executed once, by itself."""
        group = self.groups[which]
        if group.id is None:
            return
        if not self.simulation.processes:
            return
        at = iso(self.simulation.time.now + self.simulation.ahead + PATIENCE + seconds)
        document = {"name": "at", "type": "schedule", "cooldown": 0, "change": 1, "args": {"at": at}}
        asked = Asked(1)
        group.asked.append(asked)
        group_id = group.id
        made = await self.ask("schedule", lambda it: it.policies.create(group_id, [document]))
        if isinstance(made, list):
            asked.told = "yes"
        elif isinstance(made, OtterError) and not isinstance(made, StoreUnavailable):
            asked.told = "no"

    async def configure(self, which: int, least: int, most: int) -> None:
        self.groups[which].bounds.append((self.simulation.time.now, least, most))
        document = {
            "name": self.groups[which].name,
            "cooldown": 0,
            "minEntities": least,
            "maxEntities": most,
            "metadata": {},
        }
        await self._ask_of(which, "configure", lambda it, group_id: it.groups.replace_config(group_id, document))

    async def relaunch(self, which: int, how: str) -> None:
        group = self.groups[which]
        document = launch_of(self.simulation, group.plan, how)
        before, group.invalid = group.invalid, how == "invalid"
        self.last = self.simulation.time.now
        answer = await self._ask_of(
            which, "relaunch", lambda it, group_id: it.groups.replace_launch(group_id, document)
        )
        if isinstance(answer, UpstreamUnavailable | StoreUnavailable):
            group.invalid = group.invalid or before

    async def pause(self, which: int) -> None:
        await self._ask_of(which, "pause", lambda it, group_id: it.groups.pause(group_id))

    async def resume(self, which: int) -> None:
        await self._ask_of(which, "resume", lambda it, group_id: it.groups.resume(group_id))

    async def converge(self, which: int) -> None:
        await self._ask_of(which, "converge", lambda it, group_id: it.groups.converge(group_id))

    async def insist(self, group_id: GroupId, times: int, seconds: float, problem_of: Callable[[GroupId], str]) -> None:
        """Ask for a look, and again after some time, as long as there is a problem. What is well is left alone."""
        for _ in range(times):
            await self._pause(seconds)
            if not problem_of(group_id):
                return
            await self.ask("converge", lambda it: it.groups.converge(group_id))

    async def delete(self, which: int) -> None:
        group = self.groups[which]
        group.delete_asked = self.simulation.time.now
        for _ in range(20):
            answer = await self._ask_of(which, "delete", lambda it, group_id: it.groups.delete(group_id, force=True))
            if not isinstance(answer, StoreUnavailable):
                group.deleted = group.id is not None
                return
            await self._pause(20.0)

    async def renew(self, which: int) -> None:
        """Another group in place of one that was deleted."""
        old = self.groups[which]
        if old.deleted:
            self.groups.append(Owned(old.plan, f"{old.name}x"))
            await self.make(self.groups[-1])

    async def evict(self, which: int, number: int, replace: bool, purge: bool) -> None:
        group = self.groups[which]
        if group.id is None:
            return
        server = nth(servers_of(self.simulation, group.id), number)
        if server is None:
            return
        kept = {key: value for key, value in server.metadata.items() if not key.startswith(OUR_KEYS)}
        asked = Asked(0 if replace else -1)
        group.asked.append(asked)
        (group.evicted.add if purge else lambda _: None)(server.id)
        answer = await self._ask_of(
            which, "evict", lambda it, group_id: it.servers.evict(group_id, server.id, replace, purge)
        )
        if answer is None:
            asked.told = "yes" if replace else ""  # whoever is on the way out by then already counts once
            if not purge:
                group.let_go[server.id] = kept
        elif isinstance(answer, OtterError) and not isinstance(answer, StoreUnavailable):
            asked.told = "no"
        else:
            group.perhaps_let_go |= set() if purge else {server.id}

    async def _ask_of(self, which: int, what: str, request: Callable[[Operations, GroupId], Coroutine]) -> Any:
        group_id = self.groups[which].id
        if group_id is None:
            return None
        return await self.ask(what, lambda it: request(it, group_id))

    async def _pause(self, seconds: float) -> None:
        waiting: Deferred = Deferred()
        self.simulation.time.later(seconds, lambda: waiting.callback(None))
        await waiting


async def make_webhook(group_id: GroupId, policy_id: str, it: Operations) -> list[Webhook]:
    return await it.webhooks.create(group_id, policy_id, [{"name": "hook"}])


@define(eq=False)
class Hands:
    """Everybody else: operators, other tenants' tools, the cloud itself, bad luck."""

    simulation: Simulation
    groups: list[Owned]
    random: Random
    foreign: dict[str, set[int]] = field(factory=dict)
    """Ids of other people's nodes, by balancer."""
    strangers: set[str] = field(factory=set)
    """Ids of other people's servers."""
    touched: set[str] = field(factory=set)
    """Ids of servers whose metadata somebody took away."""
    vanished: dict[str, str] = field(factory=dict)
    """Where servers were that somebody took away, and which."""
    open: list[Callable[[], Any]] = field(factory=list)
    """How each trouble that there is at this moment is ended."""
    last: float = 0.0
    """When anything of this was last the matter."""
    held: dict[str, float] = field(factory=dict)
    """Tenants that are held, or "" for everything, and since when."""
    blind_until: float = 0.0
    """Until when the process may not know what is held."""

    def happen(self, happening: Happening) -> None:
        self.simulation.trace.add(self.simulation.time.now, f"* {happening.what} {happening.details}")
        getattr(self, happening.what)(*happening.details)

    def for_a_while(self, seconds: float, end: Callable[[], Any]) -> None:
        self.last = max(self.last, self.simulation.time.now + seconds)

        def over() -> None:
            if end in self.open:
                self.open.remove(end)
                end()

        self.open.append(end)
        self.simulation.time.later(seconds, over)

    def end_all(self) -> None:
        """Whatever is the matter is over now."""
        while self.open:
            self.open.pop()()
        self.last = self.simulation.time.now

    def change_server(self, which: int, number: int, verb: str) -> None:
        group, nova = self.groups[which], self.simulation.nova
        self.for_a_while(0.0, lambda: None)
        if verb == "other":
            server_id = nova.create_other(group.plan.tenant, f"other {self.random.randrange(1000)}", {"theirs": "yes"})
            self.strangers.add(server_id)
            return
        server = nth(servers_of(self.simulation, group.id), number) if group.id else None
        if server is None:
            return
        match verb:
            case "vanish":
                self.vanished[server.address] = server.id
                nova.vanish(server.id)
            case "disown" if server.id not in group.let_go:
                nova.edit_metadata(server.id, {key: None for key in server.metadata if key.startswith(OUR_KEYS)})
                self.touched.add(server.id)
            case "ERROR" | "SHUTOFF" if not server.is_going:
                nova.set_status(server.id, verb)

    def change_node(self, tenant: str, lb_id: str, number: int, verb: str) -> None:
        clb, balancer = self.simulation.clb, balancer_of(tenant, lb_id)
        self.for_a_while(0.0, lambda: None)
        theirs = self.foreign.setdefault(balancer, set())
        if verb == "foreign":
            if len(clb.nodes(balancer)) < 50:
                address = f"10.9.{self.random.randrange(250)}.{self.random.randrange(250)}"
                try:
                    theirs.add(clb.add_node(balancer, address, 80, weight=self.random.randrange(1, 9)).id)
                except ValueError:
                    pass  # somebody has it
            return
        if verb == "leave pool":
            pool = self.simulation.pools[tenant]
            member = nth(self.simulation.rackconnect.members(pool), number)
            if member is not None and member not in self.strangers:
                self.simulation.rackconnect.remove_member(pool, member)
            return
        node = nth([node for node in clb.nodes(balancer) if node.id not in theirs], number)
        if node is None:
            return
        match verb:
            case "remove":
                clb.remove_node(balancer, node.id)
            case "edit":
                clb.edit_node(balancer, node.id, weight=7, type="SECONDARY")
            case "disable":
                clb.edit_node(balancer, node.id, condition="DISABLED")
            case "drain":
                clb.edit_node(balancer, node.id, condition="DRAINING")

    def nova(self, tenant: str, habit: str, seconds: float) -> None:
        nova = self.simulation.nova
        habits = nova.own.setdefault(tenant, Habits())
        usual = Habits()
        changes: dict[str, Any] = {
            "slow": {"build": lambda random: Birth(random.uniform(60, 400))},
            "failing": {"build": lambda random: Birth(random.uniform(5, 60), random.choice(["ERROR", "ACTIVE"]))},
            "hanging": {"build": lambda random: Birth(30, random.choice(["", "ACTIVE"]))},
            "lag": {"lag": self.random.choice([5.0, 60.0, 200.0])},
            "stale_replica": {"stale_replica": self.random.choice([20.0, 120.0])},
            "pages": {"page": 2, "shifting": True, "duplicates": 0.3},
            "missing": {"missing": 0.5},
            "quota": {"quota": self.random.choice([0, 2, 5]), "quota_status": self.random.choice([403, 413])},
            "metadata": {"metadata_limit": 4},
            "lingering": {"deletion": lambda random: random.uniform(60, 300)},
        }[habit]
        for name, value in changes.items():
            setattr(habits, name, value)

        def end() -> None:
            for name in changes:
                setattr(habits, name, getattr(usual, name))

        self.for_a_while(seconds, end)

    def balancer(self, tenant: str, lb_id: str, trouble: str, seconds: float) -> None:
        clb, balancer = self.simulation.clb, balancer_of(tenant, lb_id)
        match trouble:
            case "full":
                clb.limit(balancer, self.random.choice([1, 3]))
                self.for_a_while(seconds, lambda: clb.limit(balancer, 60))
            case "monitor":
                clb.set_monitor(balancer, True)
                self.for_a_while(seconds, lambda: clb.set_monitor(balancer, False))
            case "slow":
                clb.settle = lambda random: random.uniform(0, 10)
                self.for_a_while(seconds, lambda: setattr(clb, "settle", lambda random: 0.0))
            case "lag":
                clb.lag = lambda random: random.uniform(0, 20)
                self.for_a_while(seconds, lambda: setattr(clb, "lag", lambda random: 0.0))
            case "pool":
                pool, rackconnect = self.simulation.pools[tenant], self.simulation.rackconnect
                rackconnect.set_status(pool, "UPDATING")
                self.for_a_while(seconds, lambda: rackconnect.set_status(pool, "ACTIVE"))
            case status:
                clb.set_status(balancer, status)
                self.for_a_while(seconds, lambda: clb.set_status(balancer, "ACTIVE"))

    def identity(self, trouble: str, tenant: str, seconds: float) -> None:
        identity = self.simulation.identity
        self.for_a_while(0.0, lambda: None)
        match trouble:
            case "down":
                identity.down = self.random.choice([500, 503])
                self.for_a_while(seconds, lambda: setattr(identity, "down", 0))
            case "revoke":
                identity.revoke(tenant)
            case "revoke own":
                identity.revoke_own()
            case "no endpoint":
                identity.leave_out(tenant, "cloudServersOpenStack", seconds)
                identity.revoke(tenant)
                self.for_a_while(seconds, lambda: identity.revoke(tenant))

    def network(
        self, kind: str, service: str, methods: str, tenant: str, chance: float, late: float, seconds: float
    ) -> None:
        fault = Fault(kind, service, methods, tenant, chance, late)
        self.simulation.network.faults.append(fault)
        self.for_a_while(seconds, lambda: self.simulation.network.faults.remove(fault))

    def store(self, kind: str, chance: float, seconds: float) -> None:
        fault = StoreFault(kind, chance)
        self.simulation.disk.faults.append(fault)
        self.for_a_while(seconds, lambda: self.simulation.disk.faults.remove(fault))
        if kind == "unreadable":
            self.blind_until = max(self.blind_until, self.simulation.time.now + seconds)

    def hints(self, mood: str, seconds: float) -> None:
        self.simulation.hints = mood
        self.for_a_while(seconds, lambda: setattr(self.simulation, "hints", ""))

    def process(self, verb: str, amount: float, which: int = 0) -> None:
        """:param which: at which place."""
        simulation, place = self.simulation, self.simulation.places[which]
        self.for_a_while(30.0, lambda: None)
        match verb:
            case "die":
                simulation.dies_at = simulation.effects + 1 + int(amount)
            case "restart" if place.process is not None:
                simulation.stop(place)
            case "freeze" if place.process is not None:
                simulation.freeze(place.process.clock, amount)
            case "clock":
                place.set_clock(amount)

    def flip(self, engine: str, verb: str, amount: int, which: int = 0) -> None:
        """The process ends, and the next one has another engine."""
        self.simulation.places[which].engine = engine
        self.process(verb, amount, which)

    # Of several processes

    def freeze(self, after: int, seconds: float) -> None:
        """Whichever process does so many things first is stopped in the middle of the last of them."""
        simulation = self.simulation
        simulation.freezes_at, simulation.freezes_for = simulation.effects + after, seconds
        self.for_a_while(seconds, lambda: setattr(simulation, "freezes_at", None))

    def session(self, which: int, seconds: float) -> None:
        """A process cannot reach the coordinator: if that lasts, its session is over."""
        cut, place = self.simulation.coordinator.cut, self.simulation.places[which]
        if place.process is None or place.process.seat is None:
            return
        name = place.process.seat.name
        cut.add(name)
        self.for_a_while(seconds, lambda: cut.discard(name))

    def leave(self, which: int, seconds: float) -> None:
        """A process is stopped for good, and another joins some time later."""
        simulation, place = self.simulation, self.simulation.places[which]
        if place.process is None:
            return
        place.closed = True
        simulation.stop(place)

        def join() -> None:
            place.closed = False
            if place.process is None:
                simulation.begin_process(place)

        self.for_a_while(seconds, join)

    def coordinator(self, trouble: str, seconds: float) -> None:
        """It is away for a while, or has lost all that it knew."""
        coordinator = self.simulation.coordinator
        if trouble == "forget":
            self.for_a_while(0.0, coordinator.forget)
        elif not coordinator.away:
            coordinator.away = True
            self.for_a_while(seconds, coordinator.come_back)

    def hold(self, tenant: str, seconds: float) -> None:
        """As operators do it, from another process. :param tenant: "" for all."""
        execute = self.simulation._connection.execute
        if tenant in self.held:
            return
        holds.hold(execute, tenant or None)
        self.held[tenant] = self.simulation.time.now

        def release() -> None:
            del self.held[tenant]
            holds.release(execute, tenant or None)

        self.for_a_while(seconds, release)

    def held_since(self, tenant: str) -> float:
        """Since when the process knows that the tenant is held (seconds since 1970); ``inf`` if it is not."""
        since = min(self.held.get(tenant, inf), self.held.get("", inf))
        return max(since, self.blind_until, self.simulation.frozen_until)


def nth(some: Sequence, number: int) -> Any:
    """One of them; None if there is none."""
    return some[number % len(some)] if some else None


def servers_of(simulation: Simulation, group_id: GroupId) -> list[Server]:
    """Those that say that they are the group's."""
    servers = simulation.nova.servers(group_id.tenant)
    return [server for server in servers if server.metadata.get(GROUP_KEY) == group_id.group]


def launch_of(simulation: Simulation, plan: GroupPlan, how: str = "same") -> dict[str, Any]:
    server: dict[str, Any] = {"name": "web", "flavorRef": "2", "imageRef": "img-1", "metadata": {"theirs": "yes"}}
    balancers: list[dict[str, Any]] = [
        {"loadBalancerId": int(balancer_of(plan.tenant, lb_id)), "port": 80} for lb_id in plan.balancers
    ]
    if plan.pool:
        balancers.append({"loadBalancerId": simulation.pools[plan.tenant], "type": "RackConnectV3"})
    args: dict[str, Any] = {"server": server, "loadBalancers": [] if how == "no balancers" else balancers}
    if plan.draining or how == "drained":
        args["draining_timeout"] = plan.draining or 30
    if how == "invalid":
        server["key_name"] = "missing"
    return {"type": "launch_server", "args": args}


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
