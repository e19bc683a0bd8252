"""Nova talks nonsense or is not there: the owner reads why, all others go on, and when it is over all is as it should be."""

import pytest

from tests.rig.processes import until
from tests.rig.proxying import cut, drop, garbage, html, stall, status
from tests.walks.groups import (
    born,
    converge,
    grown,
    is_readable,
    others_are_served,
    shown,
    sick,
    vanished,
    whole,
)

JSON = ["{}", "[]", '"text"', '{"servers": null}']
NO_LIST = [*map(garbage, JSON), garbage('{"servers": [{"id": 5}]}'), html(200), html(502), cut()]
NO_SERVER = [garbage("{}", 202), garbage('"text"', 202), html(200), html(502), drop(), stall()]
NO_DELETION = [*map(garbage, JSON), html(200), html(404), html(502), drop(), stall()]
SOON = 15.0
"""Seconds in which an owner should have been told of a trouble that lasts."""


@pytest.mark.healing
@pytest.mark.parametrize("fault", NO_LIST, ids=shown)
def test_a_list_of_servers_that_makes_no_sense_is_reported_and_outlived(otter, cloud, proxy, fault):
    group = grown(otter, cloud, 2)
    trouble = proxy.add(fault, tenant=cloud.tenant, operation="list_servers")
    [message] = sick(otter, group)
    assert is_readable(message)
    others_are_served(otter, cloud)
    otter.resize(group.url, 3, 3)
    assert otter.state(group.url)["desiredCapacity"] == 3
    proxy.remove(trouble)
    whole(otter, cloud, group, 3)
    assert len(born(cloud, group)) == 3


def test_a_list_of_servers_that_never_comes_is_reported_and_outlived(hasty, cloud, proxy):
    group = grown(hasty, cloud, 2)
    trouble = proxy.add(stall(), tenant=cloud.tenant, operation="list_servers")
    converge(hasty, group)
    [message] = sick(hasty, group)
    assert is_readable(message)
    others_are_served(hasty, cloud)
    proxy.remove(trouble)
    whole(hasty, cloud, group, 2)
    assert len(born(cloud, group)) == 2


@pytest.mark.parametrize("fault", NO_SERVER, ids=shown)
def test_creates_that_are_never_answered_with_sense_are_reported_and_outlived(hasty, cloud, proxy, fault):
    other = grown(hasty, cloud, 2)
    trouble = proxy.add(fault, tenant=cloud.tenant, operation="create_server")
    group = hasty.create_group(cloud.tenant, 2)
    [message] = sick(hasty, group, SOON)
    assert is_readable(message)
    hasty.resize(other.url, 1, 1)
    whole(hasty, cloud, other, 1)
    others_are_served(hasty, cloud)
    proxy.remove(trouble)
    whole(hasty, cloud, group, 2)
    assert len(born(cloud, group)) == 2


@pytest.mark.parametrize("fault", [garbage("{}", 202), drop()], ids=shown)
def test_creates_that_are_never_answered_with_sense_are_outlived(hasty, cloud, proxy, fault):
    trouble = proxy.add(fault, tenant=cloud.tenant, operation="create_server")
    group = hasty.create_group(cloud.tenant, 2)
    until(lambda: proxy.applied(trouble) >= 4, 30, saying="otter tries again")
    proxy.remove(trouble)
    whole(hasty, cloud, group, 2)
    assert len(born(cloud, group)) == 2


@pytest.mark.parametrize("fault", NO_DELETION, ids=shown)
def test_a_deletion_that_is_answered_with_nonsense_is_reported_and_outlived(hasty, cloud, proxy, fault):
    group = grown(hasty, cloud, 3)
    trouble = proxy.add(fault, tenant=cloud.tenant, operation="delete_server")
    hasty.resize(group.url, 2, 2)
    [message] = sick(hasty, group)
    assert is_readable(message)
    other = grown(hasty, cloud, 1)
    others_are_served(hasty, cloud)
    proxy.remove(trouble)
    whole(hasty, cloud, group, 2)
    whole(hasty, cloud, other, 1)
    assert len(born(cloud, group)) == 3


def test_one_trouble_with_deletions_is_reported_once_however_many_servers_it_concerns(otter, cloud, proxy):
    group = grown(otter, cloud, 3)
    proxy.add(status(500), tenant=cloud.tenant, operation="delete_server")
    otter.resize(group.url, 0, 0)
    assert len(sick(otter, group)) == 1
    proxy.clear(cloud.tenant)
    vanished(cloud, group)


def test_one_trouble_with_creates_is_reported_once_however_many_servers_it_concerns(otter, cloud, proxy):
    proxy.add(status(409, {"conflictingRequest": {"message": "busy"}}), tenant=cloud.tenant, operation="create_server")
    group = otter.create_group(cloud.tenant, 3)
    assert len(sick(otter, group)) == 1
    proxy.clear(cloud.tenant)
    whole(otter, cloud, group, 3)


def test_a_server_that_cannot_be_deleted_at_first_goes_all_the_same(otter, cloud):
    group = grown(otter, cloud, 2, metadata={"delete_server_failure": '{"code": 500, "times": 3}'})
    otter.resize(group.url, 0, 0)
    vanished(cloud, group)
    whole(otter, cloud, group, 0)
