"""What a test may do behind otter's back does happen in Mimic."""

from itertools import count

import pytest

from tests.rig.mimic import GROUP_KEY, Cloud
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
