"""The checker behind ``make dead-code`` hears of every function that is reached, and finds each way in which its table can be wrong."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from otter.config import EngineName
from scripts.dead_code import SUITES, Findings, functions_below, reached_in
from tests.rig.processes import REPOSITORY

MODULE = '''
"""Some module."""

import os, signal, attrs
from typing import Protocol


class Engine(Protocol):
    def start(self) -> None:
        """Begin."""

    def stop(self): ...


@attrs.frozen
class Steam:
    pressure: int = attrs.field()
    colour: str = attrs.field()

    @pressure.default
    def _(self):
        return 5

    @colour.default
    def _(self):
        return "white"

    @property
    def heat(self):
        """How hot it is."""
        def measured():
            return 100
        return measured()

    async def whistle(self):
        return "tooot"

    def explode(self):
        os.kill(os.getpid(), signal.SIGKILL)


def parts():
    "The docstring stays."
    yield "wheel"
'''
HERE = "otter/engines/steam.py"
BORN = {"Steam.pressure.default", "Steam.colour.default"}
NAMES = [
    "Steam.pressure.default",
    "Steam.colour.default",
    "Steam.heat",
    "Steam.heat.measured",
    "Steam.whistle",
    "Steam.explode",
    "parts",
]


@pytest.fixture
def house(tmp_path):
    """A place with an otter of one module, and the watch in it."""
    (tmp_path / "otter/engines").mkdir(parents=True)
    (tmp_path / HERE).write_text(MODULE)
    shutil.copytree(REPOSITORY / "tests/rig/reached", tmp_path / "tests/rig/reached")
    (tmp_path / "data").mkdir()
    return tmp_path


@pytest.fixture
def reached(house):
    """What this program reaches in the house, and how it ended."""

    def run(program, **environment):
        watch = str(house / "tests/rig/reached")
        path = os.pathsep.join([watch, str(house), environment.pop("PYTHONPATH", "")])
        environment = {**os.environ, "REACHED": str(house / "data"), "PYTHONPATH": path, **environment}
        command = [sys.executable, "-c", f"from otter.engines.steam import *; {program}"]
        status = subprocess.run(command, check=False, env=environment, cwd=house, timeout=60).returncode
        return {name.removeprefix(f"{HERE}::") for name in reached_in(house / "data")}, status

    return run


def test_every_engine_runs():
    assert set(SUITES) == {engine.value for engine in EngineName}


def test_functions_with_something_to_do_count_each_for_itself(house):
    assert list(functions_below(house)) == [f"{HERE}::{name}" for name in NAMES]
    assert functions_below(house)[f"{HERE}::parts"] == f"{HERE}:42"


def test_nothing_is_reached_by_being_imported(reached):
    assert reached("pass") == (set(), 0)


def test_a_function_is_reached_when_it_begins(reached):
    assert reached("Steam()") == (BORN, 0)
    assert reached("assert Steam().heat == 100") == (BORN | {"Steam.heat", "Steam.heat.measured"}, 0)


def test_a_coroutine_or_a_generator_that_is_only_made_has_not_begun(reached):
    assert reached("Steam().whistle().close(); parts()") == (BORN, 0)
    assert reached("list(parts())") == (BORN | {"parts"}, 0)


def test_docstrings_stay_what_they_are(reached):
    assert (
        reached("assert parts.__doc__ == 'The docstring stays.' and __import__('inspect').getdoc(Steam.heat)")[1] == 0
    )


def test_who_is_killed_has_told_all(reached):
    assert reached("Steam().explode()") == (BORN | {"Steam.explode"}, -signal.SIGKILL)


def test_another_module_that_changes_every_process_is_not_hidden(reached, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more/sitecustomize.py").write_text("import os; os.CHANGED = True")
    assert reached("assert os.CHANGED; list(parts())", PYTHONPATH=str(tmp_path / "more")) == ({"parts"}, 0)


def test_half_a_line_is_no_function(tmp_path):
    (tmp_path / "1").write_text("otter/a.py::f\notter/a.py::g")
    assert reached_in(tmp_path) == {"otter/a.py::f"}


FUNCTIONS = {f"otter/a.py::f{number}": f"otter/a.py:{number}" for number in range(100)}
ALL = frozenset(FUNCTIONS)
LAST, LAST_BUT_ONE, ANOTHER = (f"otter/a.py::f{number}" for number in (99, 98, 97))


def complaints(*reached, explained=(), twice=()):
    engines = dict(zip(("convergence", "worker"), reached, strict=False))
    return list(Findings(FUNCTIONS, engines, dict(explained), twice).complaints())


def test_all_is_well_if_each_function_is_reached_by_some_engine_or_explained():
    assert complaints(ALL - {LAST, ANOTHER}, {ANOTHER}, explained={LAST: "why"}) == []


@pytest.mark.parametrize("explained", [{}, {LAST: ""}])
def test_what_is_neither_reached_nor_explained_is_wrong(explained):
    [complaint] = complaints(ALL - {LAST}, explained=explained)
    assert f"nothing reaches {LAST}" in complaint


def test_what_is_explained_and_reached_is_wrong():
    [complaint] = complaints(ALL - {LAST}, ALL - {ANOTHER}, explained={LAST: "why"})
    assert LAST in complaint
    assert complaint.endswith("which is reached under worker")


def test_what_is_explained_and_does_not_exist_is_wrong():
    [complaint] = complaints(ALL, explained={"otter/a.py::gone": "why"})
    assert "otter/a.py::gone" in complaint


def test_what_is_explained_twice_is_wrong():
    [complaint] = complaints(ALL - {LAST}, explained={LAST: "why"}, twice=[LAST])
    assert "more than once" in complaint


def test_two_in_a_hundred_may_stay_and_no_more():
    why = dict.fromkeys([LAST, LAST_BUT_ONE], "why")
    assert complaints(ALL - why.keys(), explained=why) == []
    [complaint] = complaints(ALL - why.keys() - {ANOTHER}, explained={**why, ANOTHER: "why"})
    assert complaint.startswith("3 of 100 functions are not reached")


def test_an_engine_that_did_not_run_is_missed():
    assert complaints(ALL, frozenset()) == ["worker: its suites did not run"]
