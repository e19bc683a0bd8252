"""The simulator as a judge of mutants: storms in the order of their seeds, until one breaks a promise."""

import argparse
import sys
from collections.abc import Iterable

from twisted.logger import globalLogBeginner

from tests.sim.plan import draw_plan
from tests.sim.run import Run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.storms", description=__doc__)
    parser.add_argument("seeds", type=int, nargs="+")
    parser.add_argument("--all", action="store_true", help="go on after a failure; print the seeds that fail")
    options = parser.parse_args()
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)
    failed = False
    for seed, failure in failures(options.seeds):
        failed = True
        print(f"{seed}: {failure.splitlines()[-1][:200]}", flush=True)
        if not options.all:
            break
    return int(failed)


def failures(seeds: Iterable[int]) -> Iterable[tuple[int, str]]:
    for seed in seeds:
        if failure := Run(draw_plan(seed, "storm")).go().failure:
            yield seed, failure


if __name__ == "__main__":
    sys.exit(main())
