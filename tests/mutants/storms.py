"""The simulator as a judge of mutants: storms, and deaths at every point of scenarios, until a promise is broken."""

import argparse
import sys

from twisted.logger import globalLogBeginner

from tests.sim.plan import draw_plan
from tests.sim.points import failures, points_of
from tests.sim.run import Run
from tests.sim.scenarios import SCENARIOS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.storms", description=__doc__)
    parser.add_argument("trials", nargs="+", help="seeds of storms, and names of scenarios")
    parser.add_argument("--all", action="store_true", help="go on after a failure")
    options = parser.parse_args()
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)
    failed = False
    for trial in options.trials:
        if failure := failure_of(trial):
            failed = True
            print(f"BROKEN {trial}: {failure.splitlines()[-1][:200]}", flush=True)
            if not options.all:
                break
    return int(failed)


def failure_of(trial: str) -> str:
    """The first promise that is broken; "" if none is."""
    if trial.isdigit():
        return Run(draw_plan(int(trial), "storm")).go().failure
    return next(iter(failures(trial, points_of(SCENARIOS[trial])["death"])), "")


if __name__ == "__main__":
    sys.exit(main())
