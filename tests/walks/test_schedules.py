"""Policies that are executed by themselves. (Contract, 9.6 and 20.)"""

from datetime import UTC, datetime, timedelta

import pytest

from tests.rig.processes import until
from tests.rig.proxying import status
from tests.walks.api import Api, link
from tests.walks.documents import ABSENT, config, group_body, policy
from tests.walks.groups import grown, in_time, whole
from tests.walks.hurrying import Growth, growths, hurried_otter, minutes_pass

EVERY_MINUTE = {"cron": "* * * * *"}
EVERY_OTHER_MINUTE = {"cron": "*/2 * * * *"}
LATER = {"at": "2050-05-20T06:30:00Z"}
REFUSED = (403, "CannotExecutePolicyError")
SOON = 3.0
"""Seconds, enough for some requests on a machine that has much else to do."""


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


@pytest.mark.parametrize(("args", "other"), [(EVERY_MINUTE, LATER), (LATER, EVERY_MINUTE)], ids=repr)
def test_row_32_a_schedule_stays_one_but_its_kind_may_change(api, group, args, other):
    [made] = api.create(link(group) + "policies", schedule(args=args))
    assert api("PUT", link(made), policy()).refusal == (400, "ValidationError")
    assert api("PUT", link(made), schedule(args=other, desiredCapacity=3)).status == 204
    assert api("GET", link(made)).document["policy"]["args"] == other


@pytest.mark.parametrize("args", [{"cron": "0 0 1 1 *"}, LATER], ids=repr)
def test_row_67_a_schedule_can_be_executed_and_own_webhooks(api, group, args):
    [made] = api.create(link(group) + "policies", schedule(args=args))
    [hook] = api.create(link(made) + "webhooks", {"name": "hook"})
    assert api.execute(made) == 202
    assert api("POST", link(hook, "capability")).status == 202
    assert api.desired(group) == 2


@pytest.mark.both_stores
def test_row_76_a_moment_comes_and_servers_with_it(otter, cloud, api):
    group = grown(otter, cloud, 1)
    policies = [schedule(change=number, args={"at": in_future(SOON)}) for number in (1, 2, 3)]
    assert otter.ask("POST", f"{group.url}/policies", policies)
    whole(otter, cloud, group, 7)


def test_row_76_more_than_a_batch_at_the_same_instant_all_take_effect(api, cloud, proxy):
    """A batch is 500. No servers are made: the list of those that there are cannot be had."""
    proxy.add(status(503), tenant=cloud.tenant, operation="list_servers")
    groups = [api.create_group(maxEntities=1000) for _ in range(6)]
    together = in_future(2 * SOON)
    for group in groups:
        api.create(link(group) + "policies", *[schedule(args={"at": together})] * 100)
    until(lambda: [api.desired(group) for group in groups] == [100] * 6, 30, saying="all of them are executed")
    for group in groups:
        assert api("DELETE", link(group) + "?force=true").status == 204


def test_row_75_what_was_moved_or_deleted_does_not_fire(otter, cloud, api):
    group = grown(otter, cloud, 1)
    soon = schedule(args={"at": in_future(SOON)})
    moved, deleted, kept = otter.ask(
        "POST", f"{group.url}/policies", [soon, soon, schedule(args={"at": in_future(SOON + 1)})]
    )["policies"]
    otter.ask("PUT", link_of(moved), schedule(args=LATER))
    otter.ask("DELETE", link_of(deleted))
    in_time(lambda: otter.state(group.url)["desiredCapacity"] > 1, "the last one fires", lambda: kept)
    whole(otter, cloud, group, 2)


@pytest.mark.both_stores
def test_row_75_what_got_another_name_and_another_rule_fires_once(api, group):
    soon, after = {"at": in_future(SOON)}, {"at": in_future(SOON + 1)}
    changed, _ = api.create(link(group) + "policies", schedule(args=soon), schedule(args=after, change=4))
    assert api("PUT", link(changed), schedule(args=soon, name="other", cooldown=1, change=2)).status == 204
    in_time(lambda: api.desired(group) >= 4, "the last one fires", lambda: api.state(group))
    assert api.desired(group) == 6


def test_row_75_a_new_calendar_replaces_the_old_one_and_nothing_else_does(hurried):
    group = patiently_made(hurried)
    moved, kept = hurried.create(link(group) + "policies", *[schedule(args=EVERY_MINUTE)] * 2)
    assert hurried("PUT", link(moved), schedule(args=EVERY_OTHER_MINUTE, change=3)).status == 204
    assert hurried("PUT", link(kept), schedule(args=EVERY_MINUTE, name="other", change=1, cooldown=1)).status == 204
    by_minute = {}
    for growth in growths(hurried, group, 4):
        by_minute[growth.minute] = by_minute.get(growth.minute, 0) + growth.servers
    first, *_ = by_minute
    *complete, _ = by_minute.items()
    assert complete == [(first + n, 1 if (first + n) % 2 else 4) for n in range(len(complete))]
    assert len(complete) >= 2


def test_row_66_a_cooldown_of_the_group_keeps_a_schedule_from_firing(api):
    group = api.create_group(policy(), schedule(args={"at": in_future(SOON)}), cooldown=3600)
    by_hand = next(each for each in group["scalingPolicies"] if each["type"] == "webhook")
    assert api.execute(by_hand) == 202
    is_refused(api, group)
    assert api.desired(group) == 1


def test_row_66_its_own_cooldown_keeps_a_schedule_from_firing(api, group):
    [timed] = api.create(link(group) + "policies", schedule(args={"at": in_future(SOON)}, cooldown=3600))
    assert api.execute(timed) == 202
    is_refused(api, group)
    assert api.desired(group) == 1


@pytest.mark.both_stores
def test_row_66_a_schedule_that_fires_starts_both_cooldowns(api):
    group = api.create_group(
        policy(), schedule(args={"at": in_future(SOON)}, cooldown=3600), cooldown=3600, maxEntities=5
    )
    by_hand, timed = sorted(group["scalingPolicies"], key=lambda each: each["type"], reverse=True)
    in_time(lambda: api.desired(group) == 1, "it fires", lambda: api.state(group))
    assert api("POST", link(by_hand) + "execute").refusal == REFUSED
    assert api("PUT", link(group) + "config", config(maxEntities=5)).status == 204
    assert api("POST", link(timed) + "execute").refusal == REFUSED
    assert api.execute(by_hand) == 202
    assert api.desired(group) == 2


def test_rows_65_and_77_a_cooldown_longer_than_the_period_lets_every_second_event_pass(hurried):
    group = patiently_made(hurried, schedule(args=EVERY_MINUTE, cooldown=90))
    one, *others = growths(hurried, group, 3)
    assert others == [Growth(one.minute + 2, 1), Growth(one.minute + 4, 1)]


def test_row_77_the_calendar_goes_on_after_a_pause_and_nothing_is_made_up_for(hurried):
    group = patiently_made(hurried, schedule(args=EVERY_MINUTE))
    assert hurried("POST", link(group) + "pause").status == 204
    before = hurried.desired(group)
    minutes_pass(hurried, 3)
    assert hurried.desired(group) == before
    assert hurried("POST", link(group) + "resume").status == 204
    one, other = growths(hurried, group, 2)
    assert [one.servers, other.servers] == [1, 1]
    assert other.minute == one.minute + 1


def test_row_77_a_moment_within_a_pause_is_gone(api, group):
    soon, after = {"at": in_future(SOON)}, {"at": in_future(SOON + 0.5)}
    witness = api.create_group(schedule(args=after))
    api.create(link(group) + "policies", schedule(args=soon))
    assert api("POST", link(group) + "pause").status == 204
    in_time(lambda: api.desired(witness) == 1, "its moment is over", lambda: api.state(group))
    assert api("POST", link(group) + "resume").status == 204
    api.create(link(group) + "policies", schedule(args={"at": in_future(1)}, change=5))
    in_time(lambda: api.desired(group), "the next one fires", lambda: api.state(group))
    assert api.desired(group) == 5


@pytest.fixture
def hurried(street, tmp_path, tenant):
    """The API of an otter of this test's own, whose minutes are three of our seconds."""
    otter = hurried_otter(tmp_path, street.identity_url)
    otter.start()
    yield Api(f"{otter.root}/{tenant}")
    otter.kill()


def patiently_made(hurried, *policies):
    """A group without servers. A launch configuration has to be compared with the cloud in a few moments of a clock that hurries."""
    body = group_body(*policies)
    made = in_time(lambda: (one := hurried("POST", "/groups", body)).status == 201 and one, "a group", lambda: None)
    return made.document["group"]


def is_refused(api, group):
    """Wait until an execution was refused, after one that was not: both have the group looked at."""
    in_time(lambda: api.state(group)["generation"] == 3, "it is refused", lambda: api.state(group))


def link_of(document):
    return next(each["href"] for each in document["links"] if each["rel"] == "self").rstrip("/")
