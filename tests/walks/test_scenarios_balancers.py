"""Acceptance scenarios of load balancers: what is the group's gets onto them and off them, what is not is left alone."""

from tests.rig.mimic import address_of
from tests.rig.processes import until
from tests.rig.proxying import status
from tests.walks.groups import born, converge, grown, look_again, served_alone, vanished, whole


def nodes_by_address(cloud, lb_id):
    return {node["address"]: node for node in cloud.nodes(lb_id)}


def foreign_server(cloud):
    server_id = cloud.create_server("somebody's")
    return next(server for server in cloud.servers() if server["id"] == server_id)


def test_a_groups_servers_get_onto_all_its_balancers(otter, cloud):
    lb_ids = [cloud.create_balancer(), cloud.create_balancer()]
    group = grown(otter, cloud, 3, lb_ids=lb_ids)
    assert cloud.served(lb_ids[0]) == cloud.served(lb_ids[1]) == cloud.addresses(group.id)


def test_scenario_19_a_node_removed_behind_otters_back_comes_back(otter, cloud):
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    cloud.remove_node(lb_id, cloud.nodes(lb_id)[0]["id"])
    served_alone(cloud, group, lb_id)
    assert len(born(cloud, group)) == 2


def test_scenario_19_a_node_moved_to_a_foreign_balancer_comes_back_and_stays_there_too(otter, cloud, proxy):
    lb_id, foreign = cloud.create_balancer(), cloud.create_balancer()
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    moved = cloud.nodes(lb_id)[0]
    cloud.remove_node(lb_id, moved["id"])
    on_foreign = cloud.add_node(foreign, moved["address"], 80)
    served_alone(cloud, group, lb_id)
    look_again(otter, proxy, group)
    assert [node["id"] for node in cloud.nodes(foreign)] == [on_foreign]


def test_scenario_19_nodes_of_others_stay_whatever_the_group_does(otter, cloud):
    lb_id = cloud.create_balancer()
    stranger = address_of(foreign_server(cloud))
    theirs = cloud.add_node(lb_id, stranger, 80)
    group = grown(otter, cloud, 3, lb_ids=[lb_id])
    otter.resize(group.url, 1, 1)
    whole(otter, cloud, group, 1)
    served_alone(cloud, group, lb_id, [stranger])
    assert theirs in {node["id"] for node in cloud.nodes(lb_id)}


def test_scenario_19_another_port_of_a_server_is_its_owners_business(otter, cloud, proxy):
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 1, lb_ids=[lb_id])
    [address] = cloud.addresses(group.id)
    cloud.add_node(lb_id, address, 8080)
    look_again(otter, proxy, group)
    assert sorted(node["port"] for node in cloud.nodes(lb_id)) == [80, 8080]


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


def test_a_server_deleted_behind_otters_back_gets_no_more_traffic(otter, cloud):
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    gone = cloud.servers(group.id)[0]
    cloud.delete_server(gone["id"])
    converge(otter, group)
    assert gone["id"] not in whole(otter, cloud, group, 2)
    served_alone(cloud, group, lb_id)
    assert address_of(gone) not in cloud.served(lb_id)


def test_a_disowned_servers_node_is_left_alone(otter, cloud, proxy):
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    disowned = cloud.servers(group.id)[0]
    cloud.wipe_metadata(disowned["id"])
    converge(otter, group)
    whole(otter, cloud, group, 2)
    look_again(otter, proxy, group)
    served_alone(cloud, group, lb_id, [address_of(disowned)])


def test_a_node_stays_if_somebody_else_has_the_deleted_servers_address(otter, cloud, proxy):
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    gone = cloud.servers(group.id)[0]
    heir = {**foreign_server(cloud), "addresses": gone["addresses"]}
    servers = [heir, *(server for server in cloud.servers(group.id) if server["id"] != gone["id"])]
    proxy.add(status(200, {"servers": servers}), tenant=cloud.tenant, operation="list_servers")
    node = nodes_by_address(cloud, lb_id)[address_of(gone)]
    cloud.delete_server(gone["id"])
    converge(otter, group)
    assert gone["id"] not in whole(otter, cloud, group, 2)
    look_again(otter, proxy, group)
    assert nodes_by_address(cloud, lb_id)[address_of(gone)] == node
    served_alone(cloud, group, lb_id, [address_of(gone)])


def test_eleven_servers_leave_their_balancer_ten_nodes_at_a_time(otter, cloud):
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 11, most=11, lb_ids=[lb_id])
    otter.resize(group.url, 0, 0)
    vanished(cloud, group)
    assert cloud.nodes(lb_id) == []
    assert whole(otter, cloud, group, 0) == set()
