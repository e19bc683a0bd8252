"""
Whoever owns a group, and keeps an account of what it has to be.

An owner asks for one thing at a time, and asks again, with the same ``Idempotency-Key``, until there is an answer; so each request
counts exactly once, and the account is exact. What schedules add is added to it in the end (``tests.fleet.timetable``).
"""

import time
from collections.abc import Sequence
from http.client import HTTPException
from random import Random
from threading import Event, Lock, Thread
from typing import Any
from uuid import UUID

from attrs import define, field

from tests.cluster.books import Books
from tests.rig.mimic import Cloud
from tests.rig.otter import OwnedGroup
from tests.rig.processes import send

PATIENCE = 8.0
"""Seconds for one answer: a process that is paused gives none."""
ANSWERED_WITHIN = 120.0
"""Seconds in which whoever repeats a request gets an answer."""
MOST, SET_TO = 4, 3
"""Servers that an owner asks for, beside those of schedules."""
AGAIN = 0.2
"""How often an execution that was answered is asked for once more, as if its answer had been lost."""


class Wrong(Exception):
    """What should not be, in a sentence."""


@define(eq=False)
class Owner:
    """
    :ivar settable: it has a policy that sets the size; then nobody but its owner may change that.
    :ivar size: what the owner's requests come to. :ivar asked: of servers that its requests called for, the first ones included.
    :ivar evicted: servers taken out of the group, to be replaced. :ivar deleted: servers deleted behind otter's back.
    :ivar lock: whoever asks has it.
    """

    group: OwnedGroup
    cloud: Cloud
    books: Books
    settable: bool
    size: int = 0
    asked: int = 0
    evicted: int = 0
    deleted: int = 0
    lock: Lock = field(init=False, factory=Lock)

    def act(self, random: Random) -> None:
        """:raises Wrong: there was no answer, or no good one."""
        size = random.choice([size for size in self.ways() if size != self.size])
        if self.size and random.random() < 0.07:
            self.evict(random)
        else:
            self.change(self.ways()[size], size, random)

    def ways(self) -> dict[int, str]:
        """Sizes that one request leads to -> the policy that does it."""
        ways = {SET_TO: "set"} if self.settable else {}
        return (
            ways | ({self.size + 1: "up"} if self.size < MOST else {}) | ({self.size - 1: "down"} if self.size else {})
        )

    def change(self, policy: str, size: int, random: Random) -> None:
        url = self.group.webhooks[policy] if random.random() < 0.5 else f"{self.group.policies[policy]}/execute"
        key = str(UUID(int=random.getrandbits(128), version=4))
        self.asked += max(0, size - self.size)
        self.insist("POST", url, (202,), key)
        self.size = size
        self.books.count(self.group.id, True)
        if random.random() < AGAIN:
            self.books.repeats()
            self.insist("POST", url, (202,), key)

    def evict(self, random: Random) -> None:
        """One that another request was quicker to take away is 404."""
        servers = sorted(server["id"] for server in self.cloud.servers(self.group.id))
        if not servers:
            return
        self.evicted += 1
        url = f"{self.group.url}/servers/{random.choice(servers)}?replace=true"
        if self.insist("DELETE", url, (202, 404)) == 202:
            self.books.count(self.group.id, True)

    def insist(self, method: str, url: str, good: Sequence[int], key: str = "") -> int:
        """The status, which is one of ``good``."""
        deadline = time.monotonic() + ANSWERED_WITHIN
        while (status := self.ask(method, url, key, good)) not in good:
            if time.monotonic() > deadline:
                raise Wrong(
                    f"{method} {url} was not answered well within {ANSWERED_WITHIN:g} s; the last status: {status}"
                )
            self.books.repeats()
            time.sleep(0.2)
        return status

    def ask(self, method: str, url: str, key: str, good: Sequence[int]) -> int:
        """The status; 0 if there was no answer."""
        try:
            headers = {"idempotency-key": key} if key else {}
            status, told, _ = send(method, url, timeout=PATIENCE, headers=headers)
            retry_after = told["retry-after"]
        except (OSError, HTTPException):
            status, retry_after = 0, None
        self.books.answered(202 if status in good else status, retry_after, f"{method} {url}")
        return status


@define(eq=False)
class Crowd:
    """
    Clients, who take turns at asking for the owners, and a vandal who deletes servers behind otter's back.

    :ivar pause: seconds between two requests of a client, on average.
    """

    owners: Sequence[Owner]
    books: Books
    seed: int
    pause: float
    _over: Event = field(init=False, factory=Event)
    _threads: list[Thread] = field(init=False, factory=list)

    def begin(self, clients: int) -> None:
        self._begin(self._vandalize, Random(f"{self.seed} vandal"))
        for number in range(clients):
            self._begin(self._ask, Random(f"{self.seed} {number}"))

    def end(self) -> None:
        """Nobody asks for more; those who repeat something get their answer first."""
        self._over.set()
        for thread in self._threads:
            thread.join(ANSWERED_WITHIN + 10)

    def _begin(self, live: Any, random: Random) -> None:
        def guarded() -> None:
            try:
                live(random)
            except Exception as error:
                self.books.wrong.append(str(error) if isinstance(error, Wrong) else f"A client broke off: {error!r}")

        thread = Thread(target=guarded, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _ask(self, random: Random) -> None:
        while not self._over.wait(random.uniform(0.0, 2 * self.pause)):
            owner = random.choice(self.owners)
            if owner.lock.acquire(blocking=False):
                with_lock(owner, random)

    def _vandalize(self, random: Random) -> None:
        while not self._over.wait(random.uniform(1.0, 5.0)):
            owner = random.choice(self.owners)
            servers = sorted(server["id"] for server in owner.cloud.servers(owner.group.id))
            if servers:
                owner.deleted += deleted(owner.cloud, random.choice(servers))


def with_lock(owner: Owner, random: Random) -> None:
    try:
        owner.act(random)
    finally:
        owner.lock.release()


def deleted(cloud: Cloud, server_id: str) -> bool:
    """Whether it was there to be deleted; otter may have been faster."""
    try:
        cloud.delete_server(server_id)
    except AssertionError:
        return False
    return True
