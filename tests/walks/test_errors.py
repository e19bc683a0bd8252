"""What is not there, and what cannot be done to what is. (Contract, 3.2, 3.3 and 5.)"""

import pytest

from tests.walks.api import link, sent_raw
from tests.walks.documents import config, launch, policy

IDS = ["xyz", "13344", "25", "%00", "%20", "'", "caf%C3%A9", "a%2Fb", "x" * 3000]


@pytest.mark.parametrize("some_id", IDS, ids=lambda text: text[:20])
def test_row_23_a_group_that_is_not_there_is_not_found_by_any_method(api, some_id):
    here = f"/groups/{some_id}"
    for method, path, body in [
        ("GET", "", None),
        ("DELETE", "", None),
        ("GET", "/state", None),
        ("GET", "/config", None),
        ("PUT", "/config", config()),
        ("GET", "/launch", None),
        ("PUT", "/launch", launch()),
        ("GET", "/policies", None),
        ("POST", "/policies", [policy()]),
    ]:
        answer = api(method, here + path, body)
        assert answer.refusal[0] == 404, (method, path)
        assert answer.refusal[1] in ("NoSuchScalingGroupError", "NotFound")


@pytest.mark.parametrize("some_id", ["xyz", "13344", "25"])
def test_row_23_a_policy_that_is_not_there_is_not_found_by_any_method(api, group, some_id):
    here = f"{link(group)}policies/{some_id}/"
    for method, path, body in [
        ("GET", "", None),
        ("PUT", "", policy()),
        ("DELETE", "", None),
        ("POST", "execute", None),
        ("GET", "webhooks", None),
        ("POST", "webhooks", [{"name": "x"}]),
    ]:
        assert api(method, here + path, body).refusal == (404, "NoSuchPolicyError")


@pytest.mark.parametrize("some_id", ["xyz", "13344", "25"])
def test_row_23_a_webhook_that_is_not_there_is_not_found_by_any_method(api, group, some_id):
    [up] = api.create(link(group) + "policies", policy())
    here = f"{link(up)}webhooks/{some_id}"
    for method, body in [("GET", None), ("PUT", {"name": "x", "metadata": {}}), ("DELETE", None)]:
        assert api(method, here, body).refusal == (404, "NoSuchWebhookError")


def test_ids_are_compared_exactly(api, group):
    assert api("GET", f"/groups/{group['id'].upper()}").refusal == (404, "NoSuchScalingGroupError")
    assert api("GET", f"/groups/{group['id']}%20").refusal == (404, "NoSuchScalingGroupError")
    assert api("GET", f"/groups/{group['id'][:-1]}").refusal == (404, "NoSuchScalingGroupError")


@pytest.mark.parametrize("name", ["groups", "config", "launch", "policies", "policy", "webhooks", "webhook"])
def test_row_4_a_document_that_is_refused_is_not_sent_back(api, group, name):
    [up] = api.create(link(group) + "policies", policy())
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    bad = {"name": ""}
    for method, url, body in {
        "groups": [("POST", "/groups", {"groupConfiguration": bad, "launchConfiguration": launch()})],
        "config": [("PUT", link(group) + "config", bad)],
        "launch": [("PUT", link(group) + "launch", bad)],
        "policies": [("POST", link(group) + "policies", [bad]), ("GET", link(group) + "policies?limit=x", None)],
        "policy": [("PUT", link(up), bad)],
        "webhooks": [("POST", link(up) + "webhooks", [bad]), ("GET", link(up) + "webhooks?limit=x", None)],
        "webhook": [("PUT", link(hook), bad)],
    }[name]:
        answer = api(method, url, body)
        assert answer.refusal[0] == 400
        assert answer.document.keys() == {"error"}


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/groups/g/nothing", "/groups/g/policies/p/nothing", "/execute"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_row_4_a_path_that_leads_nowhere_is_not_found(api, method, path):
    assert api(method, path).refusal[0] == 404


@pytest.mark.parametrize("path", ["/v1.0", "/v1.0/", "/v1.0/execute", "/v1.0/execute/1", "/v2.0/t/groups", "/nothing"])
def test_row_4_a_path_outside_of_the_tenants_is_not_found(api, otter, path):
    assert api("GET", otter.root.removesuffix("/v1.0") + path).refusal[0] == 404


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("", {"GET", "HEAD", "DELETE"}),
        ("state", {"GET", "HEAD"}),
        ("config", {"GET", "HEAD", "PUT"}),
        ("launch", {"GET", "HEAD", "PUT"}),
        ("policies", {"GET", "HEAD", "POST"}),
        ("pause", {"POST"}),
        ("resume", {"POST"}),
        ("converge", {"POST"}),
        ("policies/p", {"GET", "HEAD", "PUT", "DELETE"}),
        ("policies/p/execute", {"POST"}),
        ("policies/p/webhooks", {"GET", "HEAD", "POST"}),
        ("policies/p/webhooks/w", {"GET", "HEAD", "PUT", "DELETE"}),
    ],
)
def test_other_methods_are_not_allowed_and_those_that_are_are_named(api, group, path, allowed):
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} - allowed:
        answer = api(method, link(group) + path)
        assert answer.refusal[0] == 405, method
        assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(("path", "allowed"), [("/groups", "GET, HEAD, POST"), ("/limits", "GET, HEAD")])
def test_collections_name_their_methods_too(api, path, allowed):
    answer = api("DELETE", path)
    assert (answer.refusal[0], answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("path", [b"/v1.0/%ff/groups/g", b"/v1.0/t/groups/%C3%28", b"/%80"])
def test_row_4_a_path_that_is_no_utf_8_is_not_found(otter, path):
    answer = sent_raw(otter.root, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.refusal[0] == 404


def test_messages_name_what_was_asked_for(api, tenant, group):
    message = api("GET", "/groups/xyz").document["error"]["message"]
    assert "xyz" in message
    assert tenant in message
    message = api("GET", link(group) + "policies/xyz").document["error"]["message"]
    assert group["id"] in message
    assert "xyz" in message


def test_host_headers_do_not_end_up_in_links(api, otter, group):
    answer = sent_raw(otter.root, f"GET {link(group)[len(otter.root) - 5 :]} HTTP/1.1\r\nHost: evil\r\n\r\n".encode())
    assert answer.status == 200
    assert b"evil" not in answer.body
