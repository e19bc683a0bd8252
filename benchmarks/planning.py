"""
How long the planner thinks about large groups.

Three worlds: one that is as it should be, with each server on two load balancers; one in which every server is missing; one in
which every server has to go. For comparison, in turn with them: the time that the standard library takes to parse Nova's listing
of as many servers, which a pass has to do before it can plan anything.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from pyrsistent import PSet, pmap, pset, pvector

from benchmarks.figures import Figure, milliseconds, percents, spread
from otter.cloud.balancers.clb import TRAITS
from otter.domain.balancers import Balancer, BalancerId, Node, Target
from otter.domain.servers import Server, ServerState
from otter.planning.plan import plan
from otter.planning.steps import CreateServer, DeleteServer
from otter.planning.world import Desired, Observed, Ticket, Timeouts

AIMS = {1000: 0.050, 10_000: 0.5}
"""Servers -> seconds."""
REPEATS = {1000: 20, 10_000: 7}
TARGETS = (("7", 80), ("8", 8080))
NOW = 1_800_000_000.0

Thinking = Callable[[], tuple]
Measured = dict[str, tuple[list[float], list[float]]]
"""World -> seconds of each run, for planning it and for parsing a listing."""


def measure(folder: Path) -> list[Figure]:
    measured = {count: measure_size(count) for count in AIMS}
    return [
        *(size_figure(count, measured[count]) for count in AIMS),
        growth_figure(measured[1000], measured[10_000]),
    ]


def measure_size(count: int) -> Measured:
    print(f"planning: {count} servers, {REPEATS[count]} times each world and the listing")
    listing = listing_of(count)
    measured = {}
    for name, (think, expected) in worlds(count).items():
        assert [type(step) for step in think()] == expected, name
        both = [(seconds(think), seconds(lambda: json.loads(listing))) for _ in range(REPEATS[count])]
        measured[name] = ([ours for ours, _ in both], [theirs for _, theirs in both])
        shares = [ours / theirs for ours, theirs in both]
        print(
            f"  {name}: {spread(measured[name][0], milliseconds)}; of parsing: {spread(shares, percents)}", flush=True
        )
    return measured


def size_figure(count: int, measured: Measured) -> Figure:
    world = max(measured, key=lambda name: median(measured[name][0]))
    ours, theirs = measured[world]
    share = median(ours) / median(theirs)
    words = f"{spread(ours, milliseconds)}, {world}; {share:.0%} of parsing the listing"
    return Figure(f"planning, {count} servers", words, f"< {milliseconds(AIMS[count])}", median(ours) < AIMS[count])


def growth_figure(small: Measured, large: Measured) -> Figure:
    """
    Both are linear, and both pay more for each server when there are more than the processor's caches hold.

    Of the fastest runs: the question is how the work grows, not what else the machine had to do.
    """
    ours = max(min(large[world][0]) / min(small[world][0]) for world in small)
    theirs = fastest_listing(large) / fastest_listing(small)
    words = f"{ours:.0f} times as long; parsing {theirs:.0f} times"
    return Figure("planning, 10,000 : 1,000 servers", words, "less than parsing", ours < theirs)


def fastest_listing(measured: Measured) -> float:
    return min(min(parsing) for _, parsing in measured.values())


def worlds(count: int) -> dict[str, tuple[Thinking, list[type]]]:
    """Name -> how to plan it, and what must come out."""
    tickets = [Ticket(f"create-{number}", f"web-{number}") for number in range(count)]
    servers = pvector(map(server, range(count)))
    balancers = pmap({target.balancer: full_balancer(target, servers) for target in targets()})

    def planned(capacity: int, observed: Observed) -> Thinking:
        return lambda: plan(Desired(capacity, {}, targets()), observed, tickets, Timeouts())

    return {
        "nothing to do": (planned(count, Observed(NOW, servers, balancers)), []),
        "create all": (planned(count, Observed(NOW)), [CreateServer] * count),
        "delete all": (planned(0, Observed(NOW, servers)), [DeleteServer] * count),
    }


def targets() -> PSet[Target]:
    """Equal for all, but not the same: each server's come from its own metadata."""
    return pset(Target(BalancerId("CloudLoadBalancer", lb_id), port) for lb_id, port in TARGETS)


def full_balancer(target: Target, servers: Iterable[Server]) -> Balancer:
    """All servers are on it."""
    nodes = (Node(target, server.address, f"{target.port}-{server.id}") for server in servers)
    return Balancer(TRAITS, pvector(nodes))


def server(number: int) -> Server:
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    created = NOW - 86400 + number * 7919 % 10_000  # in no particular order
    return Server(f"server-{number}", f"web-{number}", ServerState.ACTIVE, created, address, "g1", targets=targets())


def listing_of(count: int) -> str:
    """A listing as Nova sends it, but on one page."""
    return json.dumps({"servers": [document(number) for number in range(count)]})


def document(number: int) -> dict[str, Any]:
    address = {"addr": server(number).address, "version": 4}
    metadata = {f"rax:autoscale:lb:CloudLoadBalancer:{lb_id}": f'[{{"port": {port}}}]' for lb_id, port in TARGETS}
    href = f"https://servers.example.com/v2/100200/servers/server-{number}"
    return {
        "id": f"server-{number}",
        "name": f"web-{number}",
        "status": "ACTIVE",
        "created": "2026-11-01T00:00:00Z",
        "updated": "2026-11-01T00:00:00Z",
        "addresses": {"private": [address], "public": [address, {"addr": "2001:db8::1", "version": 6}]},
        "metadata": {"rax:autoscale:group:id": "g1", "rax:autoscale:create": f"create-{number}", **metadata},
        "links": [{"rel": "self", "href": href}, {"rel": "bookmark", "href": href}],
        "flavor": {"id": "2", "links": [{"rel": "bookmark", "href": href}]},
        "image": {"id": "any", "links": [{"rel": "bookmark", "href": href}]},
        "OS-EXT-STS:task_state": None,
        "OS-EXT-STS:vm_state": "active",
        "progress": 100,
    }


def seconds(work: Callable[[], Any]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start
