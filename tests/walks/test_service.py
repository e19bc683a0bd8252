"""What the service says about itself. (Contract, 17 and 18.)"""

from xml.etree.ElementTree import fromstring

import pytest

VALUES = {"maxGroups": 1000, "maxPoliciesPerGroup": 100, "maxWebhooksPerPolicy": 25}
NAMESPACE = "{http://docs.openstack.org/common/api/v1.0}"


@pytest.mark.parametrize("path", ["/limits", "/limits/", "/limits?limit=x"])
@pytest.mark.parametrize("accept", ["application/json", "*/*", "application/XML"])
def test_row_79_limits_are_shown(api, path, accept):
    answer = api("GET", path, accept=accept)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.document == {"limits": {"absolute": VALUES}}


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
