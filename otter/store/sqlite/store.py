"""``IStore`` on SQLite."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from attrs import evolve, frozen

from otter.domain.errors import (
    GroupsOverLimit,
    NoSuchCapability,
    NoSuchPolicy,
    NoSuchScalingGroup,
    NoSuchWebhook,
    PoliciesOverLimit,
    WebhooksOverLimit,
)
from otter.domain.executions import Once, Outcome, Verdict
from otter.domain.group import Group, GroupId, Status, Summary
from otter.domain.history import KEPT, LONGEST, Entry
from otter.domain.hold import Hold
from otter.domain.limits import Counts, Page
from otter.domain.policy import Policy
from otter.domain.shares import SHARES, Split, share_of
from otter.domain.tags import ANYTHING, Expected
from otter.domain.webhook import Webhook, webhook_of
from otter.store.documents import (
    config_from,
    dump_entry,
    dump_outbox,
    dump_roster,
    dump_split,
    dump_state,
    launch_from,
    load_entry,
    load_members,
    load_outbox,
    load_split,
    load_state,
    policy_from,
    roster_from,
)
from otter.store.interface import Change, Execution, Mine, WebhookChange
from otter.store.sqlite import holds
from otter.store.sqlite.database import GroupCommit, Inline, next_epoch

SUSPENDED = "EXISTS (SELECT 1 FROM suspensions WHERE suspensions.tenant = groups.tenant)"
COLUMNS = f"tenant, id, config, launch, state, roster, passes, outbox, {SUSPENDED}, deleting"
GROUP = f"SELECT {COLUMNS} FROM groups WHERE tenant = ? AND id = ?"
SUMMARIES = (
    "SELECT tenant, id, config -> '$.name', state, roster -> '$.active' FROM groups"
    " WHERE tenant = ? AND NOT deleting AND id > ? ORDER BY id LIMIT ?"
)
"""Most of what is stored of a group is not shown in lists, and need not even be parsed."""
EXISTS = "SELECT 1 FROM groups WHERE tenant = ? AND id = ? AND NOT deleting"
POLICY = "SELECT id, document, due FROM policies WHERE tenant = ? AND group_id = ? AND id = ?"
WEBHOOK = (
    "SELECT id, key_id, document, rotation FROM webhooks WHERE tenant = ? AND group_id = ? AND policy_id = ? AND id = ?"
)
CAPABILITY = (
    "SELECT tenant, group_id, policy_id, p.document, p.due FROM webhooks AS w JOIN policies AS p USING (tenant, group_id)"
    " WHERE digest = ? AND p.id = policy_id"
)
DUE = (
    "SELECT p.tenant, p.group_id, p.id, p.document, p.due FROM policies AS p JOIN groups AS g"
    " ON g.tenant = p.tenant AND g.id = p.group_id WHERE p.due <= ? AND NOT g.deleting"
    " ORDER BY p.due, p.id, p.tenant, p.group_id LIMIT ? OFFSET ?"
)
REMEMBERED = (
    "SELECT verdict, why FROM executions"
    " WHERE tenant = ? AND group_id = ? AND policy_id = ? AND key = ? AND expires > ?"
)
FORGET = (
    "DELETE FROM executions WHERE rowid IN (SELECT rowid FROM executions WHERE expires <= ? ORDER BY expires LIMIT 10)"
)
"""More than one, so that they get fewer; not all, so that nobody waits for them."""
PASSES = (
    "SELECT document FROM passes WHERE tenant = ? AND group_id = ? AND number < ? AND at > ?"
    " ORDER BY number DESC LIMIT ?"
)
FORGET_PASSES = "DELETE FROM passes WHERE rowid IN (SELECT rowid FROM passes WHERE at <= ? ORDER BY at LIMIT 10)"
Execute = Callable[..., Any]


@frozen
class SQLiteStore:
    """All rules that hold across rows are kept by running inside the one writer's transaction."""

    database: GroupCommit | Inline

    @property
    def epoch(self) -> int:
        return self.database.epoch

    async def next_epoch(self) -> int:
        return await self.database.write(next_epoch)

    @property
    def trouble(self) -> str | None:
        return self.database.trouble

    async def close(self) -> None:
        if closing := self.database.close():
            await closing

    async def create_group(self, group: Group, policies: Sequence[Policy], most: int) -> None:
        key = (group.id.tenant, group.id.group)

        def insert(execute: Execute) -> None:
            [(existing,)] = execute("SELECT COUNT(*) FROM groups WHERE tenant = ? AND NOT deleting", key[:1])
            if existing + 1 > most:
                raise GroupsOverLimit(existing, 1, most)
            row = {**row_of(group), "tenant": group.id.tenant, "id": group.id.group}
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            execute(f"INSERT INTO groups ({names}) VALUES ({marks})", tuple(row.values()))
            insert_policies(execute, group.id, policies)

        await self.database.write(insert)

    async def get_group(self, group_id: GroupId, even_deleting: bool = False) -> Group:
        return group_in(self.database.read(GROUP, key_of(group_id)), group_id, even_deleting)

    async def list_groups(self, tenant: str, page: Page) -> Sequence[Summary]:
        return [summary_of(row) for row in self.database.read(SUMMARIES, (tenant, page.marker, page.limit))]

    async def change_group(self, group_id: GroupId, change: Change, even_deleting: bool = False) -> Group:
        # Being a plain function, the change runs inside the transaction, in the writer's thread: nothing can come between
        # reading and writing, so there is no conflict to retry.
        def update(execute: Execute) -> Group:
            group = group_in(execute(GROUP, key_of(group_id)).fetchall(), group_id, even_deleting)
            return write_changes(execute, group, change(group))

        return await self.database.write(update)

    async def list_passes(self, group_id: GroupId, most: int, before: int | None, since: float) -> Sequence[Entry]:
        require_group(self.database.read, group_id)
        last = 2**62 if before is None else before
        return [load_entry(text) for (text,) in self.database.read(PASSES, (*key_of(group_id), last, since, most))]

    async def delete_group(self, group_id: GroupId) -> None:
        def delete(execute: Execute) -> None:
            execute("DELETE FROM groups WHERE tenant = ? AND id = ?", key_of(group_id))
            for table in ("policies", "webhooks", "executions", "passes"):
                execute(f"DELETE FROM {table} WHERE tenant = ? AND group_id = ?", key_of(group_id))

        await self.database.write(delete)

    async def groups_with_events(self) -> Sequence[GroupId]:
        return [GroupId(*row) for row in self.database.read("SELECT tenant, id FROM groups WHERE outbox IS NOT NULL")]

    async def divergent_groups(
        self, until: float, shares: Collection[int] | None = None
    ) -> Sequence[tuple[GroupId, float]]:
        sql = f"SELECT tenant, id, due FROM groups WHERE due < ? AND (deleting OR NOT {SUSPENDED}) ORDER BY due"
        rows = self.database.read(sql, (until,))
        return [(GroupId(tenant, group), due) for tenant, group, due in of_shares(rows, shares)]

    async def settled_groups(self, shares: Collection[int] | None = None) -> Sequence[GroupId]:
        rows = self.database.read(f"SELECT tenant, id FROM groups WHERE due IS NULL AND NOT paused AND NOT {SUSPENDED}")
        return [GroupId(*row) for row in of_shares(rows, shares)]

    async def suspend(self, tenant: str) -> None:
        await self.database.write(lambda execute: execute("INSERT OR IGNORE INTO suspensions VALUES (?)", (tenant,)))

    async def reinstate(self, tenant: str) -> None:
        await self.database.write(lambda execute: execute("DELETE FROM suspensions WHERE tenant = ?", (tenant,)))

    async def suspended_tenants(self) -> Sequence[str]:
        return [tenant for (tenant,) in self.database.read("SELECT tenant FROM suspensions ORDER BY tenant")]

    async def hold(self, tenant: str | None) -> None:
        await self.database.write(lambda execute: holds.hold(execute, tenant))

    async def release(self, tenant: str | None) -> None:
        await self.database.write(lambda execute: holds.release(execute, tenant))

    async def held(self) -> Hold:
        return holds.held(self.database.read)

    async def splits(self) -> Mapping[str, Split]:
        rows = self.database.read("SELECT tenant, document FROM splits")
        return {tenant: load_split(document) for tenant, document in rows}

    async def replace_split(self, tenant: str, old: Split | None, new: Split) -> bool:
        def replace(execute: Execute) -> bool:
            row = (dump_split(new), tenant)
            if old is None:
                return execute("INSERT OR IGNORE INTO splits (document, tenant) VALUES (?, ?)", row).rowcount == 1
            sql = "UPDATE splits SET document = ? WHERE tenant = ? AND document = ?"
            return execute(sql, (*row, dump_split(old))).rowcount == 1

        return await self.database.write(replace)

    async def crowds(self, least: int) -> Mapping[str, int]:
        sql = "SELECT tenant, COUNT(*) AS size FROM groups GROUP BY tenant HAVING size >= ?"
        return dict(self.database.read(sql, (least,)))

    async def counts(self) -> Counts:
        [numbers] = self.database.read(
            "SELECT (SELECT COUNT(*) FROM groups), (SELECT COUNT(*) FROM policies), (SELECT COUNT(*) FROM webhooks)"
        )
        return Counts(*numbers)

    async def create_policies(self, group_id: GroupId, policies: Sequence[Policy], most: int) -> None:
        def insert(execute: Execute) -> None:
            require_group(execute, group_id)
            sql = "SELECT COUNT(*) FROM policies WHERE tenant = ? AND group_id = ?"
            [(existing,)] = execute(sql, key_of(group_id))
            if existing + len(policies) > most:
                raise PoliciesOverLimit(existing, len(policies), most)
            insert_policies(execute, group_id, policies)

        await self.database.write(insert)

    async def list_policies(self, group_id: GroupId, page: Page) -> Sequence[Policy]:
        require_group(self.database.read, group_id)
        sql = "SELECT id, document, due FROM policies WHERE tenant = ? AND group_id = ? AND id > ? ORDER BY id LIMIT ?"
        rows = self.database.read(sql, (*key_of(group_id), page.marker, page.limit))
        return [policy_from(*row) for row in rows]

    async def get_policy(self, group_id: GroupId, policy_id: str) -> Policy:
        return require_policy(self.database.read, group_id, policy_id)

    async def replace_policy(self, group_id: GroupId, policy: Policy, expected: Expected = ANYTHING) -> None:
        def update(execute: Execute) -> None:
            expected.require(require_policy(execute, group_id, policy.id).document)
            sql = "UPDATE policies SET document = ?, due = ? WHERE tenant = ? AND group_id = ? AND id = ?"
            execute(sql, (json.dumps(policy.document), policy.due, *key_of(group_id), policy.id))

        await self.database.write(update)

    async def due_policies(
        self, until: float, most: int, mine: Mine = lambda group_id: True
    ) -> Sequence[tuple[GroupId, Policy]]:
        found: list[tuple[GroupId, Policy]] = []
        for page in count():
            rows = self.database.read(DUE, (until, most, most * page))
            found += [(id, policy_from(*row)) for tenant, group, *row in rows if mine(id := GroupId(tenant, group))]
            if len(rows) < most or len(found) >= most:
                break
        return found[:most]

    async def fire(self, group_id: GroupId, policy: Policy, then: float | None, change: Change) -> Group | None:
        def update(execute: Execute) -> Group | None:
            row = (then, *key_of(group_id), policy.id, policy.due, json.dumps(policy.document))
            sql = (
                "UPDATE policies SET due = ? WHERE tenant = ? AND group_id = ? AND id = ? AND due = ? AND document = ?"
            )
            if execute(sql, row).rowcount == 0:
                return None
            group = group_in(execute(GROUP, key_of(group_id)).fetchall(), group_id, even_deleting=False)
            return write_changes(execute, group, change(group))

        return await self.database.write(update)

    async def execute_once(self, group_id: GroupId, once: Once, execution: Execution) -> Outcome:
        key = (*key_of(group_id), once.policy_id, once.key)

        def update(execute: Execute) -> Outcome:
            # All is read, whatever comes of the first of it: how long it takes tells nobody what there is.
            groups = execute(GROUP, key_of(group_id)).fetchall()
            policies = execute(POLICY, (*key_of(group_id), once.policy_id)).fetchall()
            remembered = execute(REMEMBERED, (*key, once.now)).fetchall()
            group = group_in(groups, group_id, even_deleting=False)
            if not policies:
                raise NoSuchPolicy(group_id, once.policy_id)
            for verdict, why in remembered:
                return Outcome(Verdict(verdict), why)
            changed, outcome = execution(group)
            write_changes(execute, group, changed)
            execute(FORGET, (once.now,))
            row = (*key, once.expires, outcome.verdict.value, outcome.why)
            execute("INSERT OR REPLACE INTO executions VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            return outcome

        return await self.database.write(update)

    async def delete_policy(self, group_id: GroupId, policy_id: str, expected: Expected = ANYTHING) -> None:
        def delete(execute: Execute) -> None:
            expected.require(require_policy(execute, group_id, policy_id).document)
            key = (*key_of(group_id), policy_id)
            execute("DELETE FROM policies WHERE tenant = ? AND group_id = ? AND id = ?", key)
            for table in ("webhooks", "executions"):
                execute(f"DELETE FROM {table} WHERE tenant = ? AND group_id = ? AND policy_id = ?", key)

        await self.database.write(delete)

    async def create_webhooks(
        self, group_id: GroupId, policy_id: str, webhooks: Sequence[tuple[Webhook, str]], most: int
    ) -> None:
        key = (*key_of(group_id), policy_id)

        def insert(execute: Execute) -> None:
            require_policy(execute, group_id, policy_id)
            sql = "SELECT COUNT(*) FROM webhooks WHERE tenant = ? AND group_id = ? AND policy_id = ?"
            [(existing,)] = execute(sql, key)
            if existing + len(webhooks) > most:
                raise WebhooksOverLimit(existing, len(webhooks), most)
            for webhook, digest in webhooks:
                row = (*key, webhook.id, digest, webhook.key_id, webhook.rotation, json.dumps(webhook.document))
                execute("INSERT INTO webhooks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

        await self.database.write(insert)

    async def list_webhooks(self, group_id: GroupId, policy_id: str, page: Page) -> Sequence[Webhook]:
        require_policy(self.database.read, group_id, policy_id)
        sql = (
            "SELECT id, key_id, document, rotation FROM webhooks"
            " WHERE tenant = ? AND group_id = ? AND policy_id = ? AND id > ? ORDER BY id LIMIT ?"
        )
        rows = self.database.read(sql, (*key_of(group_id), policy_id, page.marker, page.limit))
        return [webhook_from(row) for row in rows]

    async def get_webhook(self, group_id: GroupId, policy_id: str, webhook_id: str) -> Webhook:
        return require_webhook(self.database.read, group_id, policy_id, webhook_id)

    async def change_webhook(
        self, group_id: GroupId, policy_id: str, webhook_id: str, change: WebhookChange
    ) -> Webhook:
        def update(execute: Execute) -> Webhook:
            webhook, digest = change(require_webhook(execute, group_id, policy_id, webhook_id))
            sql = (
                "UPDATE webhooks SET digest = ?, key_id = ?, rotation = ?, document = ?"
                " WHERE tenant = ? AND group_id = ? AND policy_id = ? AND id = ?"
            )
            values = (digest, webhook.key_id, webhook.rotation, json.dumps(webhook.document))
            execute(sql, (*values, *key_of(group_id), policy_id, webhook_id))
            return webhook

        return await self.database.write(update)

    async def delete_webhook(self, group_id: GroupId, policy_id: str, webhook_id: str) -> None:
        def delete(execute: Execute) -> None:
            require_webhook(execute, group_id, policy_id, webhook_id)
            sql = "DELETE FROM webhooks WHERE tenant = ? AND group_id = ? AND policy_id = ? AND id = ?"
            execute(sql, (*key_of(group_id), policy_id, webhook_id))

        await self.database.write(delete)

    async def find_capability(self, digest: str) -> tuple[GroupId, Policy]:
        for tenant, group, policy_id, document, due in self.database.read(CAPABILITY, (digest,)):
            return GroupId(tenant, group), policy_from(policy_id, document, due)
        raise NoSuchCapability()

    async def capability_key_ids(self) -> Sequence[str]:
        return [key_id for (key_id,) in self.database.read("SELECT DISTINCT key_id FROM webhooks")]


def key_of(group_id: GroupId) -> tuple[str, str]:
    return (group_id.tenant, group_id.group)


def of_shares(rows: Sequence[tuple], shares: Collection[int] | None) -> Iterable[tuple]:
    """The rows, which begin with a tenant, that are of the shares. Who has all of them need not look."""
    if shares is None or len(shares) == SHARES:
        return rows
    return (row for row in rows if share_of(row[0]) in shares)


def row_of(group: Group) -> dict[str, Any]:
    """The columns of a group, but for its key."""
    return {
        "config": json.dumps(group.config.document),
        "launch": json.dumps(group.launch.document),
        "roster": dump_roster(group.roster),
        "passes": group.passes,
        "outbox": dump_outbox(group.outbox),
        **state_columns(group),
    }


def state_columns(group: Group) -> dict[str, Any]:
    state = group.state
    deleting = state.status is Status.DELETING
    paused = state.paused and not deleting
    return {"state": dump_state(state), "deleting": deleting, "due": state.due, "paused": paused}


def write_changes(execute: Execute, old: Group, new: Group) -> Group:
    """Write what differs; the group as it is now. Most changes are to the state, which is small; a roster may be long."""
    columns: dict[str, Any] = {}
    if new.state != old.state:
        columns |= state_columns(new)
    if new.roster is not old.roster and new.roster != old.roster:
        columns["roster"] = dump_roster(new.roster)
    if new.config is not old.config:
        columns["config"] = json.dumps(new.config.document)
    if new.launch is not old.launch:
        columns["launch"] = json.dumps(new.launch.document)
    if new.passes != old.passes:
        columns["passes"] = new.passes
    if new.outbox != old.outbox:
        columns["outbox"] = dump_outbox(new.outbox)
    if columns:
        sets = ", ".join(f"{name} = ?" for name in columns)
        execute(f"UPDATE groups SET {sets} WHERE tenant = ? AND id = ?", (*columns.values(), *key_of(old.id)))
    if new.noted is None:
        return new
    write_entry(execute, new.id, new.noted)
    return evolve(new, noted=None)


def write_entry(execute: Execute, group_id: GroupId, entry: Entry) -> None:
    execute(FORGET_PASSES, (entry.at - LONGEST,))
    row = (*key_of(group_id), entry.number % KEPT, entry.number, entry.at, dump_entry(entry))
    execute("INSERT OR REPLACE INTO passes VALUES (?, ?, ?, ?, ?, ?)", row)


def group_in(rows: Sequence[tuple], group_id: GroupId, even_deleting: bool) -> Group:
    """The group in the one row of ``GROUP``. :raises NoSuchScalingGroup: there is none."""
    for row in rows:
        *_, deleting = row
        if even_deleting or not deleting:
            return group_of(row)
    raise NoSuchScalingGroup(group_id)


def group_of(row: tuple) -> Group:
    tenant, group, config, launch, state, roster, passes, outbox, suspended, _ = row
    return Group(
        GroupId(tenant, group),
        config_from(config),
        launch_from(launch),
        load_state(state),
        roster_from(roster),
        bool(suspended),
        passes,
        load_outbox(outbox),
    )


def summary_of(row: tuple) -> Summary:
    tenant, group, name, state, active = row
    return Summary(GroupId(tenant, group), json.loads(name), load_state(state), load_members(json.loads(active)))


def webhook_from(row: tuple) -> Webhook:
    webhook_id, key_id, document, rotation = row
    return webhook_of(webhook_id, key_id, json.loads(document), rotation)


def insert_policies(execute: Execute, group_id: GroupId, policies: Sequence[Policy]) -> None:
    for policy in policies:
        row = (*key_of(group_id), policy.id, json.dumps(policy.document), policy.due)
        execute("INSERT INTO policies VALUES (?, ?, ?, ?, ?)", row)


def require_group(execute: Execute, group_id: GroupId) -> None:
    """:raises NoSuchScalingGroup:"""
    if not list(execute(EXISTS, key_of(group_id))):
        raise NoSuchScalingGroup(group_id)


def require_policy(execute: Execute, group_id: GroupId, policy_id: str) -> Policy:
    """:raises NoSuchScalingGroup, NoSuchPolicy:"""
    require_group(execute, group_id)
    for row in execute(POLICY, (*key_of(group_id), policy_id)):
        return policy_from(*row)
    raise NoSuchPolicy(group_id, policy_id)


def require_webhook(execute: Execute, group_id: GroupId, policy_id: str, webhook_id: str) -> Webhook:
    """:raises NoSuchScalingGroup, NoSuchPolicy, NoSuchWebhook:"""
    require_policy(execute, group_id, policy_id)
    for row in execute(WEBHOOK, (*key_of(group_id), policy_id, webhook_id)):
        return webhook_from(row)
    raise NoSuchWebhook(group_id, policy_id, webhook_id)
