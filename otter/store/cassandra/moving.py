"""What of a keyspace is moved, and how it gets there. See ``otter.store.moving``."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import define
from twisted.internet.task import deferLater

from otter.domain.errors import StoreUnavailable
from otter.domain.group import GroupId
from otter.store.cassandra import queries, schema
from otter.store.cassandra.client import CannotConnect, Cassandra, Change, Place
from otter.store.cassandra.partition import (
    LAST,
    ONCE,
    POLICY,
    WEBHOOK,
    Key,
    Partition,
    Row,
    Rows,
    once_in,
    once_row,
    policy_in,
    policy_row,
    webhook_in,
    webhook_row,
)
from otter.store.cassandra.store import CassandraStore
from otter.store.lines import Remembered, Tenants, Whole

GROUPS = "SELECT DISTINCT tenant, grp FROM {keyspace}.groups"
"""Every partition; what has to be complete does not go by an index. Who is asked this has nothing else to do."""
AT_ONCE = 200
"""Rows in one conditional write, and in one answer."""
TRIES = 10
ALL_GROUPS = 10**9
OBEYED = 10.0
"""Seconds after which everybody has read what was stored before, also if the answer before that was late."""


@define(eq=False)
class CassandraMoving(CassandraStore):
    """``IMoving``. What was put is there at once; it may be put again."""

    async def last_epoch(self) -> int:
        rows = await self.client.execute(queries.EPOCH, {}, "LOCAL_SERIAL")
        return rows[0]["epoch"] if rows else 0

    async def tenants(self) -> Tenants:
        return Tenants(frozenset(await self.suspended_tenants()), await self.held())

    async def wholes(self) -> AsyncIterator[Whole]:
        rows = await self.client.execute(GROUPS, {})
        for tenant, group in sorted((row["tenant"], row["grp"]) for row in rows):
            whole = await self._whole(GroupId(tenant, group))
            if whole is not None:
                yield whole

    async def hold_everything(self) -> None:
        """An otter that runs on the keyspace reads once a second what is held; one that starts now reads it before it does anything."""
        await self.hold(None)
        if await self.last_epoch():
            await deferLater(self.clock, OBEYED)

    async def begin(self, epoch: int, tenants: Tenants) -> None:
        while (last := await self.last_epoch()) < epoch:
            args = {"epoch": last, "new": epoch}
            change = Change(queries.NEXT_EPOCH, args) if last else Change(queries.FIRST_EPOCH, {})
            await self._surely(lambda change=change: self.client.change([change]))  # type: ignore[misc]
        for tenant in tenants.suspended:
            await self.suspend(tenant)
        for tenant in tenants.held.tenants:
            await self.hold(tenant)

    async def put(self, whole: Whole, now: float) -> None:
        group = whole.group
        await self._surely(lambda: self._claim(group.id, ALL_GROUPS))
        rows = list(rows_of(whole, now))
        for first in range(0, len(rows) or 1, AT_ONCE):

            def fill(partition: Partition, some: Sequence[tuple[Key, Row]] = rows[first : first + AT_ONCE]) -> None:
                partition.group = group
                for (kind, id), row in some:
                    partition.put(kind, id, row)

            await self._surely(lambda fill=fill: self._changes.make(group.id, [], fill))  # type: ignore[misc]

    async def end(self) -> None:
        """Every single write was durable when it was answered."""

    async def _whole(self, group_id: GroupId) -> Whole | None:
        """The group as it was at one moment; None if there is none."""
        for _ in range(TRIES):
            before, _ = await self._partition(group_id, [], settling=True)
            if before.group is None:
                return None
            rows = [await self._all(group_id, kind) for kind in (POLICY, WEBHOOK, ONCE)]
            after, _ = await self._partition(group_id, [])
            if after.version == before.version:
                policies, webhooks, executions = rows
                return Whole(
                    before.group,
                    [policy_in(id, row) for id, row in policies],
                    [webhook_of(id, row) for id, row in webhooks],
                    [remembered_in(id, row) for id, row in executions],
                )
        raise StoreUnavailable(f"others change group {group_id.group} of tenant {group_id.tenant} all the time")

    async def _all(self, group_id: GroupId, kind: str) -> list[tuple[str, Row]]:
        """All rows of one kind, however many they are."""
        found: list[tuple[str, Row]] = []
        while True:
            last = found[-1][0] if found else ""
            rows = await self._rows(group_id, Rows(kind, last, LAST), AT_ONCE)
            found += [(id, row) for (_, id), row in rows if id != last]
            if len(rows) < AT_ONCE:
                return found

    async def _surely(self, write: Callable[[], Awaitable[Any]]) -> None:
        """Do what may be done twice until it is known to be done. :raises StoreUnavailable:"""
        for tries in range(1, TRIES + 1):
            try:
                await write()
                return
            except StoreUnavailable:
                if tries == TRIES:
                    raise
            await deferLater(self.clock, 1.0)


def rows_of(whole: Whole, now: float) -> Iterator[tuple[Key, Row]]:
    """:param now: from when on executions are remembered for the rest of their time (epoch seconds)."""
    for policy in whole.policies:
        yield (POLICY, policy.id), policy_row(policy)
    for policy_id, webhook, digest in whole.webhooks:
        yield (WEBHOOK, f"{policy_id}/{webhook.id}"), webhook_row(webhook, digest)
    for each in whole.executions:
        yield (ONCE, f"{each.policy_id}/{each.key}"), once_row(each.outcome, each.expires, now)


def webhook_of(id: str, row: Row) -> tuple[str, Any, str]:
    policy_id, _, webhook_id = id.partition("/")
    return policy_id, *webhook_in(webhook_id, row)


def remembered_in(id: str, row: Row) -> Remembered:
    policy_id, _, key = id.partition("/")
    outcome, expires = once_in(row)
    return Remembered(policy_id, key, expires, outcome)


@contextmanager
def to_move(reactor: Any, place: Place, consistency: str) -> Iterator[CassandraMoving]:
    """What is in the keyspace; opening it this way counts as none. :raises CannotConnect:"""
    client = Cassandra(reactor, place, (*queries.ALL, GROUPS), consistency)
    try:
        prepare(client)
        yield CassandraMoving(client, reactor, 0)
    finally:
        client.close()


def prepare(client: Cassandra) -> None:
    """:raises CannotConnect:"""
    try:
        schema.require_current(client.session, client.place.keyspace)
        client.prepare()
    except CannotConnect:
        raise
    except Exception as error:
        raise client.unusable(error) from error
