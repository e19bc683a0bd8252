"""What happens to processes and servers, one thing at a time."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from random import Random

from attrs import define, field, frozen

from otter.domain.shares import SHARES
from tests.rig.cassandra import Net
from tests.rig.claims import Claims
from tests.rig.fleet import Member
from tests.rig.processes import until

WHO = ("otter", "cassandra", "zookeeper")
HOW = ("kill", "pause", "restart")
PAUSE = 10.0
DEAD = 3.0
"""Seconds for which a server stays dead."""
STARTED_WITHIN = 60.0
RELIEVED_WITHIN = 40.0
"""Seconds until everything must be somebody's again, however busy the machine is."""


@frozen
class Fault:
    who: str
    how: str

    def __str__(self) -> str:
        return f"{self.how} {self.who}"


def faults(random: Random) -> Iterator[Fault]:
    """For ever: all there are in some order, then all of them in another."""
    while True:
        yield from random.sample([Fault(who, how) for who, how in product(WHO, HOW)], len(WHO) * len(HOW))


@define(eq=False)
class Troublemaker:
    """
    :ivar net: where Cassandra and ZooKeeper are. :ivar wrong: sentences. :ivar done: what happened.
    :ivar claims: they know all of the ``fleet`` by their numbers.
    :ivar relief: seconds until others had the shares of a process that was killed, each time.
    """

    net: Net
    fleet: Sequence[Member]
    claims: Claims
    random: Random
    say: Callable[[str], None]
    wrong: list[str]
    done: Counter[Fault] = field(init=False, factory=Counter)
    relief: list[float] = field(init=False, factory=list)

    def trouble(self, until_when: float) -> None:
        """One thing after the other. :param until_when: nothing begins later (monotonic seconds)."""
        for fault in faults(self.random):
            if time.monotonic() > until_when:
                return
            began = time.monotonic()
            target = self.happen(fault)
            self.done[fault] += 1
            self.say(f"{self.done.total():>3}  {fault.how:<8} {target:<12} {time.monotonic() - began:5.1f} s")

    def happen(self, fault: Fault) -> str:
        """What it happened to."""
        if fault.who == "otter":
            number = self.random.randrange(len(self.fleet))
            {"kill": self.kill, "pause": self.pause, "restart": self.restart}[fault.how](number)
            return f"otter-{number + 1}"
        node = self.leader() if fault.who == "zookeeper" else f"cassandra-{self.random.randint(1, 3)}"
        {"kill": self.kill_node, "pause": self.pause_node, "restart": self.restart_node}[fault.how](node)
        return node

    # otter

    def start(self, number: int) -> None:
        """The process is there, and others know of it."""
        self.fleet[number].start(within=STARTED_WITHIN)
        self.claims.know(number, STARTED_WITHIN)

    def kill(self, number: int) -> None:
        killed = time.monotonic()
        self.fleet[number].kill()
        self.wait_until_all_is_owned("a process was killed", but=number)
        self.relief.append(time.monotonic() - killed)
        self.start(number)

    def pause(self, number: int) -> None:
        process = self.fleet[number].child
        process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(PAUSE)
            self.wait_until_all_is_owned("a process was stopped", but=number)
        finally:
            process.send_signal(signal.SIGCONT)
        self.wait_until_all_is_owned("it went on")

    def restart(self, number: int) -> None:
        self.fleet[number].stop(within=STARTED_WITHIN)
        self.start(number)
        self.wait_until_all_is_owned("a process was restarted")

    # Servers

    def kill_node(self, node: str) -> None:
        self.net.services("kill", node)
        time.sleep(DEAD)
        self.net.services("start", node)

    def pause_node(self, node: str) -> None:
        self.net.services("pause", node)
        try:
            time.sleep(PAUSE)
        finally:
            self.net.services("resume", node)

    def restart_node(self, node: str) -> None:
        self.net.services("stop", node)
        self.net.services("start", node)

    def leader(self) -> str:
        """The server of ZooKeeper that leads."""

        def found() -> str | None:
            lines = [line.split() for line in self.net.services("status").splitlines()]
            return next((words[0] for words in lines if words and words[-1] == "leader"), None)

        name: str = until(found, 30, 0.5, "ZooKeeper has a leader")
        return name

    # Shares

    def wait_until_all_is_owned(self, after: str, but: int | None = None) -> None:
        """:param but: the number of a process that should have none."""

        def owned() -> int:
            return sum(owner != but for owner in self.claims.owners().values())

        try:
            until(lambda: owned() == SHARES, RELIEVED_WITHIN, 0.3)
        except AssertionError:
            self.wrong.append(f"{RELIEVED_WITHIN:g} s after {after}, {owned()} of {SHARES} shares have an owner.")
