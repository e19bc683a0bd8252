"""
What is stored, as lines of JSON: the same things are the same lines, whichever back end they come from. Pure.

First comes what is stored of tenants, and then each group with all that belongs to it after it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any

from attrs import define, evolve, field, frozen

from otter.domain.executions import Outcome, Verdict
from otter.domain.group import Group, GroupId, config_of
from otter.domain.hold import Hold
from otter.domain.launch import launch_of
from otter.domain.policy import Policy, policy_of
from otter.domain.webhook import Webhook, webhook_of
from otter.store.documents import dump_outbox, dump_roster, dump_state, load_outbox, load_roster, load_state

HEADER, SUSPENSION, HOLD, GROUP, POLICY, WEBHOOK, EXECUTION, END = (
    "otter-store",
    "suspension",
    "hold",
    "group",
    "policy",
    "webhook",
    "execution",
    "end",
)
KINDS = {
    GROUP: ("group", "groups"),
    POLICY: ("policy", "policies"),
    WEBHOOK: ("webhook", "webhooks"),
    EXECUTION: ("remembered execution", "remembered executions"),
    SUSPENSION: ("suspension", "suspensions"),
    HOLD: ("hold", "holds"),
}
"""Kinds of things, and what one and several of them are called."""
Line = dict[str, Any]


@frozen
class Remembered:
    """An execution that somebody may repeat. :ivar expires: epoch seconds."""

    policy_id: str
    key: str
    expires: float
    outcome: Outcome


@frozen
class Whole:
    """A group with all that belongs to it. :ivar webhooks: each with its policy's id, and the digest of its capability."""

    group: Group
    policies: Sequence[Policy] = ()
    webhooks: Sequence[tuple[str, Webhook, str]] = ()
    executions: Sequence[Remembered] = ()

    def at(self, now: float) -> "Whole":
        """Without what is not remembered any more at ``now`` (epoch seconds)."""
        return evolve(self, executions=[each for each in self.executions if each.expires > now])


@frozen
class Tenants:
    """What is stored of tenants besides their groups."""

    suspended: frozenset[str] = frozenset()
    held: Hold = field(factory=Hold)

    def all_held(self) -> "Tenants":
        return evolve(self, held=evolve(self.held, everything=True))


@define
class Tally:
    """What some lines came to."""

    counts: Counter[str] = field(factory=Counter)
    digest: Any = field(factory=sha256)

    def add(self, line: Line) -> str:
        """The line as it is written."""
        text = json.dumps(line) + "\n"
        self.digest.update(text.encode())
        self.counts[line["kind"]] += 1
        return text

    @property
    def last(self) -> Line:
        """The last line of a file of these lines."""
        return {"kind": END, "counts": {kind: self.counts[kind] for kind in KINDS}, "sha256": self.digest.hexdigest()}

    @property
    def words(self) -> str:
        named = [f"{n} {names[n != 1]}" for kind, names in KINDS.items() if (n := self.counts[kind])]
        return ", ".join(named) or "nothing"


def groups_of(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """First what is stored of tenants, then each group with all that belongs to it."""
    some: list[Line] = []
    for line in lines:
        if line["kind"] == GROUP:
            yield some
            some = []
        some.append(line)
    yield some


def tenant_lines(tenants: Tenants) -> Iterator[Line]:
    for tenant in sorted(tenants.suspended):
        yield {"kind": SUSPENSION, "tenant": tenant}
    if tenants.held.everything:
        yield {"kind": HOLD, "tenant": None}
    for tenant in sorted(tenants.held.tenants):
        yield {"kind": HOLD, "tenant": tenant}


def tenants_of(lines: Sequence[Line]) -> Tenants:
    suspended = frozenset(line["tenant"] for line in lines if line["kind"] == SUSPENSION)
    held = frozenset(line["tenant"] for line in lines if line["kind"] == HOLD)
    return Tenants(suspended, Hold(None in held, held - {None}))


def group_lines(whole: Whole) -> Iterator[Line]:
    """The same for what is the same, in whichever order a back end keeps it."""
    group = whole.group
    yield {
        "kind": GROUP,
        "tenant": group.id.tenant,
        "id": group.id.group,
        "config": dict(group.config.document),
        "launch": dict(group.launch.document),
        "state": in_order(json.loads(dump_state(group.state))),
        "roster": in_order(json.loads(dump_roster(group.roster))),
        **({"outbox": json.loads(outbox)} if (outbox := dump_outbox(group.outbox)) else {}),
    }
    for policy in sorted(whole.policies, key=lambda policy: policy.id):
        yield {"kind": POLICY, "id": policy.id, "due": policy.due, "document": dict(policy.document)}
    for policy_id, webhook, digest in sorted(whole.webhooks, key=lambda each: (each[0], each[1].id)):
        yield {
            "kind": WEBHOOK,
            "policy": policy_id,
            "id": webhook.id,
            "digest": digest,
            "key_id": webhook.key_id,
            "rotation": webhook.rotation,
            "document": dict(webhook.document),
        }
    for each in sorted(whole.executions, key=lambda each: (each.policy_id, each.key)):
        yield {
            "kind": EXECUTION,
            "policy": each.policy_id,
            "key": each.key,
            "expires": each.expires,
            "verdict": each.outcome.verdict.value,
            "why": each.outcome.why,
        }


def in_order(document: Line) -> Line:
    """With what has no order in a state or roster in one: sets and mappings are dumped as they come."""
    sorted_ones: Line = {
        name: dict(sorted(value.items())) for name, value in document.items() if isinstance(value, dict)
    }
    lists = {"creates": lambda create: create["id"], "draining": lambda place: place[:3]}
    for name, order in lists.items():
        if name in document:
            sorted_ones[name] = sorted(document[name], key=order)
    return document | sorted_ones


def whole_of(lines: Sequence[Line]) -> Whole:
    """What ``group_lines`` made these of."""
    first, *rest = lines
    group = Group(
        GroupId(first["tenant"], first["id"]),
        config_of(first["config"]),
        launch_of(first["launch"]),
        load_state(json.dumps(first["state"])),
        load_roster(json.dumps(first["roster"])),
        outbox=load_outbox(json.dumps(first["outbox"]) if "outbox" in first else None),
    )
    policies = [policy_in(line) for line in rest if line["kind"] == POLICY]
    webhooks = [webhook_in(line) for line in rest if line["kind"] == WEBHOOK]
    executions = [execution_in(line) for line in rest if line["kind"] == EXECUTION]
    return Whole(group, policies, webhooks, executions)


def policy_in(line: Line) -> Policy:
    return evolve(policy_of(line["id"], line["document"]), due=line["due"])


def webhook_in(line: Line) -> tuple[str, Webhook, str]:
    return line["policy"], webhook_of(line["id"], line["key_id"], line["document"], line["rotation"]), line["digest"]


def execution_in(line: Line) -> Remembered:
    return Remembered(line["policy"], line["key"], line["expires"], Outcome(Verdict(line["verdict"]), line["why"]))
