"""``make mutants``: does what we have find mistakes? Code is made wrong, and tests and simulator are to notice. (docs/mutants.md)"""

import argparse
import json
import queue
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from attrs import asdict, define, field, frozen

from tests.mutants.drawing import Mutant, draw, find
from tests.mutants.judges import Copy, another, copy_of
from tests.mutants.realistic import MISTAKES, Mistake, original_of

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
ENOUGH = 0.95
"""The share of mutants that is to be caught."""
KINDS = ("drawn", "realistic")
JUDGES = ("tests", "simulator")


@frozen
class Finding:
    """:ivar judge: who caught it; "" if nobody did. :ivar how: in the judge's words."""

    id: str
    kind: str
    judge: str
    how: str


@define(eq=False)
class Court:
    """
    Judges mutants side by side.

    :ivar storms: seeds. :ivar found: what came of mutants so far, by their ids. :ivar record: where that is kept; None for nowhere.
    """

    copies: "queue.SimpleQueue[Copy]"
    storms: Sequence[int]
    record: Path | None
    found: dict[str, Finding] = field(factory=dict)
    done: int = 0

    def judge(self, mutants: Sequence[Mutant], at_once: int) -> list[Finding]:
        self.done = 0
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(lambda mutant: self._judge(mutant, len(mutants)), mutants))

    def _judge(self, mutant: Mutant, of: int) -> Finding:
        finding = self.found.get(mutant.id) or self._find(mutant)
        self.found[mutant.id] = finding
        self.done += 1
        tell(f"{self.done}/{of} {finding.judge or 'SURVIVED'}: {mutant.id}  {finding.how}")
        return finding

    def _find(self, mutant: Mutant) -> Finding:
        kind = "realistic" if mutant.meaning else "drawn"
        copy = self.copies.get()
        try:
            with copy.mutated(mutant):
                judge, verdict = "tests", copy.tests(mutant.room)
                if not verdict.caught:
                    judge, verdict = "simulator", copy.storms(self.storms)
        finally:
            self.copies.put(copy)
        finding = Finding(mutant.id, kind, judge if verdict.caught else "", verdict.how)
        if self.record is not None:
            with self.record.open("a") as file:
                file.write(json.dumps(asdict(finding)) + "\n")
        return finding

    def seen_by_simulator(self, mutant: Mutant) -> bool:
        copy = self.copies.get()
        try:
            with copy.mutated(mutant):
                verdict = copy.storms(self.storms)
        finally:
            self.copies.put(copy)
        tell(f"{'caught' if verdict.caught else 'not caught'} by the simulator alone: {mutant.id}  {verdict.how}")
        return verdict.caught


def main() -> int:
    options = options_of(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        # Everything from here on is about this one moment of the tree.
        first = copy_of(ROOT, Path(folder) / "first", PYTHON)
        root = first.folder
        chosen = [find_mutant(root, id) for id in options.only]
        mutants = chosen or [*realistic(root), *draw(root, options.number, options.seed)]
        tell(f"{len(mutants)} mutants; drawn with --seed {options.seed}")
        storms = clean(first, range(options.storms))
        waiting: queue.SimpleQueue[Copy] = queue.SimpleQueue()
        for number in range(options.at_once):
            waiting.put(another(first, Path(folder) / f"copy{number}"))
        court = Court(waiting, storms, options.record, read_record(options.record))
        findings = court.judge(mutants, options.at_once)
        by_tests = [mutant for mutant, finding in zip(mutants, findings, strict=True) if finding.judge == "tests"]
        sample = Random(f"sample {options.seed}").sample(by_tests, min(options.sample, len(by_tests)))
        with ThreadPoolExecutor(options.at_once) as pool:
            seen = list(pool.map(court.seen_by_simulator, sample))
    return report(mutants, findings, seen)


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--number", type=int, default=240, help="how many are drawn (240)")
    parser.add_argument("--seed", type=int, default=Random().randrange(10**6), help="what they are drawn with (any)")
    parser.add_argument("--only", metavar="ID", action="append", default=[], help="judge this one; may be repeated")
    parser.add_argument("--storms", type=int, default=40, help="the simulator's seeds: 0 and so on, so many (40)")
    parser.add_argument("--sample", type=int, default=60, help="caught ones that the simulator also judges alone (60)")
    parser.add_argument("--at-once", type=int, default=2, help="processes (2)")
    parser.add_argument("--record", type=Path, help="keep findings in this file, and judge no mutant that is in it")
    return parser.parse_args(arguments)


def realistic(root: Path) -> list[Mutant]:
    return [realistic_mutant(root, mistake) for mistake in MISTAKES]


def realistic_mutant(root: Path, mistake: Mistake) -> Mutant:
    original = original_of(root, mistake)
    line = original[: original.index(mistake.old)].count("\n") + 1
    return Mutant(mistake.name, mistake.file, line, original, mistake.made_in(original), mistake.meaning)


def find_mutant(root: Path, id: str) -> Mutant:
    for mistake in MISTAKES:
        if mistake.name == id:
            return realistic_mutant(root, mistake)
    mutant = find(root, id)
    if mutant is None:
        raise SystemExit(f"there is no mutant {id}")
    return mutant


def clean(copy: Copy, seeds: Sequence[int]) -> list[int]:
    """The storms in which otter as it is keeps its promises. Tests and storms may take five times as long for a mutant."""
    began = time.monotonic()
    verdict = copy.tests("planning")
    if verdict.caught:
        raise SystemExit(f"without any mutation the tests fail: {verdict.how}")
    tests = time.monotonic() - began
    began = time.monotonic()
    failing = copy.failing_storms(seeds)
    storms = time.monotonic() - began
    copy.limits.update(tests=30 + 5 * tests, simulator=30 + 5 * storms)
    tell(f"as it is: tests pass in {tests:.0f} s, {len(seeds)} storms take {storms:.0f} s")
    if failing:
        tell(f"left out, for they fail without any mutation: {failing}")
    return [seed for seed in seeds if seed not in failing]


def read_record(path: Path | None) -> dict[str, Finding]:
    if path is None or not path.exists():
        return {}
    return {finding.id: finding for finding in (Finding(**json.loads(line)) for line in path.read_text().splitlines())}


def report(mutants: Sequence[Mutant], findings: Sequence[Finding], seen: Sequence[bool]) -> int:
    """Print what came of it all. The exit status."""
    counts = Counter((finding.kind, finding.judge) for finding in findings)
    print(f"\n{'':12}{'all':>8}{'tests':>8}{'simulator':>12}{'survived':>10}{'caught':>9}")
    for kind in KINDS:
        tests, simulator, survived = (counts[kind, judge] for judge in (*JUDGES, ""))
        if total := tests + simulator + survived:
            print(row(kind, total, tests, simulator, survived))
    total, survivors = len(findings), [pair for pair in zip(mutants, findings, strict=True) if not pair[1].judge]
    tests, simulator = (sum(finding.judge == judge for finding in findings) for judge in JUDGES)
    print(row("together", total, tests, simulator, len(survivors)))
    if seen:
        print(f"\nThe simulator alone catches {sum(seen)} of {len(seen)} that the tests catch.")
    for mutant, _ in survivors:
        print(f"\nsurvived: {mutant.id}  ({mutant.file}, line {mutant.line})\n{mutant.diff()}")
    return int(total - len(survivors) < ENOUGH * total)


def row(name: str, total: int, tests: int, simulator: int, survived: int) -> str:
    return f"{name:12}{total:8}{tests:8}{simulator:12}{survived:10}{1 - survived / total:9.1%}"


def tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
