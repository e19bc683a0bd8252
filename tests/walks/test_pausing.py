"""Pausing, resuming, and asking for a look. (Contract, 11.6 to 11.8 and 21.)"""

import pytest

from tests.walks.api import link
from tests.walks.documents import config, launch, policy


@pytest.fixture
def paused(api):
    """A paused group with a policy and a webhook."""
    group = api.create_group(policy())
    api.create(link(group["scalingPolicies"][0]) + "webhooks", {"name": "hook"})
    assert api("POST", link(group) + "pause").status == 204
    return api("GET", link(group) + "?webhooks=true").document["group"]


@pytest.mark.both_stores
def test_row_78_pausing_shows_in_the_state_and_can_be_repeated(api, paused):
    assert paused["state"]["paused"] is True
    answer = api("POST", link(paused) + "pause")
    assert (answer.status, answer.body) == (204, b"")
    assert api.state(paused)["paused"] is True


@pytest.mark.both_stores
def test_row_78_a_paused_group_executes_nothing(api, paused):
    [up] = paused["scalingPolicies"]
    assert api("POST", link(up) + "execute").refusal == (403, "GroupPausedError")
    assert api("POST", link(up["webhooks"][0], "capability")).status == 202
    assert api.desired(paused) == 0


def test_row_78_a_paused_group_is_not_converged(api, paused):
    assert api("POST", link(paused) + "converge").refusal == (403, "GroupPausedError")


@pytest.mark.both_stores
def test_row_78_policies_and_webhooks_of_a_paused_group_can_be_kept(api, paused):
    [up] = api.create(link(paused) + "policies", policy())
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    assert api("PUT", link(hook), {"name": "other", "metadata": {}}).status == 204
    assert api("PUT", link(up), policy(name="other")).status == 204
    assert api("DELETE", link(hook)).status == api("DELETE", link(up)).status == 204


@pytest.mark.both_stores
def test_a_paused_group_takes_new_configurations(api, paused):
    assert api("PUT", link(paused) + "config", config(minEntities=2)).status == 204
    assert api("PUT", link(paused) + "launch", launch(name="other")).status == 204
    assert api.desired(paused) == 2
    assert api.state(paused)["paused"] is True


@pytest.mark.both_stores
def test_row_78_after_resuming_everything_works_again(api, paused):
    [up] = paused["scalingPolicies"]
    answer = api("POST", link(paused) + "resume")
    assert (answer.status, answer.body) == (204, b"")
    assert api.state(paused)["paused"] is False
    assert api.execute(up) == 202
    assert api("POST", link(up["webhooks"][0], "capability")).status == 202
    assert api("POST", link(paused) + "converge").status == 204
    assert api.desired(paused) == 2


def test_resuming_can_be_repeated_and_needs_no_pause(api, group):
    assert [api("POST", link(group) + "resume").status for _ in range(2)] == [204, 204]
    assert api.state(group)["paused"] is False


@pytest.mark.both_stores
def test_asking_for_a_look_changes_neither_capacity_nor_cooldown(api):
    group = api.create_group(policy(), cooldown=3600)
    answer = api("POST", link(group) + "converge?on_error=false")
    assert (answer.status, answer.body) == (204, b"")
    assert api.desired(group) == 0
    assert api.execute(group["scalingPolicies"][0]) == 202


@pytest.mark.parametrize("what", ["pause", "resume", "converge"])
def test_a_group_that_is_not_there_cannot_be_asked(api, what):
    assert api("POST", f"/groups/none/{what}").refusal == (404, "NoSuchScalingGroupError")


@pytest.mark.parametrize("what", ["pause", "resume", "converge"])
def test_the_body_is_ignored(api, group, what):
    assert api("POST", link(group) + what, b"{").status == 204


def test_a_policy_that_is_missing_is_not_asked_for_in_a_paused_group(api, paused):
    """Paused comes before missing in the order of validation. (Contract, 6.)"""
    answer = api("POST", link(paused) + "policies/none/execute")
    assert answer.refusal == (403, "GroupPausedError")
