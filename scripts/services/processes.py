"""A server process that outlives us."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scripts.services.settings import say


@dataclass(frozen=True)
class Process:
    """
    Its pid file holds "pid start-time", so that another process which got the same pid is never taken for it.

    :ivar folder: where it runs and keeps its data; log and pid file lie beside it.
    """

    folder: Path

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def pid_file(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.pid")

    @property
    def pid(self) -> int | None:
        """None if it does not run."""
        try:
            pid, started = self.pid_file.read_text().split()
            return int(pid) if started == start_time(int(pid)) else None
        except (OSError, ValueError):
            return None

    @property
    def paused(self) -> bool:
        try:
            return self.pid is not None and fields_of(self.pid)[0] in "Tt"
        except OSError:
            return False

    @property
    def megabytes(self) -> int:
        """Resident memory; 0 if it does not run."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        return int(status.partition("VmRSS:")[2].split()[0]) // 1024 if "VmRSS:" in status else 0

    def spawn(self, command: Sequence[str]) -> None:
        """In a session of its own: Ctrl-C is not for it."""
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid_file.write_text(f"{child.pid} {start_time(child.pid)}")

    def send(self, number: signal.Signals) -> None:
        if (pid := self.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self, number: signal.Signals, within: float = 20.0) -> None:
        """Sends the signal and waits until the process is gone, which is forced after ``within`` seconds."""
        self.send(number)
        if not self.gone(within):
            say(f"{self.folder.name} does not stop, and is killed")
            self.send(signal.SIGKILL)
            self.gone(within)

    def gone(self, within: float) -> bool:
        deadline = time.monotonic() + within
        while self.pid is not None and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.pid is None

    def last_words(self, lines: int = 25) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


def fields_of(pid: int) -> list[str]:
    """What /proc/PID/stat says after the process's name: its state is the first, its start time the twentieth."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def start_time(pid: int) -> str | None:
    """In ticks since the machine's start; None for the dead whom nobody has buried."""
    fields = fields_of(pid)
    return None if fields[0] in "ZX" else fields[19]
