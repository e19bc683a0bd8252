"""The tables, as numbered steps from an empty file to what this code reads."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from otter.store.disk import keep
from otter.store.sqlite.holds import hold

MIGRATIONS = (
    """
    CREATE TABLE epochs (epoch INTEGER NOT NULL);
    INSERT INTO epochs VALUES (0);
    CREATE TABLE groups (
        tenant TEXT, id TEXT, config TEXT NOT NULL, launch TEXT NOT NULL, state TEXT NOT NULL, roster TEXT NOT NULL,
        deleting INTEGER NOT NULL, due REAL, paused INTEGER NOT NULL, PRIMARY KEY (tenant, id)
    );
    CREATE INDEX groups_due ON groups (due) WHERE due IS NOT NULL;
    CREATE TABLE policies (
        tenant TEXT, group_id TEXT, id TEXT, document TEXT NOT NULL, PRIMARY KEY (tenant, group_id, id)
    ) WITHOUT ROWID;
    CREATE TABLE webhooks (
        tenant TEXT, group_id TEXT, policy_id TEXT, id TEXT, digest TEXT NOT NULL UNIQUE, key_id TEXT NOT NULL,
        rotation INTEGER NOT NULL, document TEXT NOT NULL, PRIMARY KEY (tenant, group_id, policy_id, id)
    );
    """,
    "UPDATE groups SET state = json_remove(state, '$.refusals');",
    """
    ALTER TABLE policies ADD COLUMN due REAL;
    CREATE INDEX policies_due ON policies (due) WHERE due IS NOT NULL;
    """,
    """
    CREATE TABLE executions (
        tenant TEXT, group_id TEXT, policy_id TEXT, key TEXT, expires REAL NOT NULL, verdict TEXT NOT NULL,
        why TEXT NOT NULL, PRIMARY KEY (tenant, group_id, policy_id, key)
    );
    CREATE INDEX executions_expires ON executions (expires);
    """,
    """
    CREATE TABLE suspensions (tenant TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE INDEX groups_shown ON groups (tenant, id) WHERE NOT deleting;
    """,
    """
    CREATE TABLE holds (everything INTEGER, tenant TEXT, PRIMARY KEY (everything, tenant)) WITHOUT ROWID;
    INSERT INTO holds SELECT 1, '' FROM pragma_application_id WHERE application_id = 1752132708;
    PRAGMA application_id = 0;
    """,
    """
    ALTER TABLE groups ADD COLUMN passes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE groups ADD COLUMN outbox TEXT;
    CREATE INDEX groups_outbox ON groups (tenant, id) WHERE outbox IS NOT NULL;
    CREATE TABLE passes (
        tenant TEXT, group_id TEXT, slot INTEGER, number INTEGER NOT NULL, at REAL NOT NULL, document TEXT NOT NULL,
        PRIMARY KEY (tenant, group_id, slot)
    );
    CREATE INDEX passes_at ON passes (at);
    """,
    "CREATE TABLE splits (tenant TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;",
)
"""The version of a file is the number of these that it has seen. Published steps are never changed, only added to."""

HELD_COPY = 0x686F6C64
"""
The ``application_id`` of a copy in which everything is held, and which has no table yet to say so. Older otters do not ask for
it, and keep it; the step that makes the table turns it into a hold.
"""


class WrongVersion(Exception):
    """The file was written by a newer otter, or by something else."""


def migrate(connection: sqlite3.Connection, path: Path | None, migrations: Sequence[str] = MIGRATIONS) -> None:
    """
    Bring a file up to date, each step wholly or not at all. A file with anything in it is copied first, beside itself.

    :param path: where the file is; None for a store in memory.
    :raises WrongVersion:
    """
    version = version_of(connection)
    if version > len(migrations):
        raise WrongVersion(
            f"{path}: the store has version {version}, and this otter knows versions up to {len(migrations)}; start the"
            " newer otter, or restore the copy that it made before it migrated the file"
        )
    if 0 < version < len(migrations) and path is not None:
        copy(connection, path.with_name(f"{path.name}.before-version-{version + 1}"))
    for number, step in enumerate(migrations[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")


def private(path: Path) -> None:
    """See to it that there is a file that only its owner may read: launch configurations may hold secrets."""
    os.close(os.open(path, os.O_CREAT, 0o600))


def copy(connection: sqlite3.Connection, target: Path) -> None:
    """
    Copy the store, also while it is in use, into a file that holds one moment of it: complete, or not at all.

    In the copy, everything is held: the cloud has gone on since, and must not be made what it was then.
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    try:
        private(draft)
        with closing(sqlite3.connect(draft, isolation_level=None)) as new:
            connection.backup(new)
            new.execute("PRAGMA journal_mode=DELETE")
            hold_everything(new)
        keep(draft)
        os.rename(draft, target)
        keep(target.parent)
    finally:
        draft.unlink(missing_ok=True)


def hold_everything(connection: sqlite3.Connection) -> None:
    if has_table(connection, "holds"):
        hold(connection.execute, None)
    else:
        connection.execute(f"PRAGMA application_id = {HELD_COPY}")


def version_of(connection: sqlite3.Connection) -> int:
    [(version,)] = connection.execute("PRAGMA user_version").fetchall()
    return version


def is_store(connection: sqlite3.Connection) -> bool:
    """Whether an otter has made what is in the file; other programs number their versions too."""
    return has_table(connection, "epochs") and has_table(connection, "groups")


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(sql, (name,)).fetchall() != []
