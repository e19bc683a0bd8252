"""No fault of the network, and no lag of the cloud, makes a group larger than it was asked to be, for longer than need be."""

import pytest

from tests.rig.processes import until
from tests.rig.proxying import cut, delay, drop, drop_after, duplicate, garbage, hide, html, stall, status
from tests.walks.groups import born, grown, ids, look_again, looked_at, served_alone, shown, whole
from tests.walks.weather import begin_season

DONE_BUT_UNHEARD = [drop_after(), cut(), status(500, when="after"), html(502, when="after"), stall("after")]
DONE_BUT_UNHEARD += [garbage("{}", 202, "after"), delay(7, "after"), delay(7)]
NEVER_DONE = [drop(), html(502), html(503), garbage("[]", 202)]


@pytest.mark.parametrize("fault", DONE_BUT_UNHEARD, ids=shown)
def test_a_create_whose_answer_is_lost_is_not_made_twice(otter, cloud, proxy, fault):
    proxy.add(fault, tenant=cloud.tenant, operation="create_server", first=2)
    group = grown(otter, cloud, 3)
    assert len(born(cloud, group)) == 3


@pytest.mark.parametrize("fault", DONE_BUT_UNHEARD[:3], ids=shown)
def test_a_lost_answer_and_a_lagging_list_together_make_no_server_twice(otter, cloud, proxy, fault):
    proxy.add(fault, tenant=cloud.tenant, operation="create_server")
    lag = proxy.add(hide(), tenant=cloud.tenant, operation="list_servers")
    group = otter.create_group(cloud.tenant, 3)
    looked_at(proxy, group.tenant, 6)
    proxy.remove(lag)
    whole(otter, cloud, group, 3)
    assert len(born(cloud, group)) == 3


@pytest.mark.parametrize("fault", NEVER_DONE, ids=shown)
def test_a_create_that_was_lost_on_its_way_is_made_again(hasty, cloud, proxy, fault):
    proxy.add(fault, tenant=cloud.tenant, operation="create_server", first=2)
    group = grown(hasty, cloud, 3)
    assert len(born(cloud, group)) == 3


def test_a_list_without_the_new_servers_makes_no_more_of_them(otter, cloud, proxy):
    lag = proxy.add(hide(), tenant=cloud.tenant, operation="list_servers")
    group = otter.create_group(cloud.tenant, 3)
    look_again(otter, proxy, group, 6)
    assert len(born(cloud, group)) == 3
    proxy.remove(lag)
    whole(otter, cloud, group, 3)
    assert len(born(cloud, group)) == 3


def test_a_list_that_loses_servers_neither_replaces_nor_forgets_them(otter, cloud, proxy):
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 3, lb_ids=[lb_id])
    nodes = cloud.nodes(lb_id)
    proxy.add(hide(), tenant=cloud.tenant, operation="list_servers")
    look_again(otter, proxy, group)
    otter.resize(group.url, 1, 1)
    whole(otter, cloud, group, 1)
    assert len(born(cloud, group)) == 3
    assert cloud.served(lb_id) == cloud.addresses(group.id) < {node["address"] for node in nodes}


def test_servers_listed_twice_count_once(otter, cloud, proxy):
    proxy.add(duplicate(), tenant=cloud.tenant)
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    otter.resize(group.url, 4, 4)
    whole(otter, cloud, group, 4)
    otter.resize(group.url, 1, 1)
    whole(otter, cloud, group, 1)
    assert len(born(cloud, group)) == 4
    assert cloud.served(lb_id) == cloud.addresses(group.id)


def test_a_server_that_nobody_waits_for_any_more_is_the_one_that_goes(hasty, cloud, proxy):
    proxy.add(delay(9), tenant=cloud.tenant, operation="create_server", first=1)
    group = hasty.create_group(cloud.tenant, 2)
    in_time = whole(hasty, cloud, group, 2)
    until(lambda: len(born(cloud, group)) == 3, 30, saying="the late one arrives")
    look_again(hasty, proxy, group, 1)
    assert whole(hasty, cloud, group, 2) == in_time


def test_a_server_that_comes_late_is_kept_if_it_is_needed(hasty, cloud, proxy):
    proxy.add(delay(7), tenant=cloud.tenant, operation="create_server", first=1)
    group = hasty.create_group(cloud.tenant, 1)
    until(lambda: proxy.counts(cloud.tenant)["nova"].get("create_server"), saying="it is asked for")
    proxy.add(status(429), tenant=cloud.tenant, operation="create_server")
    until(lambda: cloud.servers(group.id), 30, saying="the late one arrives")
    assert whole(hasty, cloud, group, 1) == ids(cloud.servers(group.id)) == born(cloud, group)


def test_a_group_gets_its_size_where_every_third_request_goes_wrong(patient, cloud, proxy):
    begin_season(proxy, cloud.tenant)
    lb_id = cloud.create_balancer()
    group = grown(patient, cloud, 3, lb_ids=[lb_id])
    patient.resize(group.url, 6, 6)
    whole(patient, cloud, group, 6)
    patient.resize(group.url, 1, 1)
    whole(patient, cloud, group, 1)
    served_alone(cloud, group, lb_id)
    assert len(born(cloud, group)) == 6
