"""
How long it takes from a webhook hit until Nova is asked for the server that it wants, on a machine with nothing else to do.

The time runs from before the hit is sent (over a connection of its own) until a tiny cloud has the first POST; it has the
hit's durable write in it, the pass that looks at the cloud, and the durable record of what is about to be created. Each hit waits
until the one before is forgotten, at a random distance, so that timers do not fall into step. For comparison, each is paired with
a hit on the bare route of ``benchmarks.bare``: one request, one durable write, nothing behind it.
"""

import random
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.bare import COUNTERS
from benchmarks.figures import Figure, milliseconds, percentile, times
from benchmarks.servers import bare, cheap_cloud, otter_on, running, seen
from tests.rig.otter import Otter, OwnedGroup
from tests.rig.processes import Process, call, until

AIM = 0.3
"""Seconds; 99 of 100 reactions shall be faster."""
GROUPS = 25
HITS = 250


def measure(folder: Path) -> list[Figure]:
    print(f"reaction: {HITS} hits, one after the other, on {GROUPS} groups of as many tenants")
    with (
        running(cheap_cloud(folder, 0.0)) as cloud,
        running(bare(folder)) as route,
        running(otter_on(folder, cloud)) as service,
    ):
        groups = [new_group(service, f"t{number}") for number in range(GROUPS)]
        time.sleep(1)  # their first passes
        return compared("reaction", route, [(service, group) for group in groups], cloud)


def compared(what: str, route: Process, groups: Sequence[tuple[Otter, OwnedGroup]], cloud: Process) -> list[Figure]:
    """:param groups: each with the otter that is asked to change it; they take turns."""
    pairs = []
    for number in range(HITS):
        asked, group = groups[number % len(groups)]
        pairs.append((round_trip(route, number), reaction(asked, cloud, group)))
        if (number + 1) % 50 == 0:
            print(f"  {number + 1}: p50 so far {milliseconds(median(ours for _, ours in pairs))}", flush=True)
    theirs, ours = [theirs for theirs, _ in pairs], [ours for _, ours in pairs]
    p99 = percentile(ours, 99)
    return [
        Figure(f"{what}, p50", milliseconds(median(ours))),
        Figure(f"{what}, p90", milliseconds(percentile(ours, 90))),
        Figure(f"{what}, p99", milliseconds(p99), f"< {milliseconds(AIM)}", p99 < AIM),
        Figure(f"{what}, p50 of a bare round trip", times(median(ours) / median(theirs))),
    ]


def new_group(service: Otter, tenant: str) -> OwnedGroup:
    return service.create_group(tenant, 0, 1000, policies=[{"name": "up", "change": 1}])


def round_trip(route: Process, number: int) -> float:
    """Seconds for a request to the bare route."""
    start = time.monotonic()
    status, _ = call("POST", f"{route.url}/count/{number % COUNTERS}")
    assert status == 202
    return time.monotonic() - start


def reaction(service: Otter, cloud: Process, group: OwnedGroup) -> float:
    """Seconds from a hit to the POST that it led to."""
    time.sleep(random.uniform(0.15, 0.25))
    seen(cloud)
    start = time.monotonic()
    assert service.hit(group.webhooks["up"]) == 202
    return until(lambda: arrivals(cloud, group), 10, 0.05, "Nova was asked for a server")[0] - start


def arrivals(cloud: Process, group: OwnedGroup) -> list[float]:
    return [at for at, method, tenant, _ in seen(cloud) if (method, tenant) == ("POST", group.tenant)]
