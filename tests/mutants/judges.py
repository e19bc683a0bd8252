"""Copies of the tree in which mutants are made, and who judges them there."""

import os
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field, frozen

from tests.mutants.drawing import Mutant

TESTS = ("planning", "domain", "store", "operations", "services", "rest", "convergence", "cloud/test_nova.py")
"""Of the folder of tests, those that take some seconds together and need nothing but themselves."""
PYTEST = (
    "-m",
    "pytest",
    "-x",
    "-q",
    "-p",
    "no:cacheprovider",
    "-n",
    "0",
    "-p",
    "tests.mutants.quick",
    "-m",
    "not services",
)
SIMULATOR = ("-m", "tests.mutants.storms")
COMPLAINT = re.compile(
    r"FAILED |ERROR |ImportError while loading conftest|INTERNALERROR> .*otter|BROKEN |  File .*/otter/"
)
"""How lines begin by which pytest and the simulator say that something is wrong."""
MOST_MEMORY = 3 << 30
"""Bytes; a mutant that never ends may want all there is."""
WHICH = "import otter; print(otter.__file__)"


class NoVerdict(Exception):
    """Nobody knows whether the mutant would be caught."""


@frozen
class Verdict:
    """:ivar caught: whether the judge saw that something is wrong. :ivar how: in a few words."""

    caught: bool
    how: str


@define(eq=False)
class Copy:
    """
    A copy of the tree, for one mutant at a time.

    :ivar limits: judge -> seconds; one that takes longer has met a mutant that hangs.
    :ivar keeps: what is compiled is kept for the next time; not what is compiled of a mutant.
    """

    folder: Path
    python: Path
    limits: dict[str, float] = field(factory=dict)
    keeps: bool = True
    _number: int = 0

    @contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        path = self.folder / mutant.file
        before, text = path.stat().st_mtime, path.read_text()
        if text != mutant.original:
            raise ValueError(f"{mutant.file} is not the one that the mutant was made from")
        self._number += 1
        path.write_text(mutant.text)
        # Another time each time, or else what was compiled for the one before would be taken for it.
        os.utime(path, (before + self._number, before + self._number))
        try:
            yield
        finally:
            path.write_text(text)
            os.utime(path, (before, before))

    def tests(self, room: str) -> Verdict:
        """Those of the ``room`` come first."""
        in_order = sorted(TESTS, key=lambda tests: not tests.startswith(room))
        return self._judge("tests", [*PYTEST, "--hypothesis-seed=0", *(f"tests/{tests}" for tests in in_order)])

    def simulator(self, trials: Sequence[str]) -> Verdict:
        return self._judge("simulator", [*SIMULATOR, *trials])

    def failing(self, trials: Sequence[str]) -> list[str]:
        said = self.run([*SIMULATOR, "--all", *trials], timeout=900.0).stdout
        return [trial for trial in trials if any(line.startswith(f"BROKEN {trial}: ") for line in said.splitlines())]

    def _judge(self, judge: str, arguments: Sequence[str]) -> Verdict:
        """:raises NoVerdict: the judge itself is what failed."""
        try:
            done = self.run(arguments, timeout=self.limits.get(judge, 900.0))
        except subprocess.TimeoutExpired:
            return Verdict(True, "it hangs")
        if done.returncode < 0:
            return Verdict(True, f"it dies of signal {-done.returncode}")
        if done.returncode and not (complaint := complaint_in(done.stdout)):
            raise NoVerdict(f"the {judge} cannot judge: {done.stdout[-2000:]}")
        return Verdict(bool(done.returncode), complaint if done.returncode else "")

    def run(self, arguments: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        if not self.keeps:
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        return subprocess.run(
            [str(self.python), *arguments],
            check=False,
            cwd=self.folder,
            env=environment,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=be_modest,
        )

    def check(self) -> None:
        """It is the copy's otter that is judged. :raises ValueError:"""
        found = self.run(["-c", WHICH], timeout=60.0).stdout.strip()
        if not found.startswith(f"{self.folder}/"):
            raise ValueError(f"mutants would not be judged: otter is imported from {found}")


def copy_of(root: Path, folder: Path, python: Path) -> Copy:
    shutil.copytree(root, folder, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.sqlite*", "*.egg-info"))
    copy = Copy(folder, python)
    copy.check()
    return copy


def another(copy: Copy, folder: Path) -> Copy:
    """The same once more, with all that was compiled."""
    shutil.copytree(copy.folder, folder)
    twin = Copy(folder, copy.python, dict(copy.limits), keeps=False)
    twin.check()
    return twin


def be_modest() -> None:
    os.nice(15)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def complaint_in(output: str) -> str:
    """The line of what a judge printed that says best what is wrong with the mutant; "" if none does."""
    complaints = [line[:200] for line in output.splitlines() if COMPLAINT.match(line)]
    return next((line for line in complaints if not line.startswith(" ")), complaints[0] if complaints else "")
