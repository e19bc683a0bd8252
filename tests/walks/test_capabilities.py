"""Capability URLs: whoever has one may execute its policy, and learns nothing. (Contract, 15.)"""

from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from tests.walks.api import link
from tests.walks.documents import config, group_body, policy

NOBODY = "0" * 64


@pytest.fixture
def armed(api):
    """A group, its policy and that one's webhook."""
    group = api.create_group(policy())
    [up] = group["scalingPolicies"]
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    return group, up, hook


def secret(hook):
    return link(hook, "capability").rstrip("/").rpartition("/")[2]


def told(answer):
    """All that the caller of a capability URL can see."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return (
        answer.status,
        answer.body,
        {**headers, "date": "", "x-response-id": "" if headers["x-response-id"] else None},
    )


@pytest.mark.both_stores
def test_a_hit_executes_the_policy_at_once(api, armed):
    group, _, hook = armed
    answer = api("POST", link(hook, "capability"))
    assert (answer.status, answer.body) == (202, b"")
    assert api.desired(group) == 1


@pytest.mark.both_stores
def test_every_webhook_of_a_policy_executes_it(api, armed):
    group, up, hook = armed
    [other] = api.create(link(up) + "webhooks", {"name": "other"})
    for each in (hook, other, hook):
        assert api("POST", link(each, "capability")).status == 202
    assert api.desired(group) == 3


@pytest.mark.parametrize("ending", ["", "/", "?force=maybe&limit=x", "/?x=y"])
def test_what_follows_the_capability_does_not_matter(api, armed, ending):
    group, _, hook = armed
    assert api("POST", link(hook, "capability").rstrip("/") + ending).status == 202
    assert api.desired(group) == 1


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 5000, b'{"change": 5}', b""])
def test_the_body_of_a_hit_does_not_matter(api, armed, body):
    group, _, hook = armed
    assert api("POST", link(hook, "capability"), body).status == 202
    assert api.desired(group) == 1


TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "nonsense",
    "application/json; charset=latin-1",
]


@pytest.mark.parametrize("content_type", TYPES)
def test_the_content_type_of_a_hit_does_not_matter(api, armed, content_type):
    group, _, hook = armed
    assert api("POST", link(hook, "capability"), b'{"a": 1}', content_type=content_type).status == 202
    assert api.desired(group) == 1


def test_row_68_nobody_can_tell_what_became_of_a_hit(api, otter, armed):
    group, _, hook = armed
    good = told(api("POST", link(hook, "capability")))
    nothing = [told(api("POST", f"{otter.root}/execute/1/{NOBODY}"))]
    assert api("PUT", link(group) + "config", config(cooldown=3600)).status == 204
    nothing.append(told(api("POST", link(hook, "capability"))))  # refused by the cooldown
    assert api("POST", link(group) + "pause").status == 204
    nothing.append(told(api("POST", link(hook, "capability"))))  # refused by the pause
    assert api("DELETE", link(hook)).status == 204
    nothing.append(told(api("POST", link(hook, "capability"))))  # deleted
    assert nothing == [good] * 4
    assert api.desired(group) == 1


@pytest.mark.both_stores
def test_row_68_a_hit_after_the_policy_or_the_group_is_deleted_does_nothing(api, armed):
    group, up, hook = armed
    assert api("DELETE", link(up)).status == 204
    assert api("POST", link(hook, "capability")).status == 202
    assert api.desired(group) == 0
    assert api("DELETE", link(group)).status == 204
    assert api("POST", link(hook, "capability")).status == 202
    assert api("GET", link(group)).status == 404


def test_row_68_a_hit_that_would_change_nothing_is_answered_alike(api, armed):
    group, _, hook = armed
    assert api("PUT", link(group) + "config", config(maxEntities=0)).status == 204
    answer = api("POST", link(hook, "capability"))
    assert (answer.status, answer.body) == (202, b"")
    assert api.desired(group) == 0


@pytest.mark.parametrize("token", ["", "somebody-elses"])
def test_row_68_a_token_does_not_matter(api, armed, token):
    group, _, hook = armed
    assert api("POST", link(hook, "capability"), x_auth_token=token).status == 202
    assert api.desired(group) == 1


@pytest.mark.both_stores
def test_row_69_a_capability_survives_the_replacement_of_its_webhook_and_of_its_policy(api, armed):
    group, up, hook = armed
    for size, (url, document) in enumerate(
        [(link(hook), {"name": "other", "metadata": {"k": "v"}}), (link(up), policy(name="other"))], start=1
    ):
        assert api("PUT", url, document).status == 204
        assert link(api("GET", link(hook)).document["webhook"], "capability") == link(hook, "capability")
        assert api("POST", link(hook, "capability")).status == 202
        assert api.desired(group) == size


@pytest.mark.parametrize(
    "change", [str.upper, lambda text: text[:-1], lambda text: text + "0", lambda text: text[::-1]]
)
@pytest.mark.both_stores
def test_a_capability_is_matched_exactly(api, otter, armed, change):
    group, _, hook = armed
    if (other := change(secret(hook))) != secret(hook):
        assert api("POST", f"{otter.root}/execute/1/{other}").status == 202
        assert api.desired(group) == 0


@pytest.mark.parametrize("odd", ["x", "%00", "%C3%A9", "..", "%2e%2e", "'%20OR%201=1", "a" * 5000])
def test_an_odd_capability_is_answered_like_any_other(api, otter, odd):
    answer = api("POST", f"{otter.root}/execute/1/{odd}")
    assert (answer.status, answer.body) == (202, b"")


def test_a_capability_that_is_no_utf_8_is_answered_like_any_other(api, otter):
    answer = api("POST", f"{otter.root}/execute/1/%ff%fe")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (202, b"", "application/json")


@pytest.mark.parametrize("path", ["/v1.0/execute", "/v1%2E0/%65xecute"])
@pytest.mark.parametrize("below", ["/groups", "/limits", "/groups/x/state", "", "/", "/1/2/3"])
def test_no_tenant_is_called_execute_for_everybody_may_ask_there(otter, api, path, below):
    url = otter.root.removesuffix("/v1.0") + path + below
    assert api("GET", url).refusal == (404, "NotFound")
    assert api("POST", url, group_body()).refusal == (404, "NotFound")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_post_executes(api, armed, method):
    group, _, hook = armed
    answer = api(method, link(hook, "capability"))
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert api.desired(group) == 0


@pytest.mark.both_stores
def test_hits_on_one_kept_connection_all_count(api, armed):
    group, _, hook = armed
    url = urlsplit(link(hook, "capability"))
    connection = HTTPConnection(url.hostname, url.port, timeout=30)
    for _ in range(5):
        connection.request("POST", url.path)
        assert connection.getresponse().read() == b""
    connection.close()
    assert api.desired(group) == 5
