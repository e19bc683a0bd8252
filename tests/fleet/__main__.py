"""
Three otters on one port, three nodes of Cassandra, three of ZooKeeper, a simulated cloud, 50 groups of 5 tenants, and everything that
can happen to a process. ``make test-cluster`` runs it.

While clients execute policies and hit webhooks, take servers out, and a vandal deletes others behind otter's back, and while
schedules do their part, one thing at a time is killed with SIGKILL, paused for ten seconds or restarted: a process of otter, a node of
Cassandra, the leader of ZooKeeper; in an order that the seed says. In the end everything has to be as if nothing had
happened: each acknowledged request and each schedule counted once, each group of its size, no server that nothing explains.

  --minutes N    of load and faults. Below five, less of each is asked for
  --clients N    at once
  --seed N       of what clients do, when schedules are due, and in which order things happen
"""

import argparse
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random
from secrets import randbelow
from typing import Any

from attrs import define, frozen

from otter.config import laid_over
from otter.domain.shares import SHARES
from scripts.services.settings import settings_of
from tests.cluster.books import Books, Page
from tests.crash_points import made_a_server
from tests.drill import is_there
from tests.fleet.faults import HOW, WHO, Fault, Troublemaker
from tests.fleet.owners import Crowd, Owner
from tests.fleet.timetable import Timetable
from tests.rig.cassandra import NETS, PORT, Net, claim_net
from tests.rig.claims import open_claims
from tests.rig.fleet import Member, make_fleet
from tests.rig.keyspaces import a_keyspace
from tests.rig.mimic import GROUP_KEY, Cloud, start_mimic
from tests.rig.proxying import Proxy, start_proxy

PROCESSES, TENANTS, GROUPS = 3, 5, 50
ONCE, MINUTELY = 25, 5
"""Groups with one-shot schedules, and with one for each minute; the others can be set to a size."""
SESSION = 5
"""Seconds until others take over from a process that is not heard of."""
PATIENT = {
    "cloud": {"timeout": 10},
    "converger": {"interval": 2, "send_window": 5, "resolve_timeout": 20},
    "selfheal": {"interval": 10},
}
"""Everything runs on one machine, which is busy: a create that takes longer than ``resolve_timeout`` would be made twice."""
SETTLED_WITHIN = 180.0
"""Seconds from the end of the faults until nothing is wrong any more."""
GONE_WITHIN = 120.0
POLICIES = [{"name": "up", "change": 1}, {"name": "down", "change": -1}]
SETTING = {"name": "set", "desiredCapacity": 3}


@frozen
class Least:
    """What a run must have seen to show anything. :ivar each: faults of each thing, and of each way."""

    faults: int
    each: int
    requests: int
    schedules: int = 50

    def wrong(self, done: Counter[Fault], requests: int, schedules: int) -> list[str]:
        counts = {f"a fault of {who}": sum(done[fault] for fault in done if fault.who == who) for who in WHO}
        counts |= {f"a {how}": sum(done[fault] for fault in done if fault.how == how) for how in HOW}
        wrong = [f"There was {what} only {count} times." for what, count in counts.items() if count < self.each]
        seen = (("faults", done.total(), self.faults), ("requests", requests, self.requests))
        for what, count, least in (*seen, ("schedules", schedules, self.schedules)):
            if count < least:
                wrong.append(f"There were only {count} {what}; that shows too little.")
        return wrong


def least_of(minutes: float) -> Least:
    part = min(1.0, minutes / 5)
    return Least(round(20 * part), max(1, round(3 * part)), round(1000 * part))


@define(eq=False)
class Trial:
    """:ivar load: seconds of load and faults."""

    load: float
    random: Random
    fleet: Sequence[Member]
    proxy: Proxy
    owners: Sequence[Owner]
    timetable: Timetable
    crowd: Crowd
    trouble: Troublemaker
    books: Books
    least: Least

    def run(self, clients: int) -> None:
        end = time.monotonic() + self.load
        self.timetable.draw(self.random, time.time() + self.load - 5)
        self.crowd.begin(clients)
        say("  n  what     to whom       took until all was well")
        self.trouble.trouble(end)
        time.sleep(max(0.0, end - time.monotonic()))
        self.crowd.end()
        say("the load is over")
        self.timetable.end()
        self.settle()
        self.judge()

    def settle(self) -> None:
        began = time.monotonic()
        while (wrong := self.unsettled()) and time.monotonic() < began + SETTLED_WITHIN:
            time.sleep(1)
        if not wrong:
            say(f"everything is at rest, {time.monotonic() - began:.0f} s later")
        self.books.wrong += [f"{SETTLED_WITHIN:g} s after the load, {sentence}" for sentence in wrong[:10]]

    def unsettled(self) -> list[str]:
        """What is not as otter says that it should be, or not as the owners' accounts say."""
        servers = self.servers()
        wrong = [sentence for owner in self.owners for sentence in self.unsettled_in(owner, servers[owner.group.id])]
        strangers = servers.keys() - {owner.group.id for owner in self.owners}
        return wrong + [f"there are servers of {name or 'nobody'}" for name in sorted(strangers)]

    def unsettled_in(self, owner: Owner, servers: int) -> list[str]:
        state = self.fleet[0].state(owner.group.url)
        desired = state["desiredCapacity"]
        counts = {"active": state["activeCapacity"], "in the cloud": servers}
        wrong = [f"{count} servers are {what}, not {desired}" for what, count in counts.items() if count != desired]
        if state["generation"] != state["converged_generation"]:
            wrong.append("a request is not done")
        return [f"in group {owner.group.id} {sentence}" for sentence in wrong]

    def servers(self) -> Counter[str]:
        """How many there are in the cloud, by their group; "" for those that have none."""
        clouds = {owner.cloud.tenant: owner.cloud for owner in self.owners}.values()
        servers = [server for cloud in clouds for server in cloud.servers() if is_there(server)]
        return Counter(server["metadata"].get(GROUP_KEY, "") for server in servers)

    def judge(self) -> None:
        wrong = self.books.wrong
        desired = [self.fleet[0].state(owner.group.url)["desiredCapacity"] for owner in self.owners]
        sizes = zip(self.owners, desired, strict=True)
        wrong += [sentence for owner, size in sizes if (sentence := self.timetable.judge(owner, size))]
        held = [otter.metrics()["shares"] for otter in self.fleet]
        wrong += [f"The processes have {held} shares, not {SHARES} together."] if sum(held) != SHARES else []
        wrong += self.unexplained()
        wrong += self.least.wrong(self.trouble.done, self.books.acknowledged, self.timetable.events)
        self.tell(sum(desired))
        self.leave()

    def unexplained(self) -> list[str]:
        """Servers that were made, and neither asked for nor missing."""
        wrong = []
        for tenant in sorted({owner.cloud.tenant for owner in self.owners}):
            owners = [owner for owner in self.owners if owner.cloud.tenant == tenant]
            made = sum(map(made_a_server, self.proxy.log(tenant)))
            asked = sum(owner.asked + self.timetable.added(owner) for owner in owners)
            taken, deleted = sum(owner.evicted for owner in owners), sum(owner.deleted for owner in owners)
            reasons = f"{asked} were asked for, {taken} taken out to be replaced, {deleted} deleted behind otter's back"
            say(f"tenant {tenant}: {made} servers were made; {reasons}")
            if made > asked + taken + deleted:
                wrong.append(f"Tenant {tenant}: nothing explains {made - asked - taken - deleted} of the servers.")
        return wrong

    def leave(self) -> None:
        """The groups are deleted, and nothing is left of them."""
        for owner in self.owners:
            self.fleet[0].delete(owner.group.url)
        began = time.monotonic()
        while (left := self.servers()) and time.monotonic() < began + GONE_WITHIN:
            time.sleep(0.5)
        if left:
            self.books.wrong.append(f"{left.total()} servers are left of groups that were deleted.")
        say(f"all groups were deleted; {left.total()} servers are left")

    def tell(self, size: int) -> None:
        done, books = self.trouble.done, self.books
        say(f"{done.total()} faults: {', '.join(f'{fault} {count}' for fault, count in sorted(done.items(), key=str))}")
        answers = ", ".join(f"{status or 'none'}: {count}" for status, count in sorted(books.statuses.items()))
        say(f"{books.acknowledged} requests were acknowledged, {books.repeated} repeated; answers by status: {answers}")
        say(f"{self.timetable.events} schedules were due; the groups want {size} servers together")
        if self.trouble.relief:
            worst = max(self.trouble.relief)
            say(
                f"the shares of a process that was killed had another owner within {worst:.1f} s (session: {SESSION} s)"
            )


def say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


def configuration(net: Net, keyspace: str) -> dict[str, Any]:
    return laid_over(
        PATIENT,
        {
            "store": {"backend": "cassandra", "hosts": addresses(net), "port": PORT, "keyspace": keyspace},
            "coordination": {
                "backend": "zookeeper",
                "hosts": [f"{address}:2181" for address in addresses(net)],
                "session": SESSION,
            },
        },
    )


def addresses(net: Net) -> list[str]:
    return [f"{net.prefix}.{number}" for number in (1, 2, 3)]


def owners_of(fleet: Sequence[Member], clouds: Sequence[Cloud], books: Books) -> list[Owner]:
    def owner(number: int) -> Owner:
        cloud, settable = clouds[number % TENANTS], number >= ONCE + MINUTELY
        policies = [*POLICIES, SETTING] if settable else POLICIES
        group = fleet[0].create_group(cloud.tenant, 0, 100, policies=policies, metadata={"server_building": "0.5"})
        return Owner(group, cloud, books, settable)

    with ThreadPoolExecutor(8) as pool:
        owners = list(pool.map(owner, range(GROUPS)))
    books.pages |= {owner.group.id: Page() for owner in owners}
    return owners


def tried(net: Net, folder: Path, arguments: argparse.Namespace) -> Books:
    books, random = Books({}), Random(arguments.seed)
    with ExitStack() as at_the_end:
        keyspace = at_the_end.enter_context(a_keyspace(addresses(net), PORT, copies=3)).keyspace
        mimic = start_mimic(folder)
        at_the_end.callback(mimic.kill)
        proxy = start_proxy(folder)
        at_the_end.callback(proxy.process.kill)
        clouds = [Cloud(mimic.identity_url, f"fleet-{number}") for number in range(1, TENANTS + 1)]
        proxy.register(mimic.identity_url, [cloud.tenant for cloud in clouds])
        fleet = make_fleet(folder, mimic.identity_url, PROCESSES, **configuration(net, keyspace))
        claims = at_the_end.enter_context(open_claims([f"{address}:2181" for address in addresses(net)]))
        trouble = Troublemaker(net, fleet, claims, Random(random.random()), say, books.wrong)
        for number, otter in enumerate(fleet):
            otter.timeout = 60
            at_the_end.callback(otter.kill)
            trouble.start(number)
        trouble.wait_until_all_is_owned("the start")
        owners = owners_of(fleet, clouds, books)
        say(f"{PROCESSES} otters have {GROUPS} groups of {TENANTS} tenants; {arguments.clients} clients begin")
        timetable = Timetable(fleet[0], owners[:ONCE], owners[ONCE : ONCE + MINUTELY])
        crowd = Crowd(owners, books, arguments.seed, arguments.pause)
        load, least = 60 * arguments.minutes, least_of(arguments.minutes)
        Trial(load, random, fleet, proxy, owners, timetable, crowd, trouble, books, least).run(arguments.clients)
    return books


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.fleet", description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0, help="of load and faults (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=12, help="at once (%(default)s)")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between a client's requests (%(default)s)")
    parser.add_argument("--seed", type=int, default=randbelow(10**6), help="for all that is left to chance")
    arguments = parser.parse_args()
    say(f"seed {arguments.seed}")
    return on_a_net(lambda net, folder: tried(net, folder, arguments).wrong)


def on_a_net(trial: Callable[[Net, Path], list[str]], nodes: int = 3) -> int:
    """
    The exit status of a ``trial``, which says in sentences what is wrong, on servers of its own.

    :param nodes: of Cassandra, and of ZooKeeper.
    """
    claim = claim_net(settings_of({}).cache / "tests", reversed(NETS))
    if claim is None:
        print("No net on loopback is free for the servers.", file=sys.stderr)
        return 1
    began, net, wrong = time.monotonic(), claim.net, ["It did not come to its end."]
    folder = net.folder / "otter"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with claim.lock:
        try:
            say(f"{nodes} of Cassandra and {nodes} of ZooKeeper start; their logs are in {net.folder / 'data'}")
            net.services("up", "--nodes", str(nodes))
            wrong = trial(net, folder)
        finally:
            net.services("down", *([] if wrong else ["--wipe"]))
    if wrong:
        say(f"the logs are in {net.folder}")
    else:
        shutil.rmtree(folder)
    for sentence in list(dict.fromkeys(wrong))[:30]:
        say(f"WRONG: {sentence}")
    say(f"{'Something is wrong' if wrong else 'All is well'} after {(time.monotonic() - began) / 60:.1f} minutes.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
