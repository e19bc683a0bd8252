"""Groups as the walks see them: grown, whole again, sick; and what the cloud has of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.rig.mimic import GROUP_KEY, NOVA, Cloud, ask
from tests.rig.otter import Client, OwnedGroup
from tests.rig.processes import until
from tests.rig.proxying import Proxy

LONG = 60.0
"""Seconds within which anything happens, on a machine that has much else to do."""


def ids(documents: Iterable[Mapping[str, Any]]) -> set[str]:
    return {document["id"] for document in documents}


def grown(otter: Client, cloud: Cloud, size: int, **more: Any) -> OwnedGroup:
    """A new group of ``size`` servers, all of them there."""
    group = otter.create_group(cloud.tenant, size, **more)
    whole(otter, cloud, group, size)
    return group


def whole(otter: Client, cloud: Cloud, group: OwnedGroup, size: int) -> set[str]:
    """The ids of the group's servers, as soon as otter and Nova both say that there are just ``size``, and all is well."""

    def is_whole() -> bool:
        state = otter.state(group.url)
        if state["status"] != "ACTIVE" or (state["desiredCapacity"], state["activeCapacity"]) != (size, size):
            return False
        servers = cloud.servers(group.id)
        return ids(servers) == ids(state["active"]) and {server["status"] for server in servers} <= {"ACTIVE"}

    try:
        until(is_whole, LONG, 0.1, f"the group has {size} servers and is well")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{otter.state(group.url)}\n{cloud.servers(group.id)}") from None
    return ids(cloud.servers(group.id))


def sick(otter: Client, group: OwnedGroup, seconds: float = LONG) -> list[str]:
    """What the group's owner is told is wrong, as soon as they are told anything."""
    until(lambda: otter.state(group.url)["status"] == "ERROR", seconds, 0.1, "the group is in ERROR")
    return [error["message"] for error in otter.state(group.url)["errors"]]


def is_readable(message: str) -> bool:
    """Something that a group's owner can make sense of, and nothing of otter's inner life."""
    return len(message.split()) > 2 and not {"Traceback", "Error(", "internal error"} & {
        word for word in ("Traceback", "Error(", "internal error") if word in message
    }


def converge(otter: Client, group: OwnedGroup) -> None:
    otter.ask("POST", f"{group.url}/converge")


def lost(cloud: Cloud, group: OwnedGroup, number: int) -> set[str]:
    """Delete so many of the group's servers behind otter's back; their ids."""
    gone = sorted(ids(cloud.servers(group.id)))[:number]
    for server_id in gone:
        cloud.delete_server(server_id)
    return set(gone)


def born(cloud: Cloud, group: OwnedGroup) -> set[str]:
    """The ids of all servers that the group ever had, the deleted ones too."""
    everything = f"{cloud.urls[NOVA]}/servers/detail?limit=1000&changes-since=1970-01-01T00:00:00Z"
    servers = ask("GET", everything)["servers"]
    return ids(server for server in servers if server["metadata"].get(GROUP_KEY) == group.id)


def looks(proxy: Proxy, tenant: str) -> int:
    """How often otter has looked at the tenant's servers so far, or begun to."""
    return proxy.counts(tenant)["nova"].get("list_servers", 0)


def look_again(otter: Client, proxy: Proxy, group: OwnedGroup, times: int = 3) -> None:
    """Have otter look at the group so many times more, each time from the beginning."""
    for _ in range(times):
        before = looks(proxy, group.tenant)
        converge(otter, group)
        until(lambda: looks(proxy, group.tenant) > before, LONG, 0.05, "otter looks")  # noqa: B023


def on_balancer(cloud: Cloud, group: OwnedGroup, lb_id: int, others: Iterable[str] = ()) -> None:
    """Wait until just the group's servers are on the balancer, and the ``others``."""
    until(
        lambda: cloud.served(lb_id) == cloud.addresses(group.id) | set(others),
        LONG,
        0.1,
        f"balancer {lb_id} serves just the group's servers",
    )
