"""Plans drawn from the same seeds each time, and that a seed decides everything."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.sim.batch import chosen, kind_of_happening
from tests.sim.plan import KINDS, draw_plan, load_plan
from tests.sim.run import Run

STORMS = range(40)
QUIET_YEARS = range(1000, 1016)
"""Plans of 30 groups, each of which lives for two years and a bit: a thousand years of groups."""
AT_ONCE = 5

Record = Callable[[str, object], None]


@pytest.mark.parametrize("first", STORMS[::AT_ONCE])
def test_a_storm_breaks_no_promise(first: int, record_property: Record) -> None:
    results = [Run(draw_plan(seed, "storm")).go() for seed in range(first, first + AT_ONCE)]
    record_property("group-years", sum(result.years for result in results))
    assert {result.plan.seed: result.failure for result in results if result.failure} == {}


@pytest.mark.parametrize("seed", QUIET_YEARS)
def test_quiet_years_break_no_promise(seed: int, record_property: Record) -> None:
    result = Run(draw_plan(seed, "quiet")).go()
    record_property("group-years", result.years)
    assert result.failure == ""
    assert result.years > 50


@pytest.mark.parametrize("seed", [3, 17])
def test_the_same_plan_is_the_same_life_also_when_it_was_written_down(seed: int) -> None:
    plan = draw_plan(seed, "storm")
    once, again, read = (Run(each).go() for each in (plan, draw_plan(seed, "storm"), load_plan(plan.dump())))
    assert once.digest == again.digest == read.digest
    assert once.effects > 500


def test_another_seed_is_another_life() -> None:
    assert Run(draw_plan(3, "storm")).go().digest != Run(draw_plan(4, "storm")).go().digest


def test_the_order_of_sets_does_not_show() -> None:
    lives = [digests_with(hash_seed) for hash_seed in ("0", "1")]
    assert lives[0] == lives[1]
    assert len(lives[0].split()) == 4


def test_kinds_of_happenings_can_be_left_out() -> None:
    plan = draw_plan(5, "storm")
    kinds = {kind_of_happening(each) for each in plan.happenings}
    assert kinds <= KINDS.keys()
    assert {kind_of_happening(each) for each in chosen(plan, ["execute", "store"], []).happenings} == {
        "execute",
        "store",
    }
    assert {kind_of_happening(each) for each in chosen(plan, [], ["process"]).happenings} == kinds - {"process"}


def digests_with(hash_seed: str) -> str:
    """Of four storms in a process that has this seed for the hashes of strings."""
    code = (
        "from tests.sim.plan import draw_plan\nfrom tests.sim.run import Run\n"
        "for seed in (3, 8, 11, 17): print(Run(draw_plan(seed, 'storm')).go().digest)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout
