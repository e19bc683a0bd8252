"""Groups as the walks see them: grown, whole again, sick; and what the cloud has of them."""

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

from tests.rig.mimic import GROUP_KEY, NOVA, Cloud, address_of, ask
from tests.rig.otter import BOOT, Client, OwnedGroup, group_document
from tests.rig.processes import until
from tests.rig.proxying import Proxy

LONG = 60.0
"""Seconds within which anything happens, on a machine that has much else to do."""
INNER_LIFE = ("Traceback", "Error(", "internal error")
"""Words that a group's owner should never get to read."""


def ids(documents: Iterable[Mapping[str, Any]]) -> set[str]:
    return {document["id"] for document in documents}


def grown(otter: Client, cloud: Cloud, size: int, **more: Any) -> OwnedGroup:
    """A new group of ``size`` servers, all of them there."""
    group = otter.create_group(cloud.tenant, size, **more)
    whole(otter, cloud, group, size)
    return group


def clb(lb_id: Any, port: int = 80) -> dict[str, Any]:
    """A Cloud Load Balancer, in a launch configuration."""
    return {"loadBalancerId": lb_id, "port": port}


def pool(pool_id: str) -> dict[str, Any]:
    """A RackConnect pool, in a launch configuration."""
    return {"type": "RackConnectV3", "loadBalancerId": pool_id}


def placed(
    otter: Client, cloud: Cloud, size: int, *balancers: Mapping, draining: float | None = None, **more: Any
) -> OwnedGroup:
    """A new group on these balancers. :param draining: seconds that its servers get to finish their connections."""
    document = group_document(size, **more)
    document["launchConfiguration"]["args"] |= {"loadBalancers": list(balancers)}
    if draining is not None:
        document["launchConfiguration"]["args"]["draining_timeout"] = draining
    return otter.group(otter.post_group(cloud.tenant, document))


def whole(otter: Client, cloud: Cloud, group: OwnedGroup, size: int, smoothly: bool = False) -> set[str]:
    """
    The ids of the group's servers, as soon as otter and Nova agree that it has just ``size``, and that all is well.

    :param smoothly: the owner is told of no error on the way.
    """

    def servers_if_whole() -> list[list[dict]] | None:
        state = otter.state(group.url)
        assert not smoothly or state["status"] == "ACTIVE"
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


def figures(otter: Client, group: OwnedGroup) -> tuple[str, int, int, int]:
    """What the owner sees: status; desired, active and pending capacity."""
    state = otter.state(group.url)
    return state["status"], state["desiredCapacity"], state["activeCapacity"], state["pendingCapacity"]


def comes_to(otter: Client, group: OwnedGroup, *expected: Any) -> None:
    """Wait until the ``figures`` are these."""
    in_time(lambda: figures(otter, group) == expected, f"{expected}", lambda: otter.state(group.url))


def in_service(otter: Client, group: OwnedGroup) -> set[str]:
    """The ids of the servers that the owner is told of."""
    return ids(otter.state(group.url)["active"])


def stays(what: Callable[[], Any], seconds: float, every: float = 0.5) -> None:
    """Look again and again, for so long, that ``what()`` has the value that it has now."""
    first, end = what(), time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(every)
        assert (now := what()) == first, now


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


def relaunch(otter: Client, group: OwnedGroup, balancers: Sequence[Mapping] = (), **server: Any) -> None:
    """From now on the group's servers are made like this."""
    launched = {"name": "web", "flavorRef": "2", **BOOT, **server}
    args = {"server": launched, "loadBalancers": list(balancers)}
    otter.ask("PUT", f"{group.url}/launch", {"type": "launch_server", "args": args})


def first(cloud: Cloud, name: str, parameters: Mapping[str, Any], number: int = 1) -> None:
    """So many of the tenant's next servers come out like this, the others as usual."""
    odd, usual = {"name": name, "parameters": parameters}, {"name": "default"}
    cloud.on_create("sequence", {"behaviors": [odd] * number + [usual] * 50})


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


def recorded(store: Any, group: OwnedGroup) -> bool:
    """Whether there is anything left of the group in an otter's ``store``, its SQLite file."""
    counts = "SELECT (SELECT count(*) FROM groups WHERE id = ?) + (SELECT count(*) FROM policies WHERE group_id = ?)"
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        return bool(connection.execute(counts, (group.id, group.id)).fetchone()[0])


def forgotten(otter: Any, group: OwnedGroup) -> None:
    """Wait until there is nothing left of the group, not even otter's own record. ``otter`` has a ``store``."""
    in_time(lambda: not recorded(otter.store, group), "the record is gone", lambda: group)


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


def node_of(cloud: Cloud, lb_id: int, server_id: str) -> dict[str, Any] | None:
    """The server's node; None if it has none."""
    [address] = [address_of(server) for server in cloud.servers() if server["id"] == server_id]
    return next((node for node in cloud.nodes(lb_id) if node["address"] == address), None)


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
