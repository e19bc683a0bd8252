"""
Two ways to run a transaction: in a thread that commits many at once, or here and now.

A transaction is a function ``work(execute)``, where ``execute`` is SQLite's; it is done wholly or, if it raises, not at all.
"""

import fcntl
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads

from otter.domain.errors import StoreUnavailable
from otter.store.sqlite.schema import migrate, private

Work = Callable[[Callable[..., sqlite3.Cursor]], Any]
LARGEST_BATCH = 500
SECONDS_BETWEEN_PROBES = 1.0
PROBE = "UPDATE epochs SET epoch = epoch"


class CannotOpen(Exception):
    """The file cannot be used: another process has it, or it is not a store, or the folder does not let us."""


def connect(path: str) -> sqlite3.Connection:
    """A connection whose commits survive power loss."""
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=256, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def lock(path: Path) -> IO:
    """
    Whoever has it open has the store at ``path`` for itself, among those who want it so.

    :raises CannotOpen: somebody has. :raises OSError:
    """
    file = open(f"{path}.lock", "w")  # noqa: SIM115 - held until it is closed
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise CannotOpen(f"{path} is in use by another otter process") from None
    return file


def next_epoch(execute: Callable[..., sqlite3.Cursor]) -> int:
    """A number for an opening of the file, or for a fence; nobody gets it again."""
    [(epoch,)] = execute("UPDATE epochs SET epoch = epoch + 1 RETURNING epoch").fetchall()
    return epoch


def attempt(connection: sqlite3.Connection, work: Work) -> Any:
    """Run ``work`` in a savepoint of its own."""
    connection.execute("SAVEPOINT work")
    try:
        result = work(connection.execute)
    except BaseException:
        connection.execute("ROLLBACK TO work")
        raise
    finally:
        connection.execute("RELEASE work")
    return result


@define
class Inline:
    """Everything at once, in the calling thread: for tests and simulations."""

    connection: sqlite3.Connection = field(factory=lambda: connect(":memory:"))
    trouble: str | None = None
    epoch: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        migrate(self.connection, None)
        self.epoch = next_epoch(self.connection.execute)

    async def write(self, work: Work) -> Any:
        return attempt(self.connection, work)

    def read(self, sql: str, arguments: tuple = ()) -> list[tuple]:
        return self.connection.execute(sql, arguments).fetchall()

    def close(self) -> None:
        self.connection.close()


@frozen
class Waiting:
    """A transaction somebody waits for."""

    work: Work
    done: Deferred


@define
class GroupCommit:
    """
    One thread owns all writing, and commits whatever has piled up since its last commit: one fsync for many.

    Reads happen in the calling thread, over a connection of their own: a row costs microseconds, a thread's answer 150.

    :ivar trouble: why the last commit failed, or why there is no thread to make another; None while all is well.
    """

    reactor: IReactorFromThreads
    path: Path
    trouble: str | None = field(init=False, default=None)
    epoch: int = field(init=False)
    _reader: sqlite3.Connection = field(init=False)
    _lock: IO = field(init=False)
    _queue: queue.SimpleQueue = field(init=False, factory=queue.SimpleQueue)
    _dead: threading.Event = field(init=False, factory=threading.Event)
    _closed: Deferred = field(init=False, factory=Deferred)

    def __attrs_post_init__(self) -> None:
        """:raises CannotOpen, WrongVersion:"""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = lock(self.path)
            private(self.path)
            self._reader = connect(str(self.path))
            migrate(self._reader, self.path)
            self.epoch = next_epoch(self._reader.execute)
        except (OSError, sqlite3.Error) as error:
            raise CannotOpen(f"{self.path} cannot be used as a store: {error}") from error
        threading.Thread(target=self._run, name="store-writer", daemon=True).start()

    def write(self, work: Work) -> Deferred:
        """Fires with the result of ``work`` when it is durable; fails with ``StoreUnavailable`` if it may not be."""
        waiting = Waiting(work, Deferred())
        self._queue.put(waiting)
        if self._dead.is_set():
            self._refuse_the_rest()
        return waiting.done

    def read(self, sql: str, arguments: tuple = ()) -> list[tuple]:
        """:raises StoreUnavailable:"""
        try:
            return self._reader.execute(sql, arguments).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"The store cannot be read: {error}") from error

    def close(self) -> Deferred:
        """Fires when the file is left alone. Writes already asked for are still done."""
        self._queue.put(None)
        return self._closed

    def _run(self) -> None:
        try:
            connection = connect(str(self.path))
            trouble = None
            while (batch := self._next_batch(trouble)) is not None:
                answers, trouble = commit(connection, batch, probe=trouble is not None)
                self.reactor.callFromThread(self._deliver, answers, trouble)
            connection.close()
            why = "the store is closed"
        except BaseException as error:
            # Whatever it was: nobody may wait for this thread any more without being told.
            why = f"the store's writer died: {error!r}"
        self._dead.set()
        self.reactor.callFromThread(self._end, why)

    def _next_batch(self, trouble: str | None) -> list[Waiting] | None:
        """What has piled up; None when the store is to be closed. While there is trouble, nothing will do: see ``commit``."""
        try:
            first = self._queue.get(timeout=SECONDS_BETWEEN_PROBES if trouble else None)
        except queue.Empty:
            return []
        batch = [first]
        while batch[-1] is not None and len(batch) < LARGEST_BATCH and not self._queue.empty():
            batch.append(self._queue.get())
        if batch[-1] is None and len(batch) > 1:
            self._queue.put(None)
        return [waiting for waiting in batch if waiting is not None] if first is not None else None

    def _end(self, why: str) -> None:
        self.trouble = why
        self._refuse_the_rest()
        self._reader.close()
        self._lock.close()
        self._closed.callback(None)

    def _refuse_the_rest(self) -> None:
        while not self._queue.empty():
            if (waiting := self._queue.get()) is not None:
                waiting.done.errback(StoreUnavailable(f"Nothing can be stored: {self.trouble}"))

    def _deliver(self, answers: list[tuple[Callable, Any]], trouble: str | None) -> None:
        self.trouble = trouble
        for tell, value in answers:
            tell(value)


def commit(
    connection: sqlite3.Connection, batch: list[Waiting], probe: bool
) -> tuple[list[tuple[Callable, Any]], str | None]:
    """
    Do the whole batch in one transaction. The answers: nobody may hear of one before all of them are durable; and what
    trouble the store is in.

    A refusal by a transaction's own rules concerns it alone; when SQLite fails (the disk is full, say), all have failed.

    :param probe: write something in any case, so that success proves that the store can be written.
    """
    answers: list[tuple[Callable, Any]] = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        if probe:
            connection.execute(PROBE)
        for waiting in batch:
            try:
                answers.append((waiting.done.callback, attempt(connection, waiting.work)))
            except (sqlite3.OperationalError, sqlite3.DatabaseError) as failure:
                if not isinstance(failure, sqlite3.IntegrityError):
                    raise
                answers.append((waiting.done.errback, failure))
            except Exception as refusal:
                answers.append((waiting.done.errback, refusal))
        connection.execute("COMMIT")
    except Exception as failure:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        unavailable = StoreUnavailable(f"Nothing can be stored: {failure}")
        return [(waiting.done.errback, unavailable) for waiting in batch], str(failure)
    return answers, None
