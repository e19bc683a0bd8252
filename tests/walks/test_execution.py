"""Executing policies: what becomes of the desired capacity, and when it is refused. (Contract, 13.6 and 19.)"""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.rig.processes import until
from tests.walks.api import link
from tests.walks.documents import config, policy

REFUSED = (403, "CannotExecutePolicyError")


def sized(api, current, *policies, **bounds):
    """A group that wants ``current`` servers, and its policies."""
    group = api.create_group(*policies, **{"maxEntities": 1000, "minEntities": current, **bounds})
    return group, group["scalingPolicies"]


def free(api, group, **bounds):
    """Let the group shrink and grow as it is told to."""
    assert api("PUT", link(group) + "config", config(**{"maxEntities": 1000, **bounds})).status == 204


@pytest.mark.both_stores
def test_row_59_executing_answers_an_empty_object_and_the_next_look_shows_it(api, group):
    [up] = api.create(link(group) + "policies", policy(change=2))
    answer = api("POST", link(up) + "execute")
    assert (answer.status, answer.body) == (202, b"{}")
    assert api.desired(group) == 2


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"change": 7}', b"[" * 3000])
def test_the_body_is_ignored(api, group, body):
    [up] = api.create(link(group) + "policies", policy())
    assert api("POST", link(up) + "execute", body).status == 202
    assert api.desired(group) == 1


@pytest.mark.parametrize(
    ("current", "percent", "expected"),
    [
        (1, 50, 2),
        (3, 50, 5),
        (5, 50, 8),
        (10, 10, 11),
        (10, -10, 9),
        (10, -5.5, 9),
        (10, 0.0001, 11),
        (4, -60, 1),
        (5, -300, 0),
        (4, 100, 8),
        (4, -50, 2),
    ],
)
def test_row_62_percentages_are_rounded_away_from_zero(api, current, percent, expected):
    group, [some] = sized(api, current, policy(changePercent=percent))
    free(api, group)
    assert api.execute(some) == 202
    assert api.desired(group) == expected


@pytest.mark.parametrize("percent", [50, -50, 1e308])
def test_a_share_of_nothing_is_nothing(api, group, percent):
    [some] = api.create(link(group) + "policies", policy(changePercent=percent))
    assert api("POST", link(some) + "execute").refusal == REFUSED


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"change": 100}, 6),
        ({"change": -100}, 2),
        ({"change": 2**63 - 1}, 6),
        ({"change": -(2**70)}, 2),
        ({"changePercent": 1e308}, 6),
        ({"changePercent": -300}, 2),
        ({"desiredCapacity": 1000}, 6),
        ({"desiredCapacity": 0}, 2),
        ({"desiredCapacity": 5}, 5),
    ],
)
def test_rows_61_and_62_what_is_beyond_the_bounds_is_cut_short(api, rule, expected):
    group, [some] = sized(api, 4, policy(**rule))
    free(api, group, minEntities=2, maxEntities=6)
    assert api.execute(some) == 202
    assert api.desired(group) == expected


@pytest.mark.parametrize("rule", [{"change": 1}, {"desiredCapacity": 2}, {"changePercent": 10}])
@pytest.mark.both_stores
def test_row_61_no_effect_is_refused_at_the_bounds(api, rule):
    group, [some] = sized(api, 2, policy(**rule), maxEntities=2)
    assert api("POST", link(some) + "execute").refusal == REFUSED
    assert api.desired(group) == 2


def test_row_61_shrinking_below_the_minimum_is_refused(api):
    group, [down] = sized(api, 1, policy(change=-1))
    assert api("POST", link(down) + "execute").refusal == REFUSED
    assert api.desired(group) == 1


@pytest.mark.both_stores
def test_three_executions_in_a_row_all_count(api, group):
    [up] = api.create(link(group) + "policies", policy())
    assert [api.execute(up) for _ in range(3)] == [202] * 3
    assert api.desired(group) == 3


@pytest.mark.both_stores
def test_executions_at_the_same_time_all_count(api):
    group = api.create_group(maxEntities=100)
    some = policy(desiredCapacity=20)
    [start, up, down] = api.create(link(group) + "policies", some, policy(change=3), policy(change=-1))
    assert api.execute(start) == 202
    with ThreadPoolExecutor(12) as crowd:
        assert list(crowd.map(api.execute, [up, down, down] * 4)) == [202] * 12
    assert api.desired(group) == 20 + 4 * (3 - 2)


@pytest.mark.both_stores
def test_row_63_the_cooldown_of_the_group_spans_all_its_policies(api):
    group = api.create_group(policy(), policy(change=2), cooldown=3600)
    one, other = group["scalingPolicies"]
    assert api.execute(one) == 202
    assert api("POST", link(one) + "execute").refusal == REFUSED
    assert api("POST", link(other) + "execute").refusal == REFUSED
    assert api.desired(group) == 1


def test_row_63_a_cooldown_set_to_0_is_over_at_once(api):
    group = api.create_group(policy(), cooldown=3600)
    [up] = group["scalingPolicies"]
    assert [api.execute(up), api.execute(up)] == [202, 403]
    assert api("PUT", link(group) + "config", config(cooldown=0)).status == 204
    assert api.execute(up) == 202
    assert api.desired(group) == 2


def test_a_cooldown_that_is_set_later_counts_from_the_last_execution(api, group):
    [up] = api.create(link(group) + "policies", policy())
    assert api.execute(up) == 202
    assert api("PUT", link(group) + "config", config(cooldown=3600)).status == 204
    assert api.execute(up) == 403


@pytest.mark.both_stores
def test_row_64_policies_cool_down_each_for_itself(api, group):
    [slow, other] = api.create(link(group) + "policies", policy(cooldown=3600), policy(cooldown=3600))
    assert [api.execute(slow), api.execute(slow), api.execute(other), api.execute(other)] == [202, 403, 202, 403]
    assert api.desired(group) == 2


def test_the_cooldown_of_a_policy_follows_its_replacement(api, group):
    [up] = api.create(link(group) + "policies", policy())
    assert api.execute(up) == 202
    assert api("PUT", link(up), policy(cooldown=3600)).status == 204
    assert api.execute(up) == 403
    assert api("PUT", link(up), policy(cooldown=0)).status == 204
    assert api.execute(up) == 202


@pytest.mark.both_stores
def test_row_65_a_refused_attempt_does_not_extend_the_cooldown(api, group):
    [up] = api.create(link(group) + "policies", policy(cooldown=1))
    assert api.execute(up) == 202
    began = time.monotonic()
    assert api.execute(up) == 403
    until(lambda: api.execute(up) == 202, seconds=10, every=0.1)
    assert 0.7 < time.monotonic() - began
    assert api.desired(group) == 2


@pytest.mark.both_stores
def test_a_fraction_of_a_second_is_a_cooldown_too(api, group):
    [up] = api.create(link(group) + "policies", policy(cooldown=0.25))
    assert api.execute(up) == 202
    until(lambda: api.execute(up) == 202, seconds=10)
    assert api.desired(group) == 2


def test_an_execution_without_effect_starts_no_cooldown(api):
    group, [down, up] = sized(api, 1, policy(change=-1, cooldown=3600), policy(), cooldown=3600)
    assert api.execute(down) == 403
    assert api.execute(up) == 202
    assert api.desired(group) == 2


def test_making_a_group_and_changing_its_bounds_start_no_cooldown(api):
    group = api.create_group(policy(), minEntities=1, cooldown=3600)
    assert api("PUT", link(group) + "config", config(minEntities=2, cooldown=3600)).status == 204
    assert api.execute(group["scalingPolicies"][0]) == 202
    assert api.desired(group) == 3


@pytest.mark.both_stores
def test_webhooks_and_executions_share_their_cooldowns(api, group):
    [up] = api.create(link(group) + "policies", policy(cooldown=3600))
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    assert api("POST", link(hook, "capability")).status == 202
    assert api.execute(up) == 403
    assert api.desired(group) == 1


def test_a_refusal_for_a_cooldown_says_so(api):
    group = api.create_group(policy(), cooldown=3600)
    [up] = group["scalingPolicies"]
    assert api.execute(up) == 202
    error = api("POST", link(up) + "execute").document["error"]
    assert up["id"] in error["message"]
    assert "cooldown" in error["message"]


@pytest.mark.both_stores
def test_row_74_deleting_a_policy_does_not_cancel_what_it_did(api, group):
    [up] = api.create(link(group) + "policies", policy())
    assert api.execute(up) == 202
    assert api("DELETE", link(up)).status == 204
    assert api.desired(group) == 1
    until(lambda: api.state(group)["activeCapacity"] == 1, seconds=30)


@pytest.mark.both_stores
def test_a_replaced_rule_is_the_one_that_counts(api, group):
    [up] = api.create(link(group) + "policies", policy())
    assert api("PUT", link(up), policy(desiredCapacity=2)).status == 204
    assert api.execute(up) == 202
    assert api.desired(group) == 2
