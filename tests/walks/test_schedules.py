"""Policies that are executed by themselves. (Contract, 9.6 and 20.)"""

from datetime import UTC, datetime, timedelta

import pytest

from tests.walks.api import link
from tests.walks.documents import ABSENT, group_body, policy
from tests.walks.groups import grown, in_time, whole


def schedule(**more):
    return policy(type="schedule", **({"args": {"cron": "0 0 1 1 *"}} | more))


def in_future(seconds):
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


GOOD = [
    {"at": "2050-05-20T06:30:00Z"},
    {"at": "2050-05-20T06:30:00.123456Z"},
    {"at": "2050-05-20 06:30Z"},
    {"cron": "* * * * *"},
    {"cron": "0 0 0 0 0"},
    {"cron": "00 9,16 * jan-jun mon-fri"},
    {"cron": " 0  0 L * * "},
]
BAD = [
    ABSENT,
    None,
    {},
    "at",
    {"at": "2050-05-20T06:30:00Z", "cron": "* * * * *"},
    {"check": 1},
    {"at": "2050-05-20T06:30:00Z", "more": 1},
    {"at": "2050-05-20T06:30:00"},
    {"at": "2020-05-20T06:30:00Z"},
    {"at": "2050-13-20T06:30:00Z"},
    {"at": 5},
    {"at": ""},
    {"cron": "* * * *"},
    {"cron": "* * * * * *"},
    {"cron": "@daily"},
    {"cron": "60 * * * *"},
    {"cron": "0 0 31 2 *"},
    {"cron": None},
]


@pytest.mark.parametrize("args", GOOD, ids=repr)
def test_rows_33_and_35_a_good_schedule_is_read_back_as_it_was_sent(api, group, args):
    [made] = api.create(link(group) + "policies", schedule(args=args))
    assert api("GET", link(made)).document["policy"]["args"] == args


@pytest.mark.parametrize("args", BAD, ids=repr)
def test_rows_34_35_and_36_a_bad_schedule_is_refused_wherever_it_is_sent(api, group, args):
    [made] = api.create(link(group) + "policies", schedule())
    bad = (400, "ValidationError")
    assert api("POST", "/groups", group_body(schedule(args=args))).refusal == bad
    assert api("POST", link(group) + "policies", [schedule(args=args)]).refusal == bad
    assert api("PUT", link(made), schedule(args=args)).refusal == bad
    assert api("GET", link(group) + "policies").document["policies"] == [made]
    assert len(api("GET", "/groups").document["groups"]) == 1


def test_row_32_a_schedule_stays_one_but_its_kind_may_change(api, group):
    [made] = api.create(link(group) + "policies", schedule())
    assert api("PUT", link(made), policy()).refusal == (400, "ValidationError")
    assert api("PUT", link(made), schedule(args={"at": "2050-05-20T06:30:00Z"}, desiredCapacity=3)).status == 204
    assert api("GET", link(made)).document["policy"]["args"] == {"at": "2050-05-20T06:30:00Z"}


def test_row_67_a_schedule_can_be_executed_and_own_webhooks(api, group):
    [made] = api.create(link(group) + "policies", schedule())
    api.create(link(made) + "webhooks", {"name": "hook"})
    assert api("POST", link(made) + "execute").status == 202


def test_a_moment_comes_and_servers_with_it(otter, cloud, api):
    group = grown(otter, cloud, 1)
    policies = [schedule(change=number, args={"at": in_future(2)}) for number in (1, 2, 3)]
    assert otter.ask("POST", f"{group.url}/policies", policies)
    whole(otter, cloud, group, 7)


def test_what_was_moved_or_deleted_does_not_fire(otter, cloud, api):
    group = grown(otter, cloud, 1)
    soon = schedule(args={"at": in_future(2)})
    moved, deleted, kept = otter.ask(
        "POST", f"{group.url}/policies", [soon, soon, schedule(args={"at": in_future(3)})]
    )["policies"]
    otter.ask("PUT", link_of(moved), schedule(args={"at": "2050-05-20T06:30:00Z"}))
    otter.ask("DELETE", link_of(deleted))
    in_time(lambda: otter.state(group.url)["desiredCapacity"] > 1, "the last one fires", lambda: kept)
    whole(otter, cloud, group, 2)


def link_of(document):
    return next(each["href"] for each in document["links"] if each["rel"] == "self").rstrip("/")
