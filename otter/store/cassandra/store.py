"""``IStore`` on Apache Cassandra. (docs/cassandra.md.)"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import define, evolve, field
from pyrsistent import pmap
from twisted.internet.defer import DeferredLock, FirstError, ensureDeferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from otter.domain.errors import (
    GroupsOverLimit,
    NoSuchCapability,
    NoSuchScalingGroup,
    PoliciesOverLimit,
    StoreUnavailable,
    WebhooksOverLimit,
)
from otter.domain.executions import Once, Outcome
from otter.domain.group import Group, GroupId, Status, Summary
from otter.domain.history import KEPT, Entry
from otter.domain.hold import Hold
from otter.domain.limits import Counts, Page
from otter.domain.policy import Policy
from otter.domain.shares import SHARES, Split, number_of, share_of
from otter.domain.tags import ANYTHING, Expected
from otter.domain.webhook import Webhook
from otter.store.cassandra import queries
from otter.store.cassandra.changes import TOMBSTONE, Changes
from otter.store.cassandra.client import Cassandra, Unknown
from otter.store.cassandra.client import Change as Statement
from otter.store.cassandra.partition import (
    LAST,
    ONCE,
    POLICY,
    WEBHOOK,
    Key,
    Partition,
    Row,
    Rows,
    all_of,
    entries,
    group_in,
    once_in,
    once_row,
    one,
    policy_in,
    policy_row,
    webhook_in,
    webhook_row,
)
from otter.store.documents import dump_split, load_entry, load_split
from otter.store.interface import Change, Execution, Mine, WebhookChange

PARTS = 16
"""Of the schedule, and of the list of a key's capabilities."""
SLOT = 3600.0
"""Seconds; what a slot of the schedule holds."""
EVERYTHING = 100_000
"""Rows of one kind that a partition is asked for at most; limits keep them far below."""
FORGOTTEN = 600.0
"""Seconds after which a claim counts no more whose group never came, and a hint is dropped that leads nowhere."""
HASTE = 60.0
"""Seconds for which an event that is due is kept though its policy does not know of it: it may be about to be stored."""
SOONEST = 2**32 - 1
LOOKED_AT = 100
"""Rows of an index at most that one look compares with what they are of."""
EARLIEST = {"due": -1.0, "tenant": "", "grp": "", "policy": ""}
"""Comes before every event."""


@define(eq=False)
class CassandraStore:
    """A change of a group is one conditional write of its partition. Indexes are written before or after it, as is safe."""

    client: Cassandra
    clock: IReactorTime
    epoch: int
    _changes: Changes = field(init=False)
    _lists: dict[str, DeferredLock] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self._changes = Changes(self.client, self.clock, self._partition, self._before, self._after)

    @property
    def trouble(self) -> str | None:
        return self.client.trouble

    def numbers(self) -> Mapping[str, int]:
        """What was asked of Cassandra since the start, by name, and what came to nothing; for operators."""
        asked = {name: self.client.asked[query] for query, name in queries.NAMES.items()}
        return {**asked, "errors": self.client.failed["errors"], "unknown": self.client.failed["unknown"]}

    async def close(self) -> None:
        await deferToThread(self.client.close)
        self.client.forget_waiting()

    async def next_epoch(self) -> int:
        """Whoever does not know whether a number is theirs takes the next one."""
        for tries in range(50):
            rows = await self.client.execute(queries.EPOCH, {}, "LOCAL_SERIAL")
            statement, epoch = counted(rows)
            try:
                answer = await self.client.change([statement])
                if answer["[applied]"]:
                    return epoch
            except Unknown:
                pass
            await deferLater(self.clock, self._changes.random.uniform(0.0, 0.05) * (tries + 1))
        raise StoreUnavailable("others take numbers all the time")

    # Groups

    async def create_group(self, group: Group, policies: Sequence[Policy], most: int) -> None:
        if len({policy.id for policy in policies}) < len(policies):
            raise ValueError("two policies have the same id")
        claimed = await self._claim(group.id, most)

        def insert(partition: Partition) -> None:
            if self.clock.seconds() - claimed > FORGOTTEN / 2:
                raise StoreUnavailable("it took too long to make the group")
            partition.group = group
            for policy in policies:
                partition.put(POLICY, policy.id, policy_row(policy))

        await self._changes.make(group.id, [all_of(POLICY)], insert)

    async def get_group(self, group_id: GroupId, even_deleting: bool = False) -> Group:
        partition, _ = await self._partition(group_id, [])
        return partition.require(even_deleting)

    async def list_groups(self, tenant: str, page: Page) -> Sequence[Summary]:
        found: list[Summary] = []
        marker = page.marker
        while len(found) < page.limit:
            args = {"tenant": tenant, "marker": marker, "most": page.limit}
            rows = await self.client.execute(queries.PAGE_OF_GROUPS, args)
            ids = [GroupId(tenant, row["grp"]) for row in rows if row["grp"] is not None]
            groups = await together([self._shown(group_id) for group_id in ids])
            found += [group.summary for group in groups if group is not None]
            if len(rows) < page.limit:
                break
            marker = rows[-1]["grp"]
        return found[: page.limit]

    async def change_group(self, group_id: GroupId, change: Change, even_deleting: bool = False) -> Group:
        def update(partition: Partition) -> Group:
            return partition.become(change(partition.require(even_deleting)))

        return await self._changes.make(group_id, [], update)

    async def list_passes(self, group_id: GroupId, most: int, before: int | None, since: float) -> Sequence[Entry]:
        newest = (await self.get_group(group_id)).passes
        last = newest if before is None else min(before - 1, newest)
        ranges = entries(max(last - most, newest - KEPT, 0) + 1, last)
        rows = await together(self._rows(group_id, rows, KEPT) for rows in ranges)
        found = [load_entry(row.data) for some in rows for _, row in some]
        found.sort(key=lambda entry: -entry.number)
        return [entry for entry in found if entry.number <= last and entry.at > since]

    async def delete_group(self, group_id: GroupId) -> None:
        def delete(partition: Partition) -> None:
            partition.group = None
            partition.rows = pmap()

        await self._changes.make(group_id, [all_of(WEBHOOK), all_of(POLICY)], delete)
        await self._unclaim(group_id)

    async def groups_with_events(self) -> Sequence[GroupId]:
        """The index may be wrong, and is set right, some groups at a time."""
        parts = await together(self.client.execute(queries.OUTBOX, {"part": part}) for part in range(PARTS))
        ids = [GroupId(row["tenant"], row["grp"]) for rows in parts for row in rows]
        some = self._changes.random.sample(ids, min(len(ids), LOOKED_AT))
        for partition, _ in await together(self._partition(group_id, []) for group_id in some):
            if not has_events(partition.group) and partition.version is not None:
                await self.client.execute(queries.DROP_OUTBOX, outbox_of(partition.id, partition.version))
                ids.remove(partition.id)
        return ids

    async def divergent_groups(
        self, until: float, shares: Collection[int] | None = None
    ) -> Sequence[tuple[GroupId, float]]:
        """The index may be wrong, and is set right, some groups at a time: a group that is not divergent comes to no harm by a look."""
        rows = await self._of_shares(queries.DIVERGENT, shares)
        suspended = set(await self.suspended_tenants())
        due = {GroupId(row["tenant"], row["grp"]): row["due"] for row in rows if row["due"] < until}
        doubtful = [group_id for group_id in due if group_id.tenant in suspended]
        others = [group_id for group_id in due if group_id.tenant not in suspended]
        some = self._changes.random.sample(others, min(len(others), LOOKED_AT))
        for partition, _ in await together(self._partition(group_id, []) for group_id in [*doubtful, *some]):
            when = due_of(partition.group)
            if when is None:
                await self._tidy(partition)
            if when is None or when >= until or (partition.id.tenant in suspended and not is_going(partition.group)):
                del due[partition.id]
            else:
                due[partition.id] = when
        return sorted(due.items(), key=lambda each: each[1])

    async def settled_groups(self, shares: Collection[int] | None = None) -> Sequence[GroupId]:
        divergent = {(row["tenant"], row["grp"]) for row in await self._of_shares(queries.DIVERGENT, shares)}
        suspended = set(await self.suspended_tenants())
        return [
            GroupId(row["tenant"], row["grp"])
            for row in await self._of_shares(queries.SHARE, shares)
            if not row["paused"] and row["tenant"] not in suspended and (row["tenant"], row["grp"]) not in divergent
        ]

    # Tenants

    async def suspend(self, tenant: str) -> None:
        await self.client.execute(queries.SUSPEND, {"tenant": tenant})

    async def reinstate(self, tenant: str) -> None:
        await self.client.execute(queries.REINSTATE, {"tenant": tenant})

    async def suspended_tenants(self) -> Sequence[str]:
        return [row["tenant"] for row in await self.client.execute(queries.SUSPENDED, {})]

    async def hold(self, tenant: str | None) -> None:
        await self.client.execute(queries.HOLD, {"everything": tenant is None, "tenant": tenant or ""})

    async def release(self, tenant: str | None) -> None:
        await self.client.execute(queries.RELEASE, {"everything": tenant is None, "tenant": tenant or ""})

    async def held(self) -> Hold:
        rows = await self.client.execute(queries.HELD, {})
        tenants = frozenset(row["tenant"] for row in rows if not row["everything"])
        return Hold(any(row["everything"] for row in rows), tenants)

    async def splits(self) -> Mapping[str, Split]:
        return {row["tenant"]: load_split(row["document"]) for row in await self.client.execute(queries.SPLITS, {})}

    async def replace_split(self, tenant: str, old: Split | None, new: Split) -> bool:
        args = {"tenant": tenant, "document": dump_split(new)}
        first = Statement(queries.FIRST_SPLIT, args)
        change = first if old is None else Statement(queries.NEXT_SPLIT, {**args, "old": dump_split(old)})
        return (await self._changed([change]))["[applied]"]

    async def crowds(self, least: int) -> Mapping[str, int]:
        sizes = Counter(row["tenant"] for row in await self._of_shares(queries.SHARE))
        return {tenant: size for tenant, size in sizes.items() if size >= least}

    async def counts(self) -> Counts:
        ids = [GroupId(row["tenant"], row["grp"]) for row in await self._of_shares(queries.SHARE)]
        kinds = [row["kind"] for rows in await together(map(self._kinds, ids)) for row in rows]
        return Counts(len(ids), kinds.count(POLICY), kinds.count(WEBHOOK))

    # Policies

    async def create_policies(self, group_id: GroupId, policies: Sequence[Policy], most: int) -> None:
        def insert(partition: Partition) -> None:
            partition.require()
            existing = sum(1 for _ in partition.ids(POLICY))
            if existing + len(policies) > most:
                raise PoliciesOverLimit(existing, len(policies), most)
            for policy in policies:
                partition.put(POLICY, policy.id, policy_row(policy))

        await self._changes.make(group_id, [all_of(POLICY)], insert)

    async def list_policies(self, group_id: GroupId, page: Page) -> Sequence[Policy]:
        found = await self._page(group_id, Rows(POLICY, page.marker, LAST), page)
        return [policy_in(id, row) for id, row in found]

    async def get_policy(self, group_id: GroupId, policy_id: str) -> Policy:
        partition, _ = await self._partition(group_id, [one(POLICY, policy_id)])
        return partition.policy(policy_id)

    async def replace_policy(self, group_id: GroupId, policy: Policy, expected: Expected = ANYTHING) -> None:
        def update(partition: Partition) -> None:
            expected.require(partition.policy(policy.id).document)
            partition.put(POLICY, policy.id, policy_row(policy))

        await self._changes.make(group_id, [one(POLICY, policy.id)], update)

    async def due_policies(
        self, until: float, most: int, mine: Mine = lambda group_id: True
    ) -> Sequence[tuple[GroupId, Policy]]:
        parts = await together(self._due_in(part, until, most, mine) for part in range(PARTS))
        events = sorted((event for part in parts for event in part), key=lambda e: (e["due"], e["policy"]))[:most]
        policies = await together(map(self._policy_of, events))
        return [each for each in policies if each is not None]

    async def fire(self, group_id: GroupId, policy: Policy, then: float | None, change: Change) -> Group | None:
        def update(partition: Partition) -> Group | None:
            row = partition.rows.get((POLICY, policy.id))
            if row is None or row != policy_row(policy):
                return None
            partition.put(POLICY, policy.id, evolve(row, due=then))
            return partition.become(change(partition.require()))

        return await self._changes.make(group_id, [one(POLICY, policy.id)], update)

    async def execute_once(self, group_id: GroupId, once: Once, execution: Execution) -> Outcome:
        id = f"{once.policy_id}/{once.key}"

        def update(partition: Partition) -> Outcome:
            group = partition.require()
            partition.policy(once.policy_id)
            remembered = partition.rows.get((ONCE, id))
            if remembered is not None:
                outcome, expires = once_in(remembered)
                if expires > once.now:
                    return outcome
            changed, outcome = execution(group)
            partition.become(changed)
            partition.put(ONCE, id, once_row(outcome, once.expires, once.now))
            return outcome

        needs = [one(POLICY, once.policy_id), one(ONCE, once.policy_id, once.key)]
        return await self._changes.make(group_id, needs, update)

    async def delete_policy(self, group_id: GroupId, policy_id: str, expected: Expected = ANYTHING) -> None:
        def delete(partition: Partition) -> None:
            expected.require(partition.policy(policy_id).document)
            partition.rows = partition.rows.remove((POLICY, policy_id))
            partition.drop(WEBHOOK, f"{policy_id}/")
            partition.drop(ONCE, f"{policy_id}/")

        needs = [one(POLICY, policy_id), all_of(WEBHOOK, policy_id), all_of(ONCE, policy_id)]
        await self._changes.make(group_id, needs, delete)

    # Webhooks

    async def create_webhooks(
        self, group_id: GroupId, policy_id: str, webhooks: Sequence[tuple[Webhook, str]], most: int
    ) -> None:
        def insert(partition: Partition) -> None:
            partition.policy(policy_id)
            existing = sum(1 for _ in partition.ids(WEBHOOK, f"{policy_id}/"))
            if existing + len(webhooks) > most:
                raise WebhooksOverLimit(existing, len(webhooks), most)
            for webhook, digest in webhooks:
                partition.put(WEBHOOK, f"{policy_id}/{webhook.id}", webhook_row(webhook, digest))

        await self._changes.make(group_id, [one(POLICY, policy_id), all_of(WEBHOOK, policy_id)], insert)

    async def list_webhooks(self, group_id: GroupId, policy_id: str, page: Page) -> Sequence[Webhook]:
        await self.get_policy(group_id, policy_id)
        prefix = f"{policy_id}/"
        found = await self._page(group_id, Rows(WEBHOOK, prefix + page.marker, prefix + LAST), page)
        return [webhook_in(id.removeprefix(prefix), row)[0] for id, row in found]

    async def get_webhook(self, group_id: GroupId, policy_id: str, webhook_id: str) -> Webhook:
        partition, _ = await self._partition(group_id, [one(POLICY, policy_id), one(WEBHOOK, policy_id, webhook_id)])
        return partition.webhook(policy_id, webhook_id)[0]

    async def change_webhook(
        self, group_id: GroupId, policy_id: str, webhook_id: str, change: WebhookChange
    ) -> Webhook:
        def update(partition: Partition) -> Webhook:
            webhook, digest = change(partition.webhook(policy_id, webhook_id)[0])
            partition.put(WEBHOOK, f"{policy_id}/{webhook_id}", webhook_row(webhook, digest))
            return webhook

        needs = [one(POLICY, policy_id), one(WEBHOOK, policy_id, webhook_id)]
        return await self._changes.make(group_id, needs, update)

    async def delete_webhook(self, group_id: GroupId, policy_id: str, webhook_id: str) -> None:
        def delete(partition: Partition) -> None:
            partition.webhook(policy_id, webhook_id)
            partition.rows = partition.rows.remove((WEBHOOK, f"{policy_id}/{webhook_id}"))

        await self._changes.make(group_id, [one(POLICY, policy_id), one(WEBHOOK, policy_id, webhook_id)], delete)

    async def find_capability(self, digest: str) -> tuple[GroupId, Policy]:
        """
        The index says where to look; the group's partition says whether it is so. Both are read in any case.

        What has led nowhere for so long that nobody can be about to store it is dropped, but not what was written since.
        """
        rows = await self.client.execute(queries.CAPABILITY, {"digest": digest})
        hint = rows[0] if rows else {"tenant": "", "grp": "", "policy": "", "webhook": ""}
        group_id, policy_id, webhook_id = GroupId(hint["tenant"], hint["grp"]), hint["policy"], hint["webhook"]
        partition, _ = await self._partition(group_id, [one(POLICY, policy_id), one(WEBHOOK, policy_id, webhook_id)])
        row = partition.rows.get((WEBHOOK, f"{policy_id}/{webhook_id}"))
        policy = partition.rows.get((POLICY, policy_id))
        if row is None or policy is None or webhook_in(webhook_id, row)[1] != digest:
            if rows and rows[0]["written"] / 1e6 < self.clock.seconds() - FORGOTTEN:
                args = {"digest": digest, "written": rows[0]["written"]}
                await self.client.execute(queries.DROP_STALE_CAPABILITY, args)
            raise NoSuchCapability()
        return group_id, policy_in(policy_id, policy)

    async def capability_key_ids(self) -> Sequence[str]:
        key_ids = [row["key_id"] for row in await self.client.execute(queries.KEYS, {})]
        used = await together(map(self._is_used, key_ids))
        return [key_id for key_id, is_used in zip(key_ids, used, strict=True) if is_used]

    # Reading

    async def _partition(
        self, group_id: GroupId, needs: Sequence[Rows], settling: bool = False
    ) -> tuple[Partition, Sequence[str]]:
        """
        The statics first: whatever changes a row afterwards has another version, and refuses what is based on this one.

        :param settling: end what may be under way, and see what came of it.
        """
        key = key_of(group_id)
        consistency = "LOCAL_SERIAL" if settling else ""
        found, suspended = await together(
            [
                self.client.execute(queries.STATICS, key, consistency),
                self.client.execute(queries.IS_SUSPENDED, {"tenant": group_id.tenant}),
            ]
        )
        statics = found[0] if found else {}
        group = group_in(group_id, statics, bool(suspended))
        ranges = await together(self._rows(group_id, rows, EVERYTHING) for rows in needs) if group else []
        rows = pmap({key: row for some in ranges for key, row in some})
        return Partition(group_id, statics.get("version"), group, rows), json.loads(statics.get("ops") or "[]")

    async def _rows(self, group_id: GroupId, rows: Rows, most: int) -> list[tuple[Key, Row]]:
        args = {**key_of(group_id), "kind": rows.kind, "first": rows.first, "last": rows.last, "most": most}
        found = await self.client.execute(queries.ROWS, args)
        return [((row["kind"], row["id"]), Row(row["data"], row["due"])) for row in found]

    async def _page(self, group_id: GroupId, rows: Rows, page: Page) -> list[tuple[str, Row]]:
        """The rows after the first of ``rows``, which is the marker. :raises NoSuchScalingGroup:"""
        await self.get_group(group_id)
        found = await self._rows(group_id, rows, page.limit + 1)
        return [(id, row) for (_, id), row in found if id != rows.first][: page.limit]

    async def _shown(self, group_id: GroupId) -> Group | None:
        try:
            return await self.get_group(group_id)
        except NoSuchScalingGroup:
            return None

    async def _kinds(self, group_id: GroupId) -> Sequence[Mapping[str, Any]]:
        return await self.client.execute(queries.IDS, key_of(group_id))

    async def _of_shares(self, query: str, shares: Collection[int] | None = None) -> list[Mapping[str, Any]]:
        numbers = range(SHARES) if shares is None else shares
        found = await together(self.client.execute(query, {"share": share}) for share in numbers)
        return [row for rows in found for row in rows]

    async def _is_used(self, key_id: str) -> bool:
        for part in range(PARTS):
            if await self._is_used_in({"key_id": key_id, "part": part}):
                return True
        return False

    async def _is_used_in(self, place: Mapping[str, Any]) -> bool:
        """Rows that have led nowhere for so long that nobody can be about to store what they are of are dropped; others count."""
        dropped = ""
        for _ in range(LOOKED_AT):
            rows = await self.client.execute(queries.OF_KEY, place)
            if not rows:
                return False
            digest = rows[0]["digest"]
            if digest == dropped or await self._is_capability(digest):
                return True
            written = int((self.clock.seconds() - FORGOTTEN) * 1e6)
            await self.client.execute(queries.DROP_STALE_OF_KEY, {**place, "digest": digest, "written": written})
            dropped = digest
        return True

    async def _is_capability(self, digest: str) -> bool:
        try:
            await self.find_capability(digest)
        except NoSuchCapability:
            return False
        return True

    # The list of a tenant's groups

    async def _claim(self, group_id: GroupId, most: int) -> float:
        """Have the group listed, if its tenant may have another; since when it is. :raises GroupsOverLimit:"""
        made = self.clock.seconds()
        put = Statement(queries.PUT_CLAIM, {**key_of(group_id), "made": datetime.fromtimestamp(made, UTC)})

        async def claimed(rows: Sequence[Mapping[str, Any]]) -> list[Statement]:
            others = [row for row in rows if row["grp"] != group_id.group]
            if len(others) < most:
                return [put]
            existing, forgotten = await self._reviewed(group_id.tenant, others)
            if existing + 1 > most:
                raise GroupsOverLimit(existing, 1, most)
            return [put, *(Statement(queries.DROP_CLAIM, key_of(other)) for other in forgotten)]

        await self._change_list(group_id.tenant, claimed)
        return made

    async def _reviewed(self, tenant: str, rows: Sequence[Mapping[str, Any]]) -> tuple[int, Sequence[GroupId]]:
        """
        How many of the groups that are listed count, and those that never will be made.

        A group that is being deleted does not count. Many are read here, so it is done for those alone who ask for one too many.
        """
        partitions = await together(self._partition(GroupId(tenant, row["grp"]), []) for row in rows)
        found = [(partition, row["made"]) for (partition, _), row in zip(partitions, rows, strict=True)]
        forgotten = [partition for partition, made in found if partition.group is None and self._is_over(made)]
        await together(map(self._fence, forgotten))
        gone = sum(is_going(partition.group) for partition, _ in found)
        return len(rows) - gone - len(forgotten), [partition.id for partition in forgotten]

    def _is_over(self, made: datetime) -> bool:
        """Whether what was begun then is not under way any more."""
        return made.replace(tzinfo=UTC).timestamp() < self.clock.seconds() - FORGOTTEN

    async def _fence(self, partition: Partition) -> None:
        """Whoever is still about to make the group is refused, for its version is another. :raises StoreUnavailable: it was changed."""
        version = {"version": partition.version, "new": (partition.version or 0) + 1, "ops": "[]", "ttl": TOMBSTONE}
        answer = await self._changed([Statement(queries.LEAVE_VERSION, {**key_of(partition.id), **version})])
        if not answer["[applied]"]:
            raise StoreUnavailable("a group is being made that had been given up")

    async def _unclaim(self, group_id: GroupId) -> None:
        async def unclaimed(rows: Sequence[Mapping[str, Any]]) -> list[Statement]:
            listed = any(row["grp"] == group_id.group for row in rows)
            return [Statement(queries.DROP_CLAIM, key_of(group_id))] if listed else []

        await self._change_list(group_id.tenant, unclaimed)

    async def _change_list(
        self, tenant: str, change: Callable[[Sequence[Mapping[str, Any]]], Awaitable[list[Statement]]]
    ) -> None:
        """As it may be made twice, it needs no id: whoever does not know whether it was made makes it again."""
        line = self._lists.setdefault(tenant, DeferredLock())
        await line.acquire()
        try:
            await self._list_changed(tenant, change)
        finally:
            if not line.waiting:
                self._lists.pop(tenant, None)
            line.release()

    async def _list_changed(
        self, tenant: str, change: Callable[[Sequence[Mapping[str, Any]]], Awaitable[list[Statement]]]
    ) -> None:
        for tries in range(20):
            found = await self.client.execute(queries.GROUPS_OF, {"tenant": tenant})
            version = found[0]["version"] if found else None
            changes = await change([row for row in found if row["grp"] is not None])
            if not changes:
                return
            claim = Statement(queries.CLAIM, {"tenant": tenant, "version": version, "new": (version or 0) + 1})
            answer = await self._changed([claim, *changes])
            if answer["[applied]"]:
                return
            await deferLater(self.clock, self._changes.random.uniform(0.0, 0.05) * (tries + 1))
        raise StoreUnavailable("others change the tenant's list of groups all the time")

    async def _changed(self, changes: Sequence[Statement]) -> Mapping[str, Any]:
        """What came of changes that may be made again if nobody knows. :raises StoreUnavailable:"""
        try:
            return await self.client.change(changes)
        except Unknown as error:
            raise StoreUnavailable(str(error)) from error

    # Indexes

    async def _before(self, before: Partition, after: Partition) -> None:
        """What has to be found if the write is made, and does no harm if it is not."""
        version = (before.version or 0) + 1
        writes: list[Awaitable[Any]] = []
        if after.group is not None and (before.group is None or is_resumed(before.group, after.group)):
            writes.append(self._share(after, version))
        was, due = due_of(before.group), due_of(after.group)
        if due is not None and (was is None or due < was):
            writes.append(self._diverge(after.id, version, due))
        if has_events(after.group) and not has_events(before.group):
            writes.append(self.client.execute(queries.PUT_OUTBOX, outbox_of(after.id, version)))
        for policy_id, row in new_rows(POLICY, before, after):
            if row.due is not None:
                writes.append(self._schedule(after.id, policy_id, row.due))
        for id, row in new_rows(WEBHOOK, before, after):
            writes += self._capability(after.id, id, row)
        await together(writes)

    async def _after(self, before: Partition, after: Partition) -> None:
        """What nobody needs to find any more. If it is not done, whoever finds it looks, and sees that it is not so."""
        version = (before.version or 0) + 1
        writes: list[Awaitable[Any]] = []
        was, due = due_of(before.group), due_of(after.group)
        if due is None and was is not None and after.group is not None:
            writes.append(self._converge(after.id, version))
        elif due is not None and was is not None and due > was:
            writes.append(self._diverge(after.id, version, due))
        if after.group is not None and before.group is not None and is_resumed(after.group, before.group):
            writes.append(self._share(after, version))
        if has_events(before.group) and not has_events(after.group):
            writes.append(self.client.execute(queries.DROP_OUTBOX, outbox_of(after.id, version)))
        for policy_id, policy in new_rows(POLICY, before, after):
            if policy.due is not None and policy.due < self.clock.seconds():
                writes.append(self._schedule(after.id, policy_id, policy.due))
        for (kind, id), row in before.rows.items():
            if after.rows.get((kind, id)) != row:
                writes += self._unindexed(before.id, kind, id, row, after.rows.get((kind, id)))
        await together(writes)
        if after.group is None:
            await self._disappear(after.id, version)

    async def _tidy(self, partition: Partition) -> None:
        """The index says that the group is divergent, and it is not. What a writer is about to store has a later version."""
        if partition.group is not None:
            await self._converge(partition.id, partition.version or 0)
        elif partition.version is not None:
            await self._unclaim(partition.id)
            await self._disappear(partition.id, partition.version)
        else:
            rows = await self.client.execute(queries.GROUPS_OF, {"tenant": partition.id.tenant})
            made = {row["grp"]: row["made"] for row in rows}.get(partition.id.group)
            if made is None or self._is_over(made):
                await self._fence(partition)

    async def _disappear(self, group_id: GroupId, version: int) -> None:
        """That it is divergent is forgotten last: by that, what else there is of it is found again."""
        await self.client.execute(queries.DROP_SHARE, {**place_of(group_id), "version": version})
        await self._converge(group_id, version)

    async def _share(self, partition: Partition, version: int) -> None:
        assert partition.group is not None
        args = {**place_of(partition.id), "version": version, "paused": partition.group.state.paused}
        await self.client.execute(queries.PUT_SHARE, args)

    async def _diverge(self, group_id: GroupId, version: int, due: float) -> None:
        args = {**place_of(group_id), "stamp": stamp_of(version, due), "due": due}
        await self.client.execute(queries.PUT_DIVERGENT, args)

    async def _converge(self, group_id: GroupId, version: int) -> None:
        await self.client.execute(queries.DROP_DIVERGENT, {**place_of(group_id), "stamp": stamp_of(version)})

    def _unindexed(self, group_id: GroupId, kind: str, id: str, row: Row, now: Row | None) -> list[Awaitable[Any]]:
        if kind == POLICY and row.due is not None and (now is None or now.due != row.due):
            return [self.client.execute(queries.DROP_EVENT, event_of(group_id, id, row.due))]
        if kind == WEBHOOK:
            webhook, digest = webhook_in(id, row)
            if now is None or webhook_in(id, now)[1] != digest:
                of_key = {"key_id": webhook.key_id, "part": part_of(digest), "digest": digest}
                return [
                    self.client.execute(queries.DROP_CAPABILITY, {"digest": digest}),
                    self.client.execute(queries.DROP_OF_KEY, of_key),
                ]
        return []

    def _capability(self, group_id: GroupId, id: str, row: Row) -> list[Awaitable[Any]]:
        policy_id, _, webhook_id = id.partition("/")
        webhook, digest = webhook_in(webhook_id, row)
        hint = {**key_of(group_id), "digest": digest, "policy": policy_id, "webhook": webhook_id}
        of_key = {"key_id": webhook.key_id, "part": part_of(digest), "digest": digest}
        return [
            self.client.execute(queries.PUT_CAPABILITY, hint),
            self.client.execute(queries.PUT_KEY, {"key_id": webhook.key_id}),
            self.client.execute(queries.PUT_OF_KEY, of_key),
        ]

    # The schedule

    async def _schedule(self, group_id: GroupId, policy_id: str, due: float) -> None:
        event = event_of(group_id, policy_id, due)
        await self.client.execute(queries.PUT_SLOT, {"part": event["part"], "slot": event["slot"]})
        await self.client.execute(queries.PUT_EVENT, event)

    async def _due_in(self, part: int, until: float, most: int, mine: Mine) -> list[Mapping[str, Any]]:
        """Events of one part, the earliest first. Slots that are over and empty are forgotten."""
        found: list[Mapping[str, Any]] = []
        slots = await self.client.execute(queries.SLOTS, {"part": part, "slot": slot_of(until)})
        for slot in (row["slot"] for row in slots):
            found += await self._due_in_slot({"part": part, "slot": slot}, until, most - len(found), mine)
            if len(found) >= most:
                break
        return found

    async def _due_in_slot(
        self, place: Mapping[str, int], until: float, most: int, mine: Mine
    ) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        after: Mapping[str, Any] | None = EARLIEST
        while after is not None and len(found) < most:
            rows = await self.client.execute(queries.EVENTS, {**place, **after, "until": until, "most": most})
            found += [{**row, **place} for row in rows if mine(GroupId(row["tenant"], row["grp"]))]
            if not rows and after is EARLIEST and (place["slot"] + 2) * SLOT < until:
                await self.client.execute(queries.DROP_SLOT, place)
            after = rows[-1] if len(rows) == most else None
        return found[:most]

    async def _policy_of(self, event: Mapping[str, Any]) -> tuple[GroupId, Policy] | None:
        """None if the policy is due at another time, or is not there; then the event is forgotten after a while."""
        group_id = GroupId(event["tenant"], event["grp"])
        partition, _ = await self._partition(group_id, [one(POLICY, event["policy"])])
        row = partition.rows.get((POLICY, event["policy"]))
        if partition.group is None or row is None or row.due != event["due"]:
            if event["due"] < self.clock.seconds() - HASTE:
                await self.client.execute(queries.DROP_EVENT, event)
            return None
        return None if is_going(partition.group) else (group_id, policy_in(event["policy"], row))


async def together(waits: Iterable[Awaitable[Any]]) -> list[Any]:
    """All at once; the first error is that of all."""
    try:
        return await gatherResults([ensureDeferred(wait) for wait in waits], consumeErrors=True)  # type: ignore[arg-type]
    except FirstError as error:
        raise error.subFailure.value from None


def counted(rows: Sequence[Mapping[str, Any]]) -> tuple[Statement, int]:
    """What makes the next number of the one that was read, and that number."""
    if not rows:
        return Statement(queries.FIRST_EPOCH, {}), 1
    epoch = rows[0]["epoch"]
    return Statement(queries.NEXT_EPOCH, {"epoch": epoch, "new": epoch + 1}), epoch + 1


def key_of(group_id: GroupId) -> dict[str, str]:
    return {"tenant": group_id.tenant, "grp": group_id.group}


def place_of(group_id: GroupId) -> dict[str, Any]:
    return {**key_of(group_id), "share": share_of(group_id.tenant)}


def part_of(text: str) -> int:
    return number_of(text) % PARTS


def slot_of(due: float) -> int:
    return int(due // SLOT)


def event_of(group_id: GroupId, policy_id: str, due: float) -> dict[str, Any]:
    return {**key_of(group_id), "part": part_of(group_id.tenant), "slot": slot_of(due), "due": due, "policy": policy_id}


def outbox_of(group_id: GroupId, version: int) -> dict[str, Any]:
    return {**key_of(group_id), "part": part_of(group_id.group), "version": version}


def has_events(group: Group | None) -> bool:
    return group is not None and bool(group.outbox.events)


def due_of(group: Group | None) -> float | None:
    return None if group is None else group.state.due


def stamp_of(version: int, due: float | None = None) -> int:
    """Of a row of ``divergent``: the last version decides; of those who want to write the same one, whoever is due first; then a drop."""
    return (version << 32) | (SOONEST if due is None else SOONEST - min(int(min(due, SOONEST)), SOONEST))


def is_resumed(before: Group, after: Group) -> bool:
    return before.state.paused and not after.state.paused


def is_going(group: Group | None) -> bool:
    return group is not None and group.state.status is Status.DELETING


def new_rows(kind: str, before: Partition, after: Partition) -> Iterable[tuple[str, Row]]:
    return [
        (id, row) for (found, id), row in after.rows.items() if found == kind and before.rows.get((kind, id)) != row
    ]
