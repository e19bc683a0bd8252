"""What operators do with a store's file: copy it, put a copy in its place, and say what is held, also while otter runs."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from otter.domain.hold import Hold
from otter.store.sqlite.database import CannotOpen, lock
from otter.store.sqlite.holds import Execute, held
from otter.store.sqlite.schema import MIGRATIONS, copy, is_store, version_of

NEWER = "{path} has version {version}, and this otter knows versions up to {known}; take the newer otter's otter-store"
OLDER = (
    "{path} has version {version}, and this otter's stores have version {known}; it brings this one there when it"
    " starts, and with OTTER_HOLD=1 it changes nothing in the cloud then"
)


def back_up(path: Path, target: Path) -> None:
    """Copy the store at ``path``, also while it is in use, to ``target``. In the copy, everything is held. :raises CannotOpen:"""
    refuse_remains(target)
    with opened(path, "ro", "could not be copied") as connection:
        copy(connection, target)


def restore(backup: Path, path: Path) -> None:
    """Put a copy of ``backup`` where no store is; in it, everything is held. :raises CannotOpen:"""
    refuse_remains(path)
    with opened(backup, "ro", "could not be restored") as connection:
        refuse_newer(connection, backup)
        refuse_damaged(connection, backup)
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(lock(path)):
            refuse_remains(path)
            copy(connection, path)


def what_is_held(path: Path, change: Callable[[Execute], None] | None = None) -> Hold:
    """
    What is held in the store at ``path``, after ``change``. It may be in use; this is no opening of its own.

    :raises CannotOpen: also if the store has another version than this otter's.
    """
    with opened(path, "rw", "cannot be used as a store") as connection:
        connection.execute("BEGIN IMMEDIATE" if change else "BEGIN")
        refuse_newer(connection, path)
        refuse_older(connection, path)
        if change:
            change(connection.execute)
        hold = held(connection.execute)
        connection.execute("COMMIT")
    return hold


@contextmanager
def opened(path: Path, mode: str, trouble: str) -> Iterator[sqlite3.Connection]:
    """
    A connection to the store at ``path``, which is not made.

    :param mode: "ro" or "rw".
    :param trouble: what to say of the path if SQLite or the system says no.
    :raises CannotOpen:
    """
    if not os.path.exists(path):
        raise CannotOpen(f"there is no {path}")
    try:
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            if not is_store(connection):
                raise CannotOpen(f"{path} {trouble}: it is no store of otter's")
            yield connection
    except (OSError, sqlite3.Error) as error:
        raise CannotOpen(f"{path} {trouble}: {error}") from error


def refuse_remains(path: Path) -> None:
    """Nothing is overwritten; and what another store left beside its file would be taken for writes to the new one."""
    for end in ("", "-wal", "-shm", "-journal"):
        if os.path.lexists(f"{path}{end}"):
            raise CannotOpen(f"{path}{end} exists already")


def refuse_newer(connection: sqlite3.Connection, path: Path) -> None:
    version, known = version_of(connection), len(MIGRATIONS)
    if version > known:
        raise CannotOpen(NEWER.format(path=path, version=version, known=known))


def refuse_older(connection: sqlite3.Connection, path: Path) -> None:
    version, known = version_of(connection), len(MIGRATIONS)
    if version < known:
        raise CannotOpen(OLDER.format(path=path, version=version, known=known))


def refuse_damaged(connection: sqlite3.Connection, path: Path) -> None:
    [(verdict,), *_] = connection.execute("PRAGMA quick_check").fetchall()
    if verdict != "ok":
        raise CannotOpen(f"{path} is damaged: {' '.join(verdict.split())}")
