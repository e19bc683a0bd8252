"""When a policy fires by itself: once, at a moment, or again and again, by the calendar. (docs/api.md, "Schedules".)"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from attrs import frozen
from cronsim import CronSim, CronSimError

from otter.domain.errors import Invalid

MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)Z", re.ASCII)
ITEM = re.compile(r"\*(?:/(?P<every>\d+))?|(?P<first>\w+)(?:-(?P<last>\w+)(?:/(?P<step>\d+))?)?", re.ASCII)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@frozen
class At:
    """Once. :ivar moment: epoch seconds."""

    moment: float

    def next_after(self, now: float) -> float | None:
        """The first moment after ``now`` at which it fires (both epoch seconds); None if there is none any more."""
        return self.moment if self.moment > now else None


@frozen
class Cron:
    """By the calendar, in UTC. :ivar expression: of five fields, each a list of numbers or ``*``."""

    expression: str

    def next_after(self, now: float) -> float | None:
        """As ``At.next_after``; None if the calendar has no such day."""
        try:
            return next(CronSim(self.expression, datetime.fromtimestamp(now, UTC))).timestamp()
        except (CronSimError, StopIteration):
            return None


Schedule = At | Cron


def at_of(text: str) -> At:
    """:raises Invalid: it is not of the form ``2050-05-20T06:30:00Z``, or there is no such moment."""
    match = MOMENT.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        day, time = match.groups()
        whole, dot, fraction = time.partition(".")
        return At(
            datetime.fromisoformat(f"{day}T{whole}{dot}{fraction[:6].ljust(6, '0') if dot else ''}+00:00").timestamp()
        )
    except ValueError:
        raise Invalid(f'"at" must be a moment such as 2050-05-20T06:30:00Z, not {text!r}') from None


@frozen
class CalendarField:
    """
    :ivar every: what ``*`` means.
    :ivar least: smaller than that where 0 is allowed, and counts as 1.
    :ivar names: in place of numbers, from the first of ``every`` on.
    """

    name: str
    every: range
    least: int
    most: int
    names: tuple[str, ...] = ()

    def numbers_in(self, text: str) -> set[int]:
        """:raises ValueError: with what is wrong."""
        return set().union(*(self._numbers_of(item) for item in text.split(",")))

    def _numbers_of(self, item: str) -> range:
        match = ITEM.fullmatch(item.lower())
        if match is None:
            raise ValueError(f"{item!r} in the field {self.name}")
        if match["first"] is None:
            first, last, step = self.every[0], self.every[-1], int(match["every"] or 1)
        else:
            first = self._number(match["first"])
            last = first if match["last"] is None else self._number(match["last"])
            step = int(match["step"] or 1)
        if first > last or not step:
            raise ValueError(f"{item!r} in the field {self.name}")
        return range(first, last + 1, step)

    def _number(self, word: str) -> int:
        number = self._meaning(word)
        if not self.least <= number <= self.most:
            raise ValueError(f"{word!r} in the field {self.name}")
        return number

    def _meaning(self, word: str) -> int:
        if word in self.names:
            return self.every[0] + self.names.index(word)
        return int(word) if re.fullmatch(r"\d+", word, re.ASCII) else -1


MINUTE = CalendarField("minute", range(60), 0, 59)
HOUR = CalendarField("hour", range(24), 0, 23)
DAY = CalendarField("day of the month", range(1, 32), 0, 31)
MONTH = CalendarField("month", range(1, 13), 0, 12, MONTHS)
WEEKDAY = CalendarField("day of the week", range(7), 0, 7, DAYS)
LAST_DAY = "l"


def cron_of(text: str) -> Cron:
    """:raises Invalid: it is not five fields of the kind that docs/api.md describes."""
    fields = text.split()
    try:
        if len(fields) != 5:
            raise ValueError(f"{len(fields)} of them")
        minute, hour, day, month, weekday = fields
        listed_fields = (
            listed(MINUTE.numbers_in(minute), MINUTE),
            listed(HOUR.numbers_in(hour), HOUR),
            days_of_month(day),
            listed({number or 1 for number in MONTH.numbers_in(month)}, MONTH),
            listed({number % 7 for number in WEEKDAY.numbers_in(weekday)}, WEEKDAY),
        )
    except ValueError as error:
        raise Invalid(f'"cron" must be five fields such as 30 22 * * 1-5; there is {error} in {text!r}') from None
    return Cron(" ".join(listed_fields))


def days_of_month(text: str) -> str:
    """``L`` is the last day. 0 counts as 1, in months too."""
    if text.lower() == LAST_DAY:
        return "L"
    return listed({number or 1 for number in DAY.numbers_in(text)}, DAY)


def listed(numbers: set[int], field: CalendarField) -> str:
    """As a list; ``*`` if it is no restriction: for days it makes a difference whether they are restricted at all."""
    return "*" if numbers >= set(field.every) else ",".join(map(str, sorted(numbers)))


def schedule_of(document: Mapping[str, str]) -> Schedule:
    """The schedule that a valid ``args`` document describes. :raises Invalid:"""
    return at_of(document["at"]) if "at" in document else cron_of(document["cron"])


def first_event(schedule: Schedule, now: float) -> float:
    """When it fires for the first time (epoch seconds). :raises Invalid: it never does, from ``now`` on."""
    first = schedule.next_after(now)
    if first is None:
        raise Invalid("args must name a moment that is still to come")
    return first
