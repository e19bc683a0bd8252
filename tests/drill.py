"""
``python -m tests.drill``: from one engine to another and back, under load, each time by ``kill -9`` in the middle of
the work.

Groups of two tenants are asked for more and fewer servers all the time: by their owners, one thread each, who execute
policies and hit webhooks, change bounds and ask for convergence; and a vandal deletes servers in the cloud. At a random
moment otter is killed, and started again with another engine (``OTTER_ENGINE``), which takes over what it finds. After
the first flips, the last of them into ``convergence``, and once more after the others, the last of them into
``worker``, the load stops, and everything has to come to rest. The worker does not heal: in the second part the vandal
stops before the last flip, and each group gets one more request. Every second group gets its last request right before
the last ``kill -9`` of a part, so nobody tells the engine that comes last about it but the store.

**Acknowledged sizes.** Each owner keeps an account of its own: what each request makes of the group's size is worked
out here, by the words of docs/api.md. A request is repeated until it is answered, with the same ``Idempotency-Key``,
and now and then once more, also after otter's death; so it counts exactly once, and its answer has to be the one that
the account predicts. In the end ``desiredCapacity``, ``activeCapacity`` and the number of servers in the cloud have to
be what the account says; each server has to be once on each load balancer that it belongs on, and nothing else may be
on it; no server may be left that is no group's, and nothing in the store that waits for something.

**No second fleet**, which is what an engine makes that does not see what the other one has made, or does a request's
work again. Two bounds show it:

- *The ceiling* of a group, compared twice a second with the servers that it has in the cloud. When a group *rests*,
  because otter says that every request is done and the cloud has no server too many, there is nothing on its way in or
  out. From then on servers can only be made for what is missing, and for what is asked for on top. So there are never
  more than were wanted when the group rested and all increases since then; fewer if some of it was cancelled by a
  decrease. Servers that replace deleted ones do not count, because those are gone. An owner that has asked for so much
  since the last rest that twice the wanted size would not be above the ceiling, which it seldom does, waits until the
  group rests: so a second fleet is above it, but for the moments of that wait. How often it would have been when otter
  was killed is counted: *open to sight*.
- *Creates* of a tenant, counted by the proxy between otter and the cloud, over the whole drill, those that were
  answered with nothing included. Each has to be explained by an increase, by a server that the vandal deleted, or by
  the first servers of a group. There is no allowance for deaths: a create whose answer nobody heard is to be waited
  for, and this cloud shows a server as soon as it is made. A second fleet that is made and deleted between two looks
  shows here, if it is larger than what decreases cancelled.

A create that otter wrote down and died before sending is believed in for ``converger.resolve_timeout``, and the group
waits as long; so otter runs with hasty times, nearly those of the crash points. Creates that are sent within a second
before a death are late: they reach the cloud when the next engine is at work. The cloud's answer to a create takes its
time, so that deaths fall in between, and then servers take half a second to become active. A Cloud Load Balancer takes
25 nodes, so groups behind one get no more than 20 servers, while those behind a RackConnect pool, or nothing, get as
many as ``--most`` says.
"""

import argparse
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from pathlib import Path
from random import Random
from secrets import randbelow, token_hex
from threading import Event, Thread
from typing import Any
from uuid import UUID

from attrs import define, field, frozen

from otter.config import EngineName, laid_over
from otter.store.documents import load_roster, load_state
from tests.crash_points import HASTY, made_a_server
from tests.rig import proxying
from tests.rig.mimic import GROUP_KEY, Cloud, address_of, start_mimic
from tests.rig.otter import Otter, OwnedGroup, group_document
from tests.rig.processes import call, until
from tests.rig.proxying import Proxy, start_proxy

Json = dict[str, Any]

ENGINES = tuple(engine.value for engine in EngineName)
FIRST = "convergence"
LATE = 3.5
"""Seconds that creates take to reach the cloud, from shortly before a death: they get there under the next engine."""
TIMES: Json = laid_over(HASTY, {"converger": {"resolve_timeout": 7}})
"""With more time for a late server, on a busy machine: one that turns up after that is one too many."""
BUILDING = "0.5"
"""Seconds for which a server is in BUILD, as Mimic wants to read it."""
SLOW = 0.3
"""Seconds between a server that is made and the answer that says so: deaths should fall in between."""
BESIDE_BALANCER = 20
"""The most servers of a group behind a Cloud Load Balancer: there has to be room for those that leave."""
ANSWERED_WITHIN = 60.0
"""Seconds in which a request gets its answer, however often otter dies meanwhile."""
RESTED_WITHIN = 8.0
"""Seconds for which an owner waits for its group to rest, before it goes on all the same."""
SETTLED_WITHIN = 60.0
"""Seconds from the end of the load until nothing is wrong any more."""
STAYS_SO = 2.0
"""Seconds for which nothing may be wrong."""
LOOK_EVERY = 0.5


class Wrong(Exception):
    """What should not be, in a sentence."""


@frozen
class Plan:
    """
    :ivar flips: into another engine, the last of them into convergence. :ivar worker_flips: the others, until worker.
    :ivar least: servers of each group. :ivar most: of those that are on no Cloud Load Balancer.
    :ivar longest: seconds that an otter lives at most.
    :ivar within: seconds in which otter serves again.
    """

    seed: int
    flips: int = 20
    worker_flips: int = 5
    groups: int = 4
    least: int = 5
    most: int = 50
    longest: float = 9.0
    within: float = 10.0


def itinerary(random: Random, flips: int, first: str, last: str) -> list[str]:
    """So many engines, each another than the one before, the final one ``last``; all there are, if they fit."""
    while True:
        names = [first]
        for _ in range(flips):
            names.append(random.choice([name for name in ENGINES if name != names[-1]]))
        if names[-1] == last and (flips < len(ENGINES) or set(names[1:]) == set(ENGINES)):
            return names[1:]


def rules_for(least: int, most: int) -> dict[str, Json]:
    """Policies of all kinds: name -> what it does to the size."""
    many = max(3, (most - least) // 6)
    return {
        "two more": {"change": 2},
        "many more": {"change": many},
        "two less": {"change": -2},
        "many less": {"change": -many},
        "a third more": {"changePercent": 33},
        "a third less": {"changePercent": -33},
        "low": {"desiredCapacity": least},
        "middle": {"desiredCapacity": (least + most) // 2},
        "high": {"desiredCapacity": most},
    }


def wanted_by(rule: Mapping[str, int], size: int) -> int:
    """By docs/api.md, "Executing a policy", before the bounds: a fraction of a server becomes a whole one."""
    match rule:
        case {"change": change}:
            return size + change
        case {"changePercent": percent}:
            share = -(-size * abs(percent) // 100)
            return size + (share if percent > 0 else -share)
        case _:
            return rule["desiredCapacity"]


@define(eq=False)
class Account:
    """
    What a group is to have.

    :ivar least: now; its owner changes the bounds.
    :ivar wanted: servers. What is being asked for counts before it is answered: its answer is waited for.
    :ivar rested: what was wanted when the group rested last. :ivar since: increases since then.
    :ivar increases: all that there ever were, the first servers included.
    """

    least: int
    most: int
    wanted: int = field(init=False)
    rested: int = field(init=False)
    since: int = field(init=False, default=0)
    increases: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.wanted = self.rested = self.increases = self.least

    @property
    def ceiling(self) -> int:
        return self.rested + self.since

    @property
    def open_to_sight(self) -> bool:
        """Whether a second fleet would be above the ceiling."""
        return self.would_be_open(self.wanted)

    def would_be_open(self, size: int) -> bool:
        """The same, if this size was asked for."""
        return 2 * size > self.ceiling + max(0, size - self.wanted)

    def after(self, rule: Mapping[str, int]) -> int:
        """What is wanted if a policy with this rule is executed now."""
        return self.bounded(wanted_by(rule, self.wanted))

    def bounded(self, size: int) -> int:
        return max(self.least, min(self.most, size))

    def ask_for(self, size: int) -> None:
        more = max(0, size - self.wanted)
        self.since += more
        self.increases += more
        self.wanted = size

    def rest(self) -> None:
        self.since, self.rested = 0, self.wanted


@frozen
class Kind:
    """What the servers of a group are put on: Cloud Load Balancers and RackConnect pools."""

    title: str
    balanced: bool = False
    pooled: bool = False


KINDS = (Kind("bare"), Kind("balancer", balanced=True), Kind("balancer", balanced=True), Kind("pool", pooled=True))
"""Of the groups, in turn. Those with an even number are one tenant's, the others the other one's."""


@define(eq=False)
class Owner:
    """
    Whoever keeps asking for changes of one group, one after the other.

    :ivar lb_ids: of the Cloud Load Balancers of the group, and of no other group.
    :ivar bounds: what the group's bounds stay within.
    :ivar last: the last execution of a policy: its URL, its key, and what the answer has to be.
    :ivar answered: requests that change something. :ivar repeated: how often one had to be asked again.
    :ivar highest: servers there were at most, of those looks. :ivar deleted: servers that the vandal deleted.
    """

    name: str
    kind: Kind
    otter: Otter
    cloud: Cloud
    random: Random
    bounds: tuple[int, int]
    account: Account = field(init=False)
    group: OwnedGroup = field(init=False)
    lb_ids: list[int] = field(init=False, factory=list)
    last: tuple[str, str, int] | None = field(init=False, default=None)
    closing: Event = field(init=False, factory=Event)
    answered: int = field(init=False, default=0)
    repeated: int = field(init=False, default=0)
    highest: int = field(init=False, default=0)
    deleted: int = field(init=False, default=0)

    def found(self) -> None:
        """Have the group made, with policies and webhooks."""
        least, most = self.bounds
        self.lb_ids = [self.cloud.create_balancer()] if self.kind.balanced else []
        policies = [{"name": name, **rule} for name, rule in rules_for(least, most).items()]
        metadata = {"server_building": BUILDING}
        document = group_document(least, most, self.lb_ids, policies, name=self.name, metadata=metadata)
        if self.kind.pooled:
            place = {"type": "RackConnectV3", "loadBalancerId": self.cloud.pool_id()}
            document["launchConfiguration"]["args"]["loadBalancers"].append(place)
        url = self.otter.post_group(self.cloud.tenant, document)
        for policy_url in self.otter.group(url).policies.values():
            self.otter.add_webhook(policy_url)
        self.group, self.account = self.otter.group(url), Account(least, most)

    def keep_asking(self) -> None:
        """Until it is told to stop; the last request changes the size."""
        while not self.closing.wait(self.random.uniform(0.02, 0.5)):
            self.random.choices([self.execute, self.repeat, self.rebound, self.converge], weights=[8, 2, 1, 1])[0]()
            if not self.account.open_to_sight or self.random.random() < 0.1:
                self.rest()
        self.execute(effective=True)

    def execute(self, effective: bool = False) -> None:
        """:param effective: the policy is one that changes the size."""
        account, rules = self.account, rules_for(*self.bounds)
        names = [name for name in rules if not effective or account.after(rules[name]) != account.wanted]
        preferred = [name for name in names if account.would_be_open(account.after(rules[name]))]
        name = self.random.choice(preferred if preferred and self.random.random() < 0.8 else names)
        before, after = account.wanted, account.after(rules[name])
        by_hook = self.random.random() < 0.5
        url = self.group.webhooks[name] if by_hook else f"{self.group.policies[name]}/execute"
        account.ask_for(after)
        self.last = url, str(UUID(int=self.random.getrandbits(128))), 202 if by_hook or after != before else 403
        self.repeat()

    def repeat(self) -> None:
        """Ask for the same execution as last time, as if its answer had been lost; it does not count once more."""
        if self.last is None:
            return
        url, key, predicted = self.last
        status, _ = self.insist("POST", url, key=key)
        if status != predicted:
            raise Wrong(f"{self.name}: {url} was answered with {status}, not {predicted}")

    def rebound(self) -> None:
        """Other bounds, within those of the plan."""
        least, most = self.bounds
        account = self.account
        account.least, account.most = least + self.random.randrange(3), most - self.random.randrange(3)
        account.ask_for(account.bounded(account.wanted))
        bounds = {"minEntities": account.least, "maxEntities": account.most}
        self.expect(
            204, "PUT", f"{self.group.url}/config", {"name": self.name, "cooldown": 0, "metadata": {}, **bounds}
        )

    def converge(self) -> None:
        self.expect(204, "POST", f"{self.group.url}/converge")

    def rest(self) -> None:
        """Wait until the group rests, but not for ever; in the meantime, ask for what takes no more servers."""
        deadline = time.monotonic() + RESTED_WITHIN
        while time.monotonic() < deadline and not self.closing.wait(0.15):
            if self.random.random() < 0.2:
                self.converge()
            state = self.state()
            if state["desiredCapacity"] != self.account.wanted:
                raise Wrong(f"{self.name}: otter wants {state['desiredCapacity']} servers, not {self.account.wanted}")
            done = state["generation"] == state["converged_generation"]
            if done and len(self.servers()) <= self.account.wanted:
                self.account.rest()
                return

    def state(self) -> Json:
        return self.expect(200, "GET", f"{self.group.url}/state")["group"]

    def servers(self) -> list[Json]:
        return [server for server in self.cloud.servers(self.group.id) if is_there(server)]

    def expect(self, status: int, method: str, url: str, body: Any = None) -> Any:
        seen, answer = self.insist(method, url, body)
        if seen != status:
            raise Wrong(f"{self.name}: {method} {url} was answered with {seen}, {answer}")
        return answer

    def insist(self, method: str, url: str, body: Any = None, key: str = "") -> tuple[int, Any]:
        """Ask until there is an answer, which 503 is not: nothing was stored. :raises Wrong: there was none."""
        deadline = time.monotonic() + ANSWERED_WITHIN
        while True:
            try:
                status, answer = call(method, url, body, timeout=5, headers={"idempotency-key": key} if key else {})
            except (OSError, HTTPException):
                status, answer = 503, None
            if status != 503:
                self.answered += method != "GET"
                return status, answer
            if time.monotonic() > deadline:
                raise Wrong(f"{self.name}: {method} {url} was not answered within {ANSWERED_WITHIN:g} s")
            self.repeated += 1
            time.sleep(0.1)

    def complaints(self) -> list[str]:
        """What is not as it was asked for."""
        state, servers = self.state(), self.servers()
        wanted = self.account.wanted
        counts = {
            "desiredCapacity": state["desiredCapacity"],
            "activeCapacity": state["activeCapacity"],
            "servers in the cloud": len(servers),
            "active servers in the cloud": sum(server["status"] == "ACTIVE" for server in servers),
        }
        wrong = [f"{what}: {count}, not {wanted}" for what, count in counts.items() if count != wanted]
        wrong += [f"otter says {error['message']!r}" for error in state.get("errors", ())]
        places = sorted({(address_of(server), 80) for server in servers})
        for lb_id in self.lb_ids:
            nodes = sorted((node["address"], node["port"]) for node in self.cloud.nodes(lb_id))
            if nodes != places:
                lacking, foreign = len(set(places) - set(nodes)), len(nodes) - len(set(nodes) & set(places))
                wrong.append(f"on load balancer {lb_id} {lacking} nodes are missing, and {foreign} too many")
        return [f"{self.name}: {sentence}" for sentence in wrong]


def is_there(server: Mapping[str, Any]) -> bool:
    return server["status"] != "DELETED" and server.get("OS-EXT-STS:task_state") != "deleting"


@define(eq=False)
class Vandal:
    """Deletes servers behind otter's back, one at a time."""

    owners: Sequence[Owner]
    random: Random
    closing: Event = field(init=False, factory=Event)

    def rage(self) -> None:
        while not self.closing.wait(self.random.uniform(0.2, 1.5)):
            owner = self.random.choice(self.owners)
            servers = sorted(server["id"] for server in owner.servers())
            if servers:
                owner.deleted += self.delete(owner.cloud, self.random.choice(servers))

    def delete(self, cloud: Cloud, server_id: str) -> bool:
        """Whether it did; otter may have been faster."""
        try:
            cloud.delete_server(server_id)
        except AssertionError:
            return False
        return True


@define(eq=False)
class Drill:
    """
    :ivar say: where it is told what happens.
    :ivar faults: sentences about what went wrong.
    :ivar engine: the one that runs, and has served since ``born`` (monotonic seconds).
    :ivar flips: how many there were. :ivar slowest: the longest time until otter served again, in seconds.
    :ivar sights: at how many deaths of otter, times groups, a second fleet would have been above the ceiling.
    """

    plan: Plan
    otter: Otter
    proxy: Proxy
    clouds: Sequence[Cloud]
    owners: Sequence[Owner]
    random: Random
    say: Callable[[str], None]
    faults: list[str] = field(init=False, factory=list)
    engine: str = field(init=False, default=FIRST)
    flips: int = field(init=False, default=0)
    slowest: float = field(init=False, default=0.0)
    sights: int = field(init=False, default=0)
    born: float = field(init=False, default=0.0)
    closing: Event = field(init=False, factory=Event)

    def run(self) -> None:
        """All of it. What is wrong is in ``faults`` afterwards."""
        self.begin_life()
        watch = self.begin(self.keep_looking)
        self.say(FLIP.format("flip", "from", "to", "lived", "serving in", "answered", "servers", "wanted"))
        self.part(self.plan.flips, "convergence", heals=True)
        self.part(self.plan.worker_flips, "worker", heals=False)
        self.closing.set()
        watch.join()
        self.count_creates()
        self.conclude()

    def begin_life(self) -> None:
        """With the first engine, and groups that want their first servers."""
        self.otter.environment = {"OTTER_ENGINE": FIRST}
        self.otter.start()
        self.born = time.monotonic()
        for owner in self.owners:
            owner.found()

    def part(self, flips: int, last: str, heals: bool) -> None:
        """
        So many flips under load, and what has to be so afterwards.

        :param heals: the ``last`` engine does, so the vandal may go on until the end.
        """
        if not flips:
            return
        vandal = Vandal(self.owners, Random(self.random.random()))
        vandals = self.begin(vandal.rage)
        threads = {owner.name: self.begin(owner.keep_asking) for owner in self.owners}
        *names, final = itinerary(self.random, flips, self.engine, last)
        for name in names:
            self.live(self.plan.longest)
            self.flip(name)
        self.live(self.plan.longest)
        if not heals:
            end(vandal, vandals)
        for owner in self.owners[::2]:
            end(owner, threads[owner.name])
        self.live(1.0)
        self.flip(final)
        self.live(self.plan.longest)
        for owner in self.owners:
            end(owner, threads[owner.name])
        end(vandal, vandals)
        self.settle()
        for thing in (vandal, *self.owners):
            thing.closing.clear()

    def live(self, longest: float) -> None:
        """For some time; short ones are as likely as all the others together."""
        time.sleep(longest * self.random.random() ** 2)

    def flip(self, name: str) -> None:
        """Out of the engine that runs, by kill -9, and into another."""
        lateness = self.proxy.add(proxying.delay(LATE), operation="create_server")
        time.sleep(self.random.random())
        self.sights += sum(owner.account.open_to_sight for owner in self.owners)
        servers, wanted = sum(self.count().values()), sum(owner.account.wanted for owner in self.owners)
        killed = time.monotonic()
        lived = killed - self.born
        self.otter.kill()
        self.proxy.remove(lateness)
        self.otter.environment = {"OTTER_ENGINE": name}
        self.otter.start()
        until(lambda: self.serves(name), 30, saying=f"otter serves with the engine {name}")
        self.born = time.monotonic()
        seconds = self.born - killed
        self.flips += 1
        answered = sum(owner.answered for owner in self.owners)
        figures = f"{lived:.2f} s", f"{seconds:.2f} s", answered, servers, wanted
        self.say(FLIP.format(self.flips, self.engine, name, *figures))
        self.engine, self.slowest = name, max(self.slowest, seconds)
        if seconds >= self.plan.within:
            self.complain(f"After flip {self.flips} it took {seconds:.2f} s until otter served again.")

    def serves(self, engine: str) -> bool:
        """Whether otter is well, runs this engine, and can tell about each group."""
        urls = [self.otter.url, *(f"{owner.group.url}/state" for owner in self.owners)]
        try:
            answers = [call("GET", url) for url in urls]
        except (OSError, HTTPException):
            return False
        return all(status == 200 for status, _ in answers) and answers[0][1]["engine"] == engine

    def count(self) -> Counter[str]:
        """How many servers there are in the cloud, by their group; "" for those that have none."""
        servers = [server for cloud in self.clouds for server in cloud.servers() if is_there(server)]
        return Counter(server["metadata"].get(GROUP_KEY, "") for server in servers)

    def keep_looking(self) -> None:
        """Whether there are ever more servers than there can be."""
        while not self.closing.wait(LOOK_EVERY):
            self.look()

    def look(self) -> None:
        """A group may rest while the cloud is asked; so the ceilings of before count, too."""
        before = [owner.account.ceiling for owner in self.owners]
        counts = self.count()
        for owner, ceiling in zip(self.owners, before, strict=True):
            seen, ceiling = counts[owner.group.id], max(ceiling, owner.account.ceiling)
            if seen > max(ceiling, owner.highest):
                self.complain(f"{owner.name}: there are {seen} servers, and there can be {ceiling} at most.")
            owner.highest = max(owner.highest, seen)

    def settle(self) -> None:
        """Wait until nothing is wrong any more, and see whether it stays so."""
        began = time.monotonic()
        wrong = self.complaints()
        while wrong and time.monotonic() < began + SETTLED_WITHIN:
            time.sleep(0.2)
            wrong = self.complaints()
        seconds = time.monotonic() - began
        time.sleep(STAYS_SO)
        wrong = wrong or self.complaints()
        for sentence in wrong:
            self.complain(f"The load is over, and still: {sentence}")
        if not wrong:
            self.say(f"The load is over; {seconds:.1f} s later everything was, and stayed, as it was asked for.")

    def complaints(self) -> list[str]:
        wrong = [sentence for owner in self.owners for sentence in owner.complaints()]
        strangers = self.count().keys() - {owner.group.id for owner in self.owners}
        wrong += [f"there are servers of {name or 'nobody'}" for name in sorted(strangers)]
        wrong += [f"in pool {cloud.pool_id()}: {sentence}" for cloud in self.clouds if (sentence := self.pooled(cloud))]
        return wrong + unfinished(self.otter.store)

    def pooled(self, cloud: Cloud) -> str:
        """What is wrong with the servers in the tenant's RackConnect pool; it can hold none twice."""
        owners = [owner for owner in self.owners if owner.cloud is cloud and owner.kind.pooled]
        wanted = {server["id"] for owner in owners for server in owner.servers()}
        seen = cloud.pooled()
        return "" if seen == wanted else f"{len(wanted - seen)} servers are missing, and {len(seen - wanted)} too many"

    def count_creates(self) -> None:
        for cloud in self.clouds:
            made = sum(map(made_a_server, self.proxy.log(cloud.tenant)))
            owners = [owner for owner in self.owners if owner.cloud is cloud]
            increases, deleted = (
                sum(owner.account.increases for owner in owners),
                sum(owner.deleted for owner in owners),
            )
            reasons = f"{increases} were asked for, {deleted} deleted behind otter's back"
            self.say(f"Tenant {cloud.tenant}: {made} servers were made; {reasons}.")
            if made > increases + deleted:
                self.complain(f"Tenant {cloud.tenant}: nothing explains {made - increases - deleted} of the servers.")

    def conclude(self) -> None:
        """The table."""
        self.say(
            ROW.format("group", "bounds", "wanted", "servers", "most", "answered", "repeated", "increases", "deleted")
        )
        counts = self.count()
        for owner in self.owners:
            account, bounds = owner.account, "{}-{}".format(*owner.bounds)
            figures = account.wanted, counts[owner.group.id], owner.highest, owner.answered, owner.repeated
            self.say(ROW.format(owner.name, bounds, *figures, account.increases, owner.deleted))
        chances = self.flips * len(self.owners)
        self.say(f"{self.flips} flips; otter served again within {self.slowest:.2f} s at most.")
        self.say(f"A second fleet of a group was open to sight at {self.sights} of {chances} deaths, times groups.")

    def abandon(self) -> None:
        """Whatever still goes on ends soon, and nothing that it says counts any more."""
        for thing in (self, *self.owners):
            thing.closing.set()

    def complain(self, sentence: str) -> None:
        self.faults.append(sentence)
        self.say(f"! {sentence}")

    def begin(self, work: Callable[[], None]) -> Thread:
        """In a thread of its own, which says so if it ends badly."""

        def guarded() -> None:
            try:
                work()
            except Exception as error:
                self.complain(str(error) if isinstance(error, Wrong) else f"{work.__qualname__} broke off: {error!r}")

        thread = Thread(target=guarded, daemon=True)
        thread.start()
        return thread


FLIP = "{:>4}  {:<12} {:<12} {:>8} {:>10} {:>9} {:>8} {:>7}"
ROW = "{:<12} {:>7} {:>7} {:>8} {:>5} {:>9} {:>9} {:>10} {:>8}"


def end(worker: Owner | Vandal, thread: Thread) -> None:
    worker.closing.set()
    thread.join()


def unfinished(store: Path) -> list[str]:
    """What the store has that waits for something."""
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT id, state, roster FROM groups").fetchall()
    finally:
        connection.close()
    wrong = []
    for group_id, state_text, roster_text in rows:
        state, roster = load_state(state_text), load_roster(roster_text)
        waiting = {
            "creates without a server": len(roster.creates),
            "servers on their way out": len(roster.leaving.keys() - roster.gone.keys()),
            "jobs": len(roster.jobs.by_key),
            "requests that are not done": state.generation - state.converged_generation,
        }
        wrong += [f"group {group_id} has {what} in the store: {count}" for what, count in waiting.items() if count]
    return wrong


@contextmanager
def open_drill(plan: Plan, say: Callable[[str], None], folder: Path) -> Iterator[Drill]:
    """Everything that it takes, in processes of its own; otter is not started yet."""
    random = Random(plan.seed)
    with ExitStack() as at_the_end:
        mimic = start_mimic(folder)
        at_the_end.callback(mimic.kill)
        proxy = start_proxy(folder)
        at_the_end.callback(proxy.process.kill)
        clouds = [Cloud(mimic.identity_url, f"drill-{number}-{token_hex(3)}") for number in (1, 2)]
        proxy.register(mimic.identity_url, [cloud.tenant for cloud in clouds])
        proxy.add(proxying.delay(SLOW, "after"), operation="create_server")
        otter = Otter(folder / "otter", mimic.identity_url, **TIMES)
        at_the_end.callback(otter.kill)
        owners = []
        for number in range(plan.groups):
            kind = KINDS[number % len(KINDS)]
            most = min(plan.most, BESIDE_BALANCER) if kind.balanced else plan.most
            name, cloud = f"{kind.title}-{number + 1}", clouds[number % 2]
            owners.append(Owner(name, kind, otter, cloud, Random(random.random()), (plan.least, most)))
        drill = Drill(plan, otter, proxy, clouds, owners, random, say)
        at_the_end.callback(drill.abandon)
        yield drill


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.drill", description=__doc__.split("\n\n")[0])
    standard = Plan(0)
    parser.add_argument("--seed", type=int, default=randbelow(10**6), help="for all that is left to chance")
    parser.add_argument("--flips", type=int, default=standard.flips, help="until convergence (default: %(default)s)")
    parser.add_argument(
        "--worker-flips", type=int, default=standard.worker_flips, help="then, until worker (%(default)s)"
    )
    parser.add_argument("--groups", type=int, default=standard.groups, help="of two tenants (%(default)s)")
    parser.add_argument("--least", type=int, default=standard.least, help="servers of a group (%(default)s)")
    parser.add_argument("--most", type=int, default=standard.most, help="servers of a group (%(default)s)")
    parser.add_argument(
        "--longest", type=float, default=standard.longest, help="seconds that otter lives (%(default)s)"
    )
    parser.add_argument("--within", type=float, default=standard.within, help="seconds to serve again in (%(default)s)")
    plan = Plan(**vars(parser.parse_args()))
    print(f"Seed: {plan.seed}. Engines: {', '.join(ENGINES)}.", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    folder = Path(tempfile.mkdtemp(prefix="drill-"))
    began = time.monotonic()
    with open_drill(plan, say_at_once, folder) as drill:
        drill.run()
    print(f"All of it took {time.monotonic() - began:.0f} s.")
    if drill.faults:
        print(f"FAILED: {len(drill.faults)} things were wrong. The logs are in {folder}. Those were:")
        print("\n".join(drill.faults))
        return 1
    shutil.rmtree(folder)
    print("All is well: the acknowledged sizes, no second fleet, nothing leaked, no request lost.")
    return 0


def say_at_once(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
