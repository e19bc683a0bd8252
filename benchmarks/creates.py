"""
How much of the permitted rate of creates is used when a group goes from no servers to 1,000.

A token bucket lets BURST creates through at once and then RATE a second. So the last of N creates cannot be sent sooner than
(N - BURST) / RATE seconds after the first one, and the figure is that time as a share of the time it took: 100 % means that
no moment was lost by looking at the cloud between two passes, by thinking, or by writing down what is about to be created. The
time runs from the first to the last POST that a tiny cloud saw; it takes a tenth of a second for each answer, and lists 100
servers on a page, so the last looks are ten answers long.

Meanwhile otter is asked for its health many times a second, to show what else it has time for.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Event, Thread

from benchmarks.figures import Figure, milliseconds, percentile, percents, spread
from benchmarks.servers import cheap_cloud, otter_on, running, seen, settle
from tests.rig.otter import Otter
from tests.rig.processes import Process, call

AIM = 0.95
ROUNDS = 2
SERVERS = 1000
RATE, BURST = 50, 50
CLOUD_DELAY = 0.1
PERMITTED = {"throttle": {"nova": {"changes": {"rate": RATE, "burst": BURST}}}}
LONGEST = 240.0
"""Seconds for one scale-out."""
SHORTEST_SECONDS = (SERVERS - BURST) / RATE


def measure(folder: Path) -> list[Figure]:
    print(f"creates: 0 to {SERVERS} servers, {RATE} creates a second permitted after {BURST} at once, {ROUNDS} times")
    shares, answers = [], []
    with (
        running(cheap_cloud(folder, CLOUD_DELAY)) as cloud,
        running(otter_on(folder, cloud, cloud=PERMITTED)) as service,
    ):
        for number in range(ROUNDS):
            with asking_for_health(service) as asked:
                seconds = scale_out(service, cloud, f"t{number}")
            shares.append(SHORTEST_SECONDS / seconds)
            answers += asked
            print(f"  {number + 1}: {SERVERS} creates in {seconds:.1f} s, {shares[-1]:.1%}; {told(asked)}", flush=True)
    return [
        Figure("creates, of the permitted rate", spread(shares, percents), f">= {AIM:.0%}", median(shares) >= AIM),
        Figure("creates, /health meanwhile", told(answers)),
    ]


def scale_out(service: Otter, cloud: Process, tenant: str) -> float:
    """Seconds from the first to the last create. No server was asked for twice, and all are in service."""
    group = service.create_group(tenant, 0, SERVERS, policies=[{"name": "all", "desiredCapacity": SERVERS}])
    settle(service, LONGEST)
    seen(cloud)
    assert service.hit(group.webhooks["all"]) == 202
    settle(service, LONGEST, 0.2)
    arrivals = [at for at, method, whose, _ in seen(cloud) if (method, whose) == ("POST", tenant)]
    assert len(arrivals) == service.state(group.url)["activeCapacity"] == SERVERS
    return arrivals[-1] - arrivals[0]


@contextmanager
def asking_for_health(service: Otter) -> Iterator[list[float]]:
    """The seconds that each answer took; the list grows until the end."""
    answers: list[float] = []
    over = Event()

    def ask() -> None:
        while not over.wait(0.05):
            start = time.monotonic()
            assert call("GET", service.url)[0] == 200
            answers.append(time.monotonic() - start)

    asking = Thread(target=ask)
    asking.start()
    try:
        yield answers
    finally:
        over.set()
        asking.join()


def told(answers: list[float]) -> str:
    return f"p99 {milliseconds(percentile(answers, 99))}, slowest {milliseconds(max(answers))}"
