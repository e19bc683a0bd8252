"""Groups as the walks see them: grown, whole again, sick; and what the cloud has of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.rig.mimic import GROUP_KEY, NOVA, Cloud, ask
from tests.rig.otter import Client, Otter, OwnedGroup
from tests.rig.processes import until
from tests.rig.proxying import Proxy

LONG = 60.0
"""Seconds within which anything happens, on a machine that has much else to do."""
INNER_LIFE = ("Traceback", "Error(", "internal error")
"""Words that a group's owner should never get to read."""
HASTY = {
    "cloud": {"timeout": 2},
    "converger": {"send_window": 1, "resolve_timeout": 4, "longest_error_probe": 900},
    "selfheal": {"interval": 3600},
}
"""For an otter that gives up early, and that never looks at a group just so."""


@contextmanager
def hasty_otter(folder: Path, identity_url: str) -> Iterator[Otter]:
    otter = Otter(folder, identity_url, **HASTY)
    otter.start()
    try:
        yield otter
    finally:
        otter.stop()


def ids(documents: Iterable[Mapping[str, Any]]) -> set[str]:
    return {document["id"] for document in documents}


def grown(otter: Client, cloud: Cloud, size: int, **more: Any) -> OwnedGroup:
    """A new group of ``size`` servers, all of them there."""
    group = otter.create_group(cloud.tenant, size, **more)
    whole(otter, cloud, group, size)
    return group


def whole(otter: Client, cloud: Cloud, group: OwnedGroup, size: int) -> set[str]:
    """The ids of the group's servers, as soon as otter and Nova agree that it has just ``size``, and that all is well."""

    def servers_if_whole() -> list[list[dict]] | None:
        state = otter.state(group.url)
        if (state["status"], state["desiredCapacity"], state["activeCapacity"]) != ("ACTIVE", size, size):
            return None
        assert "errors" not in state
        servers = cloud.servers(group.id)
        in_service = ids(server for server in servers if server["status"] == "ACTIVE")
        return [servers] if ids(servers) == in_service == ids(state["active"]) else None

    [servers] = in_time(servers_if_whole, f"{size} servers", lambda: (otter.state(group.url), cloud.servers(group.id)))
    return ids(servers)


def sick(otter: Client, group: OwnedGroup, seconds: float = LONG) -> list[str]:
    """What the group's owner is told is wrong, as soon as they are told anything."""

    def errors() -> list[Mapping[str, Any]]:
        return otter.state(group.url).get("errors", [])

    return [error["message"] for error in in_time(errors, "ERROR", lambda: otter.state(group.url), seconds)]


def others_are_served(otter: Client, cloud: Cloud) -> None:
    """Another tenant gets a new group meanwhile, and rid of it."""
    neighbour = Cloud(cloud.identity_url, f"{cloud.tenant}-neighbour")
    group = grown(otter, neighbour, 1)
    otter.delete(group.url)
    vanished(neighbour, group)


def in_time(what: Callable[[], Any], saying: str, facts: Callable[[], Any], seconds: float = LONG) -> Any:
    """``until``, with ``facts()`` about the case that it never comes true."""
    try:
        return until(what, seconds, 0.1, saying)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{facts()}") from None


def is_readable(message: str) -> bool:
    """It is a sentence, and gives away nothing of otter's inner life."""
    return len(message.split()) > 2 and not any(words in message for words in INNER_LIFE)


def shown(fault: Mapping[str, Any]) -> str:
    """A fault, in a test's name."""
    words = (str(value) for name, value in fault.items() if value and name != "headers")
    return " ".join(word for word in words if word not in ("status", "before"))


def converge(otter: Client, group: OwnedGroup) -> None:
    otter.ask("POST", f"{group.url}/converge")


def lost(cloud: Cloud, group: OwnedGroup, number: int) -> set[str]:
    """Delete so many of the group's servers behind otter's back; their ids."""
    gone = sorted(ids(cloud.servers(group.id)))[:number]
    for server_id in gone:
        cloud.delete_server(server_id)
    return set(gone)


def born(cloud: Cloud, group: OwnedGroup) -> set[str]:
    """The ids of all servers that the group ever had, deleted ones too."""
    everything = f"{cloud.urls[NOVA]}/servers/detail?limit=1000&changes-since=1970-01-01T00:00:00Z"
    return ids(s for s in ask("GET", everything)["servers"] if s["metadata"].get(GROUP_KEY) == group.id)


def vanished(cloud: Cloud, group: OwnedGroup) -> None:
    """Wait until no server of the group is left."""
    in_time(lambda: not cloud.servers(group.id), "no server is left", lambda: cloud.servers(group.id))


def served_alone(cloud: Cloud, group: OwnedGroup, lb_id: int, others: Iterable[str] = ()) -> None:
    """Wait until just the group's servers, and the addresses of ``others``, are on the balancer."""

    def addresses() -> tuple[set[str], set[str]]:
        return cloud.served(lb_id), cloud.addresses(group.id) | set(others)

    def agree() -> bool:
        there, wanted = addresses()
        return there == wanted

    in_time(agree, f"balancer {lb_id} serves the group's servers", addresses)


def looks(proxy: Proxy, tenant: str) -> int:
    """How often otter has listed the tenant's servers so far."""
    return proxy.counts(tenant)["nova"].get("list_servers", 0)


def looked_at(proxy: Proxy, tenant: str, number: int) -> None:
    """Wait until otter has listed the tenant's servers so many times."""
    until(lambda: looks(proxy, tenant) >= number, LONG, 0.05, "otter looks again")


def look_again(otter: Client, proxy: Proxy, group: OwnedGroup, times: int = 3) -> None:
    """Have otter look so many times more, each time on request."""
    for _ in range(times):
        before = looks(proxy, group.tenant)
        converge(otter, group)
        looked_at(proxy, group.tenant, before + 1)
