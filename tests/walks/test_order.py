"""Which of several mistakes is reported: the body's, then the query's, then what is missing, then what is full. (Contract, 6.)"""

import pytest

from tests.walks.api import link
from tests.walks.documents import SERVICE_NET, config, group_body, launch, policy

LB = {"loadBalancerId": 1, "port": 80}
MISSING = "/groups/none"
WITH_BODY = [
    ("PUT", "/config"),
    ("PUT", "/launch"),
    ("POST", "/policies"),
    ("PUT", "/policies/none"),
    ("POST", "/policies/none/webhooks"),
    ("PUT", "/policies/none/webhooks/none"),
]


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
def test_a_bad_body_is_reported_before_a_missing_group(api, method, path):
    assert api(method, MISSING + path, b"{").refusal == (400, "InvalidJsonError")
    assert api(method, MISSING + path, {"bad": True}).refusal == (400, "ValidationError")


@pytest.mark.parametrize(("method", "path"), WITH_BODY[3:])
def test_a_bad_body_is_reported_before_a_missing_policy(api, group, method, path):
    here = link(group).rstrip("/")
    assert api(method, here + path, {"bad": True}).refusal == (400, "ValidationError")


def test_bounds_and_networks_are_checked_before_the_group_is_looked_for(api):
    assert api("PUT", MISSING + "/config", config(minEntities=11)).refusal == (400, "InvalidMinEntities")
    assert api("PUT", MISSING + "/launch", launch([LB], networks=[])).refusal == (400, "ValidationError")


def test_bounds_are_checked_before_networks(api):
    body = group_body(minEntities=11) | {"launchConfiguration": launch([LB], networks=[])}
    assert api("POST", "/groups", body).refusal == (400, "InvalidMinEntities")
    body = group_body() | {"launchConfiguration": launch([LB], networks=[SERVICE_NET])}
    assert api("POST", "/groups", body).status == 201


def test_the_schema_is_checked_before_the_bounds(api):
    body = group_body(policy(name=""), minEntities=11)
    assert api("POST", "/groups", body).refusal == (400, "ValidationError")
    assert api("GET", "/groups").document["groups"] == []


@pytest.mark.parametrize("path", ["/policies?limit=x", "/policies/none/webhooks?limit=x"])
def test_a_bad_query_is_reported_before_a_missing_group(api, path):
    assert api("GET", MISSING + path).refusal == (400, "InvalidQueryArgument")
    assert api("DELETE", MISSING + "?force=x").refusal == (400, "InvalidQueryArgument")


def test_a_missing_group_is_reported_before_a_missing_policy(api):
    assert api("GET", MISSING + "/policies/none").refusal == (404, "NoSuchScalingGroupError")
    assert api("GET", MISSING + "/policies/none/webhooks").refusal == (404, "NoSuchScalingGroupError")
    assert api("GET", MISSING + "/policies/none/webhooks/none").refusal == (404, "NoSuchScalingGroupError")
    assert api("POST", MISSING + "/policies/none/execute").refusal == (404, "NoSuchScalingGroupError")


def test_a_missing_policy_is_reported_before_a_quota(api, group):
    answer = api("POST", link(group) + "policies/none/webhooks", [{"name": "x"}] * 100)
    assert answer.refusal == (404, "NoSuchPolicyError")


def test_a_missing_group_is_reported_before_a_quota(api):
    policies = [policy()] * 100
    assert api("POST", MISSING + "/policies", policies).refusal == (404, "NoSuchScalingGroupError")
