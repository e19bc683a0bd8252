"""Copies of the tree in which mutants are made, and who judges them there."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field, frozen

from tests.mutants.drawing import Mutant

TESTS = ("planning", "domain", "store", "operations", "services", "rest", "convergence")
"""The folders of tests that take some seconds together."""
PYTEST = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-n", "0", "-p", "tests.mutants.quick")
STORMS = ("-m", "tests.mutants.storms")
MOST_MEMORY = 3 << 30
"""Bytes; a mutant that never ends may want all there is."""
WHICH = "import otter; print(otter.__file__)"


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
        folders = [f"tests/{name}" for name in dict.fromkeys((room, *TESTS))]
        return self._judge("tests", [*PYTEST, "--hypothesis-seed=0", *folders])

    def storms(self, seeds: Sequence[int]) -> Verdict:
        return self._judge("simulator", [*STORMS, *map(str, seeds)])

    def failing_storms(self, seeds: Sequence[int]) -> list[int]:
        said = self.run([*STORMS, "--all", *map(str, seeds)], timeout=600.0).stdout
        return [int(line.partition(":")[0]) for line in said.splitlines()]

    def _judge(self, judge: str, arguments: Sequence[str]) -> Verdict:
        try:
            done = self.run(arguments, timeout=self.limits.get(judge, 600.0))
        except subprocess.TimeoutExpired:
            return Verdict(True, "it hangs")
        return Verdict(done.returncode != 0, what_was_said(done.stdout) if done.returncode else "")

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


def what_was_said(output: str) -> str:
    """The line of what a judge printed that says most."""
    lines = [line for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("FAILED", "ERROR"))] or lines[-1:]
    return telling[0][:200] if telling else ""
