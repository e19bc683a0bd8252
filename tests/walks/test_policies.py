"""Policies: what they may be, and keeping them. (Contract, 9.5 and 13.)"""

import pytest

from tests.walks.api import link
from tests.walks.documents import ABSENT, group_body, policy

GOOD = [
    policy(change=1),
    policy(change=-(2**70)),
    policy(change=2**63 - 1),
    policy(changePercent=0.5),
    policy(changePercent=-300),
    policy(changePercent=1e308),
    policy(desiredCapacity=0),
    policy(desiredCapacity=10**6),
    policy(cooldown=86400),
    policy(cooldown=0.25),
    policy(name="n" * 256),
    policy(name=" \u00e9 "),
]
BAD = [
    policy(name=""),
    policy(name="   "),
    policy(name="n" * 257),
    policy(name=None),
    policy(name=ABSENT),
    policy(cooldown=-1),
    policy(cooldown=86401),
    policy(cooldown=86400.5),
    policy(cooldown="-00.01"),
    policy(cooldown=True),
    policy(cooldown=ABSENT),
    policy(type="myowntype"),
    policy(type="WEBHOOK"),
    policy(type="cloud_monitoring"),
    policy(type=None),
    policy(type=ABSENT),
    policy(change=0),
    policy(change=1.5),
    policy(change=1.0),
    policy(change="0.001"),
    policy(change=None),
    policy(change=True),
    policy(changePercent=0),
    policy(changePercent=0.0),
    policy(changePercent="5"),
    policy(desiredCapacity=-1),
    policy(desiredCapacity=1.5),
    policy(desiredCapacity="1"),
    policy(change=ABSENT),
    policy(change=1, desiredCapacity=1),
    policy(change=1, changePercent=1, desiredCapacity=1),
    policy(args={}),
    policy(args={"at": "2050-05-20T06:30:00Z"}),
    policy(id="mine"),
    policy(links=[]),
    policy(webhooks=[]),
    [],
    "policy",
]


def short(document):
    return repr(document).removeprefix("{'name': 'up', ")[:70]


@pytest.mark.parametrize("document", GOOD, ids=short)
def test_rows_27_and_28_a_good_policy_is_read_back_as_it_was_sent(api, group, document):
    [made] = api.create(link(group) + "policies", document)
    assert made == {**document, "id": made["id"], "links": made["links"]}
    assert api("GET", link(made)).document == {"policy": made}
    assert api("GET", link(group) + "policies").document["policies"] == [made]


@pytest.mark.parametrize("document", BAD, ids=short)
def test_rows_26_27_29_30_and_36_a_bad_policy_is_refused_wherever_it_is_sent(api, group, document):
    [up] = api.create(link(group) + "policies", policy())
    bad = (400, "ValidationError")
    assert api("POST", "/groups", group_body(policy(), document)).refusal == bad
    assert api("POST", link(group) + "policies", [policy(), document]).refusal == bad
    assert api("PUT", link(up), document).refusal == bad
    assert api("GET", link(group) + "policies").document["policies"] == [up]
    assert len(api("GET", "/groups").document["groups"]) == 1


@pytest.mark.parametrize("body", [[], policy(), {"scalingPolicies": [policy()]}, [policy()] * 101, [None], [[]]])
def test_policies_are_made_from_an_array_of_1_to_100(api, group, body):
    assert api("POST", link(group) + "policies", body).refusal == (400, "ValidationError")


def test_policies_at_creation_may_be_none_but_not_null(api):
    assert api("POST", "/groups", group_body() | {"scalingPolicies": []}).status == 201
    assert api("POST", "/groups", group_body() | {"scalingPolicies": None}).refusal == (400, "ValidationError")


def test_new_policies_are_answered_in_the_order_of_the_request(api, group):
    names = [f"p{number}" for number in range(20)]
    answer = api("POST", link(group) + "policies", [policy(name=name) for name in names])
    assert answer.document.keys() == {"policies"}
    assert [each["name"] for each in answer.document["policies"]] == names


def test_names_need_not_be_unique(api, group):
    one, other = api.create(link(group) + "policies", policy(), policy())
    assert one["id"] != other["id"]


def test_replacing_a_policy_keeps_its_id_its_links_and_its_webhooks(api, group):
    [up] = api.create(link(group) + "policies", policy())
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    other = policy(name="down", desiredCapacity=0, cooldown=5)
    assert api("PUT", link(up), other).status == 204
    assert api("GET", link(up)).document == {"policy": {**other, "id": up["id"], "links": up["links"]}}
    assert api("GET", link(up) + "webhooks").document["webhooks"] == [hook]


@pytest.mark.parametrize("args", [{"cron": "* * * * *"}, {"at": "2050-05-20T06:30:00Z"}], ids=repr)
def test_row_32_the_type_of_a_policy_cannot_change(api, group, args):
    [up] = api.create(link(group) + "policies", policy())
    other = policy(type="schedule", args=args)
    assert api("PUT", link(up), other).refusal == (400, "ValidationError")
    assert api("GET", link(up)).document == {"policy": up}


def test_row_24_a_deleted_policy_is_gone_with_its_webhooks(api, group):
    [up] = api.create(link(group) + "policies", policy())
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    assert api("DELETE", link(up)).status == 204
    for method, body in [("GET", None), ("PUT", policy()), ("DELETE", None)]:
        assert api(method, link(up), body).refusal == (404, "NoSuchPolicyError")
    assert api("POST", link(up) + "execute").refusal == (404, "NoSuchPolicyError")
    assert api("GET", link(up) + "webhooks").refusal == (404, "NoSuchPolicyError")
    assert api("GET", link(hook)).refusal[0] == 404


def test_row_12_a_policy_is_deleted_whatever_the_query_says(api, group):
    [up] = api.create(link(group) + "policies", policy())
    assert api("DELETE", link(up) + "?force=maybe&unknown=1").status == 204
    assert api("GET", link(up)).status == 404


@pytest.mark.parametrize("kind", [{}, {"type": "schedule", "args": {"cron": "0 0 1 1 *"}}], ids=["webhook", "schedule"])
def test_rows_20_and_49_a_group_takes_100_policies_at_once_and_no_more(api, group, kind):
    api.create(link(group) + "policies", *[policy(**kind)] * 100)
    answer = api("POST", link(group) + "policies", [policy(**kind)])
    assert answer.refusal == (422, "PoliciesOverLimitError")
    assert "100" in answer.document["error"]["message"]


def test_row_49_too_many_policies_are_refused_as_a_whole(api, group):
    api.create(link(group) + "policies", *[policy()] * 60)
    answer = api("POST", link(group) + "policies", [policy()] * 41)
    assert answer.refusal == (422, "PoliciesOverLimitError")
    assert len(api("GET", link(group) + "policies").document["policies"]) == 60


def test_a_policy_of_one_group_is_not_found_in_another(api, group):
    [up] = api.create(link(group) + "policies", policy())
    elsewhere = link(api.create_group()) + f"policies/{up['id']}/"
    assert api("GET", elsewhere).refusal == (404, "NoSuchPolicyError")
    assert api("POST", elsewhere + "execute").refusal == (404, "NoSuchPolicyError")
