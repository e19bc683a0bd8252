"""
A load generator, in a process of its own: ``python -m benchmarks.load PORT SECONDS METHOD < paths.json``.

The input is a list of lists, one for each connection: its paths are asked for on it in turn, again and again, each as soon as the
one before was answered. When the time is over, each connection still goes on to the end of its list, so that what one path
did and the next one undoes is undone; with 0 SECONDS, each list is gone through just once. Sockets and epoll and no HTTP library, so that the generator is not what everybody waits
for. The output is a ``Load`` as JSON.
"""

import json
import select
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from time import perf_counter
from zlib import crc32

from attrs import asdict, define, frozen

from tests.rig.processes import HERE, REPOSITORY

HEAD_END = b"\r\n\r\n"
LENGTH, CHUNKED = b"content-length:", b"transfer-encoding: chunked"
LAST_CHUNK = b"0\r\n\r\n"


@frozen
class Load:
    """
    :ivar rate: answers a second. :ivar overall: the same, until the last answer: for a few that come in heaps.
    :ivar answers: status -> how many; those after the time was over, too.
    :ivar busy: share of the time in which the generator had something to do; near 1 it has measured itself.
    :ivar sums: checksums (CRC-32) of the different bodies.
    :ivar latencies: seconds that each answer took; a slow one is not left out because the time was over.
    """

    rate: float
    answers: dict[str, int]
    busy: float
    sums: list[int]
    latencies: list[float]
    overall: float

    @property
    def hits(self) -> int:
        return sum(self.answers.values())


@define(eq=False)
class Connection:
    """One request is on its way at any time. :ivar since: when it was sent, by ``perf_counter``."""

    socket: socket.socket
    requests: Sequence[bytes]
    since: float = 0.0
    _sent: int = 0
    _received: bytes = b""

    def send_next(self) -> None:
        self.since = perf_counter()
        self.socket.sendall(self.requests[self._sent])
        self._sent = (self._sent + 1) % len(self.requests)
        self._received = b""

    def answer(self) -> tuple[str, bytes] | None:
        """Status and body; None while they are not complete. :raises ConnectionError: the server hung up."""
        more = self.socket.recv(65536)
        if not more:
            raise ConnectionError("the server hung up")
        self._received += more
        body = body_in(self._received)
        return None if body is None else (self._received[9:12].decode(), body)

    def at_the_end(self) -> bool:
        return self._sent == 0


def body_in(received: bytes) -> bytes | None:
    """The body of an answer that is chunked or has a content length; None while it has not arrived to its end."""
    head, end, body = received.partition(HEAD_END)
    if not end:
        return None
    head = head.lower()
    if CHUNKED in head:
        return joined(body) if body.endswith(LAST_CHUNK) else None
    _, _, after = head.partition(LENGTH)
    return body if len(body) >= int(after.split(b"\r\n", 1)[0] or 0) else None


def joined(chunks: bytes) -> bytes:
    body = b""
    while chunks:
        size, _, chunks = chunks.partition(b"\r\n")
        length = int(size, 16)
        body, chunks = body + chunks[:length], chunks[length + 2 :]
    return body


def generate(port: int, seconds: float, paths: Sequence[Sequence[str]], method: str = "POST") -> Load:
    """Load the server at ``port`` for some time, or (0) until each list is done. :raises ConnectionError: it hung up."""
    lists = [[request_of(method, path) for path in some] for some in paths]
    connections = [Connection(socket.create_connection((HERE, port)), requests) for requests in lists]
    by_number = {connection.socket.fileno(): connection for connection in connections}
    poll = select.epoll()
    for number, connection in by_number.items():
        poll.register(number, select.EPOLLIN)
        connection.send_next()

    answers: Counter[str] = Counter()
    sums: set[int] = set()
    latencies: list[float] = []
    in_time, idle, start = 0, 0.0, perf_counter()
    while by_number:
        before = perf_counter()
        ready = poll.poll()
        now = perf_counter()
        over = now - start > seconds
        counts = not over or seconds == 0
        idle += now - before if counts else 0.0
        for number, _ in ready:
            connection = by_number[number]
            if (answer := connection.answer()) is None:
                continue
            status, body = answer
            answers[status] += 1
            sums.add(crc32(body))
            latencies.append(perf_counter() - connection.since)
            in_time += counts
            if over and connection.at_the_end():
                poll.unregister(number)
                by_number.pop(number).socket.close()
            else:
                connection.send_next()
    whole = perf_counter() - start
    took, overall = seconds or whole, len(latencies) / whole
    return Load(in_time / took, dict(answers), 1 - idle / took, sorted(sums), latencies, overall)


def request_of(method: str, path: str) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: {HERE}\r\nContent-Length: 0\r\n\r\n".encode()


def load(port: int, seconds: float, paths: Sequence[Sequence[str]], method: str = "POST") -> Load:
    """``generate``, in another process."""
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(seconds), method]
    done = subprocess.run(command, input=json.dumps(paths), cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Load(**json.loads(done.stdout))


if __name__ == "__main__":
    print(json.dumps(asdict(generate(int(sys.argv[1]), float(sys.argv[2]), json.load(sys.stdin), sys.argv[3]))))
