"""Repeating an execution: ``Idempotency-Key``. (docs/api.md, "Repeating an execution".)"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException

import pytest

from tests.rig.processes import until
from tests.walks.api import Api, link
from tests.walks.documents import config, policy

KEYS = ["a", "k" * 255, "with space", '"quoted"', "~!,;=", "0"]
BAD = ["", "k" * 256, "caf\u00e9", "a\tb"]


def told(answer):
    return answer.status, answer.body


@pytest.fixture
def up(api, group):
    return api.create(link(group) + "policies", policy())[0]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key[:10])
@pytest.mark.both_stores
def test_a_repeated_execution_happens_once(api, group, up, key):
    for _ in range(3):
        assert told(api("POST", link(up) + "execute", idempotency_key=key)) == (202, b"{}")
    assert api.desired(group) == 1


@pytest.mark.both_stores
def test_another_key_or_none_is_another_execution(api, group, up):
    for key in ("a", "A", "b", "a"):
        assert api("POST", link(up) + "execute", idempotency_key=key).status == 202
    assert [api.execute(up), api.execute(up)] == [202, 202]
    assert api.desired(group) == 5


@pytest.mark.both_stores
def test_each_policy_has_its_own_keys(api, group, up):
    [other] = api.create(link(group) + "policies", policy())
    for each in (up, other, up):
        assert api("POST", link(each) + "execute", idempotency_key="a").status == 202
    assert api.desired(group) == 2


@pytest.mark.parametrize("key", BAD, ids=lambda key: key[:10])
def test_a_bad_key_is_refused_before_anything_else(api, group, up, key):
    bad = (400, "InvalidIdempotencyKey")
    assert api("POST", link(up) + "execute", idempotency_key=key).refusal == bad
    assert api("POST", "/groups/none/policies/none/execute", idempotency_key=key).refusal == bad
    assert api.desired(group) == 0


@pytest.mark.both_stores
def test_a_refusal_is_replayed_word_for_word_even_when_it_would_not_be_one_any_more(api, group, up):
    cooling = config(cooldown=3600)
    assert api("PUT", link(group) + "config", cooling).status == 204
    assert api("POST", link(up) + "execute", idempotency_key="a").status == 202
    refused = api("POST", link(up) + "execute", idempotency_key="b")
    assert refused.refusal == (403, "CannotExecutePolicyError")
    assert api("PUT", link(group) + "config", config()).status == 204
    assert told(api("POST", link(up) + "execute", idempotency_key="b")) == told(refused)
    assert api("POST", link(up) + "execute", idempotency_key="c").status == 202
    assert api.desired(group) == 2


@pytest.mark.both_stores
def test_what_was_executed_is_told_of_a_paused_group_too(api, group, up):
    assert api("POST", link(up) + "execute", idempotency_key="a").status == 202
    assert api("POST", link(group) + "pause").status == 204
    paused = api("POST", link(up) + "execute", idempotency_key="b")
    assert paused.refusal == (403, "GroupPausedError")
    assert told(api("POST", link(up) + "execute")) == told(paused)
    assert api("POST", link(up) + "execute", idempotency_key="a").status == 202
    assert api("POST", link(group) + "resume").status == 204
    assert told(api("POST", link(up) + "execute", idempotency_key="b")) == told(paused)
    assert api.desired(group) == 1


@pytest.mark.both_stores
def test_repeats_at_the_same_time_happen_once(api, group, up):
    def execute(number):
        return told(api("POST", link(up) + "execute", idempotency_key=f"k{number % 2}"))

    with ThreadPoolExecutor(12) as crowd:
        assert list(crowd.map(execute, range(24))) == [(202, b"{}")] * 24
    assert api.desired(group) == 2


def test_a_new_rule_does_not_change_what_a_key_stands_for(api, group, up):
    assert api("POST", link(up) + "execute", idempotency_key="a").status == 202
    assert api("PUT", link(up), policy(change=5)).status == 204
    assert api("POST", link(up) + "execute", idempotency_key="a").status == 202
    assert api.desired(group) == 1


@pytest.mark.both_stores
def test_what_is_not_there_is_not_remembered(api, group, up):
    for _ in range(2):
        missing = api("POST", link(group) + "policies/none/execute", idempotency_key="a")
        assert missing.refusal == (404, "NoSuchPolicyError")
    assert api("DELETE", link(up)).status == 204
    assert api("POST", link(up) + "execute", idempotency_key="a").refusal == (404, "NoSuchPolicyError")


@pytest.mark.both_stores
def test_a_repeated_hit_happens_once_and_its_keys_are_those_of_the_policy(api, group, up):
    one, other = api.create(link(up) + "webhooks", {"name": "one"}, {"name": "other"})
    for hook in (one, one, other):
        assert told(api("POST", link(hook, "capability"), idempotency_key="a")) == (202, b"")
    assert told(api("POST", link(up) + "execute", idempotency_key="a")) == (202, b"{}")
    assert api.desired(group) == 1


@pytest.mark.parametrize("key", BAD, ids=lambda key: key[:10])
def test_with_a_capability_a_bad_key_is_as_good_as_none(api, otter, group, up, key):
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    for _ in range(2):
        assert told(api("POST", link(hook, "capability"), idempotency_key=key)) == (202, b"")
    assert told(api("POST", f"{otter.root}/execute/1/{'0' * 64}", idempotency_key=key)) == (202, b"")
    assert api.desired(group) == 2


@pytest.mark.both_stores
def test_what_was_executed_is_known_to_the_next_process(mortal, tenant):
    api = Api(f"{mortal.root}/{tenant}")
    group = api.create_group(policy())
    [up] = group["scalingPolicies"]
    assert api("POST", link(up) + "execute", idempotency_key="a").status == 202
    mortal.kill()
    mortal.start()
    assert told(api("POST", link(up) + "execute", idempotency_key="a")) == (202, b"{}")
    assert api.desired(group) == 1


@pytest.mark.both_stores
def test_a_client_that_repeats_until_it_is_answered_is_counted_once_however_often_otter_is_killed(mortal, tenant):
    api = Api(f"{mortal.root}/{tenant}")
    group = api.create_group(policy(), maxEntities=100)
    url = link(group["scalingPolicies"][0]) + "execute"

    def execute(number):
        def answered():
            with suppress(OSError, HTTPException):
                status = api("POST", url, idempotency_key=f"k{number}").status
                return status if status != 503 else None  # that says to ask again

        return until(answered, seconds=60)

    with ThreadPoolExecutor(4) as crowd:
        answers = crowd.map(execute, range(40))
        for reached in (5, 15, 25):
            until(lambda least=reached: api.desired(group) >= least, every=0.001)
            mortal.kill()
            mortal.start()
        assert list(answers) == [202] * 40
    assert api.desired(group) == 40
