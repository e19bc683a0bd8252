"""Groups on RackConnect pools, whose members are servers."""

import pytest

from tests.rig.processes import until
from tests.rig.proxying import garbage, status
from tests.walks.groups import (
    born,
    clb,
    comes_to,
    converge,
    figures,
    first,
    ids,
    in_service,
    in_time,
    is_readable,
    look_again,
    lost,
    placed,
    pool,
    served_alone,
    sick,
    stays,
    vanished,
    whole,
)

FOREIGN = "somebody's"


@pytest.fixture
def pool_id(cloud):
    """The tenant's pool; somebody else's server is a member of it."""
    cloud.add_to_pool(FOREIGN)
    return cloud.pool_id()


def pooled_alone(cloud, group):
    """Wait until just the group's servers, and the foreign one, are members."""

    def members():
        return cloud.pooled(), ids(cloud.servers(group.id)) | {FOREIGN}

    in_time(lambda: len(set(map(frozenset, members()))) == 1, "the group's servers are in the pool", members)


def refused(*sentences):
    return status(409, {"errors": sentences})


def test_a_groups_servers_become_members_and_end_as_such(otter, cloud, storm, pool_id):
    storm()
    group = placed(otter, cloud, 3, pool(pool_id))
    whole(otter, cloud, group, 3)
    pooled_alone(cloud, group)
    otter.resize(group.url, 1, 1)
    whole(otter, cloud, group, 1)
    pooled_alone(cloud, group)
    otter.delete(group.url)
    vanished(cloud, group)
    assert cloud.pooled() == {FOREIGN}
    assert len(born(cloud, group)) == 3


@pytest.mark.healing
def test_a_member_removed_behind_otters_back_comes_back(otter, cloud, storm, pool_id):
    group = placed(otter, cloud, 2, pool(pool_id))
    whole(otter, cloud, group, 2)
    storm()
    cloud.remove_from_pool(cloud.servers(group.id)[0]["id"])
    pooled_alone(cloud, group)
    assert len(born(cloud, group)) == 2


@pytest.mark.healing
def test_a_server_deleted_behind_otters_back_is_no_member_any_more(otter, cloud, storm, pool_id):
    group = placed(otter, cloud, 2, pool(pool_id))
    whole(otter, cloud, group, 2)
    storm()
    gone = lost(cloud, group, 1)
    in_time(lambda: not gone & in_service(otter, group), "it is noticed", lambda: otter.state(group.url))
    whole(otter, cloud, group, 2)
    pooled_alone(cloud, group)


@pytest.mark.healing
def test_a_pool_and_a_balancer_serve_the_same_group(otter, cloud, storm, pool_id):
    lb_id = cloud.create_balancer()
    storm()
    group = placed(otter, cloud, 2, pool(pool_id), clb(lb_id))
    whole(otter, cloud, group, 2)
    otter.resize(group.url, 3, 3)
    whole(otter, cloud, group, 3)
    cloud.remove_from_pool(cloud.servers(group.id)[0]["id"])
    cloud.remove_node(lb_id, cloud.nodes(lb_id)[1]["id"])
    pooled_alone(cloud, group)
    served_alone(cloud, group, lb_id)
    otter.resize(group.url, 0, 0)
    whole(otter, cloud, group, 0)
    assert (cloud.pooled(), cloud.nodes(lb_id)) == ({FOREIGN}, [])


def test_members_do_not_drain(otter, cloud, pool_id):
    lb_id = cloud.create_balancer()
    group = placed(otter, cloud, 2, pool(pool_id), clb(lb_id), draining=30)
    whole(otter, cloud, group, 2)
    otter.resize(group.url, 1, 1)
    in_time(lambda: len(cloud.pooled()) == 2, "one member has gone", cloud.pooled, 20)
    conditions = ["DRAINING", "ENABLED"]
    in_time(lambda: sorted(n["condition"] for n in cloud.nodes(lb_id)) == conditions, "a node drains", lambda: None)
    assert len(cloud.servers(group.id)) == 2


def test_a_pool_is_the_same_in_upper_case(otter, cloud, proxy, pool_id):
    group = placed(otter, cloud, 2, pool(pool_id.upper()))
    whole(otter, cloud, group, 2)
    pooled_alone(cloud, group)
    changes = proxy.changes(cloud.tenant)
    look_again(otter, proxy, group)
    assert proxy.changes(cloud.tenant) == changes == 3


@pytest.mark.parametrize("nonexistent", ["3d2ff3ad-7f0c-4fd2-9b36-1fd2f1d9d0e0", "no-uuid"])
def test_a_pool_that_does_not_exist_is_told_once(otter, cloud, nonexistent):
    group = placed(otter, cloud, 3, pool(nonexistent))
    [message] = sick(otter, group)
    assert nonexistent in message
    assert is_readable(message)
    comes_to(otter, group, "ERROR", 3, 0, 3)
    otter.resize(group.url, 0, 0)
    whole(otter, cloud, group, 0)


def test_a_pool_that_is_not_active_is_told_if_it_lasts(otter, cloud, proxy, pool_id):
    inactive = refused(f"Load Balancer Pool {pool_id} is not in an ACTIVE state")
    trouble = proxy.add(inactive, tenant=cloud.tenant, service="rackconnect", methods=["POST", "DELETE"])
    group = placed(otter, cloud, 2, pool(pool_id))
    until(lambda: proxy.applied(trouble), 20, saying="otter wants members")
    assert figures(otter, group)[0] == "ACTIVE"
    [message] = sick(otter, group)
    assert pool_id in message
    proxy.remove(trouble)
    whole(otter, cloud, group, 2)
    pooled_alone(cloud, group)
    trouble = proxy.add(inactive, tenant=cloud.tenant, service="rackconnect", methods=["POST", "DELETE"])
    otter.resize(group.url, 0, 0)
    [message] = sick(otter, group)
    assert len(cloud.servers(group.id)) == 2
    proxy.remove(trouble)
    whole(otter, cloud, group, 0)
    assert cloud.pooled() == {FOREIGN}


def test_a_pool_that_is_not_active_for_a_moment_goes_unnoticed(patient, cloud, proxy, pool_id):
    inactive = refused(f"Load Balancer Pool {pool_id} is not in an ACTIVE state")
    proxy.add(inactive, tenant=cloud.tenant, operation="add_pool_nodes", first=2)
    group = placed(patient, cloud, 2, pool(pool_id))
    whole(patient, cloud, group, 2, smoothly=True)
    pooled_alone(cloud, group)


@pytest.mark.retrying
def test_a_server_that_the_pool_cannot_reach_keeps_no_other_out(otter, cloud, proxy, pool_id):
    first(cloud, "build", {"duration": 1.5}, 2)
    group = placed(otter, cloud, 2, pool(pool_id))
    until(lambda: len(cloud.servers(group.id)) == 2, 20, saying="the servers are being built")
    unreachable, other = sorted(ids(cloud.servers(group.id)))
    sentence = refused(f"Cloud Server {unreachable} is unprocessable")
    for number in (1, *range(3, 33)):  # the second request is about the other one only
        proxy.add(sentence, tenant=cloud.tenant, operation="add_pool_nodes", nth=number)
    blind = proxy.add(status(503), tenant=cloud.tenant, operation="list_servers")  # so that both get ready together
    until(lambda: {each["status"] for each in cloud.servers(group.id)} == {"ACTIVE"}, 20, saying="they are ready")
    proxy.remove(blind)
    comes_to(otter, group, "ERROR", 2, 1, 1)
    assert cloud.pooled() == {other, FOREIGN}
    [message] = sick(otter, group)
    assert pool_id in message
    assert is_readable(message)
    proxy.clear(cloud.tenant)
    whole(otter, cloud, group, 2)
    pooled_alone(cloud, group)


def test_what_is_so_already_is_no_error(otter, cloud, proxy, pool_id):
    group = placed(otter, cloud, 3, pool(pool_id))
    whole(otter, cloud, group, 3)
    member, gone, _ = sorted(ids(cloud.servers(group.id)))
    sentences = [f"Cloud Server {member} is not a member of Load Balancer Pool {pool_id}"]
    sentences += [f"Cloud Server {gone} does not exist"]
    proxy.add(refused(*sentences), tenant=cloud.tenant, operation="remove_pool_nodes", first=1)
    otter.resize(group.url, 0, 0)
    whole(otter, cloud, group, 0, smoothly=True)
    assert cloud.pooled() == {FOREIGN}


def test_a_pool_that_vanishes_holds_nobody_back(otter, cloud, proxy, pool_id):
    group = placed(otter, cloud, 2, pool(pool_id))
    whole(otter, cloud, group, 2)
    proxy.add(status(404, "Load Balancer Pool not found"), tenant=cloud.tenant, service="rackconnect")
    converge(otter, group)
    [message] = sick(otter, group)
    assert pool_id in message
    otter.resize(group.url, 0, 0)
    whole(otter, cloud, group, 0)


@pytest.mark.healing
def test_a_pool_that_cannot_be_read_is_told_and_outlived(otter, cloud, proxy, pool_id):
    group = placed(otter, cloud, 2, pool(pool_id))
    whole(otter, cloud, group, 2)
    trouble = proxy.add(garbage("{}"), tenant=cloud.tenant, operation="list_pool_nodes")
    [message] = sick(otter, group)
    assert is_readable(message)
    lost(cloud, group, 1)
    in_time(lambda: len(cloud.servers(group.id)) == 2, "it is replaced", cloud.servers, 20)
    otter.resize(group.url, 1, 1)
    stays(lambda: len(cloud.servers(group.id)), 3)
    proxy.remove(trouble)
    whole(otter, cloud, group, 1)
    pooled_alone(cloud, group)
