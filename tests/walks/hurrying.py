"""
An otter whose clock goes faster than ours, for what happens by the calendar.

Note [A clock that hurries]: otter and Twisted take the time from ``time.time``, ``time.gmtime`` and ``time.clock_gettime``. A
``sitecustomize`` makes these run ``PACE`` times as fast, from the beginning of a minute on, before anything else is imported. All that the otter
tells about the time, such as the ``Date`` of its answers, is told by that clock; all that it waits for comes sooner.
"""

from email.utils import parsedate_to_datetime
from pathlib import Path

from attrs import frozen

from tests.rig.otter import Otter
from tests.rig.processes import until
from tests.walks.api import Answer, Api, link

PACE = 20
FAST = f"""
import time

ours, gmtime, gettime = time.time, time.gmtime, time.clock_gettime
began = ours()
time.clock_gettime = lambda clock: gettime(clock) * {PACE}
time.time = lambda: began - began % 60 + (ours() - began) * {PACE}
time.gmtime = lambda seconds=None: gmtime(time.time() if seconds is None else seconds)
"""
UNHURRIED = {
    "cloud": {"timeout": 100},
    "converger": {"send_window": 100, "resolve_timeout": 600, "build_timeout": 600, "patience": 600},
    "selfheal": {"interval": 600},
}
"""The cloud goes by the ordinary clock."""
MINUTE = 60 / PACE
"""An otter's minute, in our seconds."""


def hurried_otter(folder: Path, identity_url: str) -> Otter:
    """It is not started yet."""
    otter = Otter(folder / "hurried", identity_url, **UNHURRIED)
    (folder / "sitecustomize.py").write_text(FAST)
    otter.environment = {"PYTHONPATH": str(folder)}
    return otter


def moment_of(answer: Answer) -> float:
    """By otter's clock. The header has whole seconds, and was made before the answer; hence the 2."""
    return parsedate_to_datetime(answer.headers["date"]).timestamp() + 2


@frozen
class Growth:
    """:ivar minute: of otter's clock. :ivar servers: more than before."""

    minute: float
    servers: int


def growths(api: Api, group: dict, number: int) -> list[Growth]:
    """So many of the next changes of what the group wants, as they happen; they should come within 3 minutes each."""
    found: list[Growth] = []
    size = api.desired(group)

    def grown() -> bool:
        nonlocal size
        answer = api("GET", link(group) + "state")
        now = answer.document["group"]["desiredCapacity"]
        if now != size:
            found.append(Growth(moment_of(answer) // 60, now - size))
            size = now
        return len(found) == number

    until(grown, (3 * number + 3) * MINUTE, 0.02, f"the group grows {number} times")
    return found


def minutes_pass(api: Api, number: int) -> None:
    """Wait until so many minutes have begun."""
    began = moment_of(api("GET", "/limits")) // 60
    saying = f"{number} minutes by otter's clock"
    until(lambda: moment_of(api("GET", "/limits")) // 60 >= began + number, (number + 10) * MINUTE, 0.02, saying)
