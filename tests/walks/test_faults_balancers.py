"""Cloud Load Balancers talk nonsense: only groups that need them notice, and when it is over all is as it should be."""

import pytest

from tests.rig.processes import until
from tests.rig.proxying import cut, delay, drop, drop_after, garbage, html, stall, status
from tests.walks.groups import (
    born,
    converge,
    grown,
    hasty_otter,
    is_readable,
    others_are_served,
    served_alone,
    shown,
    sick,
    vanished,
    whole,
)

NO_LIST = [*map(garbage, ("{}", "[]", '"text"', '{"nodes": null}', '{"nodes": [5]}')), html(502), cut()]
NOT_DONE = [garbage("[]"), garbage('"text"'), html(200), html(202), html(502), drop(), stall()]
UNHEARD = [drop_after(), cut(), status(500, when="after"), delay(3, "after")]
SOON = 15.0
"""Seconds in which an owner should have been told of a trouble that lasts."""
NOBODY = "99999"
"""No balancer of Mimic's has so high a number."""


@pytest.fixture(scope="module")
def hasty(street, tmp_path_factory):
    """An otter that loses patience early."""
    with hasty_otter(tmp_path_factory.mktemp("hasty"), street.identity_url) as otter:
        yield otter


@pytest.mark.parametrize("fault", NO_LIST, ids=shown)
def test_nodes_that_cannot_be_read_are_reported_and_outlived(otter, cloud, proxy, fault):
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 3, lb_ids=[lb_id])
    trouble = proxy.add(fault, tenant=cloud.tenant, operation="list_nodes")
    [message] = sick(otter, group)
    assert is_readable(message)
    otter.resize(group.url, 1, 1)
    grown(otter, cloud, 1)
    others_are_served(otter, cloud)
    assert len(cloud.servers(group.id)) == 3
    proxy.remove(trouble)
    whole(otter, cloud, group, 1)
    served_alone(cloud, group, lb_id)


def test_nodes_that_are_never_told_are_reported_and_outlived(hasty, cloud, proxy):
    lb_id = cloud.create_balancer()
    group = grown(hasty, cloud, 2, lb_ids=[lb_id])
    trouble = proxy.add(stall(), tenant=cloud.tenant, operation="list_nodes")
    converge(hasty, group)
    [message] = sick(hasty, group)
    assert is_readable(message)
    grown(hasty, cloud, 1)
    proxy.remove(trouble)
    whole(hasty, cloud, group, 2)
    assert len(born(cloud, group)) == 2


@pytest.mark.parametrize("fault", NOT_DONE, ids=shown)
def test_nodes_that_cannot_be_added_are_reported_and_outlived(hasty, cloud, proxy, fault):
    lb_id = cloud.create_balancer()
    trouble = proxy.add(fault, tenant=cloud.tenant, operation="add_nodes")
    group = hasty.create_group(cloud.tenant, 2, lb_ids=[lb_id])
    [message] = sick(hasty, group, SOON)
    assert is_readable(message)
    grown(hasty, cloud, 1)
    others_are_served(hasty, cloud)
    proxy.remove(trouble)
    whole(hasty, cloud, group, 2)
    served_alone(cloud, group, lb_id)
    assert len(cloud.nodes(lb_id)) == len(born(cloud, group)) == 2


@pytest.mark.parametrize("fault", NOT_DONE, ids=shown)
def test_nodes_that_cannot_be_removed_are_reported_and_outlived(hasty, cloud, proxy, fault):
    lb_id = cloud.create_balancer()
    group = grown(hasty, cloud, 3, lb_ids=[lb_id])
    trouble = proxy.add(fault, tenant=cloud.tenant, operation="remove_nodes")
    hasty.resize(group.url, 1, 1)
    [message] = sick(hasty, group, SOON)
    assert is_readable(message)
    assert len(cloud.servers(group.id)) == 3
    grown(hasty, cloud, 1)
    others_are_served(hasty, cloud)
    proxy.remove(trouble)
    whole(hasty, cloud, group, 1)
    served_alone(cloud, group, lb_id)


def test_nodes_that_are_said_to_be_added_and_never_are_reported(hasty, cloud, proxy):
    lb_id = cloud.create_balancer()
    proxy.add(garbage("{}", 202), tenant=cloud.tenant, operation="add_nodes")
    group = hasty.create_group(cloud.tenant, 2, lb_ids=[lb_id])
    [message] = sick(hasty, group, SOON)
    assert is_readable(message)
    proxy.clear(cloud.tenant)
    whole(hasty, cloud, group, 2)


def test_nodes_that_are_said_to_be_removed_and_never_are_reported(hasty, cloud, proxy):
    lb_id = cloud.create_balancer()
    group = grown(hasty, cloud, 2, lb_ids=[lb_id])
    proxy.add(garbage("{}", 202), tenant=cloud.tenant, operation="remove_nodes")
    hasty.resize(group.url, 0, 0)
    [message] = sick(hasty, group, SOON)
    assert is_readable(message)
    proxy.clear(cloud.tenant)
    vanished(cloud, group)


@pytest.mark.parametrize("fault", UNHEARD, ids=shown)
def test_nodes_added_without_an_answer_are_not_added_twice(hasty, cloud, proxy, fault):
    lb_id = cloud.create_balancer()
    proxy.add(fault, tenant=cloud.tenant, operation="add_nodes", first=1)
    group = hasty.create_group(cloud.tenant, 3, lb_ids=[lb_id])
    whole(hasty, cloud, group, 3)
    assert sorted(node["address"] for node in cloud.nodes(lb_id)) == sorted(cloud.addresses(group.id))


@pytest.mark.parametrize("fault", [*UNHEARD, status(410, "gone", when="after")], ids=shown)
@pytest.mark.parametrize("operation", ["remove_nodes", "delete_server"])
def test_what_is_removed_without_an_answer_is_removed_all_the_same(hasty, cloud, proxy, operation, fault):
    lb_id = cloud.create_balancer()
    group = grown(hasty, cloud, 3, lb_ids=[lb_id])
    proxy.add(fault, tenant=cloud.tenant, operation=operation, first=2)
    hasty.resize(group.url, 1, 1)
    whole(hasty, cloud, group, 1)
    served_alone(cloud, group, lb_id)


def test_one_unreadable_balancer_is_reported_while_servers_are_replaced(otter, cloud, proxy):
    unreadable, readable = cloud.create_balancer(), cloud.create_balancer()
    group = grown(otter, cloud, 2, lb_ids=[unreadable, readable])
    nodes = f"loadbalancers/{unreadable}/nodes"
    proxy.add(garbage("[]"), tenant=cloud.tenant, operation="list_nodes", path=nodes)
    assert len(sick(otter, group)) == 1
    gone = cloud.servers(group.id)[0]["id"]
    cloud.delete_server(gone)
    until(lambda: len(cloud.servers(group.id)) == 2, 30, saying="it is replaced")
    served_alone(cloud, group, readable)
    proxy.clear(cloud.tenant)
    assert gone not in whole(otter, cloud, group, 2)
    served_alone(cloud, group, unreadable)
    assert len(born(cloud, group)) == 3


def test_a_balancer_that_does_not_exist_is_reported_once_however_many_servers_there_are(otter, cloud):
    group = otter.create_group(cloud.tenant, 4, lb_ids=[NOBODY])
    [message] = sick(otter, group)
    assert "Balancer" in message
    assert NOBODY in message
    state = otter.state(group.url)
    assert (state["desiredCapacity"], state["activeCapacity"], state["pendingCapacity"]) == (4, 0, 4)
    assert len(cloud.servers(group.id)) == 4


def test_a_group_on_a_balancer_that_does_not_exist_gets_rid_of_its_servers(otter, cloud):
    group = otter.create_group(cloud.tenant, 2, lb_ids=[NOBODY])
    sick(otter, group)
    otter.resize(group.url, 0, 0)
    vanished(cloud, group)
    whole(otter, cloud, group, 0)


def test_a_balancer_that_does_not_exist_keeps_servers_off_no_other(otter, cloud):
    lb_id = cloud.create_balancer()
    group = otter.create_group(cloud.tenant, 2, lb_ids=[NOBODY, lb_id])
    assert len(sick(otter, group)) == 1
    assert len(cloud.addresses(group.id)) == 2
    served_alone(cloud, group, lb_id)
