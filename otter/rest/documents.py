"""What clients see of our nouns. (docs/api.md, "Documents".)"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from otter.domain.errors import InvalidQueryArgument
from otter.domain.group import Group, GroupId, Status, Summary
from otter.domain.history import Entry
from otter.domain.policy import Policy
from otter.domain.webhook import Webhook
from otter.rest.bodies import links_of, url


@frozen
class Documents:
    """
    :ivar root: what every link begins with.
    :ivar page_size: above it, lists inside a document get a link to the rest.
    :ivar is_held: whether operators have otter change nothing for a tenant for now.
    """

    root: str
    page_size: int
    is_held: Callable[[str], bool]

    def group(self, group: Summary) -> dict[str, Any]:
        """An item of the list of groups."""
        return {
            "id": group.id.group,
            "links": links_of(self=self.url_of(group.id)),
            "state": self.state(group),
        }

    def state(self, group: Summary) -> dict[str, Any]:
        """
        The state of a group. At any moment desired = active + pending, and none is negative: servers beyond the desired
        capacity, which are on their way out, are not shown. (docs/api.md, "Group state".)
        """
        state = group.state
        active = group.active[: state.desired]
        document: dict[str, Any] = {
            "name": group.name,
            "status": state.status.value,
            "paused": state.paused,
            "held": self.is_held(group.id.tenant),
            "generation": state.generation,
            "converged_generation": state.converged_generation,
            "desiredCapacity": state.desired,
            "activeCapacity": len(active),
            "pendingCapacity": state.desired - len(active),
            "active": [{"id": member.id, "links": list(member.links)} for member in active],
        }
        if state.status is Status.ERROR:
            document["errors"] = [{"message": reason} for reason in state.reasons]
        return document

    def manifest(self, group: Group, policies: Sequence[dict]) -> dict[str, Any]:
        """Everything about a group, its policies' documents included."""
        return {
            **self.group(group.summary),
            "groupConfiguration": group.config.document,
            "launchConfiguration": group.launch.document,
            "scalingPolicies": policies,
            "scalingPolicies_links": self.collection("policies", policies, group.id, "policies"),
        }

    def entry(self, entry: Entry) -> dict[str, Any]:
        """An item of a group's history."""
        return {
            "id": id_of(entry),
            "time": datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "desiredCapacity": entry.desired,
            "observed": None if entry.observed is None else dict(sorted(entry.observed.items())),
            "plan": dict(sorted(entry.plan.items())),
            "outcome": entry.outcome or None,
            "status": entry.status,
            "reasons": list(entry.reasons),
        }

    def policy(self, group_id: GroupId, policy: Policy) -> dict[str, Any]:
        links = links_of(self=self.url_of(group_id, "policies", policy.id))
        return {**policy.document, "id": policy.id, "links": links}

    def policy_with_webhooks(self, group_id: GroupId, policy: Policy, webhooks: Sequence[dict]) -> dict[str, Any]:
        links = self.collection("webhooks", webhooks, group_id, "policies", policy.id, "webhooks")
        return {**self.policy(group_id, policy), "webhooks": webhooks, "webhooks_links": links}

    def webhook(self, group_id: GroupId, policy_id: str, webhook: Webhook, capability: str) -> dict[str, Any]:
        links = links_of(
            self=self.url_of(group_id, "policies", policy_id, "webhooks", webhook.id),
            capability=url(self.root, "execute", "1", capability),
        )
        return {**webhook.document, "id": webhook.id, "links": links}

    def collection(self, rel: str, items: Sequence[dict], group_id: GroupId, *path: str) -> list[dict[str, str]]:
        """Links to a collection of which all ``items`` are shown already."""
        whole = links_of(**{rel: self.url_of(group_id, *path)})
        if len(items) < self.page_size:
            return whole
        marker = items[self.page_size - 1]["id"]
        limit = str(self.page_size)
        return whole + links_of(next=url(self.root, *self.path_of(group_id), *path, limit=limit, marker=marker))

    def url_of(self, group_id: GroupId, *path: str) -> str:
        return url(self.root, *self.path_of(group_id), *path)

    def path_of(self, group_id: GroupId) -> tuple[str, ...]:
        return (group_id.tenant, "groups", group_id.group)


def id_of(entry: Entry) -> str:
    return f"{entry.number:012d}"


def number_in(marker: str) -> int | None:
    """The number of the entry whose id it is; None if there is no marker. :raises InvalidQueryArgument:"""
    if marker and not re.fullmatch("[0-9]{12}", marker):
        raise InvalidQueryArgument(f'Invalid query argument for "marker": no entry of a history has the id {marker!r}')
    return int(marker) if marker else None
