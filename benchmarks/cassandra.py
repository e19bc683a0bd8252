"""
What otter makes of one real node of Cassandra, compared with bare conditional writes (LWTs), and with otter on a file.

The node is started for this, and is gone afterwards. Each round measures, one after the other:

* what the driver alone makes of it, see ``benchmarks.lwts``: as many partitions as there are connections, and one partition;
* webhooks of as many groups as there are connections, each of which has a group for itself, so that nothing is folded;
* webhooks of one group, by all connections at once; what waits is folded into one write;
* both of them on SQLite.

Each connection hits "up" and "down" in turn, as in ``benchmarks.webhooks``, and what was answered is checked in the same way.
Whoever is not measured has nothing to do meanwhile. How many LWTs an execution takes is counted by otter itself, those of its passes
included. If LWTs were all that there is to an execution, the rate of bare LWTs divided by that number could be reached.

Afterwards policies are due: one of each of many groups, and many of each of a few. They are written before otter starts, and the
time runs from when it listens until the last one was executed, both as its log says. It does not sweep then.

On a machine that does much else there are fewer rounds, so that it does not take for ever.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from statistics import median
from time import time
from typing import Any
from uuid import uuid4

from attrs import frozen

from benchmarks import webhooks
from benchmarks.figures import Figure, percentiles, percents, spread, times
from benchmarks.filler import fill_keyspace
from benchmarks.load import Load, load
from benchmarks.lwts import lwts
from benchmarks.memory import resident
from benchmarks.node import CannotMeasure, a_node
from benchmarks.rest import NO_SWEEP
from benchmarks.schedules import scheduled
from benchmarks.servers import cheap_cloud, otter_on, running, settle
from otter.store.cassandra import driver, queries
from otter.store.cassandra.client import Place
from tests.rig.keyspaces import a_keyspace
from tests.rig.otter import Otter, OwnedGroup
from tests.rig.processes import HERE, Process, call, free_port, until

AIM = 0.5
ROUNDS = 4
SECONDS = 2.0
CONNECTIONS = webhooks.CONNECTIONS
GROUPS_OF_TENANT = 4
CONDITIONAL = [name for query, name in queries.NAMES.items() if " IF " in query]
EVENT_ROUNDS = 3
ENOUGH, ENOUGH_EVENTS = 100.0, 40.0
"""Seconds after which no other round begins, if there was one."""
SPREAD, HEAPED = (40, 6, 1), (10, 4, 20)
"""Tenants, groups of each, and policies of each that are due."""
LONGEST = 300.0


@frozen
class Hits:
    """:ivar lwts: of each execution."""

    load: Load
    lwts: float


@frozen
class Round:
    """:ivar bare_many, bare_one: LWTs a second, of as many partitions as there are connections, and of one."""

    bare_many: float
    bare_one: float
    many: Hits
    one: Hits
    file_many: Load
    file_one: Load

    @property
    def share(self) -> float:
        """Of what bare LWTs would permit, if nothing is folded."""
        return self.many.load.overall / self.permitted

    @property
    def permitted(self) -> float:
        return self.bare_many / self.many.lwts

    @property
    def told(self) -> str:
        many, one = self.many, self.one
        return (
            f"bare LWTs {self.bare_many:.0f}/s, {self.bare_one:.0f}/s on one partition;"
            f" otter {many.load.overall:.0f}/s, {many.lwts:.2f} LWTs each: {self.share:.0%};"
            f" one group {one.load.overall:.0f}/s, {one.lwts:.2f} LWTs each;"
            f" on SQLite {self.file_many.overall:.0f}/s, one group {self.file_one.overall:.0f}/s"
        )


@frozen
class Side:
    """An otter, and the groups that are hit. :ivar groups: the last one is the one that all connections hit."""

    otter: Otter
    groups: list[OwnedGroup]

    def hit_many(self) -> Load:
        return load(self.otter.port, SECONDS, [hooks_of(group) for group in self.groups[:CONNECTIONS]])

    def hit_one(self) -> Load:
        return load(self.otter.port, SECONDS, [hooks_of(self.groups[-1])] * CONNECTIONS)


@frozen
class Keyspace:
    """
    :ivar session: to look with, past otter. :ivar admin: of the otter that runs on it.
    """

    place: Place
    session: Any
    admin: int

    def otter(self, folder: Path, cloud: Process, **config: Any) -> Otter:
        hosts, admin = list(self.place.hosts), f"tcp:{self.admin}:interface={HERE}"
        store = {"backend": "cassandra", "hosts": hosts, "port": self.place.port, "keyspace": self.place.keyspace}
        return otter_on(folder, cloud, store=store, admin=admin, **config)

    def lwts(self) -> int:
        """How many conditional writes otter has made since its start."""
        metrics = call("GET", f"http://{HERE}:{self.admin}/metrics", timeout=60)[1]["metrics"]
        asked = {metric["id"]: metric["value"] for metric in metrics}
        return sum(asked[f"otter.metrics.cassandra.{name}"] for name in CONDITIONAL)

    def counted(self, hit: Callable[[], Load]) -> Hits:
        before = self.lwts()
        done = hit()
        return Hits(done, (self.lwts() - before) / done.hits)

    def settle(self) -> None:
        """Wait until no group is due for a pass any more."""
        until(lambda: not self.rows("tenant", "divergent"), LONGEST, 0.1, "no group is due for a pass")

    def states(self, tenants: str) -> list[str]:
        """Of all groups of tenants whose names begin so."""
        rows = self.rows("DISTINCT tenant, grp, state", "groups")
        return [row["state"] for row in rows if row["tenant"].startswith(tenants)]

    def desired(self, tenants: str) -> list[int]:
        return [json.loads(state)["desired"] for state in self.states(tenants)]

    def rows(self, columns: str, table: str) -> list[Any]:
        return list(self.session.execute(f"SELECT {columns} FROM {self.place.keyspace}.{table}", timeout=60))


def measure(folder: Path) -> list[Figure]:
    print(f"cassandra: one node; {ROUNDS} times {SECONDS:g} s for bare LWTs, otter on Cassandra and otter on SQLite")
    try:
        with a_keyspace_of_its_own() as keyspace, running(cheap_cloud(folder, webhooks.CLOUD_DELAY)) as cloud:
            return [*execute(folder, keyspace, cloud), *fire_all(folder, keyspace, cloud)]
    except CannotMeasure as error:
        print(f"  NOT MEASURED: {error}")
        return [Figure("cassandra", f"NOT MEASURED: {error}")]


@contextmanager
def a_keyspace_of_its_own() -> Iterator[Keyspace]:
    """On a node of its own. :raises CannotMeasure:"""
    with a_node() as node, a_keyspace(node.hosts, node.port) as place:
        cluster, session = driver.connect(place)
        try:
            yield Keyspace(place, session, free_port())
        finally:
            cluster.shutdown()


# Webhooks


def execute(folder: Path, keyspace: Keyspace, cloud: Process) -> list[Figure]:
    file = otter_on(folder / "sqlite", cloud)
    with running(keyspace.otter(folder / "cassandra", cloud)) as otter, running(file):
        ours, theirs = Side(otter, new_groups(otter)), Side(file, new_groups(file))
        rounds = [one_round(keyspace, ours, theirs)]
        print(f"  to get warm: {rounds[0].told}", flush=True)
        for number in numbers(ROUNDS, ENOUGH):
            rounds.append(one_round(keyspace, ours, theirs))
            print(f"  {number + 1}: {rounds[-1].told}", flush=True)
        memory = f"{resident(otter):.0f} MB ({resident(file):.0f} MB on SQLite)"
        hits = [hits.load for each in rounds for hits in (each.many, each.one)]
        webhooks.compare(otter, keyspace.states("t"), hits)
        hits = [load for each in rounds for load in (each.file_many, each.file_one)]
        webhooks.compare(file, webhooks.states_in(file), hits)
    return [*figures(rounds[1:]), Figure("cassandra, memory", memory)]


def numbers(most: int, seconds: float) -> Iterator[int]:
    """0, 1, and so on, until the time is over; at least 0."""
    until = time() + seconds
    yield 0
    yield from takewhile(lambda _: time() < until, range(1, most))


def new_groups(otter: Otter) -> list[OwnedGroup]:
    return [
        otter.create_group(f"t{number // GROUPS_OF_TENANT}", 0, 1000, policies=webhooks.POLICIES)
        for number in range(CONNECTIONS + 1)
    ]


def hooks_of(group: OwnedGroup) -> list[str]:
    return [webhooks.path_of(group.webhooks[name]) for name in ("up", "down")]


def one_round(keyspace: Keyspace, ours: Side, theirs: Side) -> Round:
    keyspace.settle()
    settle(theirs.otter, LONGEST)
    bare = [lwts(keyspace.place, SECONDS, partitions).rate for partitions in (CONNECTIONS, 1)]
    many = keyspace.counted(ours.hit_many)
    keyspace.settle()
    one = keyspace.counted(ours.hit_one)
    keyspace.settle()
    file_many = theirs.hit_many()
    settle(theirs.otter, LONGEST)
    return Round(*bare, many, one, file_many, theirs.hit_one())


def figures(rounds: Sequence[Round]) -> list[Figure]:
    shares = [each.share for each in rounds]
    folded = [each.one.load.overall / each.bare_one for each in rounds]
    beyond = [each.one.load.overall / each.permitted for each in rounds]
    return [
        Figure("cassandra, webhooks, of bare LWTs", spread(shares, percents), f">= {AIM:.0%}", median(shares) >= AIM),
        Figure("cassandra, one group, of as many partitions", spread(beyond, times), "> 1 x", median(beyond) > 1),
        Figure("cassandra, one group, of LWTs on its partition", spread(folded, times), "> 2 x", median(folded) > 2),
        Figure("cassandra, bare LWTs a second", rates(each.bare_many for each in rounds)),
        Figure("cassandra, bare LWTs a second, one partition", rates(each.bare_one for each in rounds)),
        *of_loads("cassandra, webhooks", [each.many.load for each in rounds]),
        Figure("cassandra, webhooks, LWTs of each", spread([each.many.lwts for each in rounds], "{:.2f}".format)),
        *of_loads("cassandra, one group", [each.one.load for each in rounds]),
        Figure("cassandra, one group, LWTs of each", spread([each.one.lwts for each in rounds], "{:.2f}".format)),
        *of_loads("on SQLite, webhooks", [each.file_many for each in rounds]),
        *of_loads("on SQLite, one group", [each.file_one for each in rounds]),
    ]


def of_loads(name: str, loads: Sequence[Load]) -> list[Figure]:
    latencies = [latency for load in loads for latency in load.latencies]
    return [
        Figure(f"{name} a second", rates(load.overall for load in loads)),
        Figure(f"{name}, latency", percentiles(latencies)),
    ]


def rates(values: Iterable[float]) -> str:
    return spread(list(values), "{:.0f}".format)


# Policies that are due


@frozen
class Fired:
    """:ivar rate: events a second. :ivar bare: LWTs a second. :ivar lwts: of each event."""

    rate: float
    bare: float
    lwts: float

    @property
    def share(self) -> float:
        return self.rate * self.lwts / self.bare


def fire_all(folder: Path, keyspace: Keyspace, cloud: Process) -> list[Figure]:
    otter = keyspace.otter(folder / "cassandra", cloud, **NO_SWEEP)
    rounds = [one_of_each(keyspace, otter) for _ in numbers(EVENT_ROUNDS, ENOUGH_EVENTS)]
    each, heaped = zip(*rounds, strict=True)
    shares = [fired.share for fired in each]
    beyond = [ours.rate / (fired.bare / fired.lwts) for fired, ours in rounds]
    return [
        Figure("cassandra, due events, of bare LWTs", spread(shares, percents), f">= {AIM:.0%}", median(shares) >= AIM),
        Figure(f"cassandra, {HEAPED[-1]} of a group, the same", spread(beyond, times), "> 1 x", median(beyond) > 1),
        Figure("cassandra, due events a second", rates(fired.rate for fired in each)),
        Figure("cassandra, due events, LWTs of each", spread([fired.lwts for fired in each], "{:.2f}".format)),
        Figure(f"cassandra, {HEAPED[-1]} of a group, a second", rates(fired.rate for fired in heaped)),
        Figure(
            f"cassandra, {HEAPED[-1]} of a group, LWTs of each",
            spread([fired.lwts for fired in heaped], "{:.2f}".format),
        ),
    ]


def one_of_each(keyspace: Keyspace, otter: Otter) -> tuple[Fired, Fired]:
    return fire(keyspace, otter, *SPREAD), fire(keyspace, otter, *HEAPED)


def fire(keyspace: Keyspace, otter: Otter, tenants: int, groups_of_each: int, policies: int) -> Fired:
    log, name = otter.log.stat().st_size, f"due{uuid4().hex}"
    fill_keyspace(keyspace.place, tenants, groups_of_each, [scheduled(time())] * policies, name)
    bare = lwts(keyspace.place, SECONDS, CONNECTIONS).rate
    wanted, events = [policies] * tenants * groups_of_each, tenants * groups_of_each * policies
    with running(otter):
        until(lambda: keyspace.desired(name) == wanted, LONGEST, 0.5, f"all {events} events are in the store")
        each = keyspace.lwts() / events
        keyspace.settle()
    began, over = moments(otter.log, log, "starting on")[0], moments(otter.log, log, '"schedule-executed"')[-1]
    fired = Fired(events / (over - began), bare, each)
    print(
        f"  {events} events, {policies} of a group: {fired.rate:.0f}/s, {each:.2f} LWTs each; bare {bare:.0f}/s",
        flush=True,
    )
    return fired


def moments(log: Path, since: int, word: str) -> list[float]:
    """When the lines with ``word`` were logged, after the first bytes of the log."""
    with log.open("rb") as file:
        file.seek(since)
        lines = [json.loads(line) for line in file if word.encode() in line]
    return [datetime.fromisoformat(line["time"]).timestamp() for line in lines]
