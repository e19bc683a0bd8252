"""
``python -m tests.fleet.frozen``: a process is stopped at a changing request to the cloud, another takes over, and the first goes on.

Two otters, each on a port of its own, work on one store in Cassandra and share the work by ZooKeeper. A group grows, loses a server
behind otter's back, shrinks, and is deleted; with a draining timeout, so that its nodes drain, in a telling of their own.
It is told once undisturbed, to see which changing requests there are. Then once for each kind of them and each moment:

before   the process that has the group's share is stopped by SIGSTOP as its request arrives, and the cloud never hears of it
late     the same, but the cloud does what it was asked for six seconds later, when another process has the share
after    the cloud does it at once, and its answer waits for the process

The owner asks for one more server meanwhile, of the other process, which has all shares soon. Then the first one goes on, in the
belief that no time has passed. We count:

doubled  servers that were made, less those that the story called for
leaked   servers that are left when otter says that the group is gone
lost     updates that were acknowledged, and that the group does not have in the end; the group's record, if it is left

All of these must be 0, and the story must come to its end each time.
"""

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from itertools import product
from pathlib import Path
from secrets import token_hex
from threading import Thread
from typing import Any

from attrs import define, field, frozen

from otter.config import laid_over
from otter.domain.shares import SHARES
from otter.store.cassandra import driver
from otter.store.cassandra.client import Place
from tests.crash_points import made_a_server, what
from tests.drill import is_there
from tests.fleet.__main__ import on_a_net, say
from tests.rig import proxying
from tests.rig.cassandra import PORT, Net
from tests.rig.claims import Claims, open_claims
from tests.rig.fleet import Member
from tests.rig.keyspaces import a_keyspace
from tests.rig.mimic import Cloud, address_of, start_mimic
from tests.rig.otter import OwnedGroup, group_document
from tests.rig.processes import free_port, until
from tests.rig.proxying import Proxy, start_proxy

MOMENTS = ("before", "late", "after")
SESSION, LATE = 2, 6.0
"""Seconds: a process that is not heard of is relieved in less time than a late request takes."""
HASTY = {
    "cloud": {"timeout": 3},
    "converger": {"interval": 0.5, "send_window": 3, "resolve_timeout": 15},
    "selfheal": {"interval": 2},
}
"""A create that is given up after ``resolve_timeout`` must not be late any more by then."""
STORY_WITHIN = 180.0
"""Seconds for each part of it, on a machine that is busy."""
MORE, LESS = 3, 2
DRAINING_TIMEOUT = 30
CHANGE_NODE = "clb change_node"
WRONG_ANSWERS = (OSError, HTTPException, AssertionError)


@frozen
class Point:
    """:ivar request: "nova create_server", ... :ivar nth: which of its kind, from 1. :ivar drained: in the story with draining."""

    request: str
    nth: int
    moment: str
    drained: bool = False


@frozen
class Finding:
    """:ivar changes: the requests with which the cloud was changed. :ivar faults: sentences about what else was wrong."""

    changes: Sequence[str]
    leaked: int
    doubled: int
    lost: int
    seconds: float
    faults: Sequence[str]

    @property
    def good(self) -> bool:
        return not (self.leaked or self.doubled or self.lost or self.faults)


@define(eq=False)
class Stage:
    """
    What all tellings share.

    :ivar pair: two processes. :ivar session: one with Cassandra.
    """

    identity_url: str
    proxy: Proxy
    pair: Sequence[Member]
    claims: Claims
    session: Any
    keyspace: str

    def wait_for_peace(self) -> None:
        """Both have their part of the work."""
        halves = {0: SHARES // 2, 1: SHARES // 2}
        until(lambda: Counter(self.claims.owners().values()) == halves, 60, 0.2, "both have half of the shares")

    def is_forgotten(self, group: OwnedGroup) -> bool:
        """Whether the store has nothing of the group, soon."""
        query = f"SELECT state FROM {self.keyspace}.groups WHERE tenant = %s AND grp = %s"
        try:
            until(
                lambda: not any(row["state"] for row in self.session.execute(query, (group.tenant, group.id))), 30, 0.5
            )
        except AssertionError:
            return False
        return True

    def tell(self, point: Point | None, drained: bool = False) -> Finding:
        """The story, disturbed at ``point`` or not at all."""
        self.wait_for_peace()
        tenant = f"frozen-{token_hex(4)}"
        cloud = Cloud(self.identity_url, tenant)
        self.proxy.register(self.identity_url, [tenant])
        victim = until(lambda: [number for number in [self.claims.owner_of(tenant)] if number is not None], 20)[0]
        teller = self.pair[1 - victim]
        teller.timeout = 30
        telling = Telling(teller, cloud, drained)
        freezer = Freezer(self.proxy, self.claims, self.pair[victim], 1 - victim, telling, point)
        began = time.monotonic()
        with freezer.at_work():
            try:
                telling.tell()
            except WRONG_ANSWERS as error:
                telling.faults.append(f"the story broke off: {error}")
        log = [entry for entry in self.proxy.log(tenant) if entry["method"] != "GET"]
        made = sum(map(made_a_server, log))
        return Finding(
            changes=[what(entry) for entry in log],
            leaked=len([server for server in cloud.servers() if is_there(server)]),
            doubled=max(0, made - telling.called_for),
            lost=telling.lost + (not self.is_forgotten(telling.group)),
            seconds=time.monotonic() - began,
            faults=[*telling.faults, *freezer.faults(point)],
        )


@define(eq=False)
class Telling:
    """
    :ivar teller: who is asked; the other one is stopped.
    :ivar size: what the owner's requests come to. :ivar called_for: servers that they, and what the cloud lost, call for.
    """

    teller: Member
    cloud: Cloud
    drained: bool
    group: OwnedGroup = field(init=False)
    lb_id: int = field(init=False)
    size: int = field(init=False, default=0)
    called_for: int = field(init=False, default=0)
    lost: int = field(init=False, default=0)
    open: bool = field(init=False, default=False)
    faults: list[str] = field(init=False, factory=list)

    def tell(self) -> None:
        self.make_group()
        self.ask_for(MORE)
        self.settle()
        self.cloud.delete_server(min(server["id"] for server in self.cloud.servers()))
        self.called_for += 1
        self.settle()
        self.ask_for(-LESS)
        self.settle()
        self.open = False
        desired = self.teller.state(self.group.url)["desiredCapacity"]
        self.lost += abs(desired - self.size)
        self.teller.delete(self.group.url)
        until(lambda: not self.teller.exists(self.group.url), STORY_WITHIN)
        until(lambda: not (self.cloud.servers() or self.cloud.nodes(self.lb_id)), STORY_WITHIN, 0.2, "nothing is left")

    def make_group(self) -> None:
        self.lb_id = self.cloud.create_balancer()
        policies = [{"name": "more", "change": MORE}, {"name": "less", "change": -LESS}, {"name": "one", "change": 1}]
        document = group_document(0, 20, [self.lb_id], policies)
        arguments = document["launchConfiguration"]["args"]
        if self.drained:
            arguments["draining_timeout"] = DRAINING_TIMEOUT
        else:
            pool = {"type": "RackConnectV3", "loadBalancerId": self.cloud.pool_id()}
            arguments["loadBalancers"].append(pool)
        self.group = self.teller.group(self.teller.post_group(self.cloud.tenant, document))
        self.open = True

    def ask_for(self, change: int) -> None:
        """Acknowledged, once: it is asked again with the same key until it is."""
        name = {MORE: "more", -LESS: "less", 1: "one"}[change]
        key = token_hex(8)
        url = f"{self.group.policies[name]}/execute"
        until(lambda: self.teller.post(url, key) == 202, STORY_WITHIN, 0.3, f"{name} is executed")
        self.size += change
        self.called_for += max(0, change)

    def settle(self) -> None:
        until(self.settled, STORY_WITHIN, 0.2, "servers, balancer and pool are as the group's owner asked for")

    def settled(self) -> bool:
        try:
            state = self.teller.state(self.group.url)
        except (OSError, HTTPException):
            return False
        size, servers = self.size, [server for server in self.cloud.servers() if is_there(server)]
        counts = {state["desiredCapacity"], state["activeCapacity"], len(servers)}
        served = self.cloud.served(self.lb_id) == set(filter(None, map(address_of, servers)))
        pooled = self.drained or self.cloud.pooled() == {server["id"] for server in servers}
        return counts == {size} and served and pooled and state["generation"] == state["converged_generation"]


@define(eq=False)
class Freezer:
    """
    Stops the ``victim`` at the ``point``, has the group changed meanwhile, and lets it go on when the other has everything.

    :ivar other: the number of the other one.
    """

    proxy: Proxy
    claims: Claims
    victim: Member
    other: int
    telling: Telling
    point: Point | None
    happened: bool = field(init=False, default=False)
    _wrong: list[str] = field(init=False, factory=list)
    _over: bool = field(init=False, default=False)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        if self.point is None:
            yield
            return
        service, operation = self.point.request.split()
        when, seconds = ("before", 0.0) if self.point.moment == "before" else ("after", self._lateness())
        rule = self.proxy.add(
            proxying.freeze(self.victim.pid, when, seconds),
            tenant=self.telling.cloud.tenant,
            service=service,
            operation=operation,
            nth=self.point.nth,
        )
        thread = Thread(target=self._watch, args=[rule], daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over = True
            thread.join()
            self.proxy.remove(rule)
            self.victim.child.send_signal(signal.SIGCONT)

    def faults(self, point: Point | None) -> list[str]:
        return self._wrong + (["the request never came, so nothing was stopped"] if point and not self.happened else [])

    def _other_has_all(self) -> bool:
        return list(self.claims.owners().values()) == [self.other] * SHARES

    def _lateness(self) -> float:
        return LATE if self.point is not None and self.point.moment == "late" else 0.0

    def _watch(self, rule: int) -> None:
        while not (self._over or self.happened):
            time.sleep(0.05)
            self.happened = self.proxy.applied(rule) > 0
        if not self.happened:
            return
        stopped = time.monotonic()
        try:
            if self.telling.open:
                self.telling.ask_for(1)
            until(self._other_has_all, 60, 0.2, "the other one has all shares")
            time.sleep(max(0.0, stopped + self._lateness() + 1 - time.monotonic()))
        except WRONG_ANSWERS as error:
            self._wrong.append(f"while it was stopped: {error}")
        self.victim.child.send_signal(signal.SIGCONT)


@contextmanager
def open_stage(net: Net, folder: Path) -> Iterator[Stage]:
    hosts, zookeeper_at = (net.address,), f"{net.address}:2181"
    with ExitStack() as at_the_end:
        place: Place = at_the_end.enter_context(a_keyspace(hosts, PORT))
        mimic = start_mimic(folder)
        at_the_end.callback(mimic.kill)
        proxy = start_proxy(folder)
        at_the_end.callback(proxy.process.kill)
        cluster, session = driver.connect(place)
        at_the_end.callback(cluster.shutdown)
        claims = at_the_end.enter_context(open_claims([zookeeper_at]))
        store = {"backend": "cassandra", "hosts": list(hosts), "port": PORT, "keyspace": place.keyspace}
        coordination = {"backend": "zookeeper", "hosts": [zookeeper_at], "session": SESSION}
        config = laid_over(HASTY, {"store": store, "coordination": coordination, **keys_in(folder)})
        pair = []
        for number in (1, 2):
            otter = Member(folder / f"otter-{number}", mimic.identity_url, free_port(), **config)
            at_the_end.callback(otter.kill)
            otter.start(within=60)
            pair.append(otter)
            claims.know(number - 1)
        yield Stage(mimic.identity_url, proxy, pair, claims, session, place.keyspace)


def keys_in(folder: Path) -> dict[str, Any]:
    return {"secrets": {"key_file": str(folder / "keys.json")}}


LINE = "{:<28} {:>3}  {:<7} {:>7} {:>8} {:>5} {:>8}"


def points_in(changes: Sequence[str], every: bool, drained: bool) -> list[Point]:
    """The first and the last of each kind at each moment; or each of them."""
    kinds = [CHANGE_NODE] if drained else sorted(set(changes))
    numbered = [(kind, nth) for kind in kinds for nth in range(1, changes.count(kind) + 1)]
    chosen = [(kind, nth) for kind, nth in numbered if every or nth == (changes.count(kind) + 1) // 2]
    return [Point(kind, nth, moment, drained) for (kind, nth), moment in product(chosen, MOMENTS)]


def play(stage: Stage, arguments: argparse.Namespace) -> list[str]:
    """Sentences about what was wrong."""
    points: list[Point] = []
    for drained in (False, True):
        found = stage.tell(None, drained)
        say(
            f"undisturbed{', with draining' if drained else ''}: {len(found.changes)} changing requests, {found.seconds:.0f} s"
        )
        if not found.good:
            return [f"It went wrong undisturbed: {found}"]
        points += points_in(found.changes, arguments.every, drained)
    if arguments.brief:
        points = [point for number, point in enumerate(points) if (number + number // 3) % 3 == 0]
    say(f"now a process is stopped at {len(points)} points")
    say(LINE.format("at the request", "nth", "stopped", "leaked", "doubled", "lost", "seconds"))
    return [sentence for point in points for sentence in told(point, stage.tell(point, point.drained))]


def told(point: Point, found: Finding) -> list[str]:
    counts = found.leaked, found.doubled, found.lost, f"{found.seconds:.1f}"
    say(LINE.format(point.request, point.nth, point.moment, *counts))
    return [] if found.good else [f"{point}: {found.leaked=} {found.doubled=} {found.lost=} {list(found.faults)}"]


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.fleet.frozen", description=__doc__.split("\n\n")[0])
    parser.add_argument("--every", action="store_true", help="stop at every changing request, not at one of each kind")
    parser.add_argument("--brief", action="store_true", help="each kind at one moment only, the moments in turn")
    arguments = parser.parse_args()

    def trial(net: Net, folder: Path) -> list[str]:
        with open_stage(net, folder) as stage:
            return play(stage, arguments)

    return on_a_net(trial, nodes=1)


if __name__ == "__main__":
    sys.exit(main())
