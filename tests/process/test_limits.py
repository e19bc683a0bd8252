"""Limits that are configured are the ones that hold."""

import pytest

from tests.walks.api import Api, link
from tests.walks.documents import group_body, policy

ABSOLUTE = {"maxGroups": 3, "maxPoliciesPerGroup": 4, "maxWebhooksPerPolicy": 5}


@pytest.fixture(scope="module")
def otter(lasting_lives):
    return lasting_lives.otter(limits={"pagination": 2, "absolute": ABSOLUTE}, http={"max_body": 2000}).start()


def test_they_are_shown(api):
    assert api("GET", "/limits").document == {"limits": {"absolute": ABSOLUTE}}


def test_row_49_groups_are_limited_for_each_tenant_and_deleted_ones_do_not_count(api):
    groups = [api.create_group() for _ in range(3)]
    assert api("POST", "/groups", group_body()).refusal == (422, "ScalingGroupOverLimitError")
    assert Api(f"{api.root}-other")("POST", "/groups", group_body()).status == 201
    assert api("DELETE", link(groups[0])).status == 204
    assert api("POST", "/groups", group_body()).status == 201


def test_a_bad_body_is_reported_before_the_quota(api):
    for _ in range(3):
        api.create_group()
    assert api("POST", "/groups", group_body(name="")).refusal == (400, "ValidationError")
    assert api("POST", "/groups", group_body(minEntities=11)).refusal == (400, "InvalidMinEntities")


def test_policies_and_webhooks_are_limited(api):
    url = link(api.create_group()) + "policies"
    up, *_ = api.create(url, *[policy()] * 4)
    assert api("POST", url, [policy()]).refusal == (422, "PoliciesOverLimitError")
    api.create(link(up) + "webhooks", *[{"name": "x"}] * 5)
    assert api("POST", link(up) + "webhooks", [{"name": "x"}]).refusal == (422, "WebhooksOverLimitError")


def test_pages_are_as_long_as_configured(api):
    ids = sorted(api.create_group()["id"] for _ in range(3))
    for query in ("", "?limit=3", "?limit=100"):
        answer = api("GET", f"/groups{query}").document
        assert [each["id"] for each in answer["groups"]] == ids[:2]
        [following] = answer["groups_links"]
        assert following["href"] == f"{api.root}/groups/?limit=2&marker={ids[1]}"
    assert [each["id"] for each in api("GET", following["href"]).document["groups"]] == ids[2:]


def test_a_manifest_is_whole_and_links_to_the_page_after_the_first(api):
    group = api.create_group(policy(), policy(), policy())
    shown = api("GET", link(group)).document["group"]
    ids = [each["id"] for each in shown["scalingPolicies"]]
    assert len(ids) == 3
    collection, following = shown["scalingPolicies_links"]
    assert collection["href"] == f"{link(group)}policies/"
    assert following == {"rel": "next", "href": f"{link(group)}policies/?limit=2&marker={ids[1]}"}


def test_bodies_are_as_long_as_configured(api):
    assert api("POST", "/groups", b" " * 2000).status == 400
    assert api("POST", "/groups", b" " * 2001).refusal[0] == 413
