"""What a test may do behind otter's back does happen in Mimic."""

from itertools import count

import pytest

from tests.rig.mimic import GROUP_KEY, MONITOR, Cloud
from tests.rig.processes import call

tenants = map("mimicked-{}".format, count())


@pytest.fixture
def cloud(mimic):
    return Cloud(mimic.identity_url, next(tenants))


def test_servers_of_a_group_are_told_from_others(cloud):
    ours = cloud.create_server("web", {GROUP_KEY: "g1"})
    cloud.create_server("somebody's")
    assert [server["id"] for server in cloud.servers("g1")] == [ours]
    assert len(cloud.servers()) == len(cloud.addresses()) == 2
    assert all(address.startswith("10.") for address in cloud.addresses("g1"))


def test_all_pages_of_servers_are_seen(cloud):
    for number in range(101):
        cloud.create_server(f"web-{number}")
    assert len(cloud.servers()) == 101


def test_servers_vanish_break_and_are_disowned(cloud):
    gone, broken, disowned = (cloud.create_server(name, {GROUP_KEY: "g1"}) for name in ("a", "b", "c"))
    cloud.delete_server(gone)
    cloud.set_status(broken, "ERROR")
    cloud.wipe_metadata(disowned)
    assert {server["id"]: server["status"] for server in cloud.servers()} == {broken: "ERROR", disowned: "ACTIVE"}
    assert [server["id"] for server in cloud.servers("g1")] == [broken]


def test_nodes_come_and_go(cloud):
    lb_id = cloud.create_balancer()
    node_id = cloud.add_node(lb_id, "10.0.0.1", 80)
    cloud.add_node(lb_id, "10.0.0.2", 80)
    assert cloud.served(lb_id) == {"10.0.0.1", "10.0.0.2"}
    cloud.remove_node(lb_id, node_id)
    assert cloud.served(lb_id) == {"10.0.0.2"}


def test_nodes_are_changed(cloud):
    lb_id = cloud.create_balancer()
    node_id = cloud.add_node(lb_id, "10.0.0.1", 80)
    cloud.change_node(lb_id, node_id, condition="DRAINING", weight=7, type="SECONDARY")
    [node] = cloud.nodes(lb_id)
    assert (node["condition"], node["weight"], node["type"]) == ("DRAINING", 7, "SECONDARY")


def test_new_nodes_are_offline_while_their_health_is_monitored(cloud):
    lb_id = cloud.create_balancer()
    assert cloud.health_monitor(lb_id) == {}
    cloud.set_health_monitor(lb_id, delay=5)
    assert cloud.health_monitor(lb_id) == MONITOR | {"delay": 5}
    node_id = cloud.add_node(lb_id, "10.0.0.1", 80)
    assert [node["status"] for node in cloud.nodes(lb_id)] == ["OFFLINE"]
    cloud.node_status(lb_id, node_id, "ONLINE")
    assert [node["status"] for node in cloud.nodes(lb_id)] == ["ONLINE"]
    cloud.remove_health_monitor(lb_id)
    assert cloud.health_monitor(lb_id) == {}


def test_servers_come_into_the_pool_and_go(cloud):
    assert cloud.pool_id() == cloud.pool_id()
    assert cloud.pooled() == set()
    cloud.add_to_pool("s1", "s2")
    assert cloud.pooled() == {"s1", "s2"}
    with pytest.raises(AssertionError, match="409"):
        cloud.remove_from_pool("s1", "s3")
    cloud.remove_from_pool("s1")
    assert cloud.pooled() == {"s2"}


def test_metadata_are_set_one_by_one(cloud):
    server_id = cloud.create_server("web", {GROUP_KEY: "g1"})
    cloud.set_metadata_item(server_id, "rax:autoscale:server:draining", "DRAINING")
    assert cloud.metadata(server_id) == {GROUP_KEY: "g1", "rax:autoscale:server:draining": "DRAINING"}
    assert [server["metadata"] for server in cloud.servers("g1")] == [cloud.metadata(server_id)]


def test_a_balancer_is_locked_and_deleted(cloud):
    lb_id = cloud.create_balancer()
    cloud.balancer_status(lb_id, "PENDING_UPDATE")
    with pytest.raises(AssertionError, match="422"):
        cloud.add_node(lb_id, "10.0.0.1", 80)
    cloud.balancer_status(lb_id, "ACTIVE")
    cloud.delete_balancer(lb_id)
    with pytest.raises(AssertionError, match="404"):
        cloud.nodes(lb_id)


def test_creation_fails_until_forgotten(cloud):
    parameters = {"code": 500, "type": "computeFault", "message": "no"}
    behavior = cloud.on_create("fail", parameters, [{"server_name": "web.*"}])
    with pytest.raises(AssertionError, match="500"):
        cloud.create_server("web-1")
    cloud.create_server("other")
    cloud.forget(behavior)
    cloud.create_server("web-1")


def test_impersonation_fails_until_healed(cloud):
    def impersonate(username):
        body = {"RAX-AUTH:impersonation": {"user": {"username": username}, "expire-in-seconds": 10800}}
        return call("POST", f"{cloud.identity_url}/RAX-AUTH/impersonation-tokens", body)[0]

    behavior = cloud.fail_identity(503)
    assert (impersonate(cloud.owner), impersonate(f"{cloud.owner}1")) == (503, 200)
    cloud.heal_identity(behavior)
    assert impersonate(cloud.owner) == 200


def test_a_tenant_that_otter_saw_first_is_the_same_cloud(mimic):
    tenant = next(tenants)
    _, answer = call("GET", f"{mimic.url}/identity/v1.1/mosso/{tenant}")
    assert Cloud(mimic.identity_url, tenant).owner == answer["user"]["id"]
