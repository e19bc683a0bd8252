"""
``make rows``: is each row of docs/compatibility.md shown by a test?

A test says in its name which rows it shows: ``test_row_9_...``, ``test_rows_26_29_and_30_...``. All of them are run, and then
compared with the table: every row needs its tests, and each of these must have run and passed, with all its parameters.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field, frozen

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path("docs", "compatibility.md")
LINE = re.compile(r"^\| *(\d+) *\|.*\|([^|]*)\| *$", re.MULTILINE)
TEST = re.compile(r"`([^`]+::[^`]+)`")
NAME = re.compile(r"test_rows?((?:_\d+(?![^_])|_and(?=_\d))+)")

Rows = dict[int, tuple[str, ...]]
"""Number of a row -> the tests that the table names for it, as ``path::name``."""
Claims = dict[str, frozenset[int]]
"""``path::name`` of each test that carries numbers -> these."""


def rows_of(text: str) -> Rows:
    """The rows of the table. :raises ValueError: a number occurs twice."""
    rows: Rows = {}
    for number, tests in LINE.findall(text):
        if int(number) in rows:
            raise ValueError(f"row {number} is there twice")
        rows[int(number)] = tuple(TEST.findall(tests))
    return rows


def numbers_in(name: str) -> frozenset[int]:
    """The rows that a test claims to show."""
    match = NAME.match(name)
    return frozenset(map(int, re.findall(r"\d+", match[1]))) if match else frozenset()


def claims_in(root: Path) -> Claims:
    """Those of all tests below ``root``/tests."""
    paths = sorted((root / "tests").rglob("test_*.py"))
    found = {f"{path.relative_to(root)}::{name}": numbers_in(name) for path in paths for name in functions_of(path)}
    return {test: numbers for test, numbers in found.items() if numbers}


def functions_of(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name


def disagreements(rows: Rows, claims: Claims) -> list[str]:
    """What is wrong before anything was run, a sentence each."""
    return [*without_test(rows, claims), *without_row(rows, claims)]


def without_test(rows: Rows, claims: Claims) -> Iterator[str]:
    for number, tests in sorted(rows.items()):
        if not any(number in claimed for claimed in claims.values()):
            yield f"row {number}: no test carries its number"
        for test in tests:
            if number not in claims.get(test, ()):
                yield f"row {number}: the table names {test}, which does not exist or carries other numbers"


def without_row(rows: Rows, claims: Claims) -> Iterator[str]:
    for test, numbers in sorted(claims.items()):
        for number in sorted(numbers):
            if number not in rows:
                yield f"row {number}: {test} carries its number, and the table has no such row"
            elif test not in rows[number]:
                yield f"row {number}: {test} carries its number, and the table does not name it"


@frozen
class Ran:
    """What came of a test and all its parameters. :ivar outcomes: such as ``passed``, ``skipped``."""

    outcomes: frozenset[str] = frozenset()

    @property
    def trouble(self) -> str | None:
        """Why it shows nothing; None if it does."""
        if not self.outcomes:
            return "did not run"
        bad = sorted(self.outcomes - {"passed"})
        return f"was {' and '.join(bad)}" if bad else None


@define
class Witness:
    """A plugin of pytest that remembers what came of each test; with pytest-xdist, of all workers' tests."""

    outcomes: dict[str, set[str]] = field(factory=dict)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Setting up and tearing down do not show anything, but may fail."""
        if report.when == "call" or report.outcome != "passed":
            test = report.nodeid.partition("[")[0]
            self.outcomes.setdefault(test, set()).add(outcome_of(report))

    def ran(self, test: str) -> Ran:
        return Ran(frozenset(self.outcomes.get(test, ())))


def outcome_of(report: Any) -> str:
    """An expected failure shows nothing, whether it comes or not."""
    return "expected to fail" if hasattr(report, "wasxfail") else str(report.outcome)


def unshown(rows: Rows, claims: Claims, witness: Witness) -> list[str]:
    """What is wrong after all tests were run, a sentence each."""
    return [
        f"row {number}: {test} {trouble}"
        for number in sorted(rows)
        for test in sorted(test for test, numbers in claims.items() if number in numbers)
        if (trouble := witness.ran(test).trouble)
    ]


def summary(rows: Rows, claims: Claims, complaints: Iterable[str]) -> str:
    bad = {complaint.partition(":")[0] for complaint in complaints}
    shown = [number for number in rows if f"row {number}" not in bad]
    return f"{len(shown)} of {len(rows)} rows are shown by {len(claims)} tests"


def witnessed(root: Path, tests: Sequence[str], options: Sequence[str]) -> tuple[int, Witness]:
    """Run the tests: pytest's exit status, and who saw it."""
    witness = Witness()
    parallel = ["-n", "auto", "--dist", "worksteal"]
    names = [str(root / test) for test in tests]
    return int(pytest.main([f"--rootdir={root}", "-q", *parallel, *options, *names], plugins=[witness])), witness


def main(root: Path = ROOT, *options: str) -> int:
    """:param options: more of pytest's."""
    rows, claims = rows_of((root / TABLE).read_text()), claims_in(root)
    complaints = disagreements(rows, claims)
    for complaint in complaints:
        print(complaint, flush=True)
    status, witness = witnessed(root, sorted(claims), options)
    complaints += unshown(rows, claims, witness)
    print("", *complaints, summary(rows, claims, complaints), sep="\n")
    return 1 if complaints or status else 0


if __name__ == "__main__":
    folder, *rest = sys.argv[1:] or [str(ROOT)]
    sys.exit(main(Path(folder), *rest))
