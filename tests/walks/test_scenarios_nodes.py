"""Acceptance scenarios of single nodes: what is the group's is kept as it should be, what is not is left alone."""

import pytest

from tests.rig.mimic import address_of
from tests.rig.proxying import edit, hide, status
from tests.walks.groups import (
    born,
    clb,
    converge,
    grown,
    ids,
    in_time,
    look_again,
    looks,
    node_of,
    placed,
    served_alone,
    vanished,
    whole,
)

EDITS = [{"weight": 5, "type": "SECONDARY"}, {"condition": "DISABLED"}, {"condition": "DRAINING"}]
WANTED = {"condition": "ENABLED", "weight": 1, "type": "PRIMARY"}


def nodes_by_address(cloud, lb_id):
    return {node["address"]: node for node in cloud.nodes(lb_id)}


def foreign_server(cloud):
    server_id = cloud.create_server("somebody's")
    return next(server for server in cloud.servers() if server["id"] == server_id)


def without_status(nodes):
    return [{**node, "status": ""} for node in nodes]


def test_a_groups_servers_get_onto_all_its_balancers(patient, cloud, storm):
    lb_ids = [cloud.create_balancer(), cloud.create_balancer()]
    storm()
    group = grown(patient, cloud, 3, lb_ids=lb_ids)
    assert cloud.served(lb_ids[0]) == cloud.served(lb_ids[1]) == cloud.addresses(group.id)


def test_a_list_of_nodes_that_lags_behind_puts_nobody_on_twice(patient, cloud, proxy):
    lb_id = cloud.create_balancer()
    proxy.add(hide(), tenant=cloud.tenant, operation="list_nodes", first=4)
    group = patient.create_group(cloud.tenant, 2, lb_ids=[lb_id])
    whole(patient, cloud, group, 2, smoothly=True)
    assert sorted(node["address"] for node in cloud.nodes(lb_id)) == sorted(cloud.addresses(group.id))


@pytest.mark.healing
def test_scenario_19_a_node_removed_behind_otters_back_comes_back(patient, cloud, storm):
    lb_id = cloud.create_balancer()
    group = grown(patient, cloud, 2, lb_ids=[lb_id])
    storm()
    cloud.remove_node(lb_id, cloud.nodes(lb_id)[0]["id"])
    served_alone(cloud, group, lb_id)
    assert len(born(cloud, group)) == 2


@pytest.mark.healing
@pytest.mark.parametrize("changes", EDITS, ids=str)
def test_scenario_19_a_node_changed_behind_otters_back_is_set_right(patient, cloud, storm, changes):
    lb_id, theirs = cloud.create_balancer(), "10.1.1.1"
    group = grown(patient, cloud, 2, lb_ids=[lb_id])
    cloud.add_node(lb_id, theirs, 80, weight=9)
    for node in cloud.nodes(lb_id):
        cloud.change_node(lb_id, node["id"], **changes)
    before = nodes_by_address(cloud, lb_id)
    storm()
    wanted = before | {address: before[address] | WANTED for address in cloud.addresses(group.id)}
    in_time(lambda: nodes_by_address(cloud, lb_id) == wanted, "all is as it was", lambda: cloud.nodes(lb_id))
    assert wanted[theirs] == before[theirs]


@pytest.mark.healing
def test_scenario_19_a_node_moved_to_a_foreign_balancer_comes_back_and_stays_there_too(patient, cloud, storm):
    lb_id, foreign = cloud.create_balancer(), cloud.create_balancer()
    group = grown(patient, cloud, 2, lb_ids=[lb_id])
    storm()
    moved = cloud.nodes(lb_id)[0]
    cloud.remove_node(lb_id, moved["id"])
    on_foreign = cloud.add_node(foreign, moved["address"], 80)
    served_alone(cloud, group, lb_id)
    patient.resize(group.url, 3, 3)
    whole(patient, cloud, group, 3)
    assert [node["id"] for node in cloud.nodes(foreign)] == [on_foreign]


def test_scenario_19_nodes_of_others_stay_whatever_the_group_does(patient, cloud, storm):
    lb_id = cloud.create_balancer()
    stranger = address_of(foreign_server(cloud))
    theirs = cloud.add_node(lb_id, stranger, 80)
    storm()
    group = grown(patient, cloud, 3, lb_ids=[lb_id])
    patient.resize(group.url, 1, 1)
    whole(patient, cloud, group, 1)
    served_alone(cloud, group, lb_id, [stranger])
    assert theirs in {node["id"] for node in cloud.nodes(lb_id)}


def test_scenario_19_another_port_of_a_server_is_its_owners_business(patient, cloud, proxy):
    lb_id = cloud.create_balancer()
    group = grown(patient, cloud, 1, lb_ids=[lb_id])
    [address] = cloud.addresses(group.id)
    cloud.add_node(lb_id, address, 8080, condition="DISABLED", weight=7)
    look_again(patient, proxy, group)
    assert sorted((node["port"], node["weight"]) for node in cloud.nodes(lb_id)) == [(80, 1), (8080, 7)]


def test_scenario_19_two_groups_share_a_balancer_and_do_not_disturb_each_other(patient, cloud, storm):
    lb_id = cloud.create_balancer()
    one = placed(patient, cloud, 2, clb(lb_id))
    whole(patient, cloud, one, 2)
    storm()
    other = placed(patient, cloud, 3, clb(lb_id, 8080))
    whole(patient, cloud, other, 3)
    theirs = nodes_by_address(cloud, lb_id)
    patient.resize(one.url, 4, 4)
    whole(patient, cloud, one, 4)
    patient.resize(one.url, 1, 1)
    whole(patient, cloud, one, 1)
    served_alone(cloud, one, lb_id, cloud.addresses(other.id))
    patient.delete(one.url)
    vanished(cloud, one)
    served_alone(cloud, other, lb_id)
    assert nodes_by_address(cloud, lb_id) == {address: theirs[address] for address in cloud.addresses(other.id)}
    assert {node["port"] for node in cloud.nodes(lb_id)} == {8080}


@pytest.mark.healing
def test_scenario_19_one_server_has_several_ports_of_a_balancer(patient, cloud, storm):
    lb_id = cloud.create_balancer()
    group = placed(patient, cloud, 2, clb(lb_id), clb(lb_id, 8080))
    storm()
    whole(patient, cloud, group, 2)
    assert len(cloud.nodes(lb_id)) == 4
    cloud.remove_node(lb_id, cloud.nodes(lb_id)[0]["id"])
    in_time(lambda: len(cloud.nodes(lb_id)) == 4, "it comes back", lambda: cloud.nodes(lb_id))
    patient.resize(group.url, 1, 1)
    whole(patient, cloud, group, 1)
    assert sorted(node["port"] for node in cloud.nodes(lb_id)) == [80, 8080]


def test_row_58_and_scenario_19_an_evicted_server_is_never_touched_again(patient, cloud, storm):
    lb_id, foreign = cloud.create_balancer(), cloud.create_balancer()
    group = grown(patient, cloud, 2, lb_ids=[lb_id])
    storm()
    evicted = cloud.servers(group.id)[0]
    patient.ask("DELETE", f"{group.url}/servers/{evicted['id']}?purge=false")
    assert evicted["id"] not in whole(patient, cloud, group, 2)
    served_alone(cloud, group, lb_id, [address_of(evicted)])
    cloud.remove_node(lb_id, node_of(cloud, lb_id, evicted["id"])["id"])
    moved = cloud.add_node(foreign, address_of(evicted), 80, weight=3)
    patient.resize(group.url, 0, 0)
    vanished(cloud, group)
    assert cloud.nodes(lb_id) == []
    assert [(node["id"], node["weight"]) for node in cloud.nodes(foreign)] == [(moved, 3)]
    assert ids(cloud.servers()) == {evicted["id"]}


def test_scenario_19_an_evicted_server_that_is_still_listed_as_a_member_is_not_touched_either(patient, cloud, proxy):
    lb_id = cloud.create_balancer()
    group = grown(patient, cloud, 2, lb_ids=[lb_id])
    evicted = cloud.servers(group.id)[0]
    proxy.add(edit(evicted["id"], evicted["metadata"]), tenant=cloud.tenant, operation="list_servers")
    patient.ask("DELETE", f"{group.url}/servers/{evicted['id']}?purge=false")
    before = looks(proxy, cloud.tenant)
    in_time(lambda: len(cloud.servers()) == 3, "it is replaced", cloud.servers)
    look_again(patient, proxy, group)
    node = node_of(cloud, lb_id, evicted["id"])
    patient.resize(group.url, 0, 0)
    vanished(cloud, group)
    look_again(patient, proxy, group)
    patient.delete(group.url)
    in_time(lambda: looks(proxy, cloud.tenant) > before + 6, "otter looks", lambda: None)
    assert cloud.nodes(lb_id) == [node]
    assert ids(cloud.servers()) == {evicted["id"]}


def test_a_server_deleted_behind_otters_back_gets_no_more_traffic(patient, cloud, storm):
    lb_id = cloud.create_balancer()
    group = grown(patient, cloud, 2, lb_ids=[lb_id])
    storm()
    gone = cloud.servers(group.id)[0]
    cloud.delete_server(gone["id"])
    converge(patient, group)
    assert gone["id"] not in whole(patient, cloud, group, 2)
    served_alone(cloud, group, lb_id)
    assert address_of(gone) not in cloud.served(lb_id)


def test_a_node_stays_if_somebody_else_has_the_deleted_servers_address(patient, cloud, proxy):
    lb_id = cloud.create_balancer()
    group = grown(patient, cloud, 2, lb_ids=[lb_id])
    gone = cloud.servers(group.id)[0]
    heir = {**foreign_server(cloud), "addresses": gone["addresses"]}
    servers = [heir, *(server for server in cloud.servers(group.id) if server["id"] != gone["id"])]
    proxy.add(status(200, {"servers": servers}), tenant=cloud.tenant, operation="list_servers")
    node = nodes_by_address(cloud, lb_id)[address_of(gone)]
    cloud.delete_server(gone["id"])
    converge(patient, group)
    assert gone["id"] not in whole(patient, cloud, group, 2)
    look_again(patient, proxy, group)
    assert nodes_by_address(cloud, lb_id)[address_of(gone)] == node
    served_alone(cloud, group, lb_id, [address_of(gone)])
