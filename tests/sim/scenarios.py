"""
Short stories without chance, each about one thing that otter does. ``tests.sim.points`` disturbs them at every point.

Between two happenings there is time enough for a process that died to be started again, and for owners to ask again.
"""

from attrs import evolve

from tests.sim.plan import GroupPlan, Happening, Plan


def scenario(length: float, groups: tuple[GroupPlan, ...], *happenings: tuple) -> Plan:
    """:param happenings: when, what, and its details. :param length: seconds; the last thing that owners ask is 60 before."""
    ordered = sorted(happenings, key=lambda happening: happening[0])
    return Plan(1, "calm", length, groups, tuple(Happening(at, what, tuple(more)) for at, what, *more in ordered))


def group(
    least: int, most: int, *balancers: str, pool: bool = False, draining: int = 0, counted: bool = False
) -> GroupPlan:
    return GroupPlan("acme", least, most, counted, balancers, pool, draining)


FOREIGN = (1.0, "change_node", "acme", "7", 0, "foreign")
STRANGER = (1.0, "change_server", 0, 0, "other")

SCENARIOS = {
    "growth on two balancers and a pool": scenario(
        130.0, (group(1, 5, "7", "8", pool=True),), FOREIGN, STRANGER, (60.0, "execute", 0, "two", "key", 1)
    ),
    "scaling down with draining": scenario(
        190.0,
        (group(0, 9, "7", draining=30, counted=True),),
        FOREIGN,
        (50.0, "execute", 0, "two", "key", 1),
        (110.0, "execute", 0, "down", "key", 1),
    ),
    "a webhook, and a keyed execution that is repeated": scenario(
        220.0,
        (group(0, 9, "7", counted=True),),
        (50.0, "execute", 0, "up", "hook", 1),
        (55.0, "execute", 0, "up", "key", 3),
        (110.0, "execute", 0, "down", "key", 2),
        (150.0, "execute", 0, "up", "id", 1),
    ),
    "executions while servers build": scenario(
        200.0,
        (group(0, 9, "7", pool=True, counted=True),),
        (49.0, "build_slowly", "acme", 20.0, 60.0),
        (50.0, "execute", 0, "two", "key", 1),
        (57.0, "execute", 0, "up", "key", 1),
        (90.0, "execute", 0, "down", "key", 1),
    ),
    "growth while lists are old": scenario(
        140.0,
        (group(0, 9, "7", counted=True),),
        (45.0, "age_lists", "acme", 9.0, 90.0),
        (50.0, "execute", 0, "two", "key", 1),
    ),
    "scaling down while lists are old": scenario(
        190.0,
        (group(0, 9, "7", counted=True),),
        (50.0, "execute", 0, "two", "key", 1),
        (95.0, "age_lists", "acme", 9.0, 90.0),
        (100.0, "execute", 0, "down", "key", 1),
    ),
    "eviction": scenario(
        230.0,
        (group(0, 9, "7", "8"),),
        FOREIGN,
        (50.0, "execute", 0, "two", "key", 1),
        (110.0, "evict", 0, 0, True, True),
        (160.0, "evict", 0, 1, False, True),
    ),
    "letting servers go": scenario(
        230.0,
        (group(0, 9, "7", pool=True),),
        STRANGER,
        (50.0, "execute", 0, "two", "key", 1),
        (110.0, "evict", 0, 0, True, False),
        (160.0, "evict", 0, 1, False, False),
    ),
    "a new configuration that cuts the size": scenario(
        130.0, (group(3, 5, "7"),), FOREIGN, (60.0, "configure", 0, 1, 2)
    ),
    "a new configuration that raises the size": scenario(130.0, (group(1, 5, "7"),), (60.0, "configure", 0, 3, 5)),
    "new launch configurations": scenario(
        230.0,
        (group(1, 5, "7", pool=True),),
        (50.0, "relaunch", 0, "no balancers"),
        (90.0, "execute", 0, "up", "key", 1),
        (130.0, "relaunch", 0, "drained"),
        (160.0, "execute", 0, "up", "key", 1),
    ),
    "a launch configuration that Nova refuses": scenario(
        230.0,
        (group(1, 5, "7"),),
        STRANGER,
        (50.0, "relaunch", 0, "invalid"),
        (90.0, "execute", 0, "up", "key", 1),
        (150.0, "relaunch", 0, "same"),
    ),
    "pause and resume": scenario(
        220.0,
        (group(2, 5, "7"),),
        (50.0, "pause", 0),
        (90.0, "change_server", 0, 0, "vanish"),
        (91.0, "configure", 0, 1, 4),
        (130.0, "resume", 0),
    ),
    "forced deletion": scenario(
        150.0, (group(2, 5, "7", "8", pool=True, draining=30),), FOREIGN, STRANGER, (60.0, "delete", 0)
    ),
    "a schedule": scenario(170.0, (group(0, 9, "7", counted=True),), (50.0, "schedule", 0, 5.0)),
    "a server vanishes": scenario(
        180.0, (group(2, 5, "7", pool=True),), FOREIGN, (50.0, "change_server", 0, 0, "vanish")
    ),
    "a server is broken": scenario(
        180.0, (group(2, 5, "7", pool=True),), FOREIGN, (50.0, "change_server", 0, 0, "ERROR")
    ),
    "a server loses its metadata": scenario(180.0, (group(2, 5, "7"),), (50.0, "change_server", 0, 0, "disown")),
    "a node is removed, another edited, a member leaves its pool": scenario(
        180.0,
        (group(2, 5, "7", "8", pool=True),),
        FOREIGN,
        (50.0, "change_node", "acme", "7", 0, "remove"),
        (50.0, "change_node", "acme", "8", 0, "edit"),
        (50.0, "change_node", "acme", "8", 1, "disable"),
        (50.0, "change_node", "acme", "7", 0, "leave pool"),
    ),
    "two groups on one balancer": scenario(
        180.0,
        (group(1, 5, "7"), group(1, 5, "7")),
        FOREIGN,
        (50.0, "execute", 0, "up", "key", 1),
        (50.0, "execute", 1, "two", "key", 1),
        (110.0, "delete", 1),
    ),
    "a create whose answer is lost": scenario(
        150.0,
        (group(0, 9, "7", counted=True),),
        (49.0, "network", "answer lost", "nova", "changes", "acme", 1.0, 0.0, 2.0),
        (50.0, "execute", 0, "up", "key", 1),
    ),
    "a create that is lost": scenario(
        150.0,
        (group(0, 9, "7", counted=True),),
        (49.0, "network", "request lost", "nova", "changes", "acme", 1.0, 0.0, 2.0),
        (50.0, "execute", 0, "up", "key", 1),
    ),
    "deletes that Nova forgets": scenario(
        190.0,
        (group(0, 9, "7", counted=True),),
        (50.0, "execute", 0, "two", "key", 1),
        (90.0, "forget_deletes", "acme", 30.0),
        (100.0, "execute", 0, "down", "key", 1),
    ),
    "a quota that is lifted": scenario(
        170.0,
        (group(1, 9, "7"),),
        (49.0, "allow", "acme", 2, 40.0),
        (50.0, "execute", 0, "two", "key", 1),
    ),
    "executions while all is held": scenario(
        190.0,
        (group(1, 5, "7", draining=30),),
        (45.0, "hold", "acme", 35.0),
        (50.0, "execute", 0, "two", "key", 1),
        (85.0, "execute", 0, "down", "key", 1),
        (110.0, "hold", "", 30.0),
        (111.0, "execute", 0, "down", "key", 1),
    ),
    "a health monitor": scenario(
        190.0,
        (group(1, 5, "7", draining=30),),
        (2.0, "balancer", "acme", "7", "monitor", 180.0),
        (60.0, "execute", 0, "up", "key", 1),
        (110.0, "execute", 0, "down", "key", 1),
    ),
}

HEALING = {
    "a server vanishes",
    "a server is broken",
    "a server loses its metadata",
    "a node is removed, another edited, a member leaves its pool",
    "deletes that Nova forgets",
    "a quota that is lifted",
}
"""What goes wrong there is mended only if somebody asks for a look, unless the engine is convergence."""


def with_engine(name: str, engine: str) -> Plan:
    """The scenario in which the first process has this engine. What does not mend by itself, owners ask for."""
    plan = evolve(SCENARIOS[name], engine=engine)
    if name not in HEALING:
        return plan
    looks = tuple(Happening(plan.length - 60.0, "converge", (which,)) for which in range(len(plan.groups)))
    return evolve(plan, happenings=(*plan.happenings, *looks))
