"""Group configurations: what they may be, and what replacing one does. (Contract, 9.2 and 12.)"""

import pytest

from tests.walks.api import link
from tests.walks.documents import ABSENT, config, group_body, policy

GOOD = [
    {"name": "x" * 256},
    {"name": "\U0001f9a6" * 256},
    {"name": " padded "},
    {"name": "\u00a0"},
    {"cooldown": 86400},
    {"minEntities": 0, "maxEntities": 0},
    {"maxEntities": 1000},
    {"metadata": {"": ""}},
    {"metadata": {"k" * 256: "v" * 256}},
]
BAD = [
    {"name": ""},
    {"name": "  "},
    {"name": "\t\n"},
    {"name": "x" * 257},
    {"name": 5},
    {"name": None},
    {"name": ABSENT},
    {"cooldown": -1},
    {"cooldown": 86401},
    {"cooldown": 1.5},
    {"cooldown": 1.0},
    {"cooldown": True},
    {"cooldown": "-0.08"},
    {"cooldown": None},
    {"cooldown": ABSENT},
    {"minEntities": -1},
    {"minEntities": 1001},
    {"minEntities": "-100"},
    {"minEntities": 1.0},
    {"minEntities": ABSENT},
    {"maxEntities": -1},
    {"maxEntities": 1001},
    {"maxEntities": "-0.01"},
    {"metadata": None},
    {"metadata": "{}"},
    {"metadata": []},
    {"metadata": {"k": 1}},
    {"metadata": {"k": None}},
    {"metadata": {"k": {}}},
    {"metadata": {"k" * 257: ""}},
    {"metadata": {"k": "v" * 257}},
    {"metadata": {"two\nlines": ""}},
    {"metadata": {"one line\n": ""}},
    {"id": "mine"},
    {"links": []},
]


@pytest.mark.parametrize("more", GOOD, ids=repr)
def test_a_good_configuration_is_read_back_as_it_was_sent(api, group, more):
    assert api("PUT", link(group) + "config", config(**more)).status == 204
    assert api("GET", link(group) + "config").document == {"groupConfiguration": config(**more)}
    assert api.create_group(**more)["groupConfiguration"] == config(**more)


@pytest.mark.parametrize("more", BAD, ids=lambda more: repr(more)[:60])
def test_rows_26_29_and_30_a_bad_configuration_is_refused_and_nothing_happens(api, group, more):
    assert api("POST", "/groups", group_body(**more)).refusal == (400, "ValidationError")
    assert api("PUT", link(group) + "config", config(**more)).refusal == (400, "ValidationError")
    assert len(api("GET", "/groups").document["groups"]) == 1
    assert api("GET", link(group) + "config").document == {"groupConfiguration": config()}


@pytest.mark.parametrize("field", ["maxEntities", "metadata"])
def test_row_25_replacing_needs_all_five_fields(api, group, field):
    answer = api("PUT", link(group) + "config", config(**{field: ABSENT}))
    assert answer.refusal == (400, "ValidationError")
    assert api("PUT", link(group) + "config", config(metadata={})).status == 204


def test_row_30_a_minimum_above_the_maximum_is_refused(api, group):
    upside_down = {"minEntities": 5, "maxEntities": 4}
    assert api("POST", "/groups", group_body(**upside_down)).refusal == (400, "InvalidMinEntities")
    assert api("PUT", link(group) + "config", config(**upside_down)).refusal == (400, "InvalidMinEntities")


def test_a_minimum_above_the_default_maximum_does_not_exist(api):
    answer = api("POST", "/groups", group_body(minEntities=1001, maxEntities=ABSENT))
    assert answer.refusal == (400, "ValidationError")


def test_a_maximum_of_null_is_refused(api, group):
    assert api("POST", "/groups", group_body(maxEntities=None)).refusal[0] == 400
    assert api("PUT", link(group) + "config", config(maxEntities=None)).refusal[0] == 400


def test_a_new_name_is_shown_in_the_state(api, group):
    assert api("PUT", link(group) + "config", config(name="other")).status == 204
    assert api.state(group)["name"] == "other"
    assert api("GET", "/groups").document["groups"][0]["state"]["name"] == "other"


def test_row_59_raising_the_minimum_raises_desired_at_once(api, group):
    assert api("PUT", link(group) + "config", config(minEntities=2)).status == 204
    assert api.desired(group) == 2


def test_row_72_lowering_the_minimum_leaves_desired_alone(api):
    group = api.create_group(minEntities=2)
    assert api("PUT", link(group) + "config", config(minEntities=0)).status == 204
    assert api.desired(group) == 2


def test_row_72_lowering_the_maximum_below_desired_lowers_it(api):
    group = api.create_group(minEntities=2)
    assert api("PUT", link(group) + "config", config(minEntities=0, maxEntities=1)).status == 204
    assert api.desired(group) == 1


def test_bounds_are_enforced_whatever_the_cooldown(api):
    group = api.create_group(policy(), cooldown=3600)
    assert api.execute(group["scalingPolicies"][0]) == 202
    assert api("PUT", link(group) + "config", config(cooldown=3600, minEntities=3)).status == 204
    assert api.desired(group) == 3


def test_replacing_is_complete(api):
    group = api.create_group(metadata={"old": "value"})
    assert api("PUT", link(group) + "config", config(metadata={"new": "value"})).status == 204
    shown = api("GET", link(group) + "config").document["groupConfiguration"]
    assert shown["metadata"] == {"new": "value"}
