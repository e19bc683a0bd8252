"""Acceptance scenarios of what the cloud refuses: the owner reads why, once, and what can be done is done."""

import pytest

from tests.rig.proxying import cut, html, status
from tests.walks.groups import (
    born,
    clb,
    comes_to,
    converge,
    figures,
    in_time,
    is_readable,
    looked_at,
    lost,
    placed,
    relaunch,
    served_alone,
    sick,
    stays,
    vanished,
    whole,
)

QUOTA = {"code": 403, "type": "forbidden", "message": "Quota exceeded for ram: Requested 1024, but already used 131072"}
INVALID = {"code": 400, "type": "badRequest", "message": "Invalid key_name provided."}
OK, NO_QUOTA, NOT_VALID = {"name": "default"}, *({"name": "fail", "parameters": it} for it in (QUOTA, INVALID))
LASTS = 6.0
"""Seconds: several looks that nobody asked for."""


def on_creates(cloud, *behaviors):
    """The tenant's next servers come out like this, again and again."""
    return cloud.on_create("sequence", {"behaviors": behaviors})


def test_scenario_10_a_refusal_stands_until_somebody_asks_again(patient, cloud, storm):
    on_creates(cloud, OK, NOT_VALID)
    storm()
    group = patient.create_group(cloud.tenant, 2)
    [message] = sick(patient, group)
    assert "key_name" in message
    comes_to(patient, group, "ERROR", 2, 1, 1)
    stays(lambda: (figures(patient, group), len(born(cloud, group))), LASTS)
    converge(patient, group)
    whole(patient, cloud, group, 2)
    assert len(born(cloud, group)) == 2


def test_scenario_10_a_group_over_quota_grows_when_there_is_room_and_somebody_asks(patient, cloud, storm):
    trouble = on_creates(cloud, OK, NO_QUOTA)
    storm()
    group = patient.create_group(cloud.tenant, 2, policies=[{"name": "up", "change": 1}])
    [message] = sick(patient, group)
    assert "Quota exceeded" in message
    comes_to(patient, group, "ERROR", 2, 1, 1)
    cloud.forget(trouble)
    stays(lambda: (figures(patient, group), len(born(cloud, group))), LASTS)
    assert patient.execute(group.policies["up"]) == 202
    whole(patient, cloud, group, 3)
    assert len(born(cloud, group)) == 3


@pytest.mark.healing
def test_scenario_10_what_fits_into_the_quota_is_in_service_and_looked_after(patient, cloud, storm):
    lb_id = cloud.create_balancer()
    trouble = on_creates(cloud, *[OK] * 4, *[NO_QUOTA] * 90)
    storm()
    group = patient.create_group(cloud.tenant, 6, lb_ids=[lb_id])
    assert len(sick(patient, group)) == 1
    comes_to(patient, group, "ERROR", 6, 4, 2)
    served_alone(cloud, group, lb_id)
    cloud.remove_node(lb_id, cloud.nodes(lb_id)[0]["id"])
    served_alone(cloud, group, lb_id)
    lost(cloud, group, 1)
    comes_to(patient, group, "ERROR", 6, 3, 3)
    served_alone(cloud, group, lb_id)
    cloud.forget(trouble)
    converge(patient, group)
    whole(patient, cloud, group, 6)


def test_a_group_over_quota_gets_smaller_and_is_well(patient, cloud, storm):
    on_creates(cloud, *[OK] * 3, *[NO_QUOTA] * 90)
    storm()
    group = patient.create_group(cloud.tenant, 5, policies=[{"name": "down", "change": -3}])
    assert len(sick(patient, group)) == 1
    patient.resize(group.url, 0, 10)
    assert patient.execute(group.policies["down"]) == 202
    whole(patient, cloud, group, 2)


def test_a_refusal_of_networks_is_told_without_its_preamble(patient, cloud, proxy):
    denied = "403 Forbidden\n\nAccess was denied to this resource.\n\n Networks (11111111) not allowed"
    trouble = proxy.add(status(403, denied), tenant=cloud.tenant, operation="create_server")
    group = patient.create_group(cloud.tenant, 2)
    [message] = sick(patient, group)
    assert "is invalid: Networks (11111111) not allowed" in message
    assert "Forbidden" not in message
    proxy.remove(trouble)
    converge(patient, group)
    whole(patient, cloud, group, 2)
    assert len(born(cloud, group)) == 2


@pytest.mark.healing
def test_a_refusal_that_nobody_asks_about_is_tried_again_by_itself(otter, cloud):
    trouble = cloud.on_create("fail", QUOTA)
    group = otter.create_group(cloud.tenant, 2)
    sick(otter, group)
    cloud.forget(trouble)
    whole(otter, cloud, group, 2)


def test_a_group_that_nova_refuses_servers_is_deleted_all_the_same(patient, cloud):
    on_creates(cloud, OK, NO_QUOTA)
    group = patient.create_group(cloud.tenant, 2)
    sick(patient, group)
    patient.delete(group.url)
    vanished(cloud, group)


def test_scenario_11_an_identity_that_stumbles_goes_unnoticed(patient, cloud, storm):
    cloud.stutter_identity(500, 401, 500, 401)
    storm()
    group = patient.create_group(cloud.tenant, 2)
    whole(patient, cloud, group, 2, smoothly=True)
    assert len(born(cloud, group)) == 2


@pytest.mark.parametrize("code", [401, 500])
def test_scenario_11_an_identity_that_fails_for_some_time_goes_unnoticed(patient, cloud, proxy, code):
    group = patient.create_group(cloud.tenant)
    looked_at(proxy, cloud.tenant, 1)
    trouble = cloud.fail_identity(code)
    proxy.add(status(401), tenant=cloud.tenant, operation="list_servers", first=1)  # so that a new token is needed
    patient.resize(group.url, 2, 2)
    stays(lambda: figures(patient, group), 3)
    cloud.heal_identity(trouble)
    whole(patient, cloud, group, 2, smoothly=True)
    assert len(born(cloud, group)) == 2


def test_scenario_11_every_kind_of_request_to_identity_may_fail_at_first(behind, gateway, cloud):
    gateway.add(status(500), operation="login", first=1)
    gateway.add(status(401), operation="mosso", first=1)
    gateway.add(html(), operation="impersonate", first=2)
    gateway.add(cut(), operation="endpoints", first=1)
    group = behind.create_group(cloud.tenant, 2)
    whole(behind, cloud, group, 2, smoothly=True)


def test_scenario_12_an_invalid_launch_configuration_is_told_until_it_is_set_right(patient, cloud, storm):
    cloud.on_create("fail", INVALID, [{"server_name": "bad-.*"}])
    storm()
    group = patient.create_group(cloud.tenant, 3, name="bad", key_name="nobodys")
    [message] = sick(patient, group)
    assert "key_name" in message
    assert is_readable(message)
    comes_to(patient, group, "ERROR", 3, 0, 3)
    relaunch(patient, group, name="good")
    whole(patient, cloud, group, 3)
    assert len(born(cloud, group)) == 3


def test_row_48_and_scenario_12_a_balancer_that_does_not_exist_is_told_until_servers_are_made_without_it(
    patient, cloud, storm
):
    storm()
    group = placed(patient, cloud, 3, clb("99999"))
    [message] = sick(patient, group)
    assert "Balancer" in message
    assert "99999" in message
    comes_to(patient, group, "ERROR", 3, 0, 3)
    assert len(cloud.servers(group.id)) == 3
    relaunch(patient, group)
    patient.resize(group.url, 0, 0)
    whole(patient, cloud, group, 0)
    patient.resize(group.url, 2, 2)
    whole(patient, cloud, group, 2)


def test_each_cause_has_its_sentence(patient, cloud):
    on_creates(cloud, OK, OK, NO_QUOTA, NO_QUOTA)
    group = placed(patient, cloud, 4, clb("99998"), clb("99999"))
    in_time(lambda: len(sick(patient, group)) == 3, "three sentences", lambda: patient.state(group.url))
    told = " ".join(sick(patient, group))
    assert all(word in told for word in ("99998", "99999", "Quota"))
