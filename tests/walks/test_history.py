"""``GET .../groups/<group>/history``: what was done for a group, as its owner gets to read it."""

from datetime import UTC, datetime, timedelta

from tests.rig.processes import until
from tests.walks.api import link
from tests.walks.documents import group_body, launch
from tests.walks.groups import grown, whole


def history_of(api, url):
    return api("GET", f"{url.rstrip('/')}/history").document["history"]


def test_a_group_that_was_made_empty_has_no_history(api, group):
    answer = api("GET", link(group) + "history")
    assert (answer.status, answer.document) == (200, {"history": [], "history_links": []})


def test_a_scale_up_is_told(otter, cloud, api):
    group = grown(otter, cloud, 1, policies=[{"name": "up", "change": 2}])
    before = history_of(api, group.url)
    assert otter.execute(group.policies["up"]) == 202
    whole(otter, cloud, group, 3)
    new = [each for each in history_of(api, group.url) if each not in before]
    entry = next(each for each in new if each["plan"].get("CreateServer"))
    assert (entry["plan"], entry["observed"], entry["desiredCapacity"]) == ({"CreateServer": 2}, {"ACTIVE": 1}, 3)
    assert (entry["status"], entry["reasons"]) == ("ACTIVE", [])
    age = datetime.now(UTC) - datetime.fromisoformat(entry["time"])
    assert timedelta(0) <= age < timedelta(minutes=5)


def test_an_error_is_told_with_its_reasons(api):
    sick = group_body(minEntities=1) | {"launchConfiguration": launch([{"loadBalancerId": 9099, "port": 80}])}
    made = api("POST", "/groups", sick).document["group"]
    errors = until(lambda: api.state(made).get("errors"), 30, 0.1, "ERROR")
    entry = next(each for each in history_of(api, link(made)) if each["status"] == "ERROR")
    assert {error["message"] for error in errors} <= set(entry["reasons"])


def test_pages_lead_from_the_newest_entry_to_the_oldest(otter, cloud, api):
    group = grown(otter, cloud, 1, policies=[{"name": "up", "change": 1}])
    for size in (2, 3, 4):
        assert otter.execute(group.policies["up"]) == 202
        whole(otter, cloud, group, size)
    everything = history_of(api, group.url)
    assert len(everything) >= 4
    found, url = [], f"{group.url}/history?limit=1"
    while url:
        document = api("GET", url).document
        found += document["history"]
        url = next((each["href"] for each in document["history_links"]), None)
    assert found == everything
    assert [each["id"] for each in found] == sorted((each["id"] for each in found), reverse=True)


def test_a_marker_that_otter_did_not_make_is_refused(api, group):
    for marker in ("x", "1", "0" * 13, "00000000000a", "%D9%A1" * 12):
        answer = api("GET", f"{link(group)}history?marker={marker}")
        assert answer.refusal == (400, "InvalidQueryArgument")


def test_what_is_not_there_has_no_history(api):
    assert api("GET", "/groups/nowhere/history").refusal == (404, "NoSuchScalingGroupError")


def test_nobody_reads_another_tenants_history(otter, cloud, api):
    group = grown(otter, cloud, 1)
    other = group.url.replace(cloud.tenant, "somebody-else")
    assert api("GET", f"{other}/history").refusal == (404, "NoSuchScalingGroupError")
