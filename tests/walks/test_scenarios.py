"""Acceptance scenarios, by their numbers: whatever happens to a group's servers, it gets back to its size, and not above."""

from datetime import UTC, datetime

import pytest

from tests.rig.mimic import address_of
from tests.rig.processes import until
from tests.walks.groups import (
    born,
    converge,
    first,
    grown,
    ids,
    in_time,
    look_again,
    looks,
    lost,
    relaunch,
    served_alone,
    vanished,
    whole,
)

NEVER = 3600.0
"""Seconds that a server builds which never gets ready."""
LOST_COUNT = {"code": 500, "type": "computeFault", "message": "The server could not comply with the request"}


def broken_ones(cloud, group, number, status="ERROR"):
    """The ids of so many of the group's servers, which broke this moment."""
    broken = sorted(ids(cloud.servers(group.id)))[:number]
    for server_id in broken:
        cloud.set_status(server_id, status)
    return set(broken)


def settled(otter, group):
    """Wait until otter has nothing left to do for the group, and will not look at it before it is asked to."""

    def is_settled():
        state = otter.state(group.url)
        return state["converged_generation"] == state["generation"]

    in_time(is_settled, "it has converged", lambda: otter.state(group.url))


def looks_at_rest(proxy, tenant):
    """``looks``, when a look that may have begun before is over."""
    counts = []

    def is_at_rest():
        counts.append(looks(proxy, tenant))
        return counts[-10:] == counts[-1:] * 10

    in_time(is_at_rest, "no look is under way", lambda: counts)
    return counts[-1]


def test_scenario_01_servers_deleted_behind_otters_back_are_replaced(hasty, cloud):
    group = grown(hasty, cloud, 4)
    gone = lost(cloud, group, 2)
    converge(hasty, group)
    assert not gone & whole(hasty, cloud, group, 4)
    assert len(born(cloud, group)) == 6


def test_scenario_02_a_policy_counts_from_what_was_desired_not_from_what_is_left(hasty, cloud):
    group = grown(hasty, cloud, 3, policies=[{"name": "up", "change": 2}])
    lost(cloud, group, 1)
    assert hasty.execute(group.policies["up"]) == 202
    whole(hasty, cloud, group, 5)
    assert len(born(cloud, group)) == 6


@pytest.mark.parametrize(("deleted", "down"), [(2, 4), (4, 2), (3, 3)])
def test_scenario_03_a_policy_takes_away_from_what_was_desired(hasty, cloud, deleted, down):
    group = grown(hasty, cloud, 7, policies=[{"name": "down", "change": -down}])
    hasty.resize(group.url, 0, 10)
    lost(cloud, group, deleted)
    assert hasty.execute(group.policies["down"]) == 202
    whole(hasty, cloud, group, 7 - down)


def test_row_70_and_scenario_04_a_policy_refused_at_the_maximum_heals(hasty, cloud):
    group = grown(hasty, cloud, 10, policies=[{"name": "up", "change": 5}])
    settled(hasty, group)
    gone = lost(cloud, group, 2)
    assert hasty.execute(group.policies["up"]) == 403
    assert not gone & whole(hasty, cloud, group, 10)


def test_row_70_and_scenario_04_a_policy_refused_at_the_minimum_heals(hasty, cloud):
    group = grown(hasty, cloud, 4, policies=[{"name": "down", "change": -2}])
    settled(hasty, group)
    gone = lost(cloud, group, 2)
    assert hasty.execute(group.policies["down"]) == 403
    assert not gone & whole(hasty, cloud, group, 4)


def test_row_71_the_same_configuration_once_more_heals(hasty, cloud):
    group = grown(hasty, cloud, 3)
    settled(hasty, group)
    same = hasty.ask("GET", f"{group.url}/config")["groupConfiguration"]
    gone = lost(cloud, group, 1)
    hasty.ask("PUT", f"{group.url}/config", same)
    assert not gone & whole(hasty, cloud, group, 3)


def test_scenario_05_a_new_configuration_heals(hasty, cloud):
    group = grown(hasty, cloud, 3)
    settled(hasty, group)
    gone = lost(cloud, group, 1)
    hasty.resize(group.url, 3, 9)
    assert not gone & whole(hasty, cloud, group, 3)


def test_row_70_an_execution_that_comes_too_early_heals(hasty, cloud):
    group = grown(hasty, cloud, 2, policies=[{"name": "up", "change": 1, "cooldown": 3600}])
    assert hasty.execute(group.policies["up"]) == 202
    whole(hasty, cloud, group, 3)
    settled(hasty, group)
    gone = lost(cloud, group, 1)
    assert hasty.execute(group.policies["up"]) == 403
    assert not gone & whole(hasty, cloud, group, 3)


def test_row_70_a_webhook_that_comes_too_early_heals(hasty, cloud):
    group = grown(hasty, cloud, 2, policies=[{"name": "up", "change": 1, "cooldown": 3600}])
    assert hasty.hit(group.webhooks["up"]) == 202
    whole(hasty, cloud, group, 3)
    settled(hasty, group)
    gone = lost(cloud, group, 1)
    assert hasty.hit(group.webhooks["up"]) == 202
    assert not gone & whole(hasty, cloud, group, 3)


def test_row_72_bounds_remove_servers_only_if_there_are_more_than_the_most(hasty, cloud, proxy):
    group = grown(hasty, cloud, 3)
    members = ids(cloud.servers(group.id))
    hasty.resize(group.url, 0, 10)
    look_again(hasty, proxy, group)
    assert whole(hasty, cloud, group, 3) == members
    hasty.resize(group.url, 0, 2)
    assert whole(hasty, cloud, group, 2) < members


def made_before_now(cloud, group):
    """Wait until whatever is made from now on is younger than the group's servers. Nova's times are whole seconds."""
    latest = max(server["created"] for server in cloud.servers(group.id))
    until(lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" > latest, saying="a second is over")


def test_row_73_a_new_launch_configuration_is_for_new_servers_and_the_oldest_go_first(hasty, cloud, proxy):
    policies = [{"name": "up", "change": 1}, {"name": "down", "change": -1}]
    group = grown(hasty, cloud, 2, policies=policies, metadata={"made": "first"})
    old = ids(cloud.servers(group.id))
    hasty.resize(group.url, 0, 10)
    made_before_now(cloud, group)
    relaunch(hasty, group, metadata={"made": "later"})
    look_again(hasty, proxy, group)
    assert whole(hasty, cloud, group, 2) == old
    hasty.execute(group.policies["up"])
    [new] = whole(hasty, cloud, group, 3) - old
    made = {server["id"]: server["metadata"]["made"] for server in cloud.servers(group.id)}
    assert made == {new: "later", **dict.fromkeys(old, "first")}
    hasty.execute(group.policies["down"])
    assert new in whole(hasty, cloud, group, 2)
    hasty.execute(group.policies["down"])
    assert whole(hasty, cloud, group, 1) == {new}


def test_scenario_06_a_server_that_comes_out_broken_is_replaced(otter, cloud, storm):
    first(cloud, "error", {})
    storm()
    group = grown(otter, cloud, 2)
    assert len(born(cloud, group)) == 3


@pytest.mark.retrying
def test_scenario_07_a_build_that_never_ends_is_replaced(otter, cloud):
    first(cloud, "build", {"duration": NEVER})
    group = grown(otter, cloud, 2)
    assert len(born(cloud, group)) == 3


def test_a_build_that_takes_its_time_is_waited_for(otter, cloud):
    first(cloud, "build", {"duration": 3.0}, 2)
    group = grown(otter, cloud, 2)
    assert len(born(cloud, group)) == 2


@pytest.mark.parametrize(("change", "size"), [(2, 5), (-2, 1), (0, 3)])
def test_scenario_08_servers_that_break_are_replaced(hasty, cloud, storm, change, size):
    policies = [{"name": "three", "desiredCapacity": 3}, {"name": "change", "change": change or 1}]
    group = hasty.create_group(cloud.tenant, 1, policies=policies)
    hasty.execute(group.policies["three"])
    whole(hasty, cloud, group, 3)
    storm()
    broken = broken_ones(cloud, group, 2)
    if change:
        hasty.execute(group.policies["change"])
    else:
        converge(hasty, group)
    assert not broken & whole(hasty, cloud, group, size)
    assert len(born(cloud, group)) == 3 + max(0, size - 1)


@pytest.mark.healing
def test_scenario_08_servers_that_are_shut_off_are_replaced_by_themselves(otter, cloud):
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 3, lb_ids=[lb_id])
    broken = broken_ones(cloud, group, 2, "SHUTOFF")
    assert not broken & whole(otter, cloud, group, 3)
    served_alone(cloud, group, lb_id)
    assert len(born(cloud, group)) == 5


def test_scenario_09_a_create_that_only_seems_to_fail_is_not_made_twice(otter, cloud):
    first(cloud, "false-negative", LOST_COUNT, 2)
    group = grown(otter, cloud, 3)
    assert len(born(cloud, group)) == 3


def test_scenario_13_disowned_servers_are_replaced_and_left_alone(hasty, cloud, storm):
    lb_id = cloud.create_balancer()
    group = grown(hasty, cloud, 4, most=4, lb_ids=[lb_id], policies=[{"name": "up", "change": 1}])
    storm()
    disowned = cloud.servers(group.id)[:3]
    for server in disowned:
        cloud.wipe_metadata(server["id"])
    assert hasty.execute(group.policies["up"]) == 403
    assert not ids(disowned) & whole(hasty, cloud, group, 4)
    served_alone(cloud, group, lb_id, map(address_of, disowned))
    hasty.resize(group.url, 0, 0)
    vanished(cloud, group)
    assert ids(cloud.servers()) == ids(disowned)
    assert cloud.served(lb_id) == {address_of(server) for server in disowned}


def test_row_78_and_scenario_21_a_paused_group_is_left_as_it_is(otter, cloud, proxy):
    first(cloud, "build", {"duration": 3.0})
    group = otter.create_group(cloud.tenant, 1, policies=[{"name": "up", "change": 1}])
    until(lambda: cloud.servers(group.id), saying="the server is being built")
    otter.ask("POST", f"{group.url}/pause")
    before = looks_at_rest(proxy, group.tenant)
    until(lambda: cloud.servers(group.id)[0]["status"] == "ACTIVE", saying="it is ready")
    assert otter.execute(group.policies["up"]) == 403
    assert otter.hit(group.webhooks["up"]) == 202
    otter.ask("POST", f"{group.url}/converge", expected=[403])
    state = otter.state(group.url)
    assert (state["paused"], state["desiredCapacity"], state["pendingCapacity"]) == (True, 1, 1)
    assert looks(proxy, group.tenant) == before


def test_scenario_21_a_resumed_group_heals_by_itself(hasty, cloud):
    group = grown(hasty, cloud, 2)
    hasty.ask("POST", f"{group.url}/pause")
    gone = lost(cloud, group, 1)
    hasty.ask("POST", f"{group.url}/resume")
    assert not gone & whole(hasty, cloud, group, 2)


@pytest.mark.healing
def test_scenario_22_a_group_that_nobody_asks_about_heals(otter, cloud):
    group = grown(otter, cloud, 2)
    gone = lost(cloud, group, 2)
    assert not gone & whole(otter, cloud, group, 2)
