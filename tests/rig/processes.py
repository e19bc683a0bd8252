"""Child processes, and talking to them from a test that may block."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from attrs import define, field

HERE = "127.0.0.1"
REPOSITORY = Path(__file__).resolve().parent.parent.parent

_opener = build_opener(ProxyHandler({}))  # everything is on this machine, whatever http_proxy says


def free_port() -> int:
    """A TCP port of this machine on which nobody listened a moment ago, chosen by the system."""
    with socket.socket() as listener:
        listener.bind((HERE, 0))
        return listener.getsockname()[1]


def send(
    method: str, url: str, body: Any = None, timeout: float = 10, headers: Mapping[str, str] | None = None
) -> tuple[int, Mapping[str, str], bytes]:
    """
    One request: (status, headers, body), whatever the status is.

    :param body: bytes go out as they are, anything else but None as JSON.
    :raises OSError: nobody answered, or nobody answered in time.
    :raises HTTPException: what came was no HTTP, or it ended too early.
    """
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = Request(url, data=data, method=method, headers={"content-type": "application/json", **(headers or {})})
    try:
        with _opener.open(request, timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def call(
    method: str, url: str, body: Any = None, timeout: float = 10, headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """One request as in :func:`send`: (status, JSON; or text that is not JSON; or None for an empty body)."""
    status, _, content = send(method, url, body, timeout, headers)
    text = content.decode("utf-8", "replace")
    try:
        return status, json.loads(text) if text else None
    except ValueError:
        return status, text


def answers(url: str) -> bool:
    """Somebody speaks HTTP at ``url``."""
    try:
        send("GET", url, timeout=1)
    except (OSError, HTTPException):
        return False
    return True


def until(what: Callable[[], Any], seconds: float = 15.0, every: float = 0.05, saying: str = "") -> Any:
    """
    Wait until ``what()`` is true; its value.

    :param saying: what is waited for, in words.
    :raises AssertionError: it was not true within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {saying or what}; the last value was {value!r}"
        time.sleep(every)
    return value


@define(eq=False)
class Process:
    """
    A child that speaks HTTP. It may be started, stopped or killed, and started again.

    :ivar url: where it answers once it is up.
    :ivar log: gets its standard output and errors, of all its lives.
    :ivar environment: on top of ours.
    """

    command: Sequence[str]
    url: str
    log: Path = field(converter=Path)
    environment: Mapping[str, str] = field(factory=dict)
    folder: Path = REPOSITORY
    child: subprocess.Popen | None = field(init=False, default=None)

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80

    @property
    def pid(self) -> int:
        assert self.child is not None, f"{self.command} was never started"
        return self.child.pid

    def start(self, within: float = 30.0) -> "Process":
        """:raises AssertionError: it ended, or did not answer in time; says what it logged last."""
        assert not self.running(), f"{self.command} runs already"
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, **self.environment},
            )
        try:
            until(lambda: not self.running() or answers(self.url), within, 0.02, f"{self.url} answers")
            assert self.running(), f"it ended with {self.child.returncode}"
        except BaseException as error:
            self.kill()
            raise AssertionError(f"{' '.join(self.command)} did not start: {error}\n{self.last_words()}") from error
        return self

    def running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def stop(self, how: int = signal.SIGTERM, within: float = 15) -> int | None:
        """
        Asks it to end, and waits; its exit status, None if it never ran. One that ended already is no error.

        :raises AssertionError: it did not end in time (and was killed).
        """
        if self.child is None:
            return None
        self.child.send_signal(how)
        try:
            return self.child.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.command} did not end within {within} s\n{self.last_words()}") from None

    def kill(self) -> None:
        """Takes its life in the middle of whatever it does, and waits until it is gone."""
        if self.child is not None:
            self.child.kill()
            self.child.wait()

    def last_words(self, lines: int = 30) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""
