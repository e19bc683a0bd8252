"""Groups: making, showing, listing and deleting them. (Contract, 11.)"""

from uuid import UUID

import pytest

from tests.rig.processes import until
from tests.walks.api import link
from tests.walks.documents import ABSENT, config, group_body, launch, policy


def test_a_new_group_shows_everything_about_itself(api):
    body = group_body(policy(name="a"), policy(name="b", change=-1), metadata={"owner": "blue"})
    made = api("POST", "/groups", body)
    assert made.status == 201
    group = made.document["group"]
    assert group["groupConfiguration"] == body["groupConfiguration"]
    assert group["launchConfiguration"] == body["launchConfiguration"]
    assert [{**each, "id": 0, "links": 0} for each in group["scalingPolicies"]] == [
        {**each, "id": 0, "links": 0} for each in body["scalingPolicies"]
    ]


def test_row_59_a_new_group_is_shown_as_it_was_born_and_then_with_its_least_size(api):
    group = api.create_group(minEntities=1)
    capacities = {"desiredCapacity": 0, "activeCapacity": 0, "pendingCapacity": 0}
    generations = {"generation": 1, "converged_generation": 0}
    born = {
        "name": "web",
        "status": "ACTIVE",
        "paused": False,
        "held": False,
        "active": [],
        **capacities,
        **generations,
    }
    assert group["state"] == born
    assert api.desired(group) == 1


def test_a_manifest_is_the_same_at_creation_and_afterwards(api):
    group = api.create_group(policy())
    shown = api("GET", link(group)).document["group"]
    assert {**shown, "state": {**shown["state"], "converged_generation": 0}} == group
    assert shown.keys() == {
        "id",
        "links",
        "groupConfiguration",
        "launchConfiguration",
        "state",
        "scalingPolicies",
        "scalingPolicies_links",
    }


def test_ids_are_random_uuids(api):
    group = api.create_group(policy())
    ids = [group["id"], group["scalingPolicies"][0]["id"]]
    assert [str(UUID(each)) for each in ids] == ids
    assert all(UUID(each).version == 4 for each in ids)


def test_row_31_defaults_are_filled_in_and_read_back_everywhere(api):
    group = api.create_group(maxEntities=ABSENT, metadata=ABSENT)
    whole = config(maxEntities=1000, metadata={})
    assert group["groupConfiguration"] == whole
    assert api("GET", link(group)).document["group"]["groupConfiguration"] == whole
    assert api("GET", link(group) + "config").document == {"groupConfiguration": whole}


def test_two_groups_may_be_alike_in_everything_but_their_id(api):
    one, other = api.create_group(), api.create_group()
    assert one["id"] != other["id"]
    assert one["groupConfiguration"] == other["groupConfiguration"]


def test_row_22_a_fresh_group_has_no_policies_and_a_fresh_policy_no_webhooks(api, group):
    listed = api("GET", link(group) + "policies")
    assert (listed.status, listed.document) == (200, {"policies": [], "policies_links": []})
    [up] = api.create(link(group) + "policies", policy())
    listed = api("GET", link(up) + "webhooks")
    assert (listed.status, listed.document) == (200, {"webhooks": [], "webhooks_links": []})


def test_row_60_active_and_pending_add_up_to_desired(api):
    group = api.create_group(policy(desiredCapacity=3), policy(desiredCapacity=1), minEntities=1)
    more, fewer = group["scalingPolicies"]

    def adds_up(size):
        listed = api("GET", "/groups").document["groups"][0]["state"]
        for state in (api.state(group), api("GET", link(group)).document["group"]["state"], listed):
            assert state["activeCapacity"] == len(state["active"])
            assert state["activeCapacity"] + state["pendingCapacity"] == state["desiredCapacity"] == size
            assert "errors" not in state
        return state["activeCapacity"] == size

    until(lambda: adds_up(1), seconds=30)
    for each, size in ((more, 3), (fewer, 1)):
        assert api.execute(each) == 202
        until(lambda expected=size: adds_up(expected), seconds=30)


def test_a_list_of_groups_shows_id_links_and_state(api, group):
    until(lambda: api.state(group)["converged_generation"] == 1, seconds=30)
    listed = api("GET", "/groups").document
    state = api.state(group)
    assert listed == {"groups": [{"id": group["id"], "links": group["links"], "state": state}], "groups_links": []}


def test_a_client_can_see_when_its_change_has_been_acted_on(api, group):
    assert api("PUT", link(group) + "config", config(minEntities=1)).status == 204
    asked = api.state(group)["generation"]
    assert asked == 2
    until(lambda: api.state(group)["converged_generation"] >= asked, seconds=30)
    assert api.state(group)["activeCapacity"] == 1


def test_a_tenant_sees_only_its_own_groups(api, otter, group):
    assert otter.groups("nobody") == []
    elsewhere = link(group).replace(api.root, f"{otter.root}/nobody")
    assert api("GET", elsewhere).refusal == (404, "NoSuchScalingGroupError")
    assert api("DELETE", elsewhere).refusal == (404, "NoSuchScalingGroupError")


@pytest.mark.parametrize("value", ["None", "False", "15", "Tr@%25", "", "1"])
def test_row_21_a_manifest_has_no_webhooks_unless_they_are_asked_for(api, value):
    group = api.create_group(policy())
    api.create(link(group["scalingPolicies"][0]) + "webhooks", {"name": "hook"})
    for query in ("", f"?webhooks={value}"):
        shown = api("GET", link(group) + query)
        assert shown.status == 200
        assert shown.document["group"]["scalingPolicies"] == group["scalingPolicies"]


@pytest.mark.parametrize("value", ["true", "True", "TRUE", "tRuE"])
def test_row_21_a_manifest_has_webhooks_when_they_are_asked_for(api, value):
    group = api.create_group(policy())
    [up] = group["scalingPolicies"]
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    shown = api("GET", f"{link(group)}?webhooks={value}").document["group"]
    links = [{"rel": "webhooks", "href": link(up) + "webhooks/"}]
    assert shown["scalingPolicies"] == [{**up, "webhooks": [hook], "webhooks_links": links}]


def test_rows_19_and_20_a_manifest_shows_100_policies_of_25_webhooks_each(api):
    group = api.create_group()
    policies = api.create(link(group) + "policies", *[policy(name=f"p{number}") for number in range(100)])
    for each in policies:
        api.create(link(each) + "webhooks", *[{"name": f"w{number}"} for number in range(25)])
    shown = api("GET", link(group) + "?webhooks=true").document["group"]["scalingPolicies"]
    assert [each["id"] for each in shown] == sorted(each["id"] for each in policies)
    assert all(len(each["webhooks"]) == 25 for each in shown)
    assert all(each["webhooks"] == sorted(each["webhooks"], key=lambda hook: hook["id"]) for each in shown)
    next_link = f"{link(group)}policies/?limit=100&marker={shown[-1]['id']}"
    shown = api("GET", link(group)).document["group"]["scalingPolicies_links"]
    assert shown == [{"rel": "policies", "href": link(group) + "policies/"}, {"rel": "next", "href": next_link}]


def test_a_group_takes_100_policies_at_its_creation_and_keeps_their_order_in_the_answer(api):
    names = [f"p{number}" for number in range(100)]
    group = api.create_group(*[policy(name=name) for name in names])
    assert [each["name"] for each in group["scalingPolicies"]] == names
    body = group_body(*[policy() for _ in range(101)])
    assert api("POST", "/groups", body).refusal == (400, "ValidationError")


@pytest.mark.both_stores
def test_row_24_a_deleted_group_is_gone_from_everywhere(api, group):
    [up] = api.create(link(group) + "policies", policy())
    assert api("DELETE", link(group)).status == 204
    assert api("GET", "/groups").document["groups"] == []
    for method, url, body in [
        ("DELETE", link(group), None),
        ("GET", link(group), None),
        ("GET", link(group) + "state", None),
        ("PUT", link(group) + "config", config()),
        ("PUT", link(group) + "launch", launch()),
        ("GET", link(group) + "policies", None),
        ("POST", link(group) + "policies", [policy()]),
        ("GET", link(up), None),
        ("POST", link(up) + "execute", None),
        ("POST", link(group) + "pause", None),
        ("POST", link(group) + "resume", None),
        ("POST", link(group) + "converge", None),
    ]:
        assert api(method, url, body).refusal == (404, "NoSuchScalingGroupError"), (method, url)


@pytest.mark.both_stores
def test_row_50_a_group_that_wants_servers_is_not_deleted_without_force(api):
    group = api.create_group(minEntities=1)
    assert api("DELETE", link(group)).refusal == (403, "GroupNotEmptyError")
    assert api("DELETE", link(group) + "?force=false").refusal == (403, "GroupNotEmptyError")
    assert api("GET", link(group)).status == 200


@pytest.mark.parametrize("value", ["true", "TRUE", "TrUe", "True", "truE"])
def test_row_51_force_deletes_in_any_case(api, value):
    group = api.create_group(minEntities=1)
    answer = api("DELETE", f"{link(group)}?force={value}")
    assert (answer.status, answer.body) == (204, b"")
    assert api("GET", link(group)).status == 404


@pytest.mark.parametrize("value", ["0", "", "$%25^%23", "anything", "truee", "1", "yes"])
def test_row_51_other_values_of_force_keep_the_group(api, group, value):
    assert api("DELETE", f"{link(group)}?force={value}").refusal == (400, "InvalidQueryArgument")
    assert api("GET", link(group)).status == 200


@pytest.mark.both_stores
def test_row_52_a_group_with_bounds_of_0_is_deleted_while_its_servers_still_exist(api):
    group = api.create_group(minEntities=1)
    assert api("PUT", link(group) + "config", config(minEntities=0, maxEntities=0)).status == 204
    assert api("DELETE", link(group)).status == 204


def test_row_53_a_least_size_of_0_does_not_empty_a_group(api):
    group = api.create_group(minEntities=1)
    assert api("PUT", link(group) + "config", config(minEntities=0)).status == 204
    assert api("DELETE", link(group)).refusal == (403, "GroupNotEmptyError")


@pytest.mark.both_stores
def test_row_53_servers_that_a_policy_asked_for_keep_the_group(api):
    group = api.create_group(policy())
    assert api.execute(group["scalingPolicies"][0]) == 202
    assert api("DELETE", link(group)).refusal == (403, "GroupNotEmptyError")


@pytest.mark.both_stores
def test_a_paused_group_can_be_deleted(api):
    group = api.create_group(minEntities=1)
    assert api("POST", link(group) + "pause").status == 204
    assert api("DELETE", link(group) + "?force=true").status == 204
    assert api("GET", link(group)).status == 404


@pytest.mark.both_stores
def test_a_new_group_can_be_used_when_its_answer_is_there(api):
    for _ in range(5):
        group = api.create_group(policy())
        assert api("GET", link(group["scalingPolicies"][0])).status == 200
        assert group["id"] in [each["id"] for each in api("GET", "/groups").document["groups"]]
