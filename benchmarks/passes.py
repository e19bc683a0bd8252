"""
How many groups otter can look at in a second, when all of them are asked to converge at once.

1,000 groups of one server each are as they should be, 100 of each of 10 tenants. All are told to converge, over many connections;
the time runs from the first request until no group is due for a pass any more, which the store says. A pass lists the servers
of its tenant, finds that nothing has to be done, and writes that down. So each group costs one request with a durable write, one
pass, and another durable write.

For comparison, in turn with it: a bare client that lists the same servers as many times, over as many connections, and does
nothing with them. The self-heal sweep is off, so that no passes are made but those that were asked for.
"""

import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from attrs import frozen

from benchmarks.figures import Figure, percents, spread
from benchmarks.lister import seconds_to_list
from benchmarks.load import generate
from benchmarks.servers import cheap_cloud, otter_on, running, seen, settle
from otter.config import ConvergerConfig
from tests.rig.otter import Otter, group_document
from tests.rig.processes import Process

ROUNDS = 5
TENANTS = [f"t{number}" for number in range(10)]
GROUPS_OF_EACH = 100
GROUPS = len(TENANTS) * GROUPS_OF_EACH
CONNECTIONS = ConvergerConfig().passes_at_once
LONGEST = 120.0
"""Seconds for one round."""


@frozen
class Round:
    """Of the bare client: seconds. Of otter: seconds, and the requests that it made of Nova."""

    theirs: float
    ours: float
    requests: int

    def told(self) -> str:
        rates = f"{GROUPS / self.theirs:.0f} listings/s, otter {GROUPS / self.ours:.0f} passes/s"
        return f"bare {rates}, {self.theirs / self.ours:.0%}; {self.requests / GROUPS:.2f} requests a pass"


def measure(folder: Path) -> list[Figure]:
    print(f"passes: {GROUPS} groups of {len(TENANTS)} tenants, {ROUNDS} times for the bare client and for otter")
    rounds = []
    with (
        running(cheap_cloud(folder, 0.0)) as cloud,
        running(otter_on(folder, cloud, selfheal={"interval": 3600})) as service,
    ):
        paths = [urlsplit(url).path for url in converged_groups(service, cloud)]
        for number in range(ROUNDS):
            theirs = seconds_to_list(cloud.url, TENANTS, GROUPS, CONNECTIONS)
            seen(cloud)
            ours = converge(service, paths)
            rounds.append(Round(theirs, ours, len(seen(cloud))))
            print(f"  {number + 1}: {rounds[-1].told()}", flush=True)
    return [
        Figure("passes a second", spread([GROUPS / each.ours for each in rounds], "{:.0f}".format)),
        Figure("passes, of bare listings", spread([each.theirs / each.ours for each in rounds], percents)),
        Figure("passes, requests each", spread([each.requests / GROUPS for each in rounds], "{:.2f}".format)),
    ]


def converged_groups(service: Otter, cloud: Process) -> list[str]:
    """The URLs of groups with their one server each."""
    document = group_document(1, 1)
    urls = [service.post_group(tenant, document) for _ in range(GROUPS_OF_EACH) for tenant in TENANTS]
    settle(service, LONGEST)
    created = Counter(tenant for _, method, tenant, _ in seen(cloud) if method == "POST")
    assert created == dict.fromkeys(TENANTS, GROUPS_OF_EACH), created
    return urls


def converge(service: Otter, paths: list[str]) -> float:
    """Seconds until all groups have had their pass."""
    asked = [[f"{path}/converge" for path in paths[first::CONNECTIONS]] for first in range(CONNECTIONS)]
    start = time.monotonic()
    answers = generate(service.port, 0, asked).answers
    settle(service, LONGEST, 0.01)
    seconds = time.monotonic() - start
    assert answers == {"204": GROUPS}, answers
    return seconds
