"""Standard output: one JSON object a line, from the first to the last."""

import json

import pytest

from tests.process.lives import in_the_foreground
from tests.rig.processes import until
from tests.walks.api import Api, link, sent_raw
from tests.walks.documents import policy


def tenant_of(api):
    return api.root.rpartition("/")[2]


def lines(otter):
    return [json.loads(line) for line in otter.log.read_text().splitlines()]


@pytest.mark.parametrize("start", ["twistd", "python -m otter"])
def test_every_line_is_an_object_with_time_level_and_event(lives, start):
    otter = lives.otter()
    otter.command = otter.command if start == "twistd" else in_the_foreground(otter)
    otter.start()
    api = Api(f"{otter.root}/t1")
    group = api.create_group(policy(), minEntities=1)
    api("GET", "/groups/no%0Asuch%22group")
    api("POST", "/groups", b"{")
    sent_raw(otter.root, b"GET /v1.0/%ff HTTP/1.1\r\nHost: x\r\n\r\n")
    sent_raw(otter.root, b"nonsense\r\n\r\n")
    until(lambda: [line for line in lines(otter) if line["event"].startswith("cloud-")], saying="the cloud is missed")
    api("DELETE", link(group) + "?force=true")
    otter.stop()
    written = lines(otter)
    assert all(line.keys() >= {"time", "level", "event"} for line in written)
    assert written[0]["event"] == "otter-made"
    assert "otter-stopped" in [line["event"] for line in written]


def test_requests_about_a_group_say_whose_it_is(otter, api):
    group = api.create_group(policy())
    answer = api("POST", link(group["scalingPolicies"][0]) + "execute")
    request_id = answer.headers["x-response-id"]
    [line] = until(lambda: [line for line in lines(otter) if line.get("response_id") == request_id])
    assert (line["tenant"], line["group"]) == (tenant_of(api), group["id"])
    assert (line["method"], line["status"]) == ("POST", 202)


def test_what_is_done_for_a_group_says_whose_it_is(otter, api):
    group = api.create_group(minEntities=1)
    done = until(lambda: [line for line in lines(otter) if line["event"].startswith("cloud-")])
    assert {(line["tenant"], line["group"]) for line in done} == {(tenant_of(api), group["id"])}


def test_a_hit_that_was_refused_is_logged_without_saying_so_to_the_caller(otter, api):
    answer = api("POST", f"{otter.root}/execute/1/{'0' * 64}")
    assert answer.status == 202
    until(lambda: "webhook-refused" in [line["event"] for line in lines(otter)])


def test_a_hit_says_whose_group_it_was_about(otter, api):
    group = api.create_group(policy())
    [hook] = api.create(link(group["scalingPolicies"][0]) + "webhooks", {"name": "hook"})
    api("POST", link(hook, "capability"))
    [line] = until(lambda: [line for line in lines(otter) if "/execute/" in line.get("path", "")])
    assert (line.get("tenant"), line.get("group")) == (tenant_of(api), group["id"])


def test_nothing_unexpected_happens_in_a_quiet_life(otter, api):
    for _ in range(3):
        api("DELETE", link(api.create_group()))
    otter.restart()
    otter.stop()
    assert [line for line in lines(otter) if line["level"] not in ("info", "debug")] == []


def test_two_tenants_are_told_apart(otter):
    Api(f"{otter.root}/t1").create_group()
    Api(f"{otter.root}/t2").create_group()
    made = [line for line in lines(otter) if line.get("method") == "POST"]
    assert [line["tenant"] for line in made] == ["t1", "t2"]
