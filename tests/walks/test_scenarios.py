"""Acceptance scenarios, by their numbers: whatever happens to a group's servers, it gets back to its size, and not above."""

import pytest

from tests.rig.processes import until
from tests.rig.proxying import delay
from tests.walks.groups import born, converge, grown, hasty_otter, ids, look_again, looks, lost, vanished, whole

NEVER = 3600.0
"""Seconds that a server builds which never gets ready."""
LOST_COUNT = {"code": 500, "type": "computeFault", "message": "The server could not comply with the request"}


@pytest.fixture(scope="module")
def sleeper(street, tmp_path_factory):
    """An otter that looks at a group only if it is asked to."""
    with hasty_otter(tmp_path_factory.mktemp("sleeper"), street.identity_url) as otter:
        yield otter


def first(cloud, name, parameters, number=1):
    """So many of the tenant's next servers come out like this, the others as usual."""
    odd, usual = {"name": name, "parameters": parameters}, {"name": "default"}
    cloud.on_create("sequence", {"behaviors": [odd] * number + [usual] * 50})


def test_scenario_01_servers_deleted_behind_otters_back_are_replaced(sleeper, cloud):
    group = grown(sleeper, cloud, 4)
    gone = lost(cloud, group, 2)
    converge(sleeper, group)
    assert not gone & whole(sleeper, cloud, group, 4)
    assert len(born(cloud, group)) == 6


def test_scenario_02_a_policy_counts_from_what_was_desired_not_from_what_is_left(sleeper, cloud):
    group = grown(sleeper, cloud, 3, policies=[{"name": "up", "change": 2}])
    lost(cloud, group, 1)
    assert sleeper.execute(group.policies["up"]) == 202
    whole(sleeper, cloud, group, 5)
    assert len(born(cloud, group)) == 6


@pytest.mark.parametrize(("deleted", "down"), [(2, 4), (4, 2), (3, 3)])
def test_scenario_03_a_policy_takes_away_from_what_was_desired(sleeper, cloud, deleted, down):
    group = grown(sleeper, cloud, 7, policies=[{"name": "down", "change": -down}])
    sleeper.resize(group.url, 0, 10)
    lost(cloud, group, deleted)
    assert sleeper.execute(group.policies["down"]) == 202
    whole(sleeper, cloud, group, 7 - down)


def test_scenario_04_a_policy_refused_at_the_maximum_heals(sleeper, cloud):
    group = grown(sleeper, cloud, 10, policies=[{"name": "up", "change": 5}])
    gone = lost(cloud, group, 2)
    assert sleeper.execute(group.policies["up"]) == 403
    assert not gone & whole(sleeper, cloud, group, 10)


def test_scenario_04_a_policy_refused_at_the_minimum_heals(sleeper, cloud):
    group = grown(sleeper, cloud, 4, policies=[{"name": "down", "change": -2}])
    gone = lost(cloud, group, 2)
    assert sleeper.execute(group.policies["down"]) == 403
    assert not gone & whole(sleeper, cloud, group, 4)


def test_scenario_05_a_new_configuration_heals(sleeper, cloud):
    group = grown(sleeper, cloud, 3)
    gone = lost(cloud, group, 1)
    sleeper.resize(group.url, 3, 9)
    assert not gone & whole(sleeper, cloud, group, 3)


def test_a_webhook_that_comes_too_early_heals(sleeper, cloud):
    group = grown(sleeper, cloud, 2, policies=[{"name": "up", "change": 1, "cooldown": 3600}])
    assert sleeper.hit(group.webhooks["up"]) == 202
    whole(sleeper, cloud, group, 3)
    gone = lost(cloud, group, 1)
    assert sleeper.hit(group.webhooks["up"]) == 202
    assert not gone & whole(sleeper, cloud, group, 3)


def test_scenario_06_a_server_that_comes_out_broken_is_replaced(otter, cloud):
    first(cloud, "error", {})
    group = grown(otter, cloud, 2)
    assert len(born(cloud, group)) == 3


def test_scenario_07_a_build_that_never_ends_is_replaced(otter, cloud):
    first(cloud, "build", {"duration": NEVER})
    group = grown(otter, cloud, 2)
    assert len(born(cloud, group)) == 3


def test_a_build_that_takes_its_time_is_waited_for(otter, cloud):
    first(cloud, "build", {"duration": 3.0}, 2)
    group = grown(otter, cloud, 2)
    assert len(born(cloud, group)) == 2


@pytest.mark.parametrize("status", ["ERROR", "SHUTOFF"])
def test_scenario_08_servers_that_break_are_replaced(otter, cloud, status):
    group = grown(otter, cloud, 3)
    broken = sorted(ids(cloud.servers(group.id)))[:2]
    for server_id in broken:
        cloud.set_status(server_id, status)
    converge(otter, group)
    assert not set(broken) & whole(otter, cloud, group, 3)
    assert len(born(cloud, group)) == 5


def test_scenario_09_a_create_that_only_seems_to_fail_is_not_made_twice(otter, cloud):
    first(cloud, "false-negative", LOST_COUNT, 2)
    group = grown(otter, cloud, 3)
    assert len(born(cloud, group)) == 3


def test_scenario_13_disowned_servers_are_replaced_and_left_alone(otter, cloud, proxy):
    group = grown(otter, cloud, 4)
    disowned = sorted(ids(cloud.servers(group.id)))[:3]
    for server_id in disowned:
        cloud.wipe_metadata(server_id)
    converge(otter, group)
    assert not set(disowned) & whole(otter, cloud, group, 4)
    look_again(otter, proxy, group)
    assert not set(disowned) & whole(otter, cloud, group, 4)
    assert ids(cloud.servers()) >= set(disowned)


def test_disowned_servers_outlive_their_group(otter, cloud, proxy):
    group = grown(otter, cloud, 2)
    [disowned, _] = sorted(ids(cloud.servers(group.id)))
    cloud.wipe_metadata(disowned)
    otter.delete(group.url)
    vanished(cloud, group)
    assert ids(cloud.servers()) == {disowned}


def test_scenario_21_a_paused_group_is_left_as_it_is(otter, cloud, proxy):
    first(cloud, "build", {"duration": 2.0})
    group = otter.create_group(cloud.tenant, 1, policies=[{"name": "up", "change": 1}])
    until(lambda: cloud.servers(group.id), saying="the server is being built")
    otter.ask("POST", f"{group.url}/pause")
    before = looks(proxy, group.tenant)
    until(lambda: cloud.servers(group.id)[0]["status"] == "ACTIVE", saying="it is ready")
    assert otter.execute(group.policies["up"]) == 403
    assert otter.hit(group.webhooks["up"]) == 202
    otter.ask("POST", f"{group.url}/converge", expected=[403])
    state = otter.state(group.url)
    assert (state["paused"], state["desiredCapacity"], state["pendingCapacity"]) == (True, 1, 1)
    assert looks(proxy, group.tenant) == before


def test_scenario_21_a_resumed_group_heals_by_itself(sleeper, cloud):
    group = grown(sleeper, cloud, 2)
    sleeper.ask("POST", f"{group.url}/pause")
    gone = lost(cloud, group, 1)
    sleeper.ask("POST", f"{group.url}/resume")
    assert not gone & whole(sleeper, cloud, group, 2)


def test_scenario_22_a_group_that_nobody_asks_about_heals(otter, cloud):
    group = grown(otter, cloud, 2)
    gone = lost(cloud, group, 2)
    assert not gone & whole(otter, cloud, group, 2)


def test_a_group_deleted_while_its_servers_build_leaves_nothing(otter, cloud):
    first(cloud, "build", {"duration": NEVER}, 3)
    lb_id = cloud.create_balancer()
    group = otter.create_group(cloud.tenant, 3, lb_ids=[lb_id])
    until(lambda: len(cloud.servers(group.id)) == 3, saying="the servers are being built")
    otter.delete(group.url)
    assert not otter.exists(group.url)
    vanished(cloud, group)
    assert cloud.nodes(lb_id) == []
    assert len(born(cloud, group)) == 3


def test_a_group_deleted_while_its_servers_are_asked_for_leaves_nothing(otter, cloud, proxy):
    proxy.add(delay(1.5), tenant=cloud.tenant, operation="create_server")
    group = otter.create_group(cloud.tenant, 3)
    until(lambda: proxy.counts(cloud.tenant)["nova"].get("create_server") == 3, saying="the servers are asked for")
    otter.delete(group.url)
    until(lambda: len(born(cloud, group)) == 3, saying="the servers came all the same")
    vanished(cloud, group)


def test_a_group_deleted_in_full_service_leaves_nothing(otter, cloud):
    lb_id = cloud.create_balancer()
    foreign = cloud.add_node(lb_id, "10.1.1.1", 80)
    group = grown(otter, cloud, 3, lb_ids=[lb_id])
    otter.delete(group.url)
    vanished(cloud, group)
    assert [node["id"] for node in cloud.nodes(lb_id)] == [foreign]


def test_a_group_without_room_for_servers_may_be_deleted_at_once(otter, cloud):
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    otter.resize(group.url, 0, 0)
    otter.delete(group.url, force=False)
    vanished(cloud, group)
    assert cloud.nodes(lb_id) == []
