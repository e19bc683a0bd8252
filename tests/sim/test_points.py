"""
The points of all scenarios: every death that differs from the others, and of the rest, of flips and of takeovers a part, spread
evenly.

``make sim-points`` goes through all points there are. Which are here depends on nothing but their number.
"""

import pytest
from attrs import evolve

from otter.convergence.fence import Fence
from otter.services.converger import Converger
from otter.worker import jobs
from tests.sim.points import (
    FLIPS,
    KINDS,
    TAKEOVERS,
    Disturbed,
    Point,
    Sight,
    could_be,
    differences,
    distinct,
    failures,
    flips_of,
    plan_of,
    points_of,
    shared,
    takeovers_of,
    undisturbed,
    wrong_at,
)
from tests.sim.scenarios import SCENARIOS, with_engine

DEATHS_APART = 2
"""Tests for each scenario's deaths."""
REST = {
    "lists": (("stale 60", "stale 200", "stale nodes"), 14),
    "hints": (("hint lost", "hint late", "hint doubled"), 3),
    "store": (("refused", "untold"), 16),
    "answers": (("request lost", "answer lost"), 20),
}
"""Kinds, and each how many-th of their points is here."""
FLIPS_APART = 40
"""Of all changes of the engine, how many-th are here."""
TAKEOVERS_APART = 40
"""Of all takeovers, how many-th are here."""
NUMBERS = {name: number for number, name in enumerate(SCENARIOS)}


@pytest.mark.parametrize("part", range(DEATHS_APART))
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_death_changes_nothing_in_the_end(name, part):
    deaths = distinct(points_of(SCENARIOS[name])["death"])
    assert_all_well(name, deaths[part::DEATHS_APART])


@pytest.mark.parametrize("group", REST)
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_single_trouble_changes_nothing_in_the_end(name, group):
    kinds, step = REST[group]
    points = [point for kind in kinds for point in points_of(SCENARIOS[name])[kind]]
    assert_all_well(name, points[NUMBERS[name] % min(step, len(points)) :: step])


@pytest.mark.parametrize("name", SCENARIOS)
def test_another_engine_after_a_death_changes_nothing_in_the_end(name):
    flips = [point for points in flips_of(name).values() for point in points]
    assert_all_well(name, flips[NUMBERS[name] :: FLIPS_APART])


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_takeover_changes_nothing_in_the_end(name):
    takeovers = [point for points in takeovers_of(name).values() for point in points]
    assert_all_well(name, takeovers[NUMBERS[name] :: TAKEOVERS_APART])


@pytest.mark.parametrize("kind", TAKEOVERS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_two_processes_come_to_the_same_end_as_one(name, kind):
    assert differences(undisturbed(SCENARIOS[name]).state, undisturbed(shared(name, kind)).state) == ""


@pytest.mark.parametrize("engine", ["cycle", "worker"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_engine_comes_to_the_same_end(name, engine):
    quiet = undisturbed(with_engine(name, engine))
    assert quiet.failure == ""
    assert differences(undisturbed(SCENARIOS[name]).state, quiet.state) == ""


def test_the_worker_deletes_again_what_nova_forgot_to_delete():
    plan = SCENARIOS["deletes that Nova forgets"]
    assert undisturbed(evolve(plan, engine="worker")).state == undisturbed(plan).state
    assert undisturbed(evolve(plan, engine="worker")).failure == ""


def assert_all_well(name, points):
    assert points, "there is something to disturb"
    found = failures(name, points)
    assert not found, "\n".join(found)


def test_all_kinds_are_here():
    assert {"death", *(kind for kinds, _ in REST.values() for kind in kinds)} == set(KINDS)


def test_what_is_lost_for_good_is_found(monkeypatch):
    """Without the sweeps that look for what hints did not tell, a lost hint is one too many."""
    plan = SCENARIOS["growth on two balancers and a pool"]
    points = points_of(plan)["hint lost"]
    monkeypatch.setattr(Converger, "_sweep", no_sweep)
    assert any(wrong_at(plan, point) for point in points if point.number)


def test_a_flip_changes_the_engine():
    had = {}
    for kind, points in flips_of("eviction").items():
        run = Disturbed(plan_of("eviction", points[20]), point=points[20])
        assert run.go().failure == ""
        had[kind] = run.simulation.had
    assert had == {kind: set(engines) for kind, engines in FLIPS.items()}


def test_an_engine_that_does_not_know_of_what_another_began_is_found(monkeypatch):
    """To the worker, what is in flight is as good as nothing."""
    name, kind = "growth on two balancers and a pool", "convergence to worker"
    points = flips_of(name)[kind]
    taken_on = jobs.taken_on
    monkeypatch.setattr(jobs, "taken_on", lambda old, tickets, sight: taken_on(old, tickets, forgetful(sight)))
    assert any(wrong_at(plan_of(name, point), point) for point in points)


def test_a_takeover_stops_one_process_and_another_goes_on():
    name, kind = "eviction", "takeover by the worker"
    run = Disturbed(shared(name, kind), point=takeovers_of(name)[kind][20])
    assert run.go().failure == ""
    [number] = [number for number, line in enumerate(run.simulation.trace.lines) if "is stopped" in line]
    stopped, later = run.simulation.trace.lines[number - 1], list(run.simulation.trace.lines)[number:]
    assert {line.split()[1] for line in later if "nova" in line} == {"0", "1"}
    assert stopped.split()[1] in {"0", "1"}


def test_who_writes_what_it_remembers_over_what_another_wrote_is_found(monkeypatch):
    """A pass that goes on after another process has made the group its own."""
    name, kind = "growth on two balancers and a pool", "late takeover"
    points = takeovers_of(name)[kind]
    monkeypatch.setattr(Fence, "signed", unrefused)
    found = [wrong_at(plan_of(name, point), point) for point in points if point.label.startswith("clb")]
    assert any("is not overwritten under an older one" in wrong for wrong in found)


def unrefused(fence, change):
    def write(group):
        changed = change(group)
        return evolve(changed, roster=evolve(changed.roster, fence=fence.number))

    return write


def forgetful(sight):
    return evolve(sight, observed=evolve(sight.observed, pending=frozenset()))


async def no_sweep(self):
    return None


def test_an_end_that_differs_is_told():
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 1}) == "b: 3 instead of 2, c: 1 instead of none"
    assert differences({"a": 1}, {"a": 1}) == ""


def test_an_execution_without_a_key_that_was_not_answered_counts_or_does_not():
    plan = SCENARIOS["a webhook, and a keyed execution that is repeated"]
    run = Disturbed(plan)
    run.go()
    assert could_be(plan, run) == [plan]
    hooked = next(happening for happening in plan.happenings if "hook" in happening.details)
    run.asked[hooked][0].told = ""
    assert could_be(plan, run) == [plan, plan.without([hooked])]
    run.asked[hooked][0].told = "no"
    assert could_be(plan, run) == [plan.without([hooked])]


def test_what_there_is_in_the_end_has_names_and_no_ids():
    run = Disturbed(SCENARIOS["letting servers go"])
    run.go()
    state = Sight(run).state()
    assert state["g0"]["desired"] == state["server acme g0, ACTIVE, [('theirs', 'yes')]"] == 1
    assert state["server acme nobody's, [], ACTIVE, [('theirs', 'yes')]"] == 2
    assert state["on 17: nobody's, [], ('ENABLED', 1, 'PRIMARY', 80)"] == 2


def test_deaths_between_which_nothing_happens_are_one():
    labels = ["store a", "store a done", "nova GET x", "nova POST y", "nova GET x", "nova POST y done", "nova GET x"]
    deaths = [Point("death", number, label) for number, label in enumerate(labels, 1)]
    assert [death.number for death in distinct(deaths)] == [1, 2, 5, 6]
