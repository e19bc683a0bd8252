"""Acceptance scenarios of load balancers: full ones, deleted ones, monitored ones, and many nodes at once."""

import pytest

from tests.rig.processes import until
from tests.rig.proxying import status
from tests.walks.groups import (
    born,
    comes_to,
    converge,
    figures,
    grown,
    in_time,
    lost,
    served_alone,
    sick,
    stays,
    vanished,
    whole,
)

UP, DOWN = {"name": "up", "change": 1}, {"name": "down", "change": -1}
LINGERING = [{"key": "lb_pending_delete", "value": 1}]
"""After its first change, a balancer with these metadata is PENDING-DELETE for a second, and then DELETED."""


def test_scenario_14_the_last_place_on_a_balancer_is_taken(patient, cloud, storm):
    lb_id = cloud.create_balancer()
    group = grown(patient, cloud, 24, most=30, lb_ids=[lb_id], policies=[UP])
    storm()
    before = cloud.addresses(group.id)
    lost(cloud, group, 2)
    gone = before - cloud.addresses(group.id)
    assert patient.execute(group.policies["up"]) == 202
    whole(patient, cloud, group, 25, smoothly=True)
    served_alone(cloud, group, lb_id)
    assert len(gone) == 2
    assert not cloud.served(lb_id) & gone
    assert len(born(cloud, group)) == 27


def test_scenario_14_a_full_balancer_takes_as_many_as_it_can(patient, cloud, storm):
    lb_id = cloud.create_balancer()
    group = grown(patient, cloud, 20, most=30, lb_ids=[lb_id], policies=[{"name": "all", "desiredCapacity": 30}])
    storm()
    assert patient.execute(group.policies["all"]) == 202
    [message] = sick(patient, group)
    assert "25 nodes" in message
    assert str(lb_id) in message
    comes_to(patient, group, "ERROR", 30, 25, 5)
    assert len(cloud.nodes(lb_id)) == 25
    stays(lambda: figures(patient, group), 3)
    patient.resize(group.url, 0, 25)
    whole(patient, cloud, group, 25)
    served_alone(cloud, group, lb_id)


@pytest.mark.healing
def test_a_balancer_full_of_others_takes_what_fits_and_loses_nobody(patient, cloud, storm):
    lb_id = cloud.create_balancer()
    others = {f"10.1.1.{number}" for number in range(23)}
    for address in others:
        cloud.add_node(lb_id, address, 80)
    storm()
    group = patient.create_group(cloud.tenant, 4, lb_ids=[lb_id])
    comes_to(patient, group, "ERROR", 4, 2, 2)
    assert cloud.served(lb_id) > others
    for node in cloud.nodes(lb_id)[:2]:
        cloud.remove_node(lb_id, node["id"])
    whole(patient, cloud, group, 4)
    assert len(cloud.nodes(lb_id)) == 25


def test_scenario_15_eleven_servers_leave_their_balancer_ten_nodes_at_a_time(patient, cloud, storm):
    lb_id = cloud.create_balancer()
    group = grown(patient, cloud, 11, most=11, lb_ids=[lb_id])
    storm()
    patient.resize(group.url, 0, 0)
    vanished(cloud, group)
    assert cloud.nodes(lb_id) == []
    assert whole(patient, cloud, group, 0, smoothly=True) == set()


def test_scenario_15_no_request_takes_off_more_than_ten_nodes(patient, cloud, proxy):
    lb_id = cloud.create_balancer()
    group = grown(patient, cloud, 11, most=11, lb_ids=[lb_id])
    patient.resize(group.url, 0, 0)
    vanished(cloud, group)
    removals = [entry["path"] for entry in proxy.log(cloud.tenant) if entry["operation"] == "remove_nodes"]
    assert [path.count("id=") for path in removals] == [10, 1]


@pytest.mark.parametrize("others", [0, 1])
def test_scenario_16_a_group_cannot_grow_on_a_deleted_balancer(patient, cloud, storm, others):
    lb_id, *rest = [cloud.create_balancer() for _ in range(others + 1)]
    group = grown(patient, cloud, 1, lb_ids=[lb_id, *rest], policies=[UP])
    storm()
    cloud.delete_balancer(lb_id)
    assert patient.execute(group.policies["up"]) == 202
    [message] = sick(patient, group)
    assert "Balancer" in message
    assert str(lb_id) in message
    comes_to(patient, group, "ERROR", 2, 0, 2)
    for other in rest:
        served_alone(cloud, group, other)


@pytest.mark.parametrize("others", [0, 1])
def test_scenario_16_a_group_on_a_deleted_balancer_can_become_empty(patient, cloud, storm, others):
    lb_id, *rest = [cloud.create_balancer() for _ in range(others + 1)]
    group = grown(patient, cloud, 1, lb_ids=[lb_id, *rest], policies=[DOWN])
    patient.resize(group.url, 0, 10)
    storm()
    cloud.delete_balancer(lb_id)
    assert patient.execute(group.policies["down"]) == 202
    whole(patient, cloud, group, 0)
    assert [cloud.nodes(other) for other in rest] == [[]] * others


@pytest.mark.healing
def test_a_balancer_marked_as_deleted_is_as_good_as_gone(otter, cloud):
    lb_id = cloud.create_balancer(metadata=LINGERING)
    group = otter.create_group(cloud.tenant, 2, lb_ids=[lb_id])
    comes_to(otter, group, "ERROR", 2, 0, 2)
    [message] = sick(otter, group)
    assert "Balancer" in message
    assert str(lb_id) in message
    otter.resize(group.url, 0, 0)
    whole(otter, cloud, group, 0)


def test_scenario_17_a_group_cannot_grow_on_a_balancer_that_is_being_deleted(patient, cloud, storm):
    lb_id = cloud.create_balancer()
    group = grown(patient, cloud, 2, lb_ids=[lb_id], policies=[UP])
    storm()
    cloud.balancer_status(lb_id, "PENDING_DELETE")
    assert patient.execute(group.policies["up"]) == 202
    [message] = sick(patient, group)
    assert "Balancer" in message
    assert str(lb_id) in message
    comes_to(patient, group, "ERROR", 3, 2, 1)


def test_scenario_17_a_group_can_shrink_on_a_balancer_that_is_being_deleted(patient, cloud, storm):
    lb_id = cloud.create_balancer()
    group = grown(patient, cloud, 3, lb_ids=[lb_id], policies=[{"name": "one", "desiredCapacity": 1}])
    patient.resize(group.url, 0, 10)
    storm()
    cloud.balancer_status(lb_id, "PENDING_DELETE")
    assert patient.execute(group.policies["one"]) == 202
    whole(patient, cloud, group, 1, smoothly=True)


def test_scenario_18_a_new_node_gets_no_traffic_until_its_monitor_finds_it_working(patient, cloud, storm):
    lb_id = cloud.create_balancer()
    cloud.set_health_monitor(lb_id)
    storm()
    group = grown(patient, cloud, 1, lb_ids=[lb_id])
    [node] = cloud.nodes(lb_id)
    assert (node["condition"], node["status"]) == ("DRAINING", "OFFLINE")
    stays(lambda: (cloud.nodes(lb_id), figures(patient, group)), 3)
    assert figures(patient, group) == ("ACTIVE", 1, 1, 0)
    cloud.node_status(lb_id, node["id"], "ONLINE")
    until(lambda: cloud.nodes(lb_id)[0]["condition"] == "ENABLED", 30, saying="the node is enabled")
    cloud.node_status(lb_id, node["id"], "OFFLINE")
    stays(lambda: cloud.nodes(lb_id), 3)


def test_scenario_18_servers_without_monitor_do_not_wait_for_those_with_one(patient, cloud, storm):
    watched, plain = cloud.create_balancer(), cloud.create_balancer()
    cloud.set_health_monitor(watched)
    storm()
    group = grown(patient, cloud, 2, lb_ids=[watched, plain])
    assert {node["condition"] for node in cloud.nodes(plain)} == {"ENABLED"}
    lost(cloud, group, 1)
    whole(patient, cloud, group, 2, smoothly=True)
    for lb_id in (watched, plain):
        served_alone(cloud, group, lb_id)


@pytest.mark.healing
def test_a_node_that_never_works_is_told_until_it_does(otter, cloud):
    lb_id = cloud.create_balancer()
    cloud.set_health_monitor(lb_id)
    group = otter.create_group(cloud.tenant, 3, lb_ids=[lb_id])
    [message] = sick(otter, group)
    assert "health monitor" in message
    assert figures(otter, group) == ("ERROR", 3, 3, 0)
    for node in cloud.nodes(lb_id):
        cloud.node_status(lb_id, node["id"], "ONLINE")
    whole(otter, cloud, group, 3)
    assert {node["condition"] for node in cloud.nodes(lb_id)} == {"ENABLED"}


def test_a_node_that_waits_gets_its_traffic_when_nobody_monitors_it_any_more(otter, cloud):
    lb_id = cloud.create_balancer()
    cloud.set_health_monitor(lb_id)
    grown(otter, cloud, 2, lb_ids=[lb_id])
    cloud.remove_health_monitor(lb_id)
    in_time(
        lambda: {node["condition"] for node in cloud.nodes(lb_id)} == {"ENABLED"},
        "enabled",
        lambda: cloud.nodes(lb_id),
    )


def test_scenario_20_a_server_is_off_its_balancer_before_it_is_deleted(otter, cloud, proxy):
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 3, lb_ids=[lb_id])
    stuck = proxy.add(status(500), tenant=cloud.tenant, operation="delete_server")
    otter.resize(group.url, 1, 1)
    until(lambda: proxy.applied(stuck), 30, saying="otter deletes a server")
    assert len(cloud.nodes(lb_id)) == 1
    assert len(cloud.servers(group.id)) == 3
    proxy.remove(stuck)
    whole(otter, cloud, group, 1)
    served_alone(cloud, group, lb_id)


def test_scenario_20_a_server_stays_as_long_as_it_is_on_a_balancer(otter, cloud, proxy):
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    stuck = proxy.add(status(500), tenant=cloud.tenant, operation="remove_nodes")
    otter.resize(group.url, 0, 0)
    until(lambda: proxy.applied(stuck) >= 3, 30, saying="otter takes the servers off the balancer")
    assert len(cloud.servers(group.id)) == 2
    proxy.remove(stuck)
    vanished(cloud, group)
    assert cloud.nodes(lb_id) == []


def test_a_balancer_that_is_being_built_is_waited_for(patient, cloud):
    lb_id = cloud.create_balancer(metadata=[{"key": "lb_building", "value": 3}])
    group = patient.create_group(cloud.tenant, 2, lb_ids=[lb_id])
    whole(patient, cloud, group, 2, smoothly=True)
    served_alone(cloud, group, lb_id)


def test_a_balancer_that_takes_its_time_over_each_change_gets_them_one_by_one(patient, cloud, storm):
    lb_id = cloud.create_balancer(metadata=[{"key": "lb_pending_update", "value": 1}])
    storm()
    group = grown(patient, cloud, 3, lb_ids=[lb_id])
    lost(cloud, group, 1)
    converge(patient, group)
    whole(patient, cloud, group, 3, smoothly=True)
    served_alone(cloud, group, lb_id)
    patient.resize(group.url, 0, 0)
    vanished(cloud, group)
    assert cloud.nodes(lb_id) == []
