"""Acceptance scenario 20: a server that leaves may finish its connections first. Thirty seconds is the least it can be given."""

import time

import pytest

from tests.rig.mimic import address_of
from tests.rig.processes import until
from tests.rig.proxying import status
from tests.walks.groups import (
    born,
    clb,
    comes_to,
    figures,
    first,
    grown,
    ids,
    in_service,
    in_time,
    lost,
    node_of,
    placed,
    served_alone,
    stays,
    whole,
)

STATE_KEY = "rax:autoscale:server:state"
SOON = 20.0
"""Seconds, of which nobody needs that many who does not wait for connections."""


@pytest.fixture
def lb_id(cloud):
    return cloud.create_balancer()


def draining_group(otter, cloud, size, *lb_ids, **more):
    """A group of ``size`` servers, each of which gets 30 s to finish its connections."""
    group = placed(otter, cloud, size, *map(clb, lb_ids), draining=30, **more)
    whole(otter, cloud, group, size)
    return group


def condition(cloud, lb_id, server):
    """None if the server has no node."""
    nodes = {node["address"]: node["condition"] for node in cloud.nodes(lb_id)}
    return nodes.get(address_of(server))


def leaving(cloud, group):
    """The servers of the group that are marked, as soon as there are any."""

    def marked():
        return [server for server in cloud.servers(group.id) if server["metadata"].get(STATE_KEY) == "DRAINING"]

    return in_time(marked, "a server is marked", lambda: cloud.servers(group.id), SOON)


def drained(cloud, lb_id, server):
    """Wait until its connections are being finished."""
    in_time(lambda: condition(cloud, lb_id, server) == "DRAINING", "it drains", lambda: cloud.nodes(lb_id), SOON)


def told(cloud, lb_id, connections):
    """A list of the balancer's nodes that says how many connections each of them has."""
    nodes = [{**node, "connections": connections} for node in cloud.nodes(lb_id)]
    return status(200, {"nodes": nodes})


def test_scenario_20_a_server_gets_its_time_even_if_otter_dies_meanwhile(mortal, cloud, lb_id):
    group = draining_group(mortal, cloud, 2, lb_id)
    mortal.resize(group.url, 1, 1)
    [server] = leaving(cloud, group)
    drained(cloud, lb_id, server)
    began = time.monotonic()
    mortal.kill()
    mortal.start()
    stays(lambda: (condition(cloud, lb_id, server), figures(mortal, group), len(cloud.servers(group.id))), 25)
    assert figures(mortal, group) == ("ACTIVE", 1, 1, 0)
    until(lambda: condition(cloud, lb_id, server) is None, 15, saying="it is taken off")
    assert time.monotonic() - began > 27
    assert server["id"] not in whole(mortal, cloud, group, 1)
    assert len(born(cloud, group)) == 2


@pytest.mark.healing
def test_scenario_20_other_work_goes_on_and_a_leaving_server_never_comes_back(otter, cloud, lb_id, storm):
    group = draining_group(otter, cloud, 2, lb_id)
    storm()
    otter.resize(group.url, 1, 1)
    [server] = leaving(cloud, group)
    drained(cloud, lb_id, server)
    otter.resize(group.url, 3, 3)
    comes_to(otter, group, "ACTIVE", 3, 3, 0)
    assert server["id"] not in in_service(otter, group)
    [other, *_] = in_service(otter, group)
    cloud.delete_server(other)
    in_time(lambda: other not in in_service(otter, group), "it is noticed", lambda: otter.state(group.url))
    comes_to(otter, group, "ACTIVE", 3, 3, 0)
    assert in_service(otter, group) | {server["id"]} == ids(cloud.servers(group.id))
    assert condition(cloud, lb_id, server) == "DRAINING"
    assert len(cloud.nodes(lb_id)) == 4


def test_a_server_goes_as_soon_as_its_connections_are_finished(otter, cloud, proxy, lb_id):
    group = draining_group(otter, cloud, 2, lb_id)
    otter.resize(group.url, 1, 1)
    [server] = leaving(cloud, group)
    drained(cloud, lb_id, server)
    busy = proxy.add(told(cloud, lb_id, 7), tenant=cloud.tenant, operation="list_nodes")
    stays(lambda: (condition(cloud, lb_id, server), len(cloud.servers(group.id))), 4)
    proxy.remove(busy)
    proxy.add(told(cloud, lb_id, 0), tenant=cloud.tenant, operation="list_nodes")
    until(lambda: condition(cloud, lb_id, server) is None, SOON, saying="it is taken off")
    proxy.clear(cloud.tenant)
    assert server["id"] not in whole(otter, cloud, group, 1)


def test_each_balancer_keeps_a_server_until_its_own_connections_are_finished(otter, cloud, proxy):
    busy, idle = cloud.create_balancer(), cloud.create_balancer()
    group = draining_group(otter, cloud, 2, busy, idle)
    otter.resize(group.url, 1, 1)
    [server] = leaving(cloud, group)
    for lb_id in (busy, idle):
        drained(cloud, lb_id, server)
    path = f"loadbalancers/{idle}/nodes"
    proxy.add(told(cloud, idle, 0), tenant=cloud.tenant, operation="list_nodes", path=path)
    until(lambda: condition(cloud, idle, server) is None, SOON, saying="it is taken off")
    proxy.clear(cloud.tenant)
    stays(lambda: (condition(cloud, busy, server), len(cloud.servers(group.id))), 3)
    cloud.remove_node(busy, node_of(cloud, busy, server["id"])["id"])
    whole(otter, cloud, group, 1)


def test_a_node_that_gets_no_traffic_needs_no_time(hasty, cloud, lb_id):
    group = draining_group(hasty, cloud, 2, lb_id)
    for node in cloud.nodes(lb_id):
        cloud.change_node(lb_id, node["id"], condition="DISABLED")
    began = time.monotonic()
    hasty.resize(group.url, 1, 1)
    whole(hasty, cloud, group, 1)
    assert time.monotonic() - began < SOON
    assert [node["condition"] for node in cloud.nodes(lb_id)] == ["ENABLED"]


@pytest.mark.healing
@pytest.mark.parametrize("what", ["ERROR", "gone"])
def test_a_server_that_does_not_work_needs_no_time(otter, cloud, lb_id, storm, what):
    group = draining_group(otter, cloud, 2, lb_id)
    storm()
    server = cloud.servers(group.id)[0]
    began = time.monotonic()
    if what == "gone":
        cloud.delete_server(server["id"])
    else:
        cloud.set_status(server["id"], what)
    in_time(lambda: server["id"] not in in_service(otter, group), "it is noticed", lambda: otter.state(group.url))
    assert server["id"] not in whole(otter, cloud, group, 2)
    served_alone(cloud, group, lb_id)
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize("what", ["ERROR", "gone"])
def test_a_server_that_breaks_while_it_drains_needs_no_more_time(otter, cloud, lb_id, what):
    group = draining_group(otter, cloud, 2, lb_id)
    otter.resize(group.url, 1, 1)
    [server] = leaving(cloud, group)
    began = time.monotonic()
    drained(cloud, lb_id, server)
    if what == "gone":
        cloud.delete_server(server["id"])
    else:
        cloud.set_status(server["id"], what)
    whole(otter, cloud, group, 1)
    served_alone(cloud, group, lb_id)
    assert time.monotonic() - began < SOON


def test_a_server_that_was_never_in_service_needs_no_time(hasty, cloud, lb_id):
    first(cloud, "build", {"duration": 3600.0}, 2)
    group = placed(hasty, cloud, 2, clb(lb_id), draining=30)
    until(lambda: len(cloud.servers(group.id)) == 2, SOON, saying="the servers are being built")
    began = time.monotonic()
    hasty.resize(group.url, 0, 0)
    whole(hasty, cloud, group, 0)
    assert time.monotonic() - began < SOON


def test_a_server_without_balancer_needs_no_time(otter, cloud, storm):
    group = draining_group(otter, cloud, 2)
    storm()
    began = time.monotonic()
    otter.resize(group.url, 1, 1)
    whole(otter, cloud, group, 1)
    assert time.monotonic() - began < SOON


@pytest.mark.healing
def test_a_server_that_its_owner_marks_is_drained_and_replaced(otter, cloud, lb_id, storm):
    group = draining_group(otter, cloud, 2, lb_id)
    storm()
    server = cloud.servers(group.id)[0]
    cloud.set_metadata_item(server["id"], STATE_KEY, "DRAINING")
    drained(cloud, lb_id, server)
    in_time(lambda: server["id"] not in in_service(otter, group), "it is noticed", lambda: otter.state(group.url))
    comes_to(otter, group, "ACTIVE", 2, 2, 0)
    assert len(cloud.servers(group.id)) == 3


def test_a_server_whose_metadata_are_full_drains_all_the_same(otter, cloud, lb_id):
    items = {f"item-{number}": "x" for number in range(35)}
    group = draining_group(otter, cloud, 2, lb_id, metadata=items)
    for server in cloud.servers(group.id):
        cloud.set_metadata_item(server["id"], "one-more", "x")
    assert {len(server["metadata"]) for server in cloud.servers(group.id)} == {40}
    otter.resize(group.url, 1, 1)
    conditions = ["DRAINING", "ENABLED"]
    in_time(lambda: sorted(n["condition"] for n in cloud.nodes(lb_id)) == conditions, "it drains", lambda: None)
    comes_to(otter, group, "ACTIVE", 1, 1, 0)
    stays(lambda: (sorted(n["condition"] for n in cloud.nodes(lb_id)), figures(otter, group)), 3)


def test_a_group_that_gets_smaller_twice_drains_each_server_once(otter, cloud, lb_id, storm):
    group = draining_group(otter, cloud, 3, lb_id)
    storm()
    otter.resize(group.url, 2, 2)
    [one] = leaving(cloud, group)
    drained(cloud, lb_id, one)
    otter.resize(group.url, 0, 0)
    in_time(lambda: len(leaving(cloud, group)) == 3, "all leave", lambda: cloud.servers(group.id))
    in_time(lambda: {n["condition"] for n in cloud.nodes(lb_id)} == {"DRAINING"}, "all drain", lambda: None)
    comes_to(otter, group, "ACTIVE", 0, 0, 0)
    assert len(cloud.servers(group.id)) == 3


@pytest.mark.healing
def test_others_are_not_drained(otter, cloud, lb_id, storm):
    foreign = cloud.add_node(lb_id, "10.1.1.1", 80)
    neighbours = grown(otter, cloud, 1, lb_ids=[lb_id])
    group = draining_group(otter, cloud, 1, lb_id)
    storm()
    otter.resize(group.url, 0, 0)
    [server] = leaving(cloud, group)
    drained(cloud, lb_id, server)
    lost(cloud, neighbours, 1)
    whole(otter, cloud, neighbours, 1)
    served_alone(cloud, neighbours, lb_id, ["10.1.1.1", address_of(server)])
    nodes = [node for node in cloud.nodes(lb_id) if node["address"] != address_of(server)]
    assert {node["condition"] for node in nodes} == {"ENABLED"}
    assert foreign in {node["id"] for node in nodes}
