"""The judge of ``make test-cluster`` finds what is wrong with a fleet, and nothing else."""

from collections import Counter
from random import Random

import pytest

from tests.cluster.books import Books, Page
from tests.fleet.__main__ import least_of
from tests.fleet.faults import HOW, WHO, Fault, faults
from tests.fleet.owners import MOST, Owner
from tests.fleet.timetable import WEIGHTS, Timetable
from tests.rig.otter import Client, OwnedGroup

EVERY = [Fault(who, how) for who in WHO for how in HOW]


class Obedient(Owner):
    """Every request is answered at once."""

    def ask(self, method, url, key, good):
        self.done.append(url)
        return good[0]

    def evict(self, random): ...


@pytest.fixture
def owner():
    policies = {name: f"http://x/{name}" for name in ("up", "down", "set")}
    group = OwnedGroup("t", "g", "http://x", policies, {name: f"{url}/execute" for name, url in policies.items()})
    owner = Obedient(group, None, Books({"g": Page()}), settable=True)
    owner.done = []
    return owner


def test_the_account_is_what_the_requests_come_to(owner):
    random = Random(1)
    size = 0
    for _ in range(300):
        before, asked = owner.size, len(owner.done)
        owner.act(random)
        for url in owner.done[asked : asked + 1]:
            size = {"up": before + 1, "down": before - 1, "set": 3}[url.split("/")[3]]
        assert owner.size == size and 0 <= size <= MOST
    assert owner.books.acknowledged > 200 and owner.books.repeated > 20


def test_servers_asked_for_are_counted_and_those_not_wanted_any_more_are_not(owner):
    for policy, size in (("up", 1), ("up", 2), ("down", 1), ("set", 3)):
        owner.change(policy, size, Random(0))
    assert owner.asked == 1 + 1 + 2


@pytest.fixture
def timetable(owner):
    owner.size = 2
    return Timetable(Client(), [owner], [])


def test_each_schedule_counts_once(timetable, owner):
    assert timetable.judge(owner, 2 + sum(WEIGHTS)) is None


@pytest.mark.parametrize("sizes", [7, 8, 5, 10, 11, 13, 2])
def test_one_that_was_lost_or_came_twice_is_seen(timetable, owner, sizes):
    sentence = timetable.judge(owner, sizes)
    assert f"has desiredCapacity {sizes}, not 9" in sentence


def test_what_comes_every_minute_counts_for_each_full_minute(owner):
    timetable = Timetable(Client(), [], [owner])
    timetable.began, timetable.ended = {"g": 59.0}, 181.0
    assert (timetable.added(owner), timetable.events) == (3, 3)


@pytest.mark.parametrize("seed", range(5))
def test_all_kinds_of_faults_come_before_one_comes_again(seed):
    drawn = faults(Random(seed))
    rounds = [[next(drawn) for _ in EVERY] for _ in range(2)]
    assert [set(each) for each in rounds] == [set(EVERY)] * 2


def test_a_run_that_saw_too_little_fails():
    least = least_of(5)
    enough = Counter(EVERY * 3)
    assert least.wrong(enough, 1000, 50) == []
    assert "only 999 requests" in least.wrong(enough, 999, 50)[0]
    assert "only 49 schedules" in least.wrong(enough, 1000, 49)[0]
    assert "only 18 faults" in least.wrong(Counter(EVERY * 2), 1000, 50)[0]


def test_a_run_without_one_kind_of_fault_fails():
    without = Counter([fault for fault in EVERY if fault.who != "zookeeper"] * 4)
    assert least_of(5).wrong(without, 1000, 50) == ["There was a fault of zookeeper only 0 times."]


def test_a_short_run_needs_less():
    least = least_of(2)
    assert (least.faults, least.each, least.requests, least.schedules) == (8, 1, 400, 50)
