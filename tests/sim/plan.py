"""What is going to happen in a simulation: plain data, drawn from a seed, that can be written down, cut shorter and replayed."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

from attrs import asdict, evolve, field, frozen

from tests.sim.network import FAULTS as NETWORK_FAULTS
from tests.sim.store import FAULTS as STORE_FAULTS

TENANTS = ("acme", "bolt")
BALANCERS = ("7", "8")
"""Cloud Load Balancers that each tenant has; and there is one RackConnect pool."""
DAY = 86400.0
ENGINES = ("convergence", "cycle", "worker")
MIXED = "mixed"
"""Convergence, and the last of ``TENANTS`` on the worker."""
FLIPS = "flips"
"""In place of an engine: one after the other."""


@frozen
class GroupPlan:
    """
    :ivar counted: nothing but single steps up and down are asked of it, so that its desired capacity is known from outside.
    :ivar balancers: of ``BALANCERS``. :ivar pool: whether its servers are in the tenant's pool too.
    """

    tenant: str
    least: int
    most: int
    counted: bool = False
    balancers: tuple[str, ...] = ()
    pool: bool = False
    draining: int = 0


@frozen
class Happening:
    """:ivar at: seconds after the beginning. :ivar what: a method of ``Hands`` or ``Users``. :ivar details: its arguments."""

    at: float
    what: str
    details: tuple = ()


@frozen
class Plan:
    """
    :ivar seed: of all chance that is not written down here, such as how long an answer takes.
    :ivar climate: "storm", "quiet" or "calm"; see ``CLIMATES``.
    :ivar length: seconds until all faults are over.
    :ivar engine: of ``ENGINES``, or ``MIXED``: the one that the first process has.
    :ivar others: those of the processes that live at the same time.
    """

    seed: int
    climate: str
    length: float
    groups: tuple[GroupPlan, ...]
    happenings: tuple[Happening, ...] = field(repr=False)
    engine: str = "convergence"
    others: tuple[str, ...] = ()

    def dump(self) -> str:
        return json.dumps(asdict(self))

    def without(self, gone: Sequence[Happening]) -> "Plan":
        dropped = set(map(id, gone))
        return evolve(self, happenings=tuple(each for each in self.happenings if id(each) not in dropped))


def load_plan(text: str) -> Plan:
    """The plan that ``dump`` wrote."""
    document = json.loads(text)
    groups = tuple(GroupPlan(**{**group, "balancers": tuple(group["balancers"])}) for group in document.pop("groups"))
    happenings = tuple(
        Happening(each["at"], each["what"], tupled(each["details"])) for each in document.pop("happenings")
    )
    others = tuple(document.pop("others", ()))
    return Plan(**document, groups=groups, happenings=happenings, others=others)


def tupled(value: Any) -> Any:
    return tuple(map(tupled, value)) if isinstance(value, list) else value


@frozen
class Climate:
    """
    How much happens, and how fast otter looks.

    :ivar length: seconds. :ivar groups: how many. :ivar gap: seconds between two happenings, on average.
    :ivar config: laid over otter's own defaults. :ivar hold_interval: see ``Holds``. :ivar session: see ``Coordinator.timeout``.
    """

    length: float
    groups: int
    gap: float
    config: dict[str, Any]
    hold_interval: float = 1.0
    session: float = 8.0


CLIMATES = {
    "storm": Climate(
        length=1500.0,
        groups=3,
        gap=25.0,
        config={
            "converger": {
                "build_timeout": 600,
                "online_timeout": 120,
                "detach_timeout": 120,
                "resolve_timeout": 100,
                "longest_error_probe": 240,
            },
            "scheduler": {"interval": 5},
        },
    ),
    "quiet": Climate(
        length=2 * 365 * DAY,
        groups=30,
        gap=5 * DAY,
        config={
            "converger": {
                "interval": 3600,
                "build_timeout": 300,
                "online_timeout": 120,
                "detach_timeout": 120,
                "longest_error_probe": DAY / 4,
            },
            "selfheal": {"interval": 28 * DAY},
            "scheduler": {"interval": 3600},
            "identity": {"cache_ttl": 600},
        },
        hold_interval=3600.0,
        session=7200.0,
    ),
    "calm": Climate(
        length=400.0,
        groups=1,
        gap=100.0,
        config={
            "cloud": {"timeout": 5},
            "converger": {
                "build_timeout": 300,
                "online_timeout": 100,
                "detach_timeout": 60,
                "send_window": 5,
                "resolve_timeout": 15,
                "error_probe": 20,
            },
            "selfheal": {"interval": 100},
            "scheduler": {"interval": 5},
        },
        session=3.0,
    ),
}
FAULTS_LAST = {"storm": (5.0, 240.0), "quiet": (60.0, DAY / 2), "calm": (5.0, 60.0)}


def draw_plan(
    seed: int, climate: str, length: float | None = None, engine: str = "convergence", processes: int = 1
) -> Plan:
    """
    The same for the same seed.

    :param length: seconds, if not the climate's.
    :param engine: of ``ENGINES``, or ``MIXED``, or ``FLIPS``. Whichever it is, the same happens; but only with convergence nothing is held.
    :param processes: how many live at the same time. The same happens, and more.
    """
    random, weather = Random(f"plan {seed}"), CLIMATES[climate]
    length = length or weather.length
    groups = tuple(draw_group(random) for _ in range(weather.groups))
    happenings, at = [], 0.0
    while (at := at + random.expovariate(1 / weather.gap)) < length * 0.9:
        happenings.append(Happening(round(at, 3), *draw_happening(random, climate, groups)))
    engines = [engine] * processes
    if engine != "convergence":
        random = Random(f"engines {seed}")
        engines[0] = random.choice([*ENGINES, MIXED]) if engine == FLIPS else engine
        happenings += draw_apart(random, climate, length, "hold")
        happenings += draw_apart(random, climate, length, "flip") if engine == FLIPS else []
    if processes > 1:
        random = Random(f"processes {seed}")
        engines[1:] = [random.choice([*ENGINES, MIXED]) if engine == FLIPS else engine for _ in engines[1:]]
        happenings = [somewhere(random, each, processes) for each in happenings]
        for kind in TOGETHER:
            happenings += draw_apart(random, climate, length, kind, processes)
    ordered = tuple(sorted(happenings, key=lambda each: each.at))
    return Plan(seed, climate, length, groups, ordered, engines[0], tuple(engines[1:]))


def draw_apart(random: Random, climate: str, length: float, kind: str, processes: int = 1) -> list[Happening]:
    """All that happens of one of those ``KINDS`` that are not drawn with the others, lest seeds mean something else."""
    happenings, at, rate = [], 0.0, 1 / (APART[kind] * CLIMATES[climate].gap)
    while (at := at + random.expovariate(rate)) < length * 0.9:
        happenings.append(Happening(round(at, 3), kind, draw_details(random, climate, kind, processes)))
    return happenings


def somewhere(random: Random, happening: Happening, processes: int) -> Happening:
    """The same; if it happens to one process, to any."""
    if happening.what not in ("process", "flip"):
        return happening
    return evolve(happening, details=(*happening.details, random.randrange(processes)))


def draw_details(random: Random, climate: str, kind: str, processes: int = 1) -> tuple:
    match kind:
        case "hold":
            return random.choice(["", *TENANTS]), round(random.uniform(*FAULTS_LAST[climate]), 1)
        case "flip":
            verb = random.choice(["die", "die", "restart"])
            return random.choice([*ENGINES, MIXED]), verb, random.randrange(60) if verb == "die" else 0
    session, longest = CLIMATES[climate].session, FAULTS_LAST[climate][1]
    lasting = round(session * random.choice([0.5, 1.0, random.uniform(1.0, 3.0)]) + random.choice([0, 0, longest]), 1)
    match kind:
        case "freeze":
            return random.randrange(1, 30), lasting
        case "coordinator":
            return random.choice(["away", "away", "forget"]), lasting
        case _:
            return random.randrange(processes), lasting


def draw_group(random: Random) -> GroupPlan:
    counted = random.random() < 0.4
    least = 0 if counted else random.choice([0, 0, 1, 2])
    return GroupPlan(
        tenant=random.choice(TENANTS),
        least=least,
        most=1000 if counted else least + random.choice([0, 2, 5]),
        counted=counted,
        balancers=tuple(lb for lb in BALANCERS if random.random() < 0.5),
        pool=random.random() < 0.3,
        draining=random.choice([0, 0, 30]),
    )


def draw_happening(random: Random, climate: str, groups: Sequence[GroupPlan]) -> tuple[str, tuple]:
    """What happens, and its details."""
    group = random.randrange(len(groups))
    tenant = groups[group].tenant
    lasting = round(random.uniform(*FAULTS_LAST[climate]), 1)
    which = random.randrange(6)
    [kind] = random.choices(list(KINDS), list(KINDS.values()))
    match kind:
        case "execute":
            way = random.choice(["id", "hook", "key", "key"])
            return "execute", (
                group,
                random.choice(["up", "up", "down", "down", "two"]),
                way,
                random.choice([1, 1, 2, 4]),
            )
        case "owner":
            return draw_request(random, group, groups[group])
        case "schedule":
            return "schedule", (group, round(random.uniform(5, 300), 1))
        case "evict":
            return "evict", (group, which, random.random() < 0.6, random.random() < 0.7)
        case "server":
            verb = random.choice(["vanish", "vanish", "ERROR", "SHUTOFF", "disown", "other"])
            return "change_server", (group, which, verb)
        case "node":
            verb = random.choice(["remove", "edit", "disable", "drain", "foreign", "leave pool"])
            return "change_node", (tenant, random.choice(BALANCERS), which, verb)
        case "nova":
            habit = random.choice(
                [
                    "slow",
                    "failing",
                    "hanging",
                    "lag",
                    "stale_replica",
                    "pages",
                    "missing",
                    "quota",
                    "metadata",
                    "lingering",
                ]
            )
            return "nova", (tenant, habit, lasting)
        case "balancer":
            trouble = random.choice(["PENDING_UPDATE", "ERROR", "SUSPENDED", "full", "monitor", "slow", "lag", "pool"])
            return "balancer", (tenant, random.choice(BALANCERS), trouble, lasting)
        case "identity":
            return "identity", (random.choice(["down", "revoke", "revoke own", "no endpoint"]), tenant, lasting)
        case "network":
            methods = random.choice(["all", "reads", "changes", "changes"])
            service = random.choice(["", "nova", "nova", "clb", "rackconnect", "identity"])
            chance = random.choice([1.0, 0.5, 0.2])
            fault = (random.choice(NETWORK_FAULTS), service, methods, random.choice(["", tenant]), chance)
            return "network", (*fault, round(random.choice([0, 2, 20, 45]), 1), lasting)
        case "store":
            return "store", (random.choice(STORE_FAULTS), random.choice([1.0, 0.3]), lasting)
        case "hints":
            return "hints", (random.choice(["lost", "late", "doubled"]), lasting)
        case "process":
            verb = random.choice(["die", "die", "die", "restart", "freeze", "clock", "clock"])
            amount = {
                "die": random.randrange(60),
                "freeze": lasting,
                "clock": round(random.gauss(0, random.choice([5, 200, 5000])), 1),
            }
            return "process", (verb, amount.get(verb, 0))
    raise AssertionError(kind)


KINDS = {
    "execute": 8,
    "owner": 5,
    "schedule": 1,
    "evict": 2,
    "server": 4,
    "node": 3,
    "nova": 3,
    "balancer": 3,
    "identity": 1,
    "network": 5,
    "store": 2,
    "hints": 1,
    "process": 3,
    "flip": 0,
    "hold": 0,
    "freeze": 0,
    "session": 0,
    "leave": 0,
    "coordinator": 0,
}
"""How often what happens, compared with each other."""
TOGETHER = ("freeze", "session", "leave", "coordinator")
"""What happens only where several processes live."""
APART = {"hold": 12.0, "flip": 6.0, "freeze": 3.0, "session": 8.0, "leave": 8.0, "coordinator": 12.0}
"""After how many other happenings there is one of these, on average."""


def draw_request(random: Random, group: int, plan: GroupPlan) -> tuple[str, tuple]:
    """What an owner may ask for, besides executions."""
    if plan.counted:
        return random.choice([("converge", (group,)), ("relaunch", (group, random.choice(["same", "drained"])))])
    least = random.choice([0, 1, 2, 3])
    return random.choice(
        [
            ("configure", (group, least, least + random.choice([0, 1, 4]))),
            ("configure", (group, least, least + random.choice([0, 1, 4]))),
            ("relaunch", (group, random.choice(["same", "drained", "no balancers", "invalid"]))),
            ("pause", (group,)),
            ("resume", (group,)),
            ("converge", (group,)),
            ("delete", (group,)),
            ("renew", (group,)),
        ]
    )
