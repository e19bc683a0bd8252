"""
How long a group takes from no servers to 25, on the simulated cloud: from the hit until the group's state shows 25 active ones.

For comparison, in turn with it: a bare client with as many threads as servers, which asks the same cloud for them all at once and
then looks until they are all active. It writes nothing down and does not care what is lost.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, milliseconds, spread, times
from benchmarks.servers import otter, running
from tests.rig.mimic import Cloud, start_mimic
from tests.rig.otter import Otter
from tests.rig.processes import until

AIM = 1.0
"""Seconds."""
SERVERS = 25
ROUNDS = 9


def measure(folder: Path) -> list[Figure]:
    print(f"scale_out: 0 to {SERVERS} servers, {ROUNDS} times for the bare client and for otter")
    folder.mkdir(parents=True)
    mimic = start_mimic(folder)
    try:
        with running(otter(folder, mimic.identity_url)) as service:
            rounds = []
            for number in range(ROUNDS):
                theirs = ask_for_servers(Cloud(mimic.identity_url, f"bare-{number}"))
                ours = scale_out(service, f"tenant-{number}")
                rounds.append((theirs, ours))
                print(f"  {number + 1}: bare {milliseconds(theirs)}, otter {milliseconds(ours)}", flush=True)
    finally:
        mimic.stop()
    took, ratios = [ours for _, ours in rounds], [ours / theirs for theirs, ours in rounds]
    return [
        Figure(f"scale_out, 0 to {SERVERS} servers", spread(took, milliseconds), "< 1 s", median(took) < AIM),
        Figure("scale_out, of a bare client", spread(ratios, times)),
    ]


def ask_for_servers(cloud: Cloud) -> float:
    """Seconds until they are all active."""
    with ThreadPoolExecutor(SERVERS) as threads:
        start = time.monotonic()
        list(threads.map(lambda number: cloud.create_server(f"web-{number}"), range(SERVERS)))
        until(lambda: [server["status"] for server in cloud.servers()] == ["ACTIVE"] * SERVERS, 30, 0.01)
        return time.monotonic() - start


def scale_out(service: Otter, tenant: str) -> float:
    """Seconds from the hit to a state with all servers. The group is gone when this returns."""
    group = service.create_group(tenant, 0, SERVERS, policies=[{"name": "all", "desiredCapacity": SERVERS}])
    time.sleep(0.5)  # its first pass
    start = time.monotonic()
    assert service.hit(group.webhooks["all"]) == 202
    until(lambda: service.state(group.url)["activeCapacity"] == SERVERS, 30, 0.01)
    took = time.monotonic() - start
    service.delete(group.url)
    return took
