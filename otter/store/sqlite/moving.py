"""What of a SQLite store is moved, and how it gets there. See ``otter.store.moving``."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from otter.domain.executions import Outcome, Verdict
from otter.store.documents import policy_from
from otter.store.lines import Remembered, Tenants, Whole
from otter.store.sqlite.database import CannotOpen, connect, lock
from otter.store.sqlite.files import opened, refuse_newer, refuse_older
from otter.store.sqlite.holds import held, hold
from otter.store.sqlite.schema import WrongVersion, migrate, private
from otter.store.sqlite.store import COLUMNS, group_of, insert_policies, key_of, row_of, webhook_from

GROUPS = f"SELECT {COLUMNS} FROM groups ORDER BY tenant, id"
POLICIES = "SELECT id, document, due FROM policies WHERE tenant = ? AND group_id = ?"
WEBHOOKS = "SELECT policy_id, digest, id, key_id, document, rotation FROM webhooks WHERE tenant = ? AND group_id = ?"
EXECUTIONS = "SELECT policy_id, key, expires, verdict, why FROM executions WHERE tenant = ? AND group_id = ?"
Execute = Callable[..., Any]


@frozen
class SQLiteMoving:
    """``IMoving``. What was put is there at the ``end``, all of it, or else nothing."""

    execute: Execute

    async def last_epoch(self) -> int:
        [(epoch,)] = self.execute("SELECT epoch FROM epochs").fetchall()
        return epoch

    async def tenants(self) -> Tenants:
        suspended = frozenset(tenant for (tenant,) in self.execute("SELECT tenant FROM suspensions"))
        return Tenants(suspended, held(self.execute))

    async def wholes(self) -> AsyncIterator[Whole]:
        for row in self.execute(GROUPS):
            yield self._whole(row)

    async def hold_everything(self) -> None:
        hold(self.execute, None)

    async def begin(self, epoch: int, tenants: Tenants) -> None:
        self.execute("BEGIN IMMEDIATE")
        self.execute("UPDATE epochs SET epoch = max(epoch, ?)", (epoch,))
        for tenant in tenants.suspended:
            self.execute("INSERT OR IGNORE INTO suspensions VALUES (?)", (tenant,))
        for tenant in tenants.held.tenants:
            hold(self.execute, tenant)

    async def put(self, whole: Whole, now: float) -> None:
        group = whole.group
        key = key_of(group.id)
        insert(self.execute, "groups", {"tenant": group.id.tenant, "id": group.id.group, **row_of(group)})
        insert_policies(self.execute, group.id, whole.policies)
        for policy_id, webhook, digest in whole.webhooks:
            facts = (webhook.id, digest, webhook.key_id, webhook.rotation, json.dumps(webhook.document))
            self.execute("INSERT INTO webhooks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*key, policy_id, *facts))
        for each in whole.executions:
            row = (*key, each.policy_id, each.key, each.expires, each.outcome.verdict.value, each.outcome.why)
            self.execute("INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    async def end(self) -> None:
        self.execute("COMMIT")

    def _whole(self, row: tuple) -> Whole:
        group = group_of(row)
        key = key_of(group.id)
        policies = [policy_from(*row) for row in self.execute(POLICIES, key)]
        webhooks = [
            (policy_id, webhook_from(tuple(row)), digest) for policy_id, digest, *row in self.execute(WEBHOOKS, key)
        ]
        return Whole(group, policies, webhooks, [remembered_in(row) for row in self.execute(EXECUTIONS, key)])


def insert(execute: Execute, table: str, row: dict[str, Any]) -> None:
    execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))


def remembered_in(row: Sequence[Any]) -> Remembered:
    policy_id, key, expires, verdict, why = row
    return Remembered(policy_id, key, expires, Outcome(Verdict(verdict), why))


@contextmanager
def to_export(path: Path) -> Iterator[SQLiteMoving]:
    """One moment of the store at ``path``, which may be in use. :raises CannotOpen: also if it has another version."""
    with opened(path, "ro", "could not be exported") as connection:
        connection.execute("BEGIN")
        refuse_newer(connection, path)
        refuse_older(connection, path)
        yield SQLiteMoving(connection.execute)


@contextmanager
def to_import(path: Path) -> Iterator[SQLiteMoving]:
    """The store at ``path``, which is made if it is not there, and in nobody's use. :raises CannotOpen:"""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(lock(path)):
            refuse_strangers(path)
            with closing(made(path)) as connection:
                yield SQLiteMoving(connection.execute)
    except (OSError, sqlite3.Error, WrongVersion) as error:
        raise CannotOpen(f"{path} cannot be used as a store: {error}") from error


def refuse_strangers(path: Path) -> None:
    """:raises CannotOpen: there is something in the file, and it is no store."""
    if path.exists() and path.stat().st_size:
        with opened(path, "ro", "cannot be used as a store"):
            pass


def made(path: Path) -> sqlite3.Connection:
    private(path)
    connection = connect(str(path))
    migrate(connection, path)
    return connection
