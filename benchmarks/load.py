"""
A load generator, in a process of its own: ``python -m benchmarks.load PORT SECONDS < paths.json``.

The input is a list of lists, one for each connection: its paths are POSTed on it in turn, again and again, each as soon as the
one before was answered. Sockets and epoll and no HTTP library, so that the generator is not what everybody waits for. The
output is a ``Load`` as JSON.
"""

import json
import select
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle

from attrs import asdict, define, frozen

from tests.rig.processes import HERE, REPOSITORY

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"


@frozen
class Load:
    """
    What was sent, and what came back.

    :ivar rate: answers a second.
    :ivar answers: status -> how many.
    :ivar busy: share of the time in which the generator had something to do; near 1 it has measured itself.
    """

    rate: float
    answers: dict[str, int]
    busy: float

    @property
    def hits(self) -> int:
        return sum(self.answers.values())


@define(eq=False)
class Connection:
    """One request on its way at any time."""

    socket: socket.socket
    requests: Iterator[bytes]
    received: bytes = b""

    def send_next(self) -> None:
        self.received = b""
        self.socket.sendall(next(self.requests))

    def status(self) -> str | None:
        """Of the answer, once it is complete. :raises ConnectionError: the server hung up."""
        more = self.socket.recv(65536)
        if not more:
            raise ConnectionError("the server hung up")
        self.received += more
        return self.received[9:12].decode() if is_whole(self.received) else None


def is_whole(received: bytes) -> bool:
    """Whether an answer with a content length has arrived to its end."""
    head, end, body = received.partition(HEAD_END)
    if not end:
        return False
    _, _, after = head.lower().partition(LENGTH)
    return len(body) >= int(after.split(b"\r\n", 1)[0] or 0)


def generate(port: int, seconds: float, paths: Sequence[Sequence[str]]) -> Load:
    """Load the server at ``port`` for some time. :raises ConnectionError:"""
    poll, connections = select.epoll(), {}
    for some in paths:
        connection = Connection(socket.create_connection((HERE, port)), cycle([request_of(path) for path in some]))
        connections[connection.socket.fileno()] = connection
        poll.register(connection.socket.fileno(), select.EPOLLIN)
        connection.send_next()

    answers: Counter[str] = Counter()
    start, idle = time.perf_counter(), 0.0
    while (now := time.perf_counter()) - start < seconds:
        ready = poll.poll(1.0)
        idle += time.perf_counter() - now
        for number, _ in ready:
            if (status := connections[number].status()) is not None:
                answers[status] += 1
                connections[number].send_next()
    took = now - start
    return Load(answers.total() / took, dict(answers), 1 - idle / took)


def request_of(path: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: {HERE}\r\nContent-Length: 0\r\n\r\n".encode()


def load(port: int, seconds: float, paths: Sequence[Sequence[str]]) -> Load:
    """``generate`` in another process."""
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(seconds)]
    done = subprocess.run(command, input=json.dumps(paths), cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Load(**json.loads(done.stdout))


if __name__ == "__main__":
    print(json.dumps(asdict(generate(int(sys.argv[1]), float(sys.argv[2]), json.load(sys.stdin)))))
