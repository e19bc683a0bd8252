"""``make mutants``: does what we have find mistakes? Code is made wrong, and tests and simulator are to notice. (docs/mutants.md)"""

import argparse
import itertools
import json
import queue
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from attrs import asdict, define, field, frozen

from tests.mutants.drawing import Mutant, draw, find
from tests.mutants.judges import Copy, Verdict, another, copy_of
from tests.mutants.realistic import MISTAKES, Mistake, original_of

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
ENOUGH = 0.95
"""The share of mutants that is to be caught."""
SCENARIOS = ("a create whose answer is lost", "a server vanishes")
"""In which the process dies at each point in turn."""
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
    Judges mutants side by side: first the tests all of them, then the simulator those that are left.

    :ivar trials: of the simulator: seeds of storms, and names of scenarios. :ivar found: what came of mutants so far, by their ids. :ivar record: where that is kept; None for nowhere.
    """

    copies: "queue.SimpleQueue[Copy]"
    at_once: int
    trials: Sequence[str]
    record: Path | None
    found: dict[str, Finding] = field(factory=dict)

    def judge(self, mutants: Sequence[Mutant]) -> list[Finding]:
        left = [mutant for mutant in mutants if mutant.id not in self.found]
        tests = self._ask("tests", left, lambda copy, mutant: copy.tests(mutant.room))
        left = [mutant for mutant, verdict in zip(left, tests, strict=True) if not verdict.caught]
        storms = self._ask("simulator", left, lambda copy, mutant: copy.simulator(self.trials))
        for mutant, verdict in zip(left, storms, strict=True):
            if not verdict.caught:
                self._note(mutant, "", "")
        return [self.found[mutant.id] for mutant in mutants]

    def seen_by_simulator(self, mutants: Sequence[Mutant]) -> int:
        """How many of those that tests caught the simulator catches too."""
        kept, self.found, self.record = self.found, {}, None
        verdicts = self._ask("simulator", mutants, lambda copy, mutant: copy.simulator(self.trials))
        self.found = kept
        return sum(verdict.caught for verdict in verdicts)

    def _ask(self, judge: str, mutants: Sequence[Mutant], ask: Callable[[Copy, Mutant], Verdict]) -> list[Verdict]:
        done = itertools.count(1)

        def asked(mutant: Mutant) -> Verdict:
            copy = self.copies.get()
            try:
                with copy.mutated(mutant):
                    verdict = ask(copy, mutant)
            finally:
                self.copies.put(copy)
            if verdict.caught:
                self._note(mutant, judge, verdict.how)
            tell(f"{judge} {next(done)}/{len(mutants)} {verdict.how or 'NOTHING SEEN'}: {mutant.id}")
            return verdict

        with ThreadPoolExecutor(self.at_once) as pool:
            return list(pool.map(asked, mutants))

    def _note(self, mutant: Mutant, judge: str, how: str) -> None:
        finding = Finding(mutant.id, "realistic" if mutant.meaning else "drawn", judge, how)
        self.found[mutant.id] = finding
        if self.record is not None:
            with self.record.open("a") as file:
                file.write(json.dumps(asdict(finding)) + "\n")


def main() -> int:
    options = options_of(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        # Everything from here on is about this one moment of the tree.
        first = copy_of(ROOT, Path(folder) / "first", PYTHON)
        root = first.folder
        chosen = [find_mutant(root, id) for id in options.only]
        mutants = chosen or [*realistic(root), *draw(root, options.number, options.seed)]
        tell(f"{len(mutants)} mutants; drawn with --seed {options.seed}")
        trials = clean(first, [*map(str, range(options.storms)), *SCENARIOS])
        waiting: queue.SimpleQueue[Copy] = queue.SimpleQueue()
        for number in range(options.at_once):
            waiting.put(another(first, Path(folder) / f"copy{number}"))
        court = Court(waiting, options.at_once, trials, options.record, read_record(options.record))
        findings = court.judge(mutants)
        by_tests = [mutant for mutant, finding in zip(mutants, findings, strict=True) if finding.judge == "tests"]
        sample = Random(f"sample {options.seed}").sample(by_tests, min(options.sample, len(by_tests)))
        seen = court.seen_by_simulator(sample)
        if first.tests("planning").caught:
            raise SystemExit(
                "the tests fail without any mutation now, and did not at the beginning: nothing of this counts"
            )
    return report(mutants, findings, seen, len(sample))


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


def clean(copy: Copy, trials: Sequence[str]) -> list[str]:
    """The trials that otter as it is passes. Judges may take five times as long for a mutant."""
    began = time.monotonic()
    verdict = copy.tests("planning")
    if verdict.caught:
        raise SystemExit(f"without any mutation the tests fail: {verdict.how}")
    tests = time.monotonic() - began
    began = time.monotonic()
    failing = copy.failing(trials)
    simulator = time.monotonic() - began
    copy.limits.update(tests=30 + 5 * tests, simulator=30 + 5 * simulator)
    tell(f"as it is: tests pass in {tests:.0f} s; {len(trials)} trials of the simulator take {simulator:.0f} s")
    if failing:
        tell(f"left out, for they fail without any mutation: {failing}")
    return [trial for trial in trials if trial not in failing]


def read_record(path: Path | None) -> dict[str, Finding]:
    if path is None or not path.exists():
        return {}
    return {finding.id: finding for finding in (Finding(**json.loads(line)) for line in path.read_text().splitlines())}


def report(mutants: Sequence[Mutant], findings: Sequence[Finding], seen: int, sample: int) -> int:
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
    if sample:
        print(f"\nThe simulator alone catches {seen} of {sample} that the tests catch.")
    for mutant, _ in survivors:
        print(f"\nsurvived: {mutant.id}  ({mutant.file}, line {mutant.line})\n{mutant.diff()}")
    return int(total - len(survivors) < ENOUGH * total)


def row(name: str, total: int, tests: int, simulator: int, survived: int) -> str:
    return f"{name:12}{total:8}{tests:8}{simulator:12}{survived:10}{1 - survived / total:9.1%}"


def tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
