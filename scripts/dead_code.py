"""
``make dead-code``: which functions of otter does no walk reach?

The suites that go through HTTP, ``tests/walks`` and ``tests/process``, are run once for each engine, and every otter that they
start tells which functions it reaches (``tests/rig/reached``). A function is reached if its body began in a process of otter;
what tests call themselves does not count. Methods and functions within functions count one by one, lambdas with what they are
in. Left out is what has nothing to do, such as the methods of interfaces, and what attrs makes.

docs/dead-code.md says in a line why a function stays that nothing reaches. It fails if a function is neither reached nor in that
table, if one of the table is reached or is no more, if more than 2 % are not reached, or if a suite failed.
"""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.rig.reached.sitecustomize import functions_in

TABLE = Path("docs", "dead-code.md")
DATA = Path("build", "dead-code")
LINE = re.compile(r"^\| *`(otter/[^`]+)` *\| *(.*?) *\|$", re.MULTILINE)
MOST = 0.02
"""So much of all functions may be reached by nothing."""
SUITES = {
    "convergence": ("tests/walks", "tests/process"),
    "cycle": ("tests/walks", "-m", "not healing and not services"),
    "worker": ("tests/walks", "-m", "not healing and not retrying and not services"),
}
"""What pytest runs under each engine. tox.ini says what the marks mean; how processes start and end is the same under all."""

Functions = Mapping[str, str]
"""Name of each function, such as ``otter/config.py::laid_over`` -> where it is, such as ``otter/config.py:12``."""


def functions_below(root: Path) -> Functions:
    """Those of otter in ``root``."""
    return {
        f"{path.relative_to(root).as_posix()}::{name}": f"{path.relative_to(root).as_posix()}:{function.lineno}"
        for path in sorted((root / "otter").rglob("*.py"))
        for name, function in functions_in(ast.parse(path.read_bytes()))
    }


def reached_in(folder: Path) -> frozenset[str]:
    """What processes wrote there. The line that one died in the middle of is none."""
    lines = (line for file in folder.glob("*") for line in file.read_text().splitlines(keepends=True))
    return frozenset(line.strip() for line in lines if line.endswith("\n"))


@frozen
class Findings:
    """
    :ivar reached: what each engine reached. :ivar explained: function -> why it stays; ``twice``: those of more than one line.
    """

    functions: Functions
    reached: Mapping[str, frozenset[str]]
    explained: Mapping[str, str]
    twice: Sequence[str] = ()

    @property
    def dead(self) -> list[str]:
        """What no engine reached."""
        return [name for name in self.functions if not any(name in reached for reached in self.reached.values())]

    def complaints(self) -> Iterator[str]:
        """What is wrong, a sentence each."""
        for engine in (engine for engine, reached in self.reached.items() if not reached):
            yield f"{engine}: its suites did not run"
        for name in self.dead:
            if not self.explained.get(name):
                yield f"{self.functions[name]}: nothing reaches {name}, and {TABLE} does not say why it stays"
        for name in self.explained:
            by = [engine for engine, reached in self.reached.items() if name in reached]
            if name not in self.functions:
                yield f"{name}: {TABLE} explains it, and there is no such function"
            elif by:
                yield f"{self.functions[name]}: {TABLE} explains {name}, which is reached under {', '.join(by)}"
        for name in self.twice:
            yield f"{name}: {TABLE} explains it more than once"
        if len(self.dead) > MOST * len(self.functions):
            yield f"{len(self.dead)} of {len(self.functions)} functions are not reached; at most {MOST:.0%} may be"

    def report(self) -> Iterator[str]:
        """The numbers, and what nothing reaches."""
        everything, dead = self.functions.keys(), self.dead
        for engine, reached in self.reached.items():
            missing = len(everything - reached - set(dead))
            yield f"{engine:12} {len(everything & reached):4} functions reached; {missing:3} only under other engines"
        yield f"{'none':12} {len(dead):4} of {len(everything)} functions, {len(dead) / len(everything):.1%}:"
        for name in dead:
            yield f"  {self.functions[name]}  {name.partition('::')[2]}: {self.explained.get(name) or 'not explained'}"


def findings(root: Path, engines: Sequence[str]) -> Findings:
    """:raises OSError: the table or otter itself cannot be read."""
    lines: list[tuple[str, str]] = LINE.findall((root / TABLE).read_text())
    names = [name for name, _ in lines]
    return Findings(
        functions_below(root),
        {engine: reached_in(root / DATA / engine) for engine in engines},
        dict(lines),
        sorted({name for name in names if names.count(name) > 1}),
    )


def run(root: Path, engine: str, options: Sequence[str]) -> bool:
    """The suites under this engine; whether all tests passed. What was found there before is forgotten."""
    folder = root / DATA / engine
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"== {engine}", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "6", "--dist", "worksteal", *SUITES[engine], *options]
    environment = {**os.environ, "OTTER_ENGINE": engine, "REACHED": str(folder)}
    return subprocess.run(command, check=False, cwd=root, env=environment).returncode == 0


def main(root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser("scripts/dead_code.py", description="Which functions of otter does no walk reach?")
    parser.add_argument("--engine", action="append", choices=SUITES, help="run under this one only (default: all)")
    parser.add_argument("--report", action="store_true", help="run nothing; report on what is in build/dead-code")
    arguments, options = parser.parse_known_args()
    engines = [] if arguments.report else arguments.engine or list(SUITES)
    failed = [engine for engine in engines if not run(root, engine, options)]
    found = findings(root, list(SUITES))
    complaints = [*(f"{engine}: tests failed" for engine in failed), *found.complaints()]
    print("", *found.report(), *complaints, sep="\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
