from datetime import UTC, datetime

import pytest

from otter.domain.errors import Invalid
from otter.domain.schedule import At, at_of, cron_of, first_event

NOW = datetime(2026, 11, 22, 8, 26, 40, tzinfo=UTC).timestamp()


def following(cron, moment="2026-11-22T08:26:40"):
    then = cron_of(cron).next_after(datetime.fromisoformat(f"{moment}+00:00").timestamp())
    return datetime.fromtimestamp(then, UTC).isoformat().removesuffix(":00+00:00")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2050-05-20T06:30:00Z", 2536641000.0),
        ("2050-05-20 06:30Z", 2536641000.0),
        ("2050-05-20T06:30:00.5Z", 2536641000.5),
        ("2050-05-20T06:30:00.123456789Z", 2536641000.123456),
    ],
)
def test_a_moment_is_read(text, moment):
    assert at_of(text) == At(moment)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "2050-05-20T06:30:00",
        "2050-05-20 06:30:00",
        "2050-05-20T06:30:00+00:00",
        "05-12-2050T03:12:09Z",
        "2050/12/30T03:12:09Z",
        "2050-05-20",
        "06:30:00Z",
        "12345",
        "tomorrow",
        "* * * * *",
        "2050-13-20T06:30:00Z",
        "2050-12-33T06:30:00Z",
        "2050-12-20T27:30:00Z",
        "2050-12-20T07:70:00Z",
        "2050-12-20T07:30:80Z",
        "0000-12-20T07:30:00Z",
        "2050-12-20T07:30:00Zx",
        "２050-12-20T07:30:00Z",
    ],
)
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(Invalid, match="at"):
        at_of(text)


@pytest.mark.parametrize(
    ("cron", "moment"),
    [
        ("* * * * *", "2026-11-22T08:27"),
        ("0-59 0-23 1-31 1-12 0-6", "2026-11-22T08:27"),
        ("00 9,16 * * *", "2026-11-22T09:00"),
        ("00 02-11 * * *", "2026-11-22T09:00"),
        ("00 09-18 * * 1-5", "2026-11-23T09:00"),
        ("0 0 0 0 0", "2027-01-01T00:00"),
        ("0 */6 * * *", "2026-11-22T12:00"),
        ("*/90 * * * *", "2026-11-22T09:00"),
        ("0 0 * jan-MAR Sun", "2027-01-03T00:00"),
        ("* * * * 7", "2026-11-22T08:27"),
        ("0 0 * * 5-7", "2026-11-27T00:00"),
        ("1-9/3 * * * *", "2026-11-22T09:01"),
        ("0 0 13 * 5", "2026-11-27T00:00"),
        ("0 0 */2 * 1", "2026-11-23T00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
    ],
)
def test_a_calendar_rule_fires_at_the_first_moment_that_fits(cron, moment):
    assert following(cron) == moment


def test_all_days_of_the_week_but_one_are_a_restriction():
    assert following("0 0 * * 0-5", "2026-11-27T12:00:00") == "2026-11-29T00:00"
    assert following("0 0 * * 1-6", "2026-11-28T12:00:00") == "2026-11-30T00:00"


def test_all_months_and_all_days_but_one_are_one_too():
    assert following("0 0 1 2-12 *", "2026-12-02T00:00:00") == "2027-02-01T00:00"
    assert following("0 0 1 1-11 *", "2026-11-02T00:00:00") == "2027-01-01T00:00"
    assert following("0 0 2-31 * *", "2026-11-30T12:00:00") == "2026-12-02T00:00"
    assert following("0 0 1-30 * *", "2026-12-30T12:00:00") == "2027-01-01T00:00"
    assert following("1-59 0 * * *", "2026-11-30T23:59:00") == "2026-12-01T00:01"
    assert following("0 1-23 * * *", "2026-11-30T23:59:00") == "2026-12-01T01:00"


def test_the_last_day_is_the_last_day_of_each_month():
    assert following("0 0 L * *", "2027-01-31T00:00:00") == "2027-02-28T00:00"
    assert following("0 0 l * *", "2027-02-28T00:00:00") == "2027-03-31T00:00"


def test_the_next_moment_is_later_than_now():
    assert following("0 9 * * *", "2026-11-22T09:00:00") == "2026-11-23T09:00"


@pytest.mark.parametrize(
    "cron",
    [
        *("", "  ", "*", "* * * *", "* * * * * *", "* * * * * * * *", "12345", "dfsdfdf", "- - - - -", "@daily"),
        *("2050-05-20T06:30:00Z", "@yearly @daily @hourly @reboot @weekly"),
        *(
            f"{minute} * * * *"
            for minute in ("60", "-090", "2-", "6-0", "-9", "$", "5/2", "*/0", "1,,2", "?", "+1", "a")
        ),
        *(f"* {hour} * * *" for hour in ("24", "-089", "2-", "6-0", "-9", "$")),
        *(f"* * {day} * *" for day in ("32", "-32", "2-", "6-0", "-9", "$", "1W", "LW", "sun")),
        *(f"* * * {month} *" for month in ("13", "-30", "2-", "6-0", "-9", "$", "sun")),
        *(f"* * * * {day}" for day in ("8", "2-", "6-0", "-9", "$", "1#2", "5L", "foo", "١")),
    ],
)
def test_what_is_no_calendar_rule_is_refused(cron):
    with pytest.raises(Invalid, match="cron"):
        cron_of(cron)


def test_a_schedule_without_any_event_to_come_is_refused():
    for never in (At(NOW), At(NOW - 1), cron_of("0 0 31 2 *")):
        with pytest.raises(Invalid, match="still to come"):
            first_event(never, NOW)
    assert first_event(At(NOW + 1), NOW) == NOW + 1
