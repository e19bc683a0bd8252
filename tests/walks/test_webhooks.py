"""Webhooks: what they may be, and keeping them. (Contract, 9.7 and 14.)"""

import pytest

from tests.walks.api import link
from tests.walks.documents import ABSENT, policy, present

BAD = [
    {"name": ""},
    {"name": " \t"},
    {"name": "n" * 257},
    {"name": 5},
    {"name": ABSENT},
    {"metadata": None},
    {"metadata": "{}"},
    {"metadata": {"k": 1}},
    {"metadata": {"k": {"deep": "v"}}},
    {"metadata": {"k" * 257: "v"}},
    {"metadata": {"k": "v" * 257}},
    {"metadata": {"two\nlines": ""}},
    {"url": "http://x/"},
    {"id": "mine"},
    {"links": []},
    {"capability": "x"},
]


@pytest.fixture
def up(api, group):
    """A policy without webhooks."""
    return api.create(link(group) + "policies", policy())[0]


def webhook(**more):
    return present({"name": "hook", "metadata": {}} | more)


@pytest.mark.parametrize("more", [{"name": "n" * 256}, {"metadata": {"": ""}}, {"metadata": {"k" * 256: "v" * 256}}])
def test_a_good_webhook_is_read_back_as_it_was_sent(api, up, more):
    [hook] = api.create(link(up) + "webhooks", webhook(**more))
    assert hook == {**webhook(**more), "id": hook["id"], "links": hook["links"]}
    assert api("GET", link(hook)).document == {"webhook": hook}
    assert api("GET", link(up) + "webhooks").document == {"webhooks": [hook], "webhooks_links": []}


@pytest.mark.parametrize("more", BAD, ids=lambda more: repr(more)[:60])
def test_rows_29_and_38_a_bad_webhook_is_refused(api, up, more):
    bad = (400, "ValidationError")
    assert api("POST", link(up) + "webhooks", [webhook(), webhook(**more)]).refusal == bad
    assert api("GET", link(up) + "webhooks").document["webhooks"] == []
    [hook] = api.create(link(up) + "webhooks", webhook())
    assert api("PUT", link(hook), webhook(**more)).refusal == bad
    assert api("GET", link(hook)).document == {"webhook": hook}


@pytest.mark.parametrize("body", [[], webhook(), [None], {"webhooks": [webhook()]}, [webhook()] * 101])
def test_webhooks_are_made_from_an_array_of_1_to_100(api, up, body):
    assert api("POST", link(up) + "webhooks", body).refusal == (400, "ValidationError")


def test_row_37_metadata_is_optional_when_making_and_required_when_replacing(api, up):
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    assert hook["metadata"] == {}
    assert api("PUT", link(hook), {"name": "other"}).refusal == (400, "ValidationError")
    assert api("PUT", link(hook), {"metadata": {}}).refusal == (400, "ValidationError")


def test_new_webhooks_are_answered_in_the_order_of_the_request_each_with_its_own_capability(api, up):
    names = [f"w{number}" for number in range(25)]
    answer = api("POST", link(up) + "webhooks", [{"name": name} for name in names])
    assert answer.document.keys() == {"webhooks"}
    hooks = answer.document["webhooks"]
    assert [hook["name"] for hook in hooks] == names
    assert len({link(hook, "capability") for hook in hooks}) == len({hook["id"] for hook in hooks}) == 25


def test_row_69_replacing_a_webhook_or_its_policy_keeps_the_capability(api, up):
    [hook] = api.create(link(up) + "webhooks", webhook())
    other = webhook(name="other", metadata={"k": "v"})
    assert api("PUT", link(hook), other).status == 204
    assert api("PUT", link(up), policy(name="other")).status == 204
    assert api("GET", link(hook)).document == {"webhook": {**other, "id": hook["id"], "links": hook["links"]}}


def test_row_24_a_deleted_webhook_is_gone(api, up):
    [hook] = api.create(link(up) + "webhooks", webhook())
    answer = api("DELETE", link(hook))
    assert (answer.status, answer.body) == (204, b"")
    for method, body in [("GET", None), ("PUT", webhook()), ("DELETE", None)]:
        assert api(method, link(hook), body).refusal == (404, "NoSuchWebhookError")
    assert api("GET", link(up) + "webhooks").document["webhooks"] == []


def test_row_49_a_policy_has_25_webhooks_and_no_more(api, up):
    api.create(link(up) + "webhooks", *[webhook()] * 25)
    answer = api("POST", link(up) + "webhooks", [webhook()])
    assert answer.refusal == (422, "WebhooksOverLimitError")
    assert "25" in answer.document["error"]["message"]


@pytest.mark.parametrize(("existing", "more"), [(0, 26), (20, 6), (0, 100)])
def test_row_49_too_many_webhooks_are_refused_as_a_whole(api, up, existing, more):
    if existing:
        api.create(link(up) + "webhooks", *[webhook()] * existing)
    assert api("POST", link(up) + "webhooks", [webhook()] * more).refusal == (422, "WebhooksOverLimitError")
    assert len(api("GET", link(up) + "webhooks").document["webhooks"]) == existing


def test_a_webhook_of_one_policy_is_not_found_in_another(api, group, up):
    [other] = api.create(link(group) + "policies", policy())
    [hook] = api.create(link(up) + "webhooks", webhook())
    elsewhere = f"{link(other)}webhooks/{hook['id']}"
    assert api("GET", elsewhere).refusal == (404, "NoSuchWebhookError")
    assert api("DELETE", elsewhere).refusal == (404, "NoSuchWebhookError")
    assert api("GET", link(hook)).status == 200
