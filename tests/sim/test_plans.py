"""Plans drawn from the same seeds each time, and that a seed decides everything."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from attrs import evolve

from tests.sim.batch import chosen, kind_of_happening
from tests.sim.plan import DAY, ENGINES, FLIPS, KINDS, MIXED, TOGETHER, GroupPlan, Happening, Plan, draw_plan, load_plan
from tests.sim.run import Run

STORMS = range(40)
QUIET_YEARS = range(1000, 1016)
"""Plans of 30 groups, each of which lives for two years and a bit: a thousand years of groups."""
AT_ONCE = 5
ENGINE_STORMS = {"worker": range(12), "cycle": range(8), MIXED: range(4), FLIPS: range(20)}
SHARED_STORMS = {(2, "convergence"): range(8), (3, "convergence"): range(4), (2, FLIPS): range(8), (3, FLIPS): range(4)}
"""How many processes, and their engines."""

Record = Callable[[str, object], None]


@pytest.mark.parametrize("first", STORMS[::AT_ONCE])
def test_a_storm_breaks_no_promise(first: int, record_property: Record) -> None:
    results = [Run(draw_plan(seed, "storm")).go() for seed in range(first, first + AT_ONCE)]
    record_property("group-years", sum(result.years for result in results))
    assert {result.plan.seed: result.failure for result in results if result.failure} == {}


@pytest.mark.parametrize(
    ("engine", "first"), [(engine, first) for engine, seeds in ENGINE_STORMS.items() for first in seeds[::4]]
)
def test_a_storm_breaks_no_promise_whichever_the_engine(engine: str, first: int, record_property: Record) -> None:
    results = [Run(draw_plan(seed, "storm", engine=engine)).go() for seed in range(first, first + 4)]
    record_property("group-years", sum(result.years for result in results))
    assert {result.plan.seed: result.failure for result in results if result.failure} == {}


@pytest.mark.parametrize(
    ("processes", "engine", "first"), [(*who, first) for who, seeds in SHARED_STORMS.items() for first in seeds[::4]]
)
def test_a_storm_over_several_processes_breaks_no_promise(
    processes: int, engine: str, first: int, record_property: Record
) -> None:
    plans = [draw_plan(seed, "storm", engine=engine, processes=processes) for seed in range(first, first + 4)]
    results = [Run(plan).go() for plan in plans]
    record_property("group-years", sum(result.years for result in results))
    assert {result.plan.seed: result.failure for result in results if result.failure} == {}


def test_a_quiet_year_of_two_processes_breaks_no_promise(record_property: Record) -> None:
    result = Run(draw_plan(1000, "quiet", length=365 * DAY, processes=2)).go()
    record_property("group-years", result.years)
    assert result.failure == ""
    assert result.years > 20


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


def test_the_same_plan_of_several_processes_is_the_same_life_also_when_it_was_written_down() -> None:
    plan = draw_plan(2, "storm", engine=FLIPS, processes=3)
    once, read = (Run(each) for each in (plan, load_plan(plan.dump())))
    assert once.go().digest == read.go().digest
    assert {each.what for each in plan.happenings} >= set(TOGETHER)
    assert len(plan.others) == 2


def test_with_several_processes_the_same_happens_and_more() -> None:
    plan, shared = draw_plan(7, "storm"), draw_plan(7, "storm", processes=2)
    same = chosen(shared, [], TOGETHER).happenings
    assert [(each.at, each.what) for each in same] == [(each.at, each.what) for each in plan.happenings]
    assert chosen(shared, ["freeze"], []).happenings


def test_every_process_gets_its_part_of_the_work() -> None:
    """Two tenants, whose shares happen to belong to different processes, or not."""
    owners = set()
    for seed in range(6):
        groups = (GroupPlan("acme", least=1, most=1), GroupPlan("bolt", least=1, most=1))
        run = Run(Plan(seed, "calm", 60.0, groups, (), others=("convergence",)))
        assert run.go().failure == ""
        owners |= {line.split()[1] for line in run.simulation.trace.lines if line.endswith("servers done")}
    assert owners == {"0", "1"}


def test_flips_are_part_of_a_plan() -> None:
    plan = draw_plan(2, "storm", engine=FLIPS)
    flips = [each.details[0] for each in plan.happenings if each.what == "flip"]
    assert {plan.engine, *flips} == {*ENGINES, MIXED}
    run, read = Run(plan), Run(load_plan(plan.dump()))
    assert run.go().digest == read.go().digest
    assert run.simulation.had == {*ENGINES, MIXED}


@pytest.mark.parametrize("engine", ["cycle", "worker"])
def test_what_does_not_heal_by_itself_waits_for_somebody_to_ask(engine: str) -> None:
    vanishing = Happening(100.0, "change_server", (0, 0, "vanish"))
    plan = Plan(1, "storm", 200.0, (GroupPlan("acme", least=2, most=2),), (vanishing,), engine)
    assert Run(plan).go().failure == ""
    assert "it has 1 servers, and should have 2" in Run(plan, requests=0).go().failure
    assert Run(evolve(plan, engine="convergence"), requests=0).go().failure == ""


@pytest.mark.parametrize("pause", [("hold", ("", 800.0)), ("process", ("freeze", 800.0))], ids=["hold", "stop"])
@pytest.mark.parametrize("engine", ENGINES)
def test_what_was_begun_is_finished_after_a_long_pause(engine: str, pause: tuple) -> None:
    """It is longer than a launch may take, and nobody asks again."""
    happenings = (Happening(50.0, "execute", (0, "two", "key", 1)), Happening(52.0, *pause))
    group = GroupPlan("acme", least=0, most=1000, counted=True, balancers=("7",))
    run = Run(Plan(1, "storm", 1500.0, (group,), happenings, engine), requests=0)
    assert run.go().failure == ""
    assert [change for change in run.oracles.changes if change.startswith("delete")] == []


@pytest.mark.parametrize("engine", ["worker", FLIPS])
def test_whichever_the_engine_the_same_happens_otherwise(engine: str) -> None:
    plan, other = draw_plan(7, "storm"), draw_plan(7, "storm", engine=engine)
    assert chosen(other, [], ["flip", "hold"]).happenings == plan.happenings
    assert chosen(other, ["hold"], []).happenings


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
