"""What a group costs the cloud while there is nothing to do."""

from itertools import pairwise

import pytest

from tests.walks.groups import grown, looked_at, looks


def operations(proxy, tenant):
    return [entry["operation"] for entry in proxy.log(tenant)]


@pytest.mark.healing
def test_a_group_that_is_as_it_should_be_changes_nothing(otter, cloud, proxy):
    grown(otter, cloud, 3, lb_ids=[cloud.create_balancer()])
    changes = proxy.changes(cloud.tenant)
    looked_at(proxy, cloud.tenant, looks(proxy, cloud.tenant) + 4)
    assert proxy.changes(cloud.tenant) == changes == 4


@pytest.mark.healing
def test_a_look_at_a_group_lists_servers_once_and_nothing_else(otter, cloud, proxy):
    grown(otter, cloud, 3)
    before = len(operations(proxy, cloud.tenant))
    looked_at(proxy, cloud.tenant, looks(proxy, cloud.tenant) + 3)
    assert set(operations(proxy, cloud.tenant)[before:]) == {"list_servers"}


@pytest.mark.healing
def test_a_look_at_a_group_reads_each_of_its_balancers_once(otter, cloud, proxy):
    ours, [theirs] = [cloud.create_balancer(), cloud.create_balancer()], [cloud.create_balancer()]
    grown(otter, cloud, 3, lb_ids=ours)
    before = looks(proxy, cloud.tenant)
    looked_at(proxy, cloud.tenant, before + 4)
    log = [(entry["operation"], entry["path"].partition("?")[0]) for entry in proxy.log(cloud.tenant)]
    starts = [number for number, (operation, _) in enumerate(log) if operation == "list_servers"][before : before + 4]
    for start, end in pairwise(starts):
        nodes = [("list_nodes", f"loadbalancers/{lb_id}/nodes") for lb_id in ours]
        statuses = [("get_balancer", f"loadbalancers/{lb_id}") for lb_id in ours]
        assert sorted(log[start:end]) == sorted([("list_servers", "servers/detail"), *nodes, *statuses])
    assert not any(f"loadbalancers/{theirs}/" in path for _, path in log)
