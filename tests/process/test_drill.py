"""The short form of ``make drill``, and whether it would notice."""

from random import Random

import pytest

from tests.drill import ENGINES, FIRST, Account, Plan, itinerary, open_drill
from tests.rig.mimic import GROUP_KEY
from tests.rig.processes import until

SHORT = Plan(seed=0, flips=4, worker_flips=2, groups=2, least=3, most=12, longest=3.0, within=30.0)


@pytest.fixture
def drill(tmp_path):
    with open_drill(SHORT, print, tmp_path) as drill:
        yield drill


@pytest.fixture
def resting(drill):
    """Nobody asks for anything, and there is what was asked for."""
    drill.begin_life()
    until(lambda: drill.complaints() == [], 30)
    return drill


def test_whichever_engine_takes_over_does_what_the_one_before_was_asked_for(drill):
    drill.run()
    assert drill.faults == []
    assert drill.flips == SHORT.flips + SHORT.worker_flips


def test_a_second_fleet_is_noticed(resting):
    resting.otter.kill()
    [owner, _] = resting.owners
    resting.look()
    assert resting.faults == []
    for _ in range(owner.account.wanted):
        owner.cloud.create_server("again", {GROUP_KEY: owner.group.id})
    resting.look()
    assert resting.faults == ["bare-1: there are 6 servers, and there can be 3 at most."]


def test_servers_that_nobody_asked_for_are_noticed_when_they_are_gone(resting):
    [owner, _] = resting.owners
    for name in ("two more", "two less"):
        assert resting.otter.execute(owner.group.policies[name]) == 202
        until(lambda: owner.state()["generation"] == owner.state()["converged_generation"], 30)
    assert resting.complaints() == []
    resting.count_creates()
    assert resting.faults == [f"Tenant {owner.cloud.tenant}: nothing explains 2 of the servers."]


def test_what_is_lost_or_leaked_is_noticed(resting):
    bare, balanced = resting.owners
    [lb_id] = balanced.lb_ids
    bare.account.ask_for(4)
    balanced.cloud.create_server("nobody's")
    balanced.cloud.add_node(lb_id, "10.1.2.3", 80)
    assert resting.complaints() == [
        "bare-1: desiredCapacity: 3, not 4",
        "bare-1: activeCapacity: 3, not 4",
        "bare-1: servers in the cloud: 3, not 4",
        "bare-1: active servers in the cloud: 3, not 4",
        f"balancer-2: on load balancer {lb_id} 0 nodes are missing, and 1 too many",
        "there are servers of nobody",
    ]


def test_a_request_that_is_not_done_is_noticed(resting):
    owner = resting.owners[0]
    resting.proxy.process.kill()
    owner.execute(effective=True)
    assert [line for line in resting.complaints() if "requests that are not done in the store: 1" in line]


def test_the_ceiling_is_what_was_wanted_at_rest_and_all_increases_since():
    account = Account(least=5, most=50)
    for size in (20, 10, 15):
        account.ask_for(size)
    assert (account.ceiling, account.open_to_sight, account.increases) == (25, True, 25)
    account.ask_for(5)
    assert not account.open_to_sight
    account.rest()
    assert (account.ceiling, account.open_to_sight, account.increases) == (5, True, 25)


@pytest.mark.parametrize(
    ("rule", "size"),
    [
        ({"change": 3}, 13),
        ({"change": -9}, 5),
        ({"change": 99}, 50),
        ({"changePercent": 33}, 14),
        ({"changePercent": -33}, 6),
        ({"desiredCapacity": 7}, 7),
        ({"desiredCapacity": 0}, 5),
    ],
)
def test_an_account_knows_what_a_policy_makes_of_ten_servers(rule, size):
    account = Account(least=5, most=50)
    account.ask_for(10)
    assert account.after(rule) == size


@pytest.mark.parametrize("last", ["convergence", "worker"])
def test_each_flip_is_into_another_engine_and_all_are_met(last):
    for seed in range(50):
        names = itinerary(Random(seed), 4, FIRST, last)
        assert len(names) == 4
        assert names[-1] == last
        assert set(names) == set(ENGINES)
        assert all(one != other for one, other in zip([FIRST, *names], names, strict=False))
