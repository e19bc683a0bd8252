"""Deleting groups: nothing of them is left in the end, whatever happens, and nothing of anybody else's is touched."""

import pytest

from tests.rig.mimic import CLB, REGION, address_of
from tests.rig.processes import until
from tests.rig.proxying import delay, garbage, status
from tests.walks.groups import (
    born,
    clb,
    first,
    forgotten,
    grown,
    ids,
    in_time,
    placed,
    recorded,
    sick,
    stays,
    vanished,
    whole,
)

NEVER = 3600.0
"""Seconds that a server builds which never gets ready."""
FOREIGN = "10.1.1.1"


@pytest.fixture
def lb_id(cloud):
    """A balancer with somebody else's node; there is somebody else's server, too."""
    lb_id = cloud.create_balancer()
    cloud.add_node(lb_id, FOREIGN, 80)
    cloud.create_server("somebody's")
    return lb_id


def nothing_is_left(otter, cloud, group, lb_id=None):
    """Of the group. All that is others' is still there."""
    assert not otter.exists(group.url)
    vanished(cloud, group)
    forgotten(otter, group)
    if lb_id is not None:
        assert cloud.served(lb_id) == {FOREIGN}
        assert len(cloud.servers()) == 1


def test_row_54_a_group_deleted_while_its_servers_build_leaves_nothing(otter, cloud, storm, lb_id):
    first(cloud, "build", {"duration": NEVER}, 3)
    storm()
    group = otter.create_group(cloud.tenant, 3, lb_ids=[lb_id])
    until(lambda: len(cloud.servers(group.id)) == 3, saying="the servers are being built")
    otter.delete(group.url)
    nothing_is_left(otter, cloud, group, lb_id)
    assert len(born(cloud, group)) == 3


def test_row_54_a_group_deleted_while_its_servers_are_asked_for_leaves_nothing(otter, cloud, proxy):
    proxy.add(delay(1.5), tenant=cloud.tenant, operation="create_server")
    group = otter.create_group(cloud.tenant, 3)
    until(lambda: proxy.counts(cloud.tenant)["nova"].get("create_server") == 3, saying="the servers are asked for")
    otter.delete(group.url)
    until(lambda: len(born(cloud, group)) == 3, saying="the servers came all the same")
    nothing_is_left(otter, cloud, group)


def test_row_54_a_group_deleted_in_full_service_leaves_nothing(otter, cloud, storm, lb_id):
    group = grown(otter, cloud, 3, lb_ids=[lb_id], policies=[{"name": "up", "change": 1}])
    assert recorded(otter.store, group)
    storm()
    otter.delete(group.url)
    nothing_is_left(otter, cloud, group, lb_id)
    assert otter.hit(group.webhooks["up"]) == 202


def test_row_52_a_group_without_room_for_servers_may_be_deleted_at_once(otter, cloud, lb_id):
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    otter.resize(group.url, 0, 0)
    otter.delete(group.url, force=False)
    nothing_is_left(otter, cloud, group, lb_id)


def test_a_paused_group_is_deleted_like_any_other(otter, cloud, lb_id):
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    otter.ask("POST", f"{group.url}/pause")
    otter.delete(group.url)
    nothing_is_left(otter, cloud, group, lb_id)


def test_disowned_servers_and_their_nodes_outlive_their_group(otter, cloud, lb_id):
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    disowned = cloud.servers(group.id)[0]
    cloud.wipe_metadata(disowned["id"])
    otter.delete(group.url)
    nothing_is_left(otter, cloud, group)
    assert disowned["id"] in ids(cloud.servers())
    assert cloud.served(lb_id) == {FOREIGN, address_of(disowned)}


def test_a_server_let_go_at_the_last_moment_outlives_its_group(otter, cloud, proxy, lb_id):
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    stuck = proxy.add(status(503), tenant=cloud.tenant, operation="set_metadata")
    server = cloud.servers(group.id)[0]
    otter.ask("DELETE", f"{group.url}/servers/{server['id']}?purge=false")
    otter.delete(group.url)
    in_time(lambda: ids(cloud.servers(group.id)) == {server["id"]}, "the others are gone", cloud.servers)
    proxy.remove(stuck)
    nothing_is_left(otter, cloud, group)
    assert server["id"] in ids(cloud.servers())
    assert cloud.served(lb_id) == {FOREIGN, address_of(server)}


def test_the_servers_of_a_deleted_group_finish_their_connections(otter, cloud, proxy, lb_id):
    group = placed(otter, cloud, 2, clb(lb_id), draining=30)
    whole(otter, cloud, group, 2)
    otter.delete(group.url)
    conditions = [(FOREIGN, "ENABLED"), *((address, "DRAINING") for address in sorted(cloud.addresses(group.id)))]
    in_time(lambda: sorted((n["address"], n["condition"]) for n in cloud.nodes(lb_id)) == sorted(conditions), "", list)
    stays(lambda: (cloud.nodes(lb_id), len(cloud.servers(group.id)), recorded(otter.store, group)), 3)
    nodes = [{**node, "connections": 0} for node in cloud.nodes(lb_id)]
    proxy.add(status(200, {"nodes": nodes}), tenant=cloud.tenant, operation="list_nodes")
    until(lambda: cloud.served(lb_id) == {FOREIGN}, 20, saying="they are taken off")
    proxy.clear(cloud.tenant)
    nothing_is_left(otter, cloud, group, lb_id)


def test_a_group_whose_servers_broke_is_deleted_and_does_not_wait_for_connections(otter, cloud, lb_id):
    group = placed(otter, cloud, 2, clb(lb_id), draining=30)
    whole(otter, cloud, group, 2)
    for server in cloud.servers(group.id):
        cloud.set_status(server["id"], "ERROR")
    otter.delete(group.url)
    until(lambda: not cloud.servers(group.id), 20, saying="they are gone")
    nothing_is_left(otter, cloud, group, lb_id)


@pytest.mark.parametrize("others", [0, 1])
def test_a_deleted_balancer_holds_up_no_deletion(otter, cloud, storm, lb_id, others):
    gone = cloud.create_balancer()
    group = grown(otter, cloud, 2, lb_ids=[gone, lb_id][: others + 1])
    storm()
    cloud.delete_balancer(gone)
    otter.delete(group.url)
    nothing_is_left(otter, cloud, group, lb_id)


def test_a_balancer_that_is_being_deleted_holds_up_no_deletion(otter, cloud):
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    cloud.balancer_status(lb_id, "PENDING_DELETE")
    otter.delete(group.url)
    nothing_is_left(otter, cloud, group)


@pytest.mark.parametrize("trouble", ["unreadable", "locked"])
def test_a_deletion_waits_for_a_balancer_that_can_be_neither_read_nor_changed(otter, cloud, proxy, lb_id, trouble):
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    if trouble == "locked":
        cloud.balancer_status(lb_id, "PENDING_UPDATE")
    else:
        proxy.add(garbage("{}"), tenant=cloud.tenant, operation="list_nodes")
    otter.delete(group.url)
    stays(lambda: (len(cloud.servers(group.id)), recorded(otter.store, group)), 4)
    cloud.balancer_status(lb_id, "ACTIVE")
    proxy.clear(cloud.tenant)
    nothing_is_left(otter, cloud, group, lb_id)


@pytest.mark.parametrize("trouble", ["unreadable", "locked"])
def test_a_deletion_does_not_wait_for_ever(soon_fed_up, cloud, proxy, trouble):
    lb_id = cloud.create_balancer()
    group = grown(soon_fed_up, cloud, 2, lb_ids=[lb_id])
    if trouble == "locked":
        cloud.balancer_status(lb_id, "ERROR")
    else:
        proxy.add(garbage("{}"), tenant=cloud.tenant, operation="list_nodes")
    soon_fed_up.delete(group.url)
    vanished(cloud, group)
    assert not soon_fed_up.exists(group.url)


def test_a_deletion_is_finished_after_a_balancer_came_back(soon_fed_up, cloud):
    lb_id = cloud.create_balancer()
    group = grown(soon_fed_up, cloud, 2, lb_ids=[lb_id])
    cloud.balancer_status(lb_id, "ERROR")
    soon_fed_up.delete(group.url)
    vanished(cloud, group)
    cloud.balancer_status(lb_id, "ACTIVE")
    nothing_is_left(soon_fed_up, cloud, group)
    assert cloud.nodes(lb_id) == []


@pytest.mark.healing
def test_an_account_that_lost_its_balancers_loses_its_group_too(behind, gateway, cloud):
    group = grown(behind, cloud, 2, lb_ids=[cloud.create_balancer()])
    names = [name for name in cloud.urls if name != CLB]
    endpoints = [{"name": name, "region": REGION, "publicURL": cloud.urls[name]} for name in names]
    gateway.add(status(200, {"endpoints": endpoints}), operation="endpoints")
    gateway.add(status(401), operation="list_servers", first=1)
    [message] = sick(behind, group)
    assert CLB in message
    behind.delete(group.url)
    nothing_is_left(behind, cloud, group)


def test_a_group_that_was_never_well_is_deleted_all_the_same(otter, cloud):
    group = placed(otter, cloud, 2, clb("99999"))
    sick(otter, group)
    otter.delete(group.url)
    nothing_is_left(otter, cloud, group)


@pytest.mark.parametrize("operation", ["list_servers", "delete_server", "remove_nodes"])
def test_a_deletion_outlives_a_cloud_that_refuses_it(otter, cloud, proxy, lb_id, operation):
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    trouble = proxy.add(status(403, {"forbidden": {"message": "no"}}), tenant=cloud.tenant, operation=operation)
    otter.delete(group.url)
    until(lambda: proxy.applied(trouble) >= 2, 20, saying="otter tries again")
    assert recorded(otter.store, group)
    proxy.remove(trouble)
    nothing_is_left(otter, cloud, group, lb_id)


def test_a_deletion_outlives_otter(mortal, cloud, lb_id):
    group = grown(mortal, cloud, 2, lb_ids=[lb_id])
    mortal.delete(group.url)
    mortal.kill()
    mortal.start()
    nothing_is_left(mortal, cloud, group, lb_id)


def test_a_group_is_deleted_although_its_servers_cannot_be_deleted_at_first(otter, cloud):
    group = grown(otter, cloud, 2, metadata={"delete_server_failure": '{"code": 500, "times": 3}'})
    otter.delete(group.url)
    nothing_is_left(otter, cloud, group)


def test_a_neighbour_on_the_same_balancer_notices_nothing(otter, cloud):
    lb_id = cloud.create_balancer()
    neighbour, group = grown(otter, cloud, 2, lb_ids=[lb_id]), grown(otter, cloud, 2, lb_ids=[lb_id])
    nodes = [node for node in cloud.nodes(lb_id) if node["address"] in cloud.addresses(neighbour.id)]
    servers = ids(cloud.servers(neighbour.id))
    otter.delete(group.url)
    nothing_is_left(otter, cloud, group)
    assert cloud.nodes(lb_id) == nodes
    assert whole(otter, cloud, neighbour, 2) == servers
