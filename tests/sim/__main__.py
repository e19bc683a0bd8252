"""``python -m tests.sim``: run plans that are drawn from seeds, or one that was written down. See docs/simulation.md."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from attrs import define, field

from tests.sim.batch import Batch, Failure, Tally, be_quiet, chosen, run_plan
from tests.sim.plan import CLIMATES, ENGINES, FLIPS, KINDS, MIXED, Plan, draw_plan, load_plan
from tests.sim.run import Result

PAUSE = 5.0
"""Seconds between two lines about how far it is."""
LAST = 40
"""Lines of the trace that are shown."""
HOUR = 3600.0


@define
class Reporter:
    """Says how far it is, every few seconds."""

    out: Path
    began: float = field(factory=time.monotonic)
    told: float = field(factory=time.monotonic)
    shown: int = 0

    def tell(self, tally: Tally) -> None:
        for failure in tally.failures[self.shown :]:
            show_failure(failure, self.out)
            self.shown += 1
        if time.monotonic() - self.told >= PAUSE:
            self.told = time.monotonic()
            print(self.line(tally), flush=True)

    def line(self, tally: Tally) -> str:
        minutes = (time.monotonic() - self.began) / 60
        return (
            f"{minutes * 60:6.0f} s  {tally.plans} plans, {tally.years:.1f} group-years,"
            f" {tally.years / minutes:.1f} a minute, {len(tally.failures)} failures"
        )


def main() -> int:
    arguments = read_arguments()
    if arguments.replay:
        return replay(arguments.replay)
    reporter = Reporter(arguments.out)
    tally = Batch(arguments.jobs, arguments.shrink, reporter.tell).go(plans_of(arguments))
    print(reporter.line(tally))
    print(f"{tally.effects} effects, of them {tally.changes} changes of the cloud")
    for title, counts in (
        ("what happened", tally.happenings),
        ("faults that requests met", tally.faults),
        ("what users were answered", tally.answers),
    ):
        print(table(title, counts))
    return 1 if tally.failures else 0


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.sim", description="Runs otter in a simulated world with faults.")
    parser.add_argument("--seeds", type=span, metavar="A-B", help="from A to B (default: 0-50, or new ones)")
    parser.add_argument("--seed", type=int, metavar="N", help="this one")
    parser.add_argument("--climate", choices=[*CLIMATES, "all"], default="all", help="all: storm and quiet (default)")
    engines = (
        "mixed: one tenant on the worker; flips: one after the other (convergence; with all others, things are held)"
    )
    parser.add_argument("--engine", choices=[*ENGINES, MIXED, FLIPS], default="convergence", help=engines)
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="that live at the same time (1)")
    parser.add_argument("--minutes", type=float, metavar="N", help="run on with new seeds until the time is over")
    parser.add_argument("--only", type=kinds, default=[], metavar="KIND,...", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--without", type=kinds, default=[], metavar="KIND,...", help="nothing of these kinds happens")
    parser.add_argument("--hours", type=float, metavar="N", help="how long each plan is, if not as long as usual")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run the plan in this file, and show its trace")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (one per core)")
    parser.add_argument("--shrink", type=int, default=200, metavar="N", help="runs to cut a failing plan shorter (200)")
    parser.add_argument("--out", type=Path, default=Path(".run/sim"), metavar="FOLDER", help="for failures (.run/sim)")
    return parser.parse_args()


def span(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def kinds(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - KINDS.keys():
        raise argparse.ArgumentTypeError(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    return names


def plans_of(arguments: argparse.Namespace) -> Iterator[Plan]:
    climates = ["storm", "quiet"] if arguments.climate == "all" else [arguments.climate]
    length = arguments.hours * HOUR if arguments.hours else None
    for seed in seeds_of(arguments):
        for climate in climates:
            plan = draw_plan(seed, climate, length, arguments.engine, arguments.processes)
            yield chosen(plan, arguments.only, arguments.without)


def seeds_of(arguments: argparse.Namespace) -> Iterator[int]:
    seeds = range(arguments.seed, arguments.seed + 1) if arguments.seed is not None else arguments.seeds
    if arguments.minutes is None:
        yield from seeds or range(51)
        return
    end = time.monotonic() + arguments.minutes * 60
    first = seeds.start if seeds else time.time_ns() // 10**6 % 10**9
    print(f"seeds from {first} on")
    for seed in count(first):
        if time.monotonic() >= end:
            return
        yield seed


def replay(path: Path) -> int:
    be_quiet()
    result = run_plan(load_plan(path.read_text()))
    print("\n".join([*result.trace, *described(result.plan), f"digest {result.digest}"]))
    print(result.failure or "no promise was broken")
    return 1 if result.failure else 0


def show_failure(failure: Failure, out: Path) -> None:
    was, result = failure.was, failure.result
    out.mkdir(parents=True, exist_ok=True)
    processes = 1 + len(was.plan.others)
    path = out / f"{was.plan.climate}-{was.plan.engine}-{processes}-{was.plan.seed}.json"
    path.write_text(result.plan.dump() + "\n")
    path.with_suffix(".txt").write_text("\n".join(result.trace) + "\n")
    print(f"\n{was.plan.climate} {was.plan.seed}, {was.plan.engine}, {processes} processes: {was.failure}")
    if result is not was:
        print(f"of {len(was.plan.happenings)} happenings {len(result.plan.happenings)} are enough: {result.failure}")
    print("\n".join(described(result.plan)))
    print(f"the last of {len(result.trace)} lines in {path.with_suffix('.txt')}:")
    print("\n".join(f"  {line}" for line in result.trace[-LAST:]))
    print(f"to replay it: {command(result, path)}\n", flush=True)


def command(result: Result, path: Path) -> str:
    return f"{os.path.relpath(sys.executable)} -m tests.sim --replay {path}"


def described(plan: Plan) -> list[str]:
    groups = [f"  group {number}: {group}" for number, group in enumerate(plan.groups)]
    return [*groups, *(f"  {each.at:>12} s  {each.what} {each.details}" for each in plan.happenings)]


def table(title: str, counts: Counter) -> str:
    lines = [f"  {number:>9,}  {name}" for name, number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    return "\n".join([f"{title}:", *lines])


if __name__ == "__main__":
    sys.exit(main())
