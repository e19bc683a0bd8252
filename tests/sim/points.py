"""
Scenarios that are disturbed once, at each of their points in turn. Whatever the point, the end is that of the undisturbed run.

    python -m tests.sim.points                          all of it
    python -m tests.sim.points SCENARIO                 one scenario
    python -m tests.sim.points SCENARIO KIND NUMBER     one point, with its trace

A point is the number of something that otter does, and what happens there:

death            the process is killed at that effect (see ``Simulation.effect``), and another one starts 7 s later
worker to cycle  the same, and the first one has the worker engine, the other one cycle; likewise for all pairs of engines
in turn          the same from convergence to cycle, and again and again, 25 effects later, to worker and back
takeover         of two processes that share the work the one that does so is stopped there, and goes on 4.5 s later, when the other
                 has all of it: what it was about to send leaves then. Likewise *late takeover*, 20 s later, when its requests
                 have timed out; *takeover by the worker* and *from the worker*: the second, or the first, has that engine
stale 60         that list of servers is as old as so many seconds; likewise *stale 200*
stale nodes      that list of a balancer's nodes is the one from before the last change
hint lost        the hint never comes; number 0 stands for all of them. Likewise *hint late*, *hint doubled*, only for all
refused          that write to the store fails
untold           that write to the store is made, and its caller is told that it failed
request lost     that request to the cloud never arrives, and is never answered
answer lost      that request is obeyed, and the connection breaks before its answer is there

Where a list would be the same, there is no point. Nobody knows whether a request counts that nobody dared to repeat, and that
was not answered (an execution by its id or by a webhook without a key, an eviction, a schedule that is added): the end may be
that of the scenario with it or without it, and no other. Where it was answered with a refusal, the end is that without it.
"""

import gc
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import permutations, product
from math import inf
from typing import Any

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred, DeferredLock, ensureDeferred
from twisted.logger import globalLogBeginner

from otter.cloud.nova import OUR_KEYS
from otter.convergence.record import OLDEST_LIST
from otter.domain.errors import StoreUnavailable, UpstreamUnavailable
from otter.domain.group import Group
from tests.sim.happenings import Hands, Users
from tests.sim.network import Fault
from tests.sim.oracles import require
from tests.sim.plan import BALANCERS, ENGINES, TENANTS, Happening, Plan
from tests.sim.run import Run
from tests.sim.scenarios import SCENARIOS, with_engine
from tests.sim.simulation import Place, Simulation, balancer_of
from tests.sim.store import StoreFault
from tests.sim.world.answers import Answer, Ask
from tests.sim.world.clb import Node
from tests.sim.world.nova import Birth, Server

AGES = {"stale 60": 60.0, "stale 200": 200.0}
NETWORK = ("request lost", "answer lost")
STORE = {"refused": "refused", "untold": "done but not told"}
HINTS = {"hint lost": "lost", "hint late": "late", "hint doubled": "doubled"}
PAIRS = {f"{first} to {then}": (first, then) for first, then in permutations(ENGINES, 2)}
TURNS = {"in turn": ("convergence", "cycle", "worker") * 2}
FLIPS: Mapping[str, Sequence[str]] = PAIRS | TURNS
"""The engines that processes have, one after the other."""
TWO = {
    "": ("convergence", "convergence"),
    " by the worker": ("convergence", "worker"),
    " from the worker": ("worker", "convergence"),
}
TAKEOVERS = {
    f"{late}takeover{who}": (engines, seconds)
    for late, seconds in {"": 4.5, "late ": 20.0}.items()
    for who, engines in TWO.items()
}
"""The engines of both processes, and for how long one of them is stopped (seconds)."""
KINDS = ("death", *AGES, "stale nodes", *HINTS, *STORE, *NETWORK)
TURN = 25
"""Effects after which the next one has its turn."""
SAFE = {"configure", "relaunch", "pause", "resume", "converge"}
"""What is asked again as long as there is no answer: twice is the same as once."""
LATEST = OLDEST_LIST + 300.0
"""Seconds after the end of a scenario until all is well, whatever disturbed it: three looks after lists cannot be old any more."""
State = Mapping[str, Any]
"""What owners and the cloud see in the end, without what depends on chance: no ids, no times."""


@frozen
class Point:
    """:ivar number: from 1; 0 for everywhere. :ivar label: what otter does there."""

    kind: str
    number: int
    label: str = ""


@define(eq=False)
class Reads:
    """
    Between the network and two services: one list is not the newest.

    :ivar found: the points there are: those at which an older list would have been another one.
    :ivar over: from now on all lists are the newest, and no more points are found.
    """

    simulation: Simulation
    point: Point | None
    found: dict[str, list[Point]] = field(factory=lambda: {kind: [] for kind in (*AGES, "stale nodes")})
    over: bool = False
    lists: int = 0
    looks: int = 0
    _shown: dict[str, tuple[tuple[Node, ...], tuple[Node, ...]]] = field(factory=dict)

    def nova(self, ask: Ask) -> Answer:
        nova = self.simulation.nova
        if self.over or (ask.method, ask.path) != ("GET", "servers/detail"):
            return nova.answer(ask)
        self.lists += 1
        account, habits = nova._account(ask.tenant), nova.own.get(ask.tenant, nova)
        for kind, age in AGES.items():
            if account.as_of(nova.nature.now() - age) != account.listing:
                self.found[kind].append(Point(kind, self.lists, f"nova GET {ask.tenant}/{ask.path}"))
        usual, habits.lag = habits.lag, self._age() or habits.lag
        answer = nova.answer(ask)
        habits.lag = usual
        return answer

    def _age(self) -> float:
        here = self.point is not None and self.point.number == self.lists
        return AGES.get(self.point.kind, 0.0) if here and self.point is not None else 0.0

    def clb(self, ask: Ask) -> Answer:
        clb = self.simulation.clb
        lb_id = ask.parts[1]
        before = self._remember(lb_id)
        answer = clb.answer(ask)
        self._remember(lb_id)
        if self.over or ask.method != "GET" or ask.parts[2:] != ["nodes"]:
            return answer
        self.looks += 1
        if before == clb.nodes(lb_id):
            return answer
        self.found["stale nodes"].append(Point("stale nodes", self.looks, f"clb GET {ask.tenant}/{ask.path}"))
        here = self.point is not None and (self.point.kind, self.point.number) == ("stale nodes", self.looks)
        return clb._render(clb._balancers[lb_id], before) if here else answer

    def _remember(self, lb_id: str) -> tuple[Node, ...]:
        """The nodes before the last change."""
        now = self.simulation.clb.nodes(lb_id)
        before, last = self._shown.get(lb_id, (now, now))
        if now != last:
            before = last
        self._shown[lb_id] = before, now
        return before


@define(eq=False)
class Stubborn(Users):
    """
    Users who ask again soon, whatever is safe, until they ask for something else in its place.

    :ivar asked_for: how often what was asked for. :ivar made: how many groups.
    """

    asked_for: Counter = field(factory=Counter)
    _latest: Counter = field(factory=Counter)
    _turns: dict[tuple[int, str], DeferredLock] = field(factory=dict)
    _answer: Any = None

    async def evict(self, which: int, number: int, replace: bool, purge: bool) -> None:
        asked = self.groups[which].asked
        known = len(asked)
        await super().evict(which, number, replace, purge)
        if self._answer is None and len(asked) > known:
            asked[known].told = "yes"

    def ask(self, what: str, request: Callable, seconds: float = 15.0) -> Deferred:
        self.asked_for[what] += 1
        return super().ask(what, request, seconds)

    async def _ask_of(self, which: int, what: str, request: Callable) -> Any:
        self._latest[which, what] += 1
        number = self._latest[which, what]
        turn = self._turns.setdefault((which, what), DeferredLock()) if what in SAFE else DeferredLock()
        while True:
            self._answer = answer = await turn.run(ensureDeferred, super()._ask_of(which, what, request))
            if what not in SAFE or not isinstance(answer, StoreUnavailable | UpstreamUnavailable):
                return answer
            await self._pause(5.0)
            if number < self._latest[which, what]:
                return answer

    async def _pause(self, seconds: float) -> None:
        await super()._pause(min(seconds, 5.0))


@define(eq=False)
class SteadyHands(Hands):
    """Those of whom scenarios ask more than plans do."""

    def build_slowly(self, tenant: str, build: float, seconds: float) -> None:
        habits = self.simulation.nova.apart(tenant)
        usual, habits.build = habits.build, lambda random: Birth(build)
        self.for_a_while(seconds, lambda: setattr(habits, "build", usual))

    def age_lists(self, tenant: str, age: float, seconds: float) -> None:
        habits = self.simulation.nova.apart(tenant)
        usual, habits.lag = habits.lag, age
        self.for_a_while(seconds, lambda: setattr(habits, "lag", usual))

    def forget_deletes(self, tenant: str, seconds: float) -> None:
        """What is to be deleted is not, and afterwards nothing shows that it was to be."""
        nova, habits = self.simulation.nova, self.simulation.nova.apart(tenant)
        usual, habits.deletion = habits.deletion, lambda random: inf

        def forget() -> None:
            habits.deletion = usual
            for server in nova.servers(tenant):
                if server.is_going:
                    nova.keep(server.id)

        self.for_a_while(seconds, forget)

    def allow(self, tenant: str, servers: int, seconds: float) -> None:
        habits = self.simulation.nova.apart(tenant)
        usual, habits.quota = habits.quota, servers
        self.for_a_while(seconds, lambda: setattr(habits, "quota", usual))


@define(eq=False)
class Disturbed(Run):
    """
    One run of a scenario.

    :ivar point: where it is disturbed; None if it is not. :ivar labels: of all effects until the end of the plan.
    :ivar asked: what was asked of whom by each happening.
    """

    looks: int = 10
    step: float = 10.0
    rests: float = 1.2
    requests: int = 0
    point: Point | None = None
    reads: Reads = field(init=False)
    labels: list[str] = field(init=False, factory=list)
    hints: int = field(init=False, default=0)
    engines: deque[str] = field(init=False, factory=deque)
    asked: dict[Happening, list] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        simulation, groups = self.simulation, self.users.groups
        self.users = self.oracles.users = Stubborn(simulation, groups, self.users.capability_of)
        self.users.on_answer.append(self.oracles.answered)
        self.hands = self.oracles.hands = SteadyHands(simulation, groups, simulation.chance("hands"))
        self.reads = Reads(simulation, self.point)
        network = simulation.network
        network.services = {**network.services, "nova": self.reads.nova, "clb": self.reads.clb}
        simulation.nova.build = lambda random: Birth(1.0)
        simulation.nova.deletion = lambda random: 1.0
        simulation.clb.probing = 5.0
        simulation.on_effect.append(self.labels.append)
        if self.point is not None:
            self.hands.last = simulation.time.now
            self.engines = deque(FLIPS.get(self.point.kind, ())[1:])
            disturb(simulation, self.point)

    def restart_soon(self, place: Place) -> None:
        if self.engines:
            place.engine = self.engines.popleft()
        if self.engines:
            self.simulation.dies_at = self.simulation.effects + TURN
        self.simulation.time.later(7.0, lambda: self.restart(place))

    def happen(self, actor: Any, happening: Happening) -> None:
        before = [len(owned.asked) for owned in self.users.groups]
        super().happen(actor, happening)
        self.asked[happening] = [
            asked for owned, known in zip(self.users.groups, before, strict=True) for asked in owned.asked[known:]
        ]

    def end(self) -> None:
        simulation = self.simulation
        simulation.on_effect.remove(self.labels.append)
        self.hints = simulation.hinted
        simulation.hints = ""
        self.reads.over = True
        require(self.point is None or self.is_met(self.point), "what was to happen did happen")
        began = simulation.time.now
        super().end()
        late = simulation.time.now - began - self.rests * simulation.config.selfheal.interval
        require(late <= LATEST, f"a single trouble is overcome soon; this one took {late:.0f} s")

    def is_met(self, point: Point) -> bool:
        simulation, reads = self.simulation, self.reads
        reached = {
            **dict.fromkeys(("death", *PAIRS), simulation.effects if simulation.dies_at is None else 0),
            **dict.fromkeys(TURNS, simulation.effects),
            **dict.fromkeys(TAKEOVERS, simulation.effects if simulation.freezes_at is None else 0),
            **dict.fromkeys(AGES, reads.lists),
            "stale nodes": reads.looks,
            **dict.fromkeys(HINTS, simulation.hinted),
            **dict.fromkeys(STORE, simulation.disk.writes),
            **dict.fromkeys(NETWORK, simulation.network.asked),
        }
        return reached[point.kind] >= point.number

    def points(self) -> dict[str, list[Point]]:
        """Where this run could have been disturbed, by kind."""
        begun = [label for label in self.labels if not label.endswith(" done")]
        writes = [label for label in begun if label.startswith("store ")]
        requests = [label for label in begun if not label.startswith("store ")]
        everywhere = {kind: [Point(kind, 0, "all hints")] for kind in HINTS}
        return {
            "death": numbered("death", self.labels),
            **self.reads.found,
            **everywhere,
            "hint lost": everywhere["hint lost"] + numbered("hint lost", ["a hint"] * self.hints),
            **{kind: numbered(kind, writes) for kind in STORE},
            **{kind: numbered(kind, requests) for kind in NETWORK},
        }


def numbered(kind: str, labels: Sequence[str]) -> list[Point]:
    return [Point(kind, number, label) for number, label in enumerate(labels, 1)]


def distinct(deaths: Sequence[Point]) -> list[Point]:
    """One of those between which nothing was changed, and nothing that changes anything left for the cloud."""
    found: dict[tuple[int, int], Point] = {}
    done = sent = 0
    for death in deaths:
        changes = "GET" not in death.label and not death.label.startswith("identity")
        done += changes and death.label.endswith(" done")
        found.setdefault((done, sent), death)
        sent += changes and not death.label.endswith(" done") and not death.label.startswith("store")
    return list(found.values())


def disturb(simulation: Simulation, point: Point) -> None:
    """Have it happen; lists are the business of ``Reads``."""
    match point.kind:
        case kind if kind == "death" or kind in FLIPS:
            simulation.dies_at = point.number
        case kind if kind in TAKEOVERS:
            simulation.freezes_at, (_, simulation.freezes_for) = point.number, TAKEOVERS[kind]
        case kind if kind in STORE:
            simulation.disk.chosen[point.number] = StoreFault(STORE[kind])
        case kind if kind in NETWORK:
            simulation.network.chosen[point.number] = Fault(kind)
        case "hint lost" if point.number:
            simulation.lost_hint = point.number
        case kind if kind in HINTS:
            simulation.hints = HINTS[kind]


# What there is in the end


@define(eq=False)
class Sight:
    """Everything that owners and the cloud see, with names in place of ids."""

    run: Disturbed
    names: dict[Any, str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.names = {owned.id.group: owned.name for owned in self.run.users.groups if owned.id is not None}

    def state(self) -> State:
        groups = {self.names[group.id.group]: self.group(group) for group in self.stored() if self.is_owned(group)}
        servers: Counter = Counter()
        nodes: Counter = Counter()
        for tenant in TENANTS:
            servers.update(f"{tenant} {self.server(server)}" for server in self.simulation.nova.servers(tenant))
            nodes.update(self.nodes(tenant))
        return {**groups, **only_owned(servers, "server"), **only_owned(nodes, "on")}

    def stray(self) -> list[Group]:
        """Groups whose owners were never told that they were made."""
        return [group for group in self.stored() if not self.is_owned(group)]

    @property
    def simulation(self) -> Simulation:
        return self.run.simulation

    def stored(self) -> list[Group]:
        return list(self.simulation.stored_groups().values())

    def is_owned(self, group: Group) -> bool:
        return group.id.group in self.names

    def group(self, group: Group) -> dict[str, Any]:
        state, roster, config = group.state, group.roster, group.config
        rows = self.simulation._connection.execute(
            "SELECT json_extract(document, '$.name'), due IS NULL FROM policies WHERE group_id = ? ORDER BY 1",
            [group.id.group],
        )
        return {
            "status": state.status.name,
            "reasons": list(state.reasons),
            "desired": state.desired,
            "active": len(roster.active),
            "paused": state.paused,
            "bounds": (config.min_entities, config.max_entities),
            "launch": (len(group.launch.targets), group.launch.draining_timeout),
            "policies": [tuple(row) for row in rows.fetchall()],
            "in hand": self.run.oracles.in_hand(group),
        }

    def server(self, server: Server) -> str:
        theirs = sorted(item for item in server.metadata.items() if not item[0].startswith(OUR_KEYS))
        going = " going" if server.is_going else ""
        return f"{self.whose(server)}, {server.status}{going}, {theirs}"

    def whose(self, server: Server) -> str:
        if server.id in self.run.hands.strangers:
            return "a stranger"
        ours = {key: value for key, value in server.metadata.items() if key.startswith(OUR_KEYS)}
        group = ours.get("rax:autoscale:group:id")
        if group is None:
            return f"nobody's, {sorted(ours)}"
        if (server.tenant, group) in {(each.id.tenant, each.id.group) for each in self.stray()}:
            return "stray"
        return self.names.get(group, f"of a group that is no more ({group})")

    def nodes(self, tenant: str) -> Iterator[str]:
        simulation = self.simulation
        servers = simulation.nova.servers(tenant)
        addresses = {server.address: self.whose(server) for server in servers if server.address}
        for lb_id in BALANCERS:
            balancer = balancer_of(tenant, lb_id)
            foreign = self.run.hands.foreign.get(balancer, set())
            for node in simulation.clb.nodes(balancer):
                who = node.address if node.id in foreign else addresses.get(node.address, "nobody")
                yield f"{balancer}: {who}, {(node.condition, node.weight, node.type, node.port)}"
        by_id = {server.id: self.whose(server) for server in servers}
        for member in simulation.rackconnect.members(simulation.pools[tenant]):
            yield f"pool of {tenant}: {by_id.get(member, 'nobody')}"


def only_owned(counted: Counter, what: str) -> dict[str, int]:
    return {f"{what} {name}": number for name, number in counted.items() if "stray" not in name}


# Comparing


@frozen
class Quiet:
    """What came of a scenario that nobody disturbed. :ivar told: what was answered to each happening."""

    failure: str
    state: State
    told: Mapping[Happening, Sequence[str]]
    points: Mapping[str, Sequence[Point]]


@lru_cache(maxsize=200)
def undisturbed(plan: Plan) -> Quiet:
    run = Disturbed(plan)
    failure = run.go().failure
    quiet = Quiet(failure, Sight(run).state(), told_of(run), run.points())
    run.simulation._connection.close()
    return quiet


def told_of(run: Disturbed) -> dict[Happening, list[str]]:
    return {happening: [asked.told for asked in all_asked] for happening, all_asked in run.asked.items()}


def wrong_at(plan: Plan, point: Point) -> str:
    """What is not as it should be when a scenario is disturbed there; "" if all is."""
    run = Disturbed(plan, point=point)
    result = run.go()
    wrong = result.failure or unlike(plan, run)
    run.simulation._connection.close()
    return wrong


def unlike(plan: Plan, run: Disturbed) -> str:
    """What is not as in any undisturbed run that it could be like."""
    sight = Sight(run)
    state = sight.state()
    made_unseen = run.users.asked_for["create"] - len(plan.groups)  # type: ignore[attr-defined]
    if len(sight.stray()) > made_unseen:
        return f"{len(sight.stray())} groups that nobody was told of, after {made_unseen} requests without an answer"
    if waiting := [happening for happening, told in told_of(run).items() if "key" in happening.details and "" in told]:
        return f"never answered, although it was repeated: {waiting}"
    found = [differences(undisturbed(each).state, state) for each in could_be(plan, run)]
    return "" if "" in found else "; or ".join(found)


def could_be(plan: Plan, run: Disturbed) -> list[Plan]:
    """The scenarios that it may have come to: with or without what nobody knows of, and without what was refused."""
    quiet = undisturbed(plan)
    choices: list[list[Happening | None]] = []
    for happening, told in told_of(run).items():
        expected = quiet.told[happening]
        if told == expected:
            continue
        choices.append([happening] if "no" in told else [None, happening])
    return [plan.without([each for each in chosen if each is not None]) for chosen in product(*choices)]


def differences(expected: State, found: State) -> str:
    return ", ".join(
        f"{name}: {found.get(name, 'none')} instead of {expected.get(name, 'none')}"
        for name in sorted({*expected, *found})
        if expected.get(name) != found.get(name)
    )


# All of it


def points_of(plan: Plan) -> Mapping[str, Sequence[Point]]:
    quiet = undisturbed(plan)
    assert not quiet.failure, f"undisturbed: {quiet.failure}"
    return quiet.points


def flips_of(name: str) -> Mapping[str, Sequence[Point]]:
    """Where the engine may change, for each of ``FLIPS``: at every death that differs from the others."""
    deaths = {engine: distinct(points_of(with_engine(name, engine))["death"]) for engine in ENGINES}
    return {kind: [evolve(death, kind=kind) for death in deaths[engines[0]]] for kind, engines in FLIPS.items()}


def takeovers_of(name: str) -> Mapping[str, Sequence[Point]]:
    """Where one of two processes may be stopped, for each of ``TAKEOVERS``: wherever a death would differ from the others."""
    deaths = {kind: distinct(points_of(shared(name, kind))["death"]) for kind in TAKEOVERS}
    return {kind: [evolve(death, kind=kind) for death in points] for kind, points in deaths.items()}


def shared(name: str, kind: str) -> Plan:
    """The scenario with the two processes of which one takes over."""
    first, second = engines = TAKEOVERS[kind][0]
    return evolve(with_engine(name, max(engines)), engine=first, others=(second,))


def plan_of(name: str, point: Point) -> Plan:
    if point.kind in TAKEOVERS:
        return shared(name, point.kind)
    return with_engine(name, FLIPS[point.kind][0]) if point.kind in FLIPS else SCENARIOS[name]


def places_of(name: str) -> Mapping[str, Sequence[Point]]:
    """All of them."""
    return {**points_of(SCENARIOS[name]), **flips_of(name), **takeovers_of(name)}


def explained(name: str, point: Point, wrong: str) -> str:
    again = f"python -m tests.sim.points {name!r} {point.kind!r} {point.number}"
    return f"{name}: {point.kind} {point.number} ({point.label}): {wrong}\n    {again}"


def failures(name: str, points: Sequence[Point]) -> list[str]:
    with unhurried():
        found = [(point, wrong_at(plan_of(name, point), point)) for point in points]
    return [explained(name, point, wrong) for point, wrong in found if wrong]


@contextmanager
def unhurried() -> Iterator[None]:
    """Garbage is collected now and then, not all the time."""
    gc.collect()
    gc.freeze()
    before = gc.get_threshold()
    gc.set_threshold(200_000, 10, 1000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def run_all(names: Sequence[str]) -> int:
    """How many points there are at which something is wrong."""
    total = bad = 0
    for name in names:
        counts = []
        for kind, points in places_of(name).items():
            found = failures(name, points)
            for failure in found:
                print(failure, flush=True)
            total, bad = total + len(points), bad + len(found)
            counts.append(f"{len(points)} {kind}")
        print(f"{name}: {', '.join(counts)}", flush=True)
    print(f"{total} points of {len(names)} scenarios, {bad} of them bad")
    return bad


def run_one(name: str, kind: str, number: int) -> int:
    """With its trace."""
    [point] = [point for point in places_of(name)[kind] if point.number == number]
    plan = plan_of(name, point)
    run = Disturbed(plan, point=point)
    result = run.go()
    print(*result.trace, sep="\n")
    wrong = result.failure or unlike(plan, run)
    print(explained(name, point, wrong or "all is well"))
    return bool(wrong)


def main(arguments: Sequence[str]) -> int:
    globalLogBeginner.beginLoggingTo([lambda event: None], discardBuffer=True, redirectStandardIO=False)
    match arguments:
        case [name, kind, number]:
            return run_one(name, kind, int(number))
        case _:
            return bool(run_all(arguments or list(SCENARIOS)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
