"""
What happens by itself, and how one sees afterwards that it happened once.

A group with one-shot policies has three, which add 1, 2 and 4: so whatever the owner's requests do not explain says which of
them were executed, and which twice. A group with a ``cron`` policy gets one more each minute.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from random import Random
from typing import Any

from attrs import define, field

from tests.fleet.owners import Owner
from tests.rig.otter import Client, policy_document

WEIGHTS = (1, 2, 4)
EARLIEST = 30.0
"""Seconds from now until the first: they have to be stored before."""


@define(eq=False)
class Timetable:
    """
    :ivar once: owners of groups with one-shot policies. :ivar minutely: of those with a ``cron``.
    :ivar began: when each of the latter was made. :ivar ended: when they were taken away.
    """

    client: Client
    once: Sequence[Owner]
    minutely: Sequence[Owner]
    began: Mapping[str, float] = field(init=False, factory=dict)
    ended: float = field(init=False, default=0.0)
    _crons: list[str] = field(init=False, factory=list)

    def draw(self, random: Random, until: float) -> None:
        """Have the policies made; those of one shot are due before ``until`` (seconds since 1970)."""
        earliest = time.time() + EARLIEST
        documents = [[due_once(weight, random.uniform(earliest, until)) for weight in WEIGHTS] for _ in self.once]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self.add, self.once, documents))
        wait_for_second(1, 35)
        self.began = {owner.group.id: time.time() for owner in self.minutely}
        every_minute = scheduled("minutely", 1, {"cron": "* * * * *"})
        self._crons = [self.client.add_policy(owner.group.url, **every_minute) for owner in self.minutely]

    def add(self, owner: Owner, documents: Sequence[Mapping[str, Any]]) -> None:
        self.client.ask("POST", f"{owner.group.url}/policies", list(map(policy_document, documents)))

    def end(self) -> None:
        """Nothing comes any more. What was due before has come, for on a busy machine that may take half a minute."""
        wait_for_second(35, 50)
        for url in self._crons:
            self.client.ask("DELETE", url)
        self.ended = time.time()

    @property
    def events(self) -> int:
        """How many there were."""
        return len(self.once) * len(WEIGHTS) + sum(self.minutes(owner) for owner in self.minutely)

    def minutes(self, owner: Owner) -> int:
        began, ended = self.began.get(owner.group.id), self.ended or time.time()
        return 0 if began is None else int(ended // 60 - began // 60)

    def added(self, owner: Owner) -> int:
        """By what the group must be larger than its owner's requests come to."""
        return sum(WEIGHTS) if owner in self.once else self.minutes(owner)

    def judge(self, owner: Owner, desired: int) -> str | None:
        """A sentence if the group's size is not what it has to be."""
        wanted = owner.size + self.added(owner)
        if desired == wanted:
            return None
        account = f"its owner's requests come to {owner.size}, its schedules to {self.added(owner)}"
        return f"Group {owner.group.id} has desiredCapacity {desired}, not {wanted}: {account}."


def wait_for_second(earliest: int, latest: int) -> None:
    """Of whichever minute: far enough from a full one, so that it is certain which of them count."""
    while not earliest <= time.time() % 60 <= latest:
        time.sleep(0.5)


def due_once(weight: int, moment: float) -> dict[str, Any]:
    at = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return scheduled(f"once {weight}", weight, {"at": at})


def scheduled(name: str, change: int, args: Mapping[str, str]) -> dict[str, Any]:
    return {"name": name, "type": "schedule", "change": change, "args": dict(args)}
