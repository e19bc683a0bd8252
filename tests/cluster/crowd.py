"""
Clients who execute policies, and write down what they are told.

In one half of the groups every execution has an ``Idempotency-Key`` and is repeated until it is answered with 2xx, some even after
that: there every number is exact. In the other half some have none: what is not answered counts 0 or 1.
"""

import time
from collections.abc import Sequence
from http.client import HTTPException
from random import Random
from threading import Event, Thread
from uuid import UUID

from attrs import define, field, frozen

from tests.cluster.books import Books
from tests.rig.otter import OwnedGroup
from tests.rig.processes import send

PATIENCE = 60.0
"""Seconds for one answer; nobody may have to wait for that long."""
HOT = 3.0
"""Seconds for which a group has half of all clients to itself, so that changes are folded."""
MOST = 950
"""Executions that a group may be asked for; its size is limited."""


@frozen
class Target:
    """:ivar exact: all its executions have keys."""

    group: OwnedGroup
    exact: bool


@define(eq=False)
class Crowd:
    """:ivar pause: seconds between two requests of a client, on average."""

    targets: Sequence[Target]
    books: Books
    seed: int
    pause: float
    keys: list[tuple[Target, str]] = field(factory=list)
    _over: Event = field(init=False, factory=Event)
    _giving_up: Event = field(init=False, factory=Event)
    _threads: list[Thread] = field(init=False, factory=list)

    def begin(self, clients: int) -> None:
        for number in range(clients):
            thread = Thread(target=self._live, args=[Random(f"{self.seed} {number}")], daemon=True)
            thread.start()
            self._threads.append(thread)

    @property
    def clients(self) -> int:
        return len(self._threads)

    def end(self, within: float) -> bool:
        """Nobody asks for more; whether all who repeat something have got their answer ``within`` seconds."""
        self._over.set()
        deadline = time.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        well = not any(thread.is_alive() for thread in self._threads)
        self._giving_up.set()
        for thread in self._threads:
            thread.join(PATIENCE + 5)
        return well

    def _live(self, random: Random) -> None:
        while not self._over.is_set():
            target = self._chosen(random)
            if target is None:
                return
            if target.exact or random.random() < 0.4:
                self._insist(target, str(UUID(int=random.getrandbits(128))), random)
            else:
                self._ask_once(target, random)
            time.sleep(random.uniform(0.0, 2 * self.pause))

    def _chosen(self, random: Random) -> Target | None:
        free = [target for target in self.targets if self._asked(target) < MOST]
        if not free:
            return None
        hot = int(time.monotonic() / HOT) % len(free)
        return free[hot] if random.random() < 0.5 else random.choice(free)

    def _asked(self, target: Target) -> int:
        page = self.books.pages[target.group.id]
        return page.acknowledged + page.unanswered

    def _ask_once(self, target: Target, random: Random) -> None:
        way = random.choice([f"{target.group.policies['up']}/execute", target.group.webhooks["up"]])
        self.books.count(target.group.id, self.ask(way) == 202)

    def _insist(self, target: Target, key: str, random: Random) -> None:
        way = f"{target.group.policies['up']}/execute"
        while (status := self.ask(way, key)) != 202:
            if self._giving_up.is_set():
                self.books.count(target.group.id, False)
                return
            self.books.repeats()
            time.sleep(random.uniform(0.1, 0.5))
        assert status == 202
        self.books.count(target.group.id, True)
        self.keys.append((target, key))
        if random.random() < 0.2:
            self.books.repeats()
            self.ask(way, key)

    def ask(self, url: str, key: str | None = None) -> int:
        """The status; 0 if there was no answer."""
        headers = {"idempotency-key": key} if key else {}
        began = time.monotonic()
        try:
            status, answer_headers, _ = send("POST", url, timeout=PATIENCE, headers=headers)
            retry_after = answer_headers["retry-after"]
        except (OSError, HTTPException):
            status, retry_after = 0, None
        self.books.answered(status, retry_after, f"POST {url}", began, time.monotonic())
        return status
