"""Cloud Load Balancers talk nonsense: only groups that need them notice, and when it is over all is as it should be."""

import pytest

from tests.rig.processes import until
from tests.rig.proxying import cut, delay, drop, drop_after, garbage, html, stall, status
from tests.walks.groups import (
    born,
    comes_to,
    converge,
    figures,
    grown,
    ids,
    in_time,
    is_readable,
    lost,
    node_of,
    others_are_served,
    served_alone,
    shown,
    sick,
    stays,
    vanished,
    whole,
)

NO_LIST = [*map(garbage, ("[]", '{"nodes": null}', '{"nodes": [5]}')), html(502), cut()]
NOT_DONE = [garbage("[]"), garbage('"text"'), html(200), html(202), html(502), drop(), stall()]
UNHEARD = [drop_after(), cut(), status(500, when="after"), delay(3, "after")]
SOON = 15.0
"""Seconds in which an owner should have been told of a trouble that lasts."""


@pytest.mark.healing
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


def spoil(cloud, proxy, lb_id, trouble):
    """Something happens to a balancer; what puts an end to it."""
    match trouble:
        case "deleted":
            cloud.delete_balancer(lb_id)
        case "locked":
            cloud.balancer_status(lb_id, "PENDING_UPDATE")
        case "in ERROR":
            cloud.balancer_status(lb_id, "ERROR")
        case "unreadable" | "failing":
            path, code = f"loadbalancers/{lb_id}/nodes", 500 if trouble == "failing" else 409
            rule = proxy.add(status(code), tenant=cloud.tenant, operation="list_nodes", path=path)
            return lambda: proxy.remove(rule)
        case "mute":
            rule = proxy.add(status(409), tenant=cloud.tenant, operation="get_balancer", path=f"loadbalancers/{lb_id}$")
            return lambda: proxy.remove(rule)
    return lambda: cloud.balancer_status(lb_id, "ACTIVE")


@pytest.mark.healing
@pytest.mark.parametrize("trouble", ["deleted", "locked", "in ERROR", "unreadable", "failing", "mute"])
def test_one_bad_balancer_is_told_once_and_stops_nothing_else(otter, cloud, proxy, trouble):
    bad, good = cloud.create_balancer(), cloud.create_balancer()
    group = grown(otter, cloud, 2, lb_ids=[bad, good])
    cure = spoil(cloud, proxy, bad, trouble)
    [gone] = lost(cloud, group, 1)
    cloud.remove_node(good, node_of(cloud, good, cloud.servers(group.id)[0]["id"])["id"])
    until(lambda: gone not in ids(cloud.servers()) and len(cloud.servers()) == 2, 20, saying="it is replaced")
    served_alone(cloud, group, good)
    [message] = sick(otter, group)
    assert str(bad) in message
    assert is_readable(message)
    if trouble == "deleted":
        otter.resize(group.url, 0, 0)
        whole(otter, cloud, group, 0)
        return
    cure()
    whole(otter, cloud, group, 2)
    served_alone(cloud, group, bad)
    assert len(born(cloud, group)) == 3


@pytest.mark.parametrize("trouble", ["deleted", "locked", "in ERROR", "unreadable", "mute"])
def test_a_bad_balancer_keeps_new_servers_off_no_other(otter, cloud, proxy, trouble):
    bad, good = cloud.create_balancer(), cloud.create_balancer()
    cure = spoil(cloud, proxy, bad, trouble)
    group = otter.create_group(cloud.tenant, 2, lb_ids=[bad, good])
    [message] = sick(otter, group)
    assert str(bad) in message
    comes_to(otter, group, "ERROR", 2, 0, 2)
    served_alone(cloud, group, good)
    if trouble != "deleted":
        cure()
        whole(otter, cloud, group, 2)
        served_alone(cloud, group, bad)


@pytest.mark.parametrize("trouble", ["locked", "in ERROR"])
def test_a_bad_balancer_that_needs_no_change_is_nobodys_business(patient, cloud, proxy, trouble):
    lb_id = cloud.create_balancer()
    group = grown(patient, cloud, 2, lb_ids=[lb_id])
    spoil(cloud, proxy, lb_id, trouble)
    stays(lambda: figures(patient, group), 4)
    converge(patient, group)
    whole(patient, cloud, group, 2, smoothly=True)


@pytest.mark.parametrize("trouble", ["locked", "unreadable"])
def test_a_servers_end_waits_for_its_balancer_and_others_do_not(otter, cloud, proxy, trouble):
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    cure = spoil(cloud, proxy, lb_id, trouble)
    otter.resize(group.url, 1, 1)
    [message] = sick(otter, group)
    assert str(lb_id) in message
    grown(otter, cloud, 1, lb_ids=[cloud.create_balancer()])
    assert len(cloud.servers(group.id)) == 2
    cure()
    whole(otter, cloud, group, 1)
    served_alone(cloud, group, lb_id)


def test_a_balancer_that_never_comes_back_holds_no_server_for_ever(soon_fed_up, cloud):
    lb_id = cloud.create_balancer()
    group = grown(soon_fed_up, cloud, 2, lb_ids=[lb_id])
    cloud.balancer_status(lb_id, "ERROR")
    soon_fed_up.resize(group.url, 1, 1)
    in_time(lambda: len(cloud.servers(group.id)) == 1, "it is deleted", cloud.servers)
    [message] = sick(soon_fed_up, group)
    assert str(lb_id) in message
    cloud.balancer_status(lb_id, "ACTIVE")
    whole(soon_fed_up, cloud, group, 1)
    served_alone(cloud, group, lb_id)
