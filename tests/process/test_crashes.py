"""kill -9: what was answered is kept, and nothing is done that was not asked for."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.client import HTTPException

import pytest

from tests.rig.processes import until
from tests.walks.api import link
from tests.walks.documents import config, launch, policy


def fallen(otter):
    """Dead at once, and up again."""
    otter.kill()
    otter.start()


@pytest.fixture
def group(api):
    return api.create_group(policy())


def test_a_group_survives(otter, api):
    group = api.create_group(policy(), minEntities=2)
    fallen(otter)
    shown = api("GET", link(group)).document["group"]
    assert {**shown, "state": group["state"]} == group
    assert shown["state"]["desiredCapacity"] == 2


def test_an_execution_survives_with_its_cooldown(otter, api, group):
    [up] = group["scalingPolicies"]
    assert api("PUT", link(up), policy(cooldown=3600)).status == 204
    assert api.execute(up) == 202
    fallen(otter)
    assert api.desired(group) == 1
    assert api.execute(up) == 403


def test_a_hit_survives(otter, api, group):
    [hook] = api.create(link(group["scalingPolicies"][0]) + "webhooks", {"name": "hook"})
    assert api("POST", link(hook, "capability")).status == 202
    fallen(otter)
    assert api.desired(group) == 1
    assert api("POST", link(hook, "capability")).status == 202
    assert api.desired(group) == 2


def test_replacements_survive(otter, api, group):
    [up] = group["scalingPolicies"]
    assert api("PUT", link(group) + "config", config(name="other")).status == 204
    assert api("PUT", link(group) + "launch", launch(name="other")).status == 204
    assert api("PUT", link(up), policy(change=7)).status == 204
    fallen(otter)
    assert api("GET", link(group) + "config").document["groupConfiguration"] == config(name="other")
    assert api("GET", link(group) + "launch").document["launchConfiguration"] == launch(name="other")
    assert api("GET", link(up)).document["policy"]["change"] == 7


def test_a_pause_survives(otter, api, group):
    assert api("POST", link(group) + "pause").status == 204
    fallen(otter)
    assert api.state(group)["paused"] is True
    assert api("POST", link(group) + "resume").status == 204
    fallen(otter)
    assert api.state(group)["paused"] is False


def test_deletions_survive(otter, api, group):
    other = api.create_group(policy(), policy(), minEntities=3)
    assert api("DELETE", link(group)).status == 204
    fallen(otter)
    assert api("GET", link(group)).status == 404
    assert api("DELETE", link(other["scalingPolicies"][0])).status == 204
    fallen(otter)
    assert api("GET", link(other)).document["group"]["scalingPolicies"] == other["scalingPolicies"][1:]
    assert api("DELETE", link(other) + "?force=true").status == 204
    fallen(otter)
    assert api("GET", "/groups").document["groups"] == []


@pytest.mark.parametrize("after", [30, 60, 120])
def test_executions_under_way_are_counted_once_or_not_at_all(otter, api, after):
    group = api.create_group(policy(), maxEntities=1000)
    [hook] = api.create(link(group["scalingPolicies"][0]) + "webhooks", {"name": "hook"})
    answered = []

    def hit(number):
        try:
            answered.append(api("POST", link(hook, "capability")).status)
        except (OSError, HTTPException):
            return 1
        if len(answered) >= after:
            otter.child.kill()
        return 0

    with ThreadPoolExecutor(16) as crowd:
        unanswered = sum(crowd.map(hit, range(200)))
    assert set(answered) == {202}
    fallen(otter)
    assert len(answered) <= api.desired(group) <= len(answered) + unanswered


def test_it_can_fall_again_and_again(otter, api, group):
    [up] = group["scalingPolicies"]
    for expected in (1, 2, 3):
        assert api.execute(up) == 202
        fallen(otter)
        assert api.desired(group) == expected


def test_a_fall_before_the_first_request_leaves_a_good_store(lives, otter):
    fallen(otter)
    other = lives.otter()
    other.store.touch()
    assert other.start().running()


def test_scheduled_events_happen_once_however_often_otter_dies_among_them(otter, api):
    group = api.create_group(maxEntities=1000)
    moments = (datetime.now(UTC) + timedelta(seconds=1 + number / 50) for number in range(300))
    args = ({"at": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")} for moment in moments)
    policies = [policy(type="schedule", args=each) for each in args]
    for first in range(0, len(policies), 100):
        api.create(
            link(api.create_group(maxEntities=1000) if first else group) + "policies", *policies[first : first + 100]
        )
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        fallen(otter)
        time.sleep(0.6)
    until(lambda: [api.desired(each) for each in api("GET", "/groups").document["groups"]] == [100] * 3, 20)
    time.sleep(1)
    assert [api.desired(each) for each in api("GET", "/groups").document["groups"]] == [100] * 3
