"""Plans that failed once, each with the name of what went wrong. See docs/simulation.md."""

from pathlib import Path

import pytest

from tests.sim.plan import load_plan
from tests.sim.run import Run

PLANS = sorted((Path(__file__).parent / "regressions").glob("*.json"))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_what_failed_once_does_not_fail_again(path: Path) -> None:
    result = Run(load_plan(path.read_text())).go()
    assert result.failure == ""
    assert result.requests > 0


def test_there_are_such_plans() -> None:
    assert PLANS
