"""
What the API costs beside a bare Klein route: showing a state, executing a policy, and listing groups.

**State.** A group of 10 servers in service, asked for over many connections, and a route that makes the same document into JSON
without having to read it anywhere. Every answer of both is compared: they are the same, byte by byte.

**Execution.** The owner's requests, one group's "up" and "down" in turn, measured and checked like ``benchmarks.webhooks``,
against the same route that makes one durable write.

**Listing.** A tenant has 1,000 groups, each with a name of its own, and the store has 10,000 groups of ten other tenants in
between. The ``next`` links are followed once, page by page; then every connection asks for the pages that they led to, in that
order, again and again, and every answer must be one of those pages. The bare route has the pages ready. What the other tenants'
groups cost is measured, too: an otter that has them against one that has none.

These two have no self-heal sweep: it takes its share of the CPU by the number of groups, whatever is asked meanwhile. A last
figure says what is left for listing while it goes over all 11,000 groups.

All run in turn, and otter as it is shipped but for that.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit
from zlib import crc32

from attrs import define, field, frozen

from benchmarks import webhooks
from benchmarks.figures import Figure, percents, spread
from benchmarks.filler import fill
from benchmarks.load import Load, load
from benchmarks.servers import cheap_cloud, otter_on, ready, running
from tests.rig.otter import Otter
from tests.rig.processes import Process, send, until

AIM = 0.5
ALONE_AIM = 0.9
ROUNDS = 5
SECONDS = 0.5
"""For reads."""
LONGER = 0.8
"""For writes, which come in bursts."""
CONNECTIONS = 16
SERVERS = 10
GROUPS, PAGE, OTHER_TENANTS = 1000, 100, 10
NO_SWEEP = {"selfheal": {"interval": 86400}}


@frozen
class Reading:
    """
    The same documents from two places.

    :ivar paths: of otter, in the order in which a client asks for them.
    :ivar bodies: what it answers.
    """

    otter: Otter
    paths: Sequence[str]
    bodies: Sequence[bytes]

    def bare(self, folder: Path) -> Process:
        """The route that has the documents ready."""
        return ready(folder, {str(number): json.loads(body) for number, body in enumerate(self.bodies)})

    def ask_bare(self, bare: Process) -> Load:
        return self._ask(bare.port, [f"/documents/{number}" for number in range(len(self.bodies))])

    def ask_otter(self) -> Load:
        return self._ask(self.otter.port, self.paths)

    def _ask(self, port: int, paths: Sequence[str]) -> Load:
        """Every connection begins elsewhere in the list. Nothing but the documents is ever answered."""
        lists = [[*paths[first:], *paths[:first]] for first in (number % len(paths) for number in range(CONNECTIONS))]
        done = load(port, SECONDS, lists, "GET")
        assert done.answers.keys() == {"200"}, done.answers
        assert done.sums == sorted(map(crc32, self.bodies)), "answers that are not these documents"
        return done


@define
class Rounds:
    """What was measured in turn. :ivar name: of the figure."""

    name: str
    theirs: list[Load] = field(factory=list)
    ours: list[Load] = field(factory=list)

    def add(self, theirs: Load, ours: Load) -> None:
        self.theirs.append(theirs)
        self.ours.append(ours)
        print(f"  {self.name}, {len(self.ours)}: {webhooks.told(theirs, ours)}", flush=True)

    @property
    def ratios(self) -> list[float]:
        return [ours.rate / theirs.rate for theirs, ours in zip(self.theirs, self.ours, strict=True)]

    def figures(self, what: str) -> list[Figure]:
        """The share of the bare route, and how much that is."""
        reached = median(self.ratios) >= AIM
        return [
            Figure(f"{self.name}, of a bare route", spread(self.ratios, percents), f">= {AIM:.0%}", reached),
            Figure(f"{self.name}, {what} a second", self.rates),
        ]

    @property
    def rates(self) -> str:
        return spread([load.rate for load in self.ours], "{:.0f}".format)


def measure(folder: Path) -> list[Figure]:
    print(f"rest: {ROUNDS} times for bare routes and for otter")
    with webhooks.street(folder / "group") as it:
        figures = show_state(folder, it) + execute(it)
    return figures + list_groups(folder)


def show_state(folder: Path, it: webhooks.Street) -> list[Figure]:
    group = it.otter.create_group("states", SERVERS, SERVERS)
    until(lambda: it.otter.state(group.url)["activeCapacity"] == SERVERS, 60)
    it.settle()
    reading = Reading(it.otter, [path_of(f"{group.url}/state")], [send("GET", f"{group.url}/state")[2]])
    rounds = Rounds("state")
    compare(folder, [(reading, rounds)])
    return rounds.figures("requests")


def execute(it: webhooks.Street) -> list[Figure]:
    lists = [[path_of(f"{group.policies[name]}/execute") for name in ("up", "down")] for group in it.groups]
    ours = [lists[number % len(lists)] for number in range(webhooks.CONNECTIONS)]
    theirs = [[f"/count/{number}"] for number in range(webhooks.CONNECTIONS)]
    rounds = Rounds("execution")
    for _ in range(ROUNDS):
        rounds.add(load(it.bare.port, LONGER, theirs), load(it.otter.port, LONGER, ours))
        it.settle()
    webhooks.check(it, rounds.ours)
    assert "policy-not-executed" not in it.otter.log.read_text()
    return rounds.figures("requests")


def list_groups(folder: Path) -> list[Figure]:
    none, many, swept = Rounds("listing, no others"), Rounds("listing"), Rounds("listing during a sweep")
    with running(cheap_cloud(folder, 0.0)) as cloud:
        alone, among = otter_on(folder / "alone", cloud, **NO_SWEEP), otter_on(folder / "among", cloud, **NO_SWEEP)
        fill(alone.store, 1, GROUPS, alike=False)
        fill(among.store, 1 + OTHER_TENANTS, GROUPS, alike=False)
        with running(alone), running(among):
            compare(folder, [(follow(alone), none), (follow(among), many)])
        shipped = otter_on(folder / "among", cloud)
        with running(shipped):
            compare(folder, [(follow(shipped), swept)])
    kept = [ours.rate / theirs.rate for theirs, ours in zip(none.ours, many.ours, strict=True)]
    others = f"listing, {OTHER_TENANTS * GROUPS} groups of others : none"
    independent = Figure(others, spread(kept, percents), f">= {ALONE_AIM:.0%}", median(kept) >= ALONE_AIM)
    return [*many.figures("pages"), independent, Figure("listing during a sweep, pages a second", swept.rates)]


def compare(folder: Path, readings: Sequence[tuple[Reading, Rounds]]) -> None:
    """Fill the rounds: the bare route, and each otter in turn, now the first of them first and now the last."""
    first, _ = readings[0]
    with running(first.bare(folder)) as bare:
        for number in range(ROUNDS):
            theirs = first.ask_bare(bare)
            for reading, rounds in readings[:: -1 if number % 2 else 1]:
                rounds.add(theirs, reading.ask_otter())


def follow(service: Otter) -> Reading:
    """All pages of one tenant, by their links. They have every group once, and the last one is empty."""
    found: list[str] = []
    paths, bodies = [], []
    url = f"{service.root}/idle-0/groups?limit={PAGE}"
    while url:
        paths.append(path_of(url))
        bodies.append(send("GET", url)[2])
        page = json.loads(bodies[-1])
        found += [group["id"] for group in page["groups"]]
        url = next((link["href"] for link in page["groups_links"]), "")
    assert len(found) == len(set(found)) == GROUPS, len(found)
    return Reading(service, paths, bodies)


def path_of(url: str) -> str:
    """With its query."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
