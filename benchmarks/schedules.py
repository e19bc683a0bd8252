"""
How many scheduled policies otter executes in a second when many are due at the same moment.

200 groups have 20 policies each that add one server, all of them due at one moment some seconds after otter has started; and a
thousand groups have policies that are due next year, which should make no difference. The time runs from that moment until the
store has nothing that is due any more, so looking for them, executing and storing are in it, and the first passes over
the groups go on meanwhile. Afterwards each group wants just as many servers as it has policies.
"""

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, spread
from benchmarks.filler import fill
from benchmarks.servers import cheap_cloud, otter_on, running
from tests.rig.otter import Otter
from tests.rig.processes import until

AIM = 1000
ROUNDS = 3
TENANTS, GROUPS_OF_EACH, POLICIES = 10, 20, 20
EVENTS = TENANTS * GROUPS_OF_EACH * POLICIES
LATER = 50
"""Tenants, of 20 groups each, whose time has not come."""
AHEAD = 6.0
"""Seconds that otter has to start."""
NEXT_YEAR = 366 * 86400.0


def measure(folder: Path) -> list[Figure]:
    print(f"schedules: {EVENTS} policies due at one moment, {ROUNDS} times")
    rates = []
    with running(cheap_cloud(folder / "cloud", 0.0)) as cloud:
        for number in range(ROUNDS):
            rates.append(EVENTS / fire(otter_on(folder / str(number), cloud)))
            print(f"  {number + 1}: {rates[-1]:.0f} a second", flush=True)
    reached = median(rates) > AIM
    return [Figure("schedules, due events a second", spread(rates, "{:.0f}".format), f"> {AIM}", reached)]


def fire(service: Otter) -> float:
    """Seconds from the moment until all have been executed."""
    moment = float(round(time.time() + AHEAD))
    fill(service.store, LATER, GROUPS_OF_EACH, [scheduled(moment + NEXT_YEAR)], "later")
    fill(service.store, TENANTS, GROUPS_OF_EACH, [scheduled(moment)] * POLICIES, "now")
    with running(service), closing(sqlite3.connect(f"file:{service.store}?mode=ro", uri=True)) as store:
        time.sleep(max(0.0, moment - time.time()))
        until(lambda: count(store, "policies WHERE due <= ?", moment) == 0, 60, 0.01)
        seconds = time.time() - moment
        executed = count(store, "groups WHERE tenant LIKE 'now-%' AND json_extract(state, '$.desired') = ?", POLICIES)
        assert executed == TENANTS * GROUPS_OF_EACH, executed
    return seconds


def scheduled(moment: float) -> dict:
    at = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"name": "more", "type": "schedule", "cooldown": 0, "change": 1, "args": {"at": at}}


def count(store: sqlite3.Connection, where: str, value: float) -> int:
    [(number,)] = store.execute(f"SELECT COUNT(*) FROM {where}", (value,)).fetchall()
    return number
