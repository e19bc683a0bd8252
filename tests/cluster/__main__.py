"""
Three real nodes of Cassandra, one otter, 20 groups, and everything that can happen to a node. ``make test-cluster`` runs it.

While clients execute policies, each node in turn is killed, paused and restarted, two at once are paused for so long that otter says
that it is not ready, and two at once are paused again and again in the middle of changes, so that nobody knows what came of them.
In the end the size of each group must be the number of executions that were acknowledged.

  --minutes N    go on with such rounds for so long; one round otherwise
  --clients N    at once
  --seed N       of what clients do, and in which order things happen
"""

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from attrs import define

from otter.config import laid_over
from scripts.services.settings import settings_of
from tests.cluster.books import Books, Page
from tests.cluster.crowd import Crowd, Target
from tests.process.lives import HASTY
from tests.process.words import BAD_DAY, Cloud
from tests.rig.cassandra import NETS, PORT, Net, claim_net
from tests.rig.keyspaces import a_keyspace
from tests.rig.otter import Otter
from tests.rig.processes import call, free_port, send, until

GROUPS = 20
NODES = ("cassandra-1", "cassandra-2", "cassandra-3")
READY_WITHIN = 60.0
"""Seconds for otter to be ready again after all nodes are."""
REFUSED_WITHIN = 12.0
"""Seconds for a 503 without a quorum: one and a half ``store.timeout``, and what a slow machine adds."""
AT_ONCE = 5.0
"""Seconds in which each client is refused more than once, if nobody waits for ``store.timeout`` any more."""
UNKNOWN = 10
"""Changes of which nobody knew what came of them that a round is to see at least."""


def say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


@define(eq=False)
class Trial:
    """:ivar admin: the root of what operators ask."""

    net: Net
    otter: Otter
    admin: str
    crowd: Crowd
    books: Books
    random: Random

    # What happens to nodes

    def round(self) -> None:
        for node in self.random.sample(NODES, 3):
            with self.served(f"{node} is killed, and started again after 3 seconds"):
                self.net.services("kill", node)
                time.sleep(3)
                self.net.services("start", node)
            with self.served(f"{node} is paused for 10 seconds"):
                self.net.services("pause", node)
                time.sleep(10)
                self.net.services("resume", node)
            with self.served(f"{node} is restarted"):
                self.net.services("stop", node)
                self.net.services("start", node)
        self.without_quorum()
        self.unknown_outcomes()

    @contextmanager
    def served(self, what: str) -> Iterator[None]:
        """Two nodes of three are enough: clients are served all the time."""
        before, began = self.books.acknowledged, time.monotonic()
        yield
        time.sleep(2)
        count = self.books.acknowledged - before
        say(f"{what}: {count} executions were acknowledged in {time.monotonic() - began:.0f} s")
        if not count:
            self.books.wrong.append(f"While {what}, no execution was acknowledged.")

    def without_quorum(self) -> None:
        two = self.random.sample(NODES, 2)
        self.net.services("pause", *two)
        paused = time.monotonic()
        self.books.measure(since=paused)
        say(f"{' and '.join(two)} are paused: there is no quorum")
        refused = self.waits_for(lambda: self.refuses(), 60)
        if refused:
            say(f"after {time.monotonic() - paused:.1f} s executions and /health are answered with 503 and Retry-After")
        else:
            self.books.wrong.append("Without a quorum, otter did not answer with 503 and say so in /health.")
        self.refused_at_once()
        self.net.services("resume", *two)
        resumed = time.monotonic()
        say(f"{' and '.join(two)} go on")
        if self.waits_for(self.is_ready, READY_WITHIN):
            say(f"otter is ready again by itself after {time.monotonic() - resumed:.1f} s")
        else:
            self.books.wrong.append(f"otter was not ready again within {READY_WITHIN:.0f} s after all nodes were.")

    def refused_at_once(self) -> None:
        before = self.books.statuses[503]
        time.sleep(AT_ONCE)
        count, slowest = self.books.statuses[503] - before, self.books.slowest_refusal
        say(f"then {count} in {AT_ONCE:.0f} s; the slowest 503 took {slowest:.1f} s")
        if count < 2 * self.crowd.clients:
            self.books.wrong.append(f"Without a quorum, only {count} executions were refused in {AT_ONCE:.0f} s.")
        if slowest > REFUSED_WITHIN:
            self.books.wrong.append(f"Without a quorum, somebody was told so after {slowest:.1f} s only.")

    def refuses(self) -> bool:
        """An execution is refused for now, and then ``/health`` says that otter is not ready."""
        before = self.books.statuses[503]
        until_other = self.waits_for(lambda: self.books.statuses[503] > before, 30)
        status, headers, _ = send("GET", self.otter.url, timeout=10)
        return bool(until_other) and status == 503 and bool(headers["retry-after"])

    def is_ready(self) -> bool:
        before = self.books.acknowledged
        time.sleep(0.5)
        return self.books.acknowledged > before and call("GET", self.otter.url)[0] == 200

    def waits_for(self, what: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not (come := what()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return come

    def unknown_outcomes(self) -> None:
        """Replicas are paused in the middle of changes for longer than Cassandra waits for them (1.8 s), or otter for Cassandra (5 s)."""
        before = self.unknown()
        for times in range(1, 21):
            two = self.random.sample(NODES, 2)
            self.net.services("pause", *two)
            time.sleep(2.5 if times % 2 else 6.0)
            self.net.services("resume", *two)
            time.sleep(self.random.uniform(0.5, 1.5))
            if times >= 4 and self.unknown() - before >= UNKNOWN:
                break
        count = self.unknown() - before
        say(f"replicas were paused {times} times: of {count} changes nobody knew what came of them")
        if count < UNKNOWN:
            self.books.wrong.append(f"Only {count} changes had an unknown outcome; that shows too little.")

    def unknown(self) -> int:
        """Changes whose outcome was not known when they were answered, since otter's start."""
        status, document = until(
            lambda: (answer := call("GET", f"{self.admin}/metrics", timeout=60))[0] == 200 and answer, 60
        )
        assert status == 200
        return next(each["value"] for each in document["metrics"] if each["id"] == "otter.metrics.cassandra.unknown")

    # What came of it

    def judge(self) -> None:
        if not self.crowd.end(READY_WITHIN):
            self.books.wrong.append(
                f"Somebody who repeats a request was not answered with 2xx in {READY_WITHIN:.0f} s."
            )
        for target, key in self.random.sample(self.crowd.keys, min(200, len(self.crowd.keys))):
            if self.crowd.ask(f"{target.group.policies['up']}/execute", key) != 202:
                self.books.wrong.append("An execution was repeated in the end, and not answered with 202.")
        self.compare("as otter says")
        self.otter.restart()
        self.compare("as the next otter says, which knows what is stored and nothing else")

    def compare(self, who: str) -> None:
        desired = {each.group.id: self.otter.state(each.group.url)["desiredCapacity"] for each in self.crowd.targets}
        wrong = [sentence for group, size in desired.items() if (sentence := self.books.judge(group, size))]
        self.books.wrong += wrong
        exact = sum(not page.unanswered for page in self.books.pages.values())
        say(
            f"{who}: the sizes of {len(desired)} groups are {sum(desired.values())} together; {self.books.acknowledged}"
            f" executions were acknowledged, {self.books.unanswered} may have been counted or not; {exact} groups are exact"
        )


def configuration(hosts: tuple[str, ...], keyspace: str, admin: int) -> dict:
    store = {"backend": "cassandra", "hosts": list(hosts), "port": PORT, "keyspace": keyspace}
    return laid_over(HASTY, {"store": store, "admin": f"tcp:{admin}:interface=127.0.0.1"})


def targets_of(otter: Otter) -> list[Target]:
    policies = [{"name": "up", "change": 1}]
    return [
        Target(otter.create_group(f"t{number % 4}", 0, 1000, policies=policies), number % 2 == 0)
        for number in range(GROUPS)
    ]


def tried(net: Net, folder: Path, arguments: argparse.Namespace) -> Books:
    hosts = tuple(f"{net.prefix}.{number}" for number in (1, 2, 3))
    cloud, admin = Cloud(servers=BAD_DAY), free_port()
    with a_keyspace(hosts, PORT, copies=3) as place:
        otter = Otter(folder, cloud.identity_url, **configuration(hosts, place.keyspace, admin))
        otter.timeout = 60
        try:
            otter.start()
            targets = targets_of(otter)
            books = Books({target.group.id: Page() for target in targets})
            crowd = Crowd(targets, books, arguments.seed, arguments.pause)
            say(f"{arguments.clients} clients execute policies of {GROUPS} groups; seed {arguments.seed}")
            trial = Trial(net, otter, f"http://127.0.0.1:{admin}", crowd, books, Random(arguments.seed))
            run(trial, arguments)
        finally:
            otter.kill()
            cloud.end()
    return books


def run(trial: Trial, arguments: argparse.Namespace) -> None:
    deadline = time.monotonic() + 60 * arguments.minutes
    trial.crowd.begin(arguments.clients)
    trial.round()
    while time.monotonic() < deadline:
        trial.round()
    trial.judge()
    statuses = ", ".join(f"{status or 'none'}: {count}" for status, count in sorted(trial.books.statuses.items()))
    say(f"answers by status: {statuses}; {trial.books.repeated} requests were repeated")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.pause = 0.02 * arguments.clients * max(1.0, arguments.minutes / 5)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("It was ended."))  # and the nodes with it
    claim = claim_net(settings_of({}).cache / "tests", reversed(NETS))
    if claim is None:
        print("No net on loopback is free for the nodes.", file=sys.stderr)
        return 1
    began = time.monotonic()
    folder = claim.net.folder / "otter"
    shutil.rmtree(folder, ignore_errors=True)
    with claim.lock:
        wrong = ["It did not come to its end."]
        try:
            say(f"three nodes of Cassandra start; their logs are in {claim.net.folder / 'data'}")
            claim.net.services("up", "--nodes", "3", "--only", "cassandra")
            wrong = tried(claim.net, folder, arguments).wrong
        finally:
            claim.net.services("down", *([] if wrong else ["--wipe"]))
    if wrong:
        say(f"the logs of nodes and otter are in {claim.net.folder}")
    else:
        shutil.rmtree(folder)
    for sentence in list(dict.fromkeys(wrong))[:30]:
        say(f"WRONG: {sentence}")
    say(f"{'Something is wrong' if wrong else 'All is well'} after {(time.monotonic() - began) / 60:.1f} minutes.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
