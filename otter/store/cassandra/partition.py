"""One group's partition while it is thought about: what was read of it, and what is to become of it. Pure."""

import json
from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

from attrs import define, evolve, frozen
from pyrsistent import PMap

from otter.domain.errors import NoSuchPolicy, NoSuchScalingGroup, NoSuchWebhook
from otter.domain.events import Outbox
from otter.domain.executions import Outcome, Verdict
from otter.domain.group import Group, GroupId, Status
from otter.domain.history import KEPT, LONGEST, Entry
from otter.domain.policy import Policy
from otter.domain.webhook import Webhook, webhook_of
from otter.store.documents import (
    config_from,
    dump_entry,
    dump_outbox,
    dump_roster,
    dump_state,
    launch_from,
    load_outbox,
    load_state,
    policy_from,
    roster_from,
)

LAST = "\U0010ffff"
PASS, POLICY, WEBHOOK, ONCE = "pass", "policy", "webhook", "remembered"
"""
Kinds of rows. Webhooks and remembered executions have ids that begin with their policy's. Passes have one of ``KEPT`` ids, and take each
other's place.

Whoever reads the statics reads up to the first row that lives. There is no remembered execution without a policy, so the many that
are over must not come before it.
"""
Key = tuple[str, str]


@frozen
class Rows:
    """A range of rows, ``last`` included."""

    kind: str
    first: str
    last: str


def one(kind: str, *path: str) -> Rows:
    return Rows(kind, "/".join(path), "/".join(path))


def all_of(kind: str, *path: str) -> Rows:
    return Rows(kind, "/".join((*path, "")) if path else "", "/".join((*path, LAST)))


@frozen
class Row:
    """:ivar due: of a policy (epoch seconds). :ivar ttl: seconds for which it is kept; 0 for ever."""

    data: str
    due: float | None = None
    ttl: int = 0


@define
class Partition:
    """
    :ivar version: of the statics, and with them of everything in the partition.
    :ivar group: None if there is none.
    :ivar rows: those that were asked for.
    """

    id: GroupId
    version: int | None
    group: Group | None
    rows: PMap[Key, Row]

    def require(self, even_deleting: bool = False) -> Group:
        """:raises NoSuchScalingGroup:"""
        if self.group is None or (self.group.state.status is Status.DELETING and not even_deleting):
            raise NoSuchScalingGroup(self.id)
        return self.group

    def become(self, group: Group) -> Group:
        """What the group is from now on, without what it has noted: that is in a row of its own."""
        if group.noted is not None:
            self.put(PASS, slot_of(group.noted.number), entry_row(group.noted))
        self.group = evolve(group, noted=None)
        return self.group

    def policy(self, policy_id: str) -> Policy:
        """:raises NoSuchScalingGroup, NoSuchPolicy:"""
        self.require()
        row = self.rows.get((POLICY, policy_id))
        if row is None:
            raise NoSuchPolicy(self.id, policy_id)
        return policy_in(policy_id, row)

    def webhook(self, policy_id: str, webhook_id: str) -> tuple[Webhook, str]:
        """The webhook, and the digest of its capability. :raises NoSuchScalingGroup, NoSuchPolicy, NoSuchWebhook:"""
        self.policy(policy_id)
        row = self.rows.get((WEBHOOK, f"{policy_id}/{webhook_id}"))
        if row is None:
            raise NoSuchWebhook(self.id, policy_id, webhook_id)
        return webhook_in(webhook_id, row)

    def ids(self, kind: str, prefix: str = "") -> Iterator[str]:
        """What is after the prefix, in order."""
        for found, id in sorted(self.rows):
            if found == kind and id.startswith(prefix):
                yield id.removeprefix(prefix)

    def put(self, kind: str, id: str, row: Row) -> None:
        self.rows = self.rows.set((kind, id), row)

    def drop(self, kind: str, prefix: str) -> None:
        """Forget all rows of the kind whose ids begin so."""
        for id in list(self.ids(kind, prefix)):
            self.rows = self.rows.remove((kind, prefix + id))


def slot_of(number: int) -> str:
    return f"{number % KEPT:03d}"


def entry_row(entry: Entry) -> Row:
    return Row(dump_entry(entry), ttl=int(LONGEST))


def entries(first: int, last: int) -> list[Rows]:
    """The rows of the entries from number ``first`` to ``last``, of which there are ``KEPT`` at most."""
    if first > last:
        return []
    if slot_of(first) <= slot_of(last):
        return [Rows(PASS, slot_of(first), slot_of(last))]
    return [Rows(PASS, slot_of(first), slot_of(KEPT - 1)), Rows(PASS, slot_of(0), slot_of(last))]


def policy_row(policy: Policy) -> Row:
    return Row(json.dumps(policy.document), policy.due)


def policy_in(policy_id: str, row: Row) -> Policy:
    return policy_from(policy_id, row.data, row.due)


def webhook_row(webhook: Webhook, digest: str) -> Row:
    facts = {"key_id": webhook.key_id, "rotation": webhook.rotation, "digest": digest, "document": webhook.document}
    return Row(json.dumps(facts))


def webhook_in(webhook_id: str, row: Row) -> tuple[Webhook, str]:
    facts = json.loads(row.data)
    return webhook_of(webhook_id, facts["key_id"], facts["document"], facts["rotation"]), facts["digest"]


def once_row(outcome: Outcome, expires: float, now: float) -> Row:
    """An execution that is remembered until it ``expires``, and a moment longer (epoch seconds)."""
    facts = {"verdict": outcome.verdict.value, "why": outcome.why, "expires": expires}
    return Row(json.dumps(facts), ttl=ceil(expires - now) + 1)


def once_in(row: Row) -> tuple[Outcome, float]:
    """What came of it, and when it expires."""
    facts = json.loads(row.data)
    return Outcome(Verdict(facts["verdict"]), facts["why"]), facts["expires"]


def statics_of(group: Group, before: Group | None = None) -> dict[str, Any]:
    """The static columns of ``group`` that are not as they were ``before``."""
    columns: dict[str, Any] = {}
    if before is None or group.config is not before.config:
        columns["config"] = json.dumps(group.config.document)
    if before is None or group.launch is not before.launch:
        columns["launch"] = json.dumps(group.launch.document)
    if before is None or group.state != before.state:
        columns["state"] = dump_state(group.state)
    if before is None or (group.roster is not before.roster and group.roster != before.roster):
        columns["roster"] = dump_roster(group.roster)
    if group.passes != (before.passes if before else 0):
        columns["passes"] = group.passes
    if group.outbox != (before.outbox if before else Outbox()):
        columns["outbox"] = dump_outbox(group.outbox)
    return columns


def group_in(group_id: GroupId, statics: Mapping[str, Any], suspended: bool) -> Group | None:
    if statics.get("config") is None:
        return None
    return Group(
        group_id,
        config_from(statics["config"]),
        launch_from(statics["launch"]),
        load_state(statics["state"]),
        roster_from(statics["roster"]),
        suspended,
        statics["passes"] or 0,
        load_outbox(statics["outbox"]),
    )
