"""
How many webhooks can be executed in a second, compared with a bare Klein route that makes one durable write.

Many connections hit the capability URLs of a few groups without cooldowns, one group's "up" and "down" in turn: every hit
changes the group's desired capacity, so every hit is answered only after a durable write of its own. That is checked
afterwards, in the store.

otter runs as it is shipped: its log, its converger and its sweeps are on, and its passes really create and delete servers, on
a cloud that answers after a tenth of a second. They are bounded as in service, by coalescing (one pass at a time for a
group, however many hits come in) and by the rate limit for requests to the cloud. Their share of the CPU is part of the figure.
The bare route has none of that: no log, no rules, nothing in the background.

Both are measured in turn, and the generator's own load is reported, to show that it is not what limits them.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from attrs import frozen

from benchmarks.bare import COUNTERS
from benchmarks.figures import Figure, percentiles, percents, spread
from benchmarks.load import Load, load
from benchmarks.servers import bare, cheap_cloud, otter_on, running, seen
from tests.rig.otter import Otter, OwnedGroup
from tests.rig.processes import Process, until

AIM = 0.6
ROUNDS = 10
SECONDS = 1.5
CONNECTIONS = COUNTERS
GROUPS = 4
CLOUD_DELAY = 0.1
POLICIES = ({"name": "up", "change": 1}, {"name": "down", "change": -1})


@frozen
class Street:
    """What is measured, and what it needs."""

    cloud: Process
    otter: Otter
    bare: Process
    groups: list[OwnedGroup]

    def hit_otter(self) -> Load:
        paths = [[path_of(group.webhooks[name]) for name in ("up", "down")] for group in self.groups]
        return load(self.otter.port, SECONDS, [paths[number % GROUPS] for number in range(CONNECTIONS)])

    def hit_bare(self) -> Load:
        return load(self.bare.port, SECONDS, [[f"/count/{number}"] for number in range(CONNECTIONS)])

    def settle(self) -> None:
        """Wait until the converger has nothing to do."""
        until(lambda: not seen(self.cloud), 60, 0.5, "nothing asks the cloud any more")


def measure(folder: Path) -> list[Figure]:
    print(f"webhooks: {CONNECTIONS} connections, {ROUNDS} times {SECONDS:g} s for the bare route and for otter")
    with street(folder) as it:
        rounds = []
        for number in range(ROUNDS):
            rounds.append((it.hit_bare(), it.hit_otter()))
            print(f"  {number + 1}: {told(*rounds[-1])}", flush=True)
            it.settle()
    check(it, [ours for _, ours in rounds])
    ratios = [ours.rate / theirs.rate for theirs, ours in rounds]
    return [
        Figure("webhooks, of a bare route", spread(ratios, percents), f">= {AIM:.0%}", median(ratios) >= AIM),
        Figure("webhooks a second", spread([ours.rate for _, ours in rounds], "{:.0f}".format)),
        Figure("webhooks, latency", percentiles([latency for _, ours in rounds for latency in ours.latencies])),
    ]


@contextmanager
def street(folder: Path) -> Iterator[Street]:
    with (
        running(cheap_cloud(folder, CLOUD_DELAY)) as cloud,
        running(bare(folder)) as route,
        running(otter_on(folder, cloud)) as service,
    ):
        groups = [service.create_group("t1", 0, 1000, policies=POLICIES) for _ in range(GROUPS)]
        it = Street(cloud, service, route, groups)
        it.settle()
        yield it


def told(theirs: Load, ours: Load) -> str:
    busy = max(theirs.busy, ours.busy)
    return (
        f"bare {theirs.rate:.0f}/s, otter {ours.rate:.0f}/s, {ours.rate / theirs.rate:.0%};"
        f" the generator was busy {busy:.0%} of the time"
    )


def check(it: Street, loads: list[Load]) -> None:
    """Every answer was a 202, and behind every one of them there is a change that was stored."""
    compare(it.otter, states_in(it.otter), loads)


def states_in(service: Otter) -> list[str]:
    """Of all groups, as its SQLite has them."""
    with sqlite3.connect(service.store) as store:
        return [state for (state,) in store.execute("SELECT state FROM groups")]


def compare(service: Otter, stored: Sequence[str], loads: Sequence[Load]) -> None:
    assert all(set(load.answers) == {"202"} for load in loads), [load.answers for load in loads]
    states = [json.loads(state) for state in stored]
    changes = sum(state["generation"] - 1 for state in states)
    assert changes == sum(load.hits for load in loads), (
        f"{changes} changes, but {sum(load.hits for load in loads)} hits"
    )
    assert "webhook-refused" not in service.log.read_text()
    print(f"  all {changes} hits were answered with 202, and each was a change that is in the store")


def path_of(url: str) -> str:
    return urlsplit(url).path
