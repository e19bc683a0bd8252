"""What the service says about itself. (Contract, 17 and 18.)"""

from concurrent.futures import ThreadPoolExecutor
from xml.etree.ElementTree import fromstring

import pytest

from tests.rig.otter import Otter
from tests.rig.processes import HERE, free_port
from tests.walks.api import Api, link
from tests.walks.documents import group_body, policy

VALUES = {"maxGroups": 1000, "maxPoliciesPerGroup": 100, "maxWebhooksPerPolicy": 25}
STACK = {"type": "launch_stack", "args": {"stack": {"template": "any"}}}
NAMESPACE = "{http://docs.openstack.org/common/api/v1.0}"


@pytest.mark.parametrize("path", ["/limits", "/limits/", "/limits?limit=x"])
@pytest.mark.parametrize("accept", ["application/json", "*/*", "application/XML"])
def test_row_79_limits_are_shown(api, path, accept):
    answer = api("GET", path, accept=accept)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.document == {"limits": {"absolute": VALUES}}


def test_row_79_the_limits_that_are_shown_are_those_that_hold(api, group):
    shown = api("GET", "/limits").document["limits"]["absolute"]
    up, *_ = api.create(link(group) + "policies", *[policy()] * shown["maxPoliciesPerGroup"])
    assert api("POST", link(group) + "policies", [policy()]).refusal == (422, "PoliciesOverLimitError")
    api.create(link(up) + "webhooks", *[{"name": "hook"}] * shown["maxWebhooksPerPolicy"])
    assert api("POST", link(up) + "webhooks", [{"name": "hook"}]).refusal == (422, "WebhooksOverLimitError")


def test_row_79_a_tenant_has_as_many_groups_as_are_shown_and_no_more(tmp_path, tenant):
    """In an otter of its own without a cloud. Groups of stacks can be made all the same, and nothing is done for them."""
    otter = Otter(tmp_path / "crowded", f"http://{HERE}:{free_port()}/v2.0")
    api, body = Api(f"{otter.root}/{tenant}"), group_body() | {"launchConfiguration": STACK}
    otter.start()
    try:
        most = api("GET", "/limits").document["limits"]["absolute"]["maxGroups"]
        with ThreadPoolExecutor(4) as crowd:
            made = crowd.map(lambda _: api("POST", "/groups", body).status, range(most))
        assert set(made) == {201}
        assert api("POST", "/groups", body).refusal == (422, "ScalingGroupOverLimitError")
    finally:
        otter.kill()


@pytest.mark.parametrize("path", ["/limits", "/limits/"])
def test_row_80_no_rates_are_shown_where_nothing_limits_them(api, path):
    answer = api("GET", path)
    assert answer.status == 200
    assert "rate" not in answer.document["limits"]
    shown = api("GET", path, accept="application/xml")
    assert shown.status == 200
    assert b"rate" not in shown.body


@pytest.mark.parametrize("accept", ["application/xml", "text/html,application/xhtml+xml;q=0.9", "text/xml"])
def test_limits_are_shown_in_xml_to_who_asks_for_it(api, accept):
    answer = api("GET", "/limits", accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/xml")
    root = fromstring(answer.body)
    assert root.tag == f"{NAMESPACE}limits"
    [absolute] = root
    assert absolute.tag == f"{NAMESPACE}absolute"
    assert {each.get("name"): int(each.get("value")) for each in absolute} == VALUES
    assert {each.tag for each in absolute} == {f"{NAMESPACE}limit"}


def test_errors_of_the_limits_are_json_whatever_is_accepted(api):
    answer = api("POST", "/limits", accept="application/xml")
    assert answer.refusal[0] == 405


def test_otter_is_healthy(api, otter):
    answer = api("GET", otter.url)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.document["healthy"] is True
    assert answer.headers["x-response-id"]


def test_the_root_answers_with_nothing(api, otter):
    answer = api("GET", otter.root.removesuffix("v1.0"))
    assert (answer.status, answer.body) == (200, b"")
