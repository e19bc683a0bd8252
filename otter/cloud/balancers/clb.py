"""Cloud Load Balancers. (docs/clouds.md, "Cloud Load Balancers".)"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from effect import Constant, Effect, catch
from effect.do import do
from pyrsistent import PVector, pvector

from otter.cloud.balancers.interface import BalancerFull, BalancerGone, Kind, in_order
from otter.cloud.errors import ApiError, Hopeless, classified, understood
from otter.cloud.request import request, together
from otter.domain.balancers import Access, Balancer, BalancerId, Condition, Node, Target, Traits
from otter.domain.events import THINGS, Notice, notices

SERVICE = "clb"
KIND = "CloudLoadBalancer"
CALLED = "Cloud Load Balancer"
TRAITS = Traits(by_address=True, drains=True, most_removals=10)

NOT_FOUND = r"load\s*balancer not found"
DELETED = r"the load\s*balancer is (marked as )?deleted"
LEAVING = r"load\s*balancer '\d+' has a status of '(PENDING.DELETE|DELETED)'"
"""How clouds say that a balancer is no more. A busy one answers 422 too, but with another status; it is tried again."""
NO_NODE = r"node (with id #\d+ )?not found"
FULL = r"nodes must not exceed (\d+)"
STRANGERS = r"node ids ((?:\d+,)*\d+) are not a part of your load\s*balancer"


class NodeGone(Hopeless):
    """Somebody else took the node off."""


def is_gone(lb_id: str) -> str:
    return f"{CALLED} does not exist: {lb_id}"


def is_leaving(lb_id: str) -> str:
    return f"{CALLED} is currently being deleted: {lb_id}"


def errors_of(lb_id: str) -> tuple:
    """What a balancer's answers mean."""
    return (
        ({404, 410, 422}, NOT_FOUND, lambda _: BalancerGone(is_gone(lb_id))),
        ({404, 410, 422}, f"{DELETED}|{LEAVING}", lambda _: BalancerGone(is_leaving(lb_id))),
        ({404}, NO_NODE, NodeGone),
        ({413}, FULL, lambda message: BalancerIsFull(lb_id, message)),
    )


class BalancerIsFull(BalancerFull):
    """:ivar limit: the most nodes that it takes."""

    def __init__(self, lb_id: str, message: str):
        self.limit = int(re.match(FULL, message, re.IGNORECASE)[1])  # type: ignore[index]
        super().__init__(f"Cannot create more than {self.limit} nodes in {CALLED} {lb_id}")


def ask(lb_id: str, what: str, method: str, path: str = "", **more: Any) -> Effect:
    """Effect of a request about a balancer. :param path: what follows its URL."""
    url = f"loadbalancers/{quote(lb_id, '')}{path}"
    return request(SERVICE, f"{what} {lb_id}", method, url, **more).on(error=classified(errors_of(lb_id)))


@do
def read(lb_id: str):
    """Effect of the ``Balancer``. Whether it is monitored matters, and is asked, only if a node may be waiting for it."""
    status, nodes = yield together((read_status(lb_id), read_nodes(lb_id)))
    waiting = any(node.condition is Condition.DRAINING and not node.online for node in nodes)
    monitored = yield read_monitored(lb_id) if waiting else Effect(Constant(False))
    access, why = access_of(lb_id, status)
    return Balancer(TRAITS, nodes, access, why, monitored)


def read_status(lb_id: str) -> Effect:
    shown = ask(lb_id, "show", "GET")
    return shown.on(
        success=understood("Cloud Load Balancers", lambda answer: str(answer["loadBalancer"]["status"]), lb_id)
    )


def read_nodes(lb_id: str) -> Effect:
    listed = ask(lb_id, "list the nodes of", "GET", "/nodes")
    return listed.on(success=understood("Cloud Load Balancers", partial(nodes_in, lb_id), lb_id))


def read_monitored(lb_id: str) -> Effect:
    shown = ask(lb_id, "show the health monitor of", "GET", "/healthmonitor")
    return shown.on(success=understood("Cloud Load Balancers", lambda answer: bool(answer["healthMonitor"]), lb_id))


def access_of(lb_id: str, status: str) -> tuple[Access, str]:
    """What can be done with a balancer in this status, and the reason. Some clouds write ``PENDING-UPDATE``."""
    match status.replace("-", "_"):
        case "ACTIVE":
            return Access.OPEN, ""
        case "PENDING_DELETE" | "DELETED":
            return Access.CLOSED, is_leaving(lb_id)
        case other:
            return Access.BUSY, f"{CALLED} {lb_id} takes no changes: its status is {other}"


@do
def add(lb_id: str, nodes: Collection[Node], present: int):
    """
    Effect of adding nodes. A balancer that has not room for all of them refuses them all; so it is asked again for as many
    as it says that it takes, and then the rest is an error.
    """
    if not nodes:
        return
    monitored = yield read_monitored(lb_id)
    condition = Condition.DRAINING if monitored else Condition.ENABLED
    wanted = in_order(nodes)
    try:
        yield post(lb_id, wanted, condition)
    except BalancerIsFull as full:
        if room := max(0, full.limit - present):
            yield post(lb_id, wanted[:room], condition)
        raise


def post(lb_id: str, nodes: Collection[Node], condition: Condition) -> Effect:
    body = {"nodes": [{"address": n.host, "port": n.target.port, **settings(n, condition)} for n in nodes]}
    added = ask(lb_id, "add nodes to", "POST", "/nodes", json=body, success=(202,))
    return added.on(success=understood("Cloud Load Balancers", partial(nodes_in, lb_id), lb_id))


def change(lb_id: str, node: Node) -> Effect:
    """Effect of changing one node."""
    body = {"node": settings(node, node.condition)}
    changed = ask(lb_id, "change a node of", "PUT", f"/nodes/{quote(node.id, '')}", json=body, success=(202,))
    return changed.on(error=catch(NodeGone, lambda gone: None))


def settings(node: Node, condition: Condition) -> dict[str, Any]:
    return {"condition": condition.value, "weight": node.weight, "type": node.type}


@do
def remove(lb_id: str, nodes: Collection[Node]):
    """Effect of removing nodes. If somebody else removed one of them meanwhile, all are refused; then it is asked for the rest."""
    ids = [node.id for node in in_order(nodes)]
    while ids:
        try:
            answer = yield ask(lb_id, "remove nodes from", "DELETE", "/nodes", params={"id": ids}, success=(202, 204))
            return understood("Cloud Load Balancers", nothing_in, lb_id)(answer)
        except BalancerGone:
            return None
        except ApiError as error:
            strangers = set(strangers_in(error))
            if not strangers & set(ids):
                raise
            ids = [id for id in ids if id not in strangers]


def strangers_in(error: ApiError) -> list[str]:
    """The ids in a refusal that are no nodes of the balancer."""
    match = re.search(STRANGERS, error.body, re.IGNORECASE) if error.status == 400 else None
    return match[1].split(",") if match else []


def nodes_in(lb_id: str, answer: Mapping[str, Any]) -> PVector[Node]:
    """The nodes that an answer shows, each once."""
    balancer = BalancerId(KIND, lb_id)
    return pvector({document["id"]: node_of(balancer, document) for document in answer["nodes"]}.values())


def node_of(balancer: BalancerId, document: Mapping[str, Any]) -> Node:
    """The weight is shown only where it matters."""
    connections = document.get("connections")
    return Node(
        target=Target(balancer, int(document["port"])),
        host=str(document["address"]),
        id=str(document["id"]),
        condition=Condition(document["condition"]),
        weight=int(document.get("weight") or 1),
        type=str(document.get("type") or "PRIMARY"),
        online=document.get("status", "ONLINE") == "ONLINE",
        connections=connections if isinstance(connections, int) else None,
    )


def nothing_in(answer: None) -> None:
    """:raises ValueError: there is something in it."""
    if answer is not None:
        raise ValueError("the answer should be empty")


def adding(lb_id: str, nodes: Collection[Node]) -> list[Notice]:
    places = sorted(f"{node.host}:{node.target.port}" for node in nodes)
    return notices("convergence-add-clb-nodes", f"Adding IPs to CLB {lb_id}: {THINGS}", places)


def changing(lb_id: str, nodes: Collection[Node]) -> list[Notice]:
    """One for all nodes that get to be alike."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for node in nodes:
        alike[f"type={node.type}, condition={node.condition.value}, weight={node.weight}"].append(node.id)
    told: list[Notice] = []
    for how, ids in sorted(alike.items()):
        text = f"Changing nodes on CLB {lb_id}: nodes={THINGS}, {how}"
        told += notices("convergence-change-clb-nodes", text, sorted(ids))
    return told


def removing(lb_id: str, nodes: Collection[Node]) -> list[Notice]:
    ids = sorted(node.id for node in nodes)
    return notices("convergence-remove-clb-nodes", f"Removing nodes from CLB {lb_id}: {THINGS}", ids)


CLOUD_LOAD_BALANCER = Kind(TRAITS, read, add, change, remove, adding, changing, removing)
