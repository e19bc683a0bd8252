"""Cloud Load Balancers: busy after every change, late with their lists, and shared with other people."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from math import ceil
from random import Random
from typing import Any

from attrs import define, evolve, field, frozen

from tests.sim.world.answers import Answer, Ask, Nature

MOST_NODES = 25
MOST_REMOVALS = 10
CONDITIONS = ("ENABLED", "DRAINING", "DISABLED")
TYPES = ("PRIMARY", "SECONDARY")
MONITOR = {"type": "CONNECT", "delay": 10, "timeout": 10, "attemptsBeforeDeactivation": 3}
DELETED = {
    422: "The load balancer is deleted and considered immutable",
    410: "The load balancer is marked as deleted.",
    404: "Load balancer not found",
}
"""How clouds say that it is."""
ACCEPTED = Answer(202)
NO_PATH = Answer(404, {"code": 404, "message": "Not Found"})
Settings = Mapping[str, Any]


@frozen
class Node:
    """
    A node as it is from one change to the next.

    :ivar status: the health monitor's verdict; ONLINE where there is no monitor.
    :ivar added: when (epoch seconds).
    :ivar opened: how many connections there were when it was told to finish them, at ``drains``; the last one is closed at
        ``drained``.
    """

    id: int
    address: str
    port: int
    condition: str = "ENABLED"
    weight: int = 1
    type: str = "PRIMARY"
    status: str = "ONLINE"
    added: float = 0.0
    opened: int = 0
    drains: float = 0.0
    drained: float = 0.0


@define(eq=False)
class Balancer:
    """
    :ivar status: what it would be if no change were under way.
    :ivar busy_until: when the last change is settled.
    :ivar weighted: it has an algorithm for which weights matter; only then they are shown.
    :ivar nodes: as they are, by id. A change makes a new ``Node``, and clears ``listed``.
    :ivar older: the lists that are still to be seen: the earliest moment at which each is replaced by the next one.
    """

    tenant: str
    id: str
    limit: int = MOST_NODES
    weighted: bool = True
    monitor: Mapping[str, Any] | None = None
    status: str = "ACTIVE"
    busy_until: float = 0.0
    nodes: dict[int, Node] = field(factory=dict)
    older: deque[tuple[float, tuple[Node, ...]]] = field(factory=deque)
    listed: tuple[Node, ...] | None = ()
    rendered: tuple[tuple[Node, ...], Answer] | None = None

    def now_listed(self) -> tuple[Node, ...]:
        if self.listed is None:
            self.listed = tuple(self.nodes.values())
        return self.listed


Told = Callable[[Ask, Balancer, Sequence[Node]], None]
"""Somebody who wants to know what a request did, to which balancer, and to which nodes: as they are now, or were before they went."""


@define(eq=False)
class CloudLoadBalancers:
    """
    All balancers of all tenants. What other people do to them is never refused, unless it is impossible; it makes them busy, and
    their lists late, as requests do. There it is a ``KeyError`` if there is no such balancer; those who only look find nothing.

    :ivar works: whether the server with this address would pass a health check now.
    :ivar settle: how long a balancer is PENDING_UPDATE after a change. :ivar lag: how long the list of nodes stays as it was
        before one. :ivar draining: how long it takes until a node that is DRAINING has no connections. (Seconds.)
    :ivar probing: how many seconds a monitored node is OFFLINE at first.
    :ivar traffic: the connections of a node that is in use. :ivar shows_connections: few clouds do.
    :ivar immutable: the status with which a busy balancer refuses a change. :ivar duplicate: likewise for nodes it has.
    :ivar deleted: likewise for one that is DELETED; one of ``DELETED``.
    :ivar on_add, on_change, on_remove: told of what requests do, not of what other people do.
    """

    nature: Nature
    works: Callable[[str], bool] = field(default=lambda address: True, kw_only=True)
    settle: Callable[[Random], float] = field(default=lambda random: 0.0, kw_only=True)
    lag: Callable[[Random], float] = field(default=lambda random: 0.0, kw_only=True)
    draining: Callable[[Random], float] = field(default=lambda random: 0.0, kw_only=True)
    probing: float = field(default=20.0, kw_only=True)
    traffic: int = field(default=8, kw_only=True)
    shows_connections: bool = field(default=False, kw_only=True)
    immutable: int = field(default=422, kw_only=True)
    duplicate: int = field(default=413, kw_only=True)
    deleted: int = field(default=422, kw_only=True)
    on_add: list[Told] = field(factory=list, init=False)
    on_change: list[Told] = field(factory=list, init=False)
    on_remove: list[Told] = field(factory=list, init=False)
    _balancers: dict[str, Balancer] = field(factory=dict, init=False)
    _lb_ids: Any = field(factory=lambda: count(1001), init=False)
    _node_ids: Any = field(factory=lambda: count(1), init=False)

    # What there is

    def nodes(self, lb_id: str) -> tuple[Node, ...]:
        """None, if there is no such balancer, or it is DELETED."""
        balancer = self._balancers.get(lb_id)
        return self._refreshed(balancer) if balancer and balancer.status != "DELETED" else ()

    def status(self, lb_id: str) -> str:
        """ "" if there is no such balancer."""
        balancer = self._balancers.get(lb_id)
        return self._status_of(balancer) if balancer else ""

    def balancers(self) -> Iterable[Balancer]:
        return self._balancers.values()

    def connections(self, node: Node) -> int:
        """How many are open at this moment, shown or not."""
        if node.condition == "ENABLED":
            return self.traffic if node.status == "ONLINE" else 0
        left = node.drained - self.nature.now()
        if node.condition == "DISABLED" or left <= 0:
            return 0
        return ceil(node.opened * left / (node.drained - node.drains))

    # What other people do

    def create(self, tenant: str, id: str | int | None = None, **more: Any) -> str:
        """The id of a new balancer. :param more: of its ``limit``, ``weighted``, ``monitor``, ``status``."""
        lb_id = str(next(self._lb_ids) if id is None else id)
        if lb_id in self._balancers:
            raise ValueError(f"there is a balancer {lb_id}")
        self._balancers[lb_id] = Balancer(tenant, lb_id, **more)
        return lb_id

    def add_node(self, lb_id: str, address: str, port: int, **settings: Any) -> Node:
        """:raises ValueError: there is such a node, or no room."""
        balancer, document = self._balancers[lb_id], {"address": address, "port": port, **settings}
        if refusal := self._why_not_added(balancer, [document]):
            raise ValueError(refusal.document["message"])
        [node] = self._add(balancer, [document])
        return node

    def edit_node(self, lb_id: str, node_id: int, **settings: Any) -> bool:
        """Whether there was such a node. :param settings: of ``condition``, ``weight``, ``type``."""
        balancer = self._balancers[lb_id]
        if found := node_id in balancer.nodes:
            self._edit(balancer, node_id, settings)
        return found

    def remove_node(self, lb_id: str, node_id: int) -> bool:
        """Whether there was such a node."""
        balancer = self._balancers[lb_id]
        if found := node_id in balancer.nodes:
            self._remove(balancer, [node_id])
        return found

    def set_status(self, lb_id: str, status: str) -> None:
        """It keeps the status. ACTIVE also ends a change that is under way; DELETED is one that can still be looked at."""
        balancer = self._balancers[lb_id]
        balancer.status, balancer.busy_until = status, 0.0

    def delete(self, lb_id: str, pending: float = 0.0, marked: float = 0.0) -> None:
        """It is PENDING_DELETE for so many seconds, then DELETED for so many, then unknown."""
        self._delete(self._balancers[lb_id], pending, marked)

    def _delete(self, balancer: Balancer, pending: float, marked: float) -> None:
        if self._balancers.get(balancer.id) is not balancer:
            return
        if pending > 0:
            self.set_status(balancer.id, "PENDING_DELETE")
            self.nature.later(pending, lambda: self._delete(balancer, 0.0, marked))
        elif marked > 0:
            self.set_status(balancer.id, "DELETED")
            self.nature.later(marked, lambda: self._delete(balancer, 0.0, 0.0))
        else:
            del self._balancers[balancer.id]

    def set_monitor(self, lb_id: str, monitored: bool) -> None:
        balancer = self._balancers[lb_id]
        balancer.monitor = MONITOR if monitored else None
        if not monitored:
            self._judge(balancer, lambda node: "ONLINE")

    def limit(self, lb_id: str, most: int) -> None:
        self._balancers[lb_id].limit = most

    # Requests

    def answer(self, ask: Ask) -> Answer:
        match ask.parts:
            case ["loadbalancers", lb_id, *rest]:
                balancer = self._balancers.get(lb_id)
                if balancer is None or balancer.tenant != ask.tenant:
                    return refused(404, "Load balancer not found")
                return self._read(balancer, rest) if ask.method == "GET" else self._obey(ask, balancer, rest)
        return NO_PATH

    def _read(self, balancer: Balancer, rest: list[str]) -> Answer:
        match rest:
            case []:
                shown = {"id": int(balancer.id), "name": f"lb-{balancer.id}", "status": self._status_of(balancer)}
                return Answer(200, {"loadBalancer": shown})
            case _ if balancer.status == "DELETED":
                code = 404 if self.deleted == 404 else 410
                return refused(code, DELETED[code])
            case ["nodes"]:
                return self._render(balancer, self._seen(balancer))
            case ["healthmonitor"]:
                return Answer(200, {"healthMonitor": dict(balancer.monitor or {})})
        return NO_PATH

    def _obey(self, ask: Ask, balancer: Balancer, rest: list[str]) -> Answer:
        status = self._status_of(balancer)
        if status != "ACTIVE":
            return self._immutable(balancer, status)
        match ask.method, rest:
            case "POST", ["nodes"]:
                return self._asked_to_add(ask, balancer)
            case "PUT", ["nodes", node_id]:
                return self._asked_to_edit(ask, balancer, node_id)
            case "DELETE", ["nodes"]:
                return self._asked_to_remove(ask, balancer)
        return NO_PATH

    def _immutable(self, balancer: Balancer, status: str) -> Answer:
        if status == "DELETED":
            return refused(self.deleted, DELETED[self.deleted])
        code = 422 if status in ("PENDING_DELETE", "PENDING-DELETE") else self.immutable
        return refused(code, f"Load Balancer '{balancer.id}' has a status of '{status}' and is considered immutable.")

    def _asked_to_add(self, ask: Ask, balancer: Balancer) -> Answer:
        documents = ask.json["nodes"]
        problem = next((wrong for document in documents if (wrong := wrong_in(document))), "")
        if not documents or problem:
            return invalid(problem or "Must provide at least 1 node for the load balancer.")
        if refusal := self._why_not_added(balancer, documents):
            return refusal
        nodes = self._add(balancer, documents)
        tell(self.on_add, ask, balancer, nodes)
        return Answer(202, {"nodes": [self._shown(balancer, node) for node in nodes]})

    def _asked_to_edit(self, ask: Ask, balancer: Balancer, node_id: str) -> Answer:
        settings = ask.json["node"]
        if fixed := sorted(settings.keys() - {"condition", "weight", "type"}):
            return invalid(f"{', '.join(fixed)} cannot be changed")
        if problem := wrong_in(settings):
            return invalid(problem)
        id = int(node_id) if node_id.isdecimal() else 0
        if id not in balancer.nodes:
            return refused(404, f"Node with id #{node_id} not found for loadbalancer #{balancer.id}")
        self._edit(balancer, id, settings)
        tell(self.on_change, ask, balancer, [balancer.nodes[id]])
        return ACCEPTED

    def _asked_to_remove(self, ask: Ask, balancer: Balancer) -> Answer:
        words = list(dict.fromkeys(str(word) for word in ask.params.get("id", ())))
        ids = [int(word) if word.isdecimal() else 0 for word in words]
        if not ids:
            return refused(400, "Must supply one or more id's to process this request.")
        if strangers := [word for word, id in zip(words, ids, strict=True) if id not in balancer.nodes]:
            return invalid(f"Node ids {','.join(strangers)} are not a part of your loadbalancer")
        if len(ids) > MOST_REMOVALS:
            limit = f"exceeds the account limit BATCH_DELETE_LIMIT of {MOST_REMOVALS}"
            return invalid(f"Request to delete {len(ids)} nodes {limit} please attempt to delete fewer then 10 nodes")
        tell(self.on_remove, ask, balancer, self._remove(balancer, ids))
        return ACCEPTED

    def _why_not_added(self, balancer: Balancer, documents: Sequence[Settings]) -> Answer | None:
        places = {(node.address, node.port) for node in balancer.nodes.values()}
        wanted = [(document["address"], document["port"]) for document in documents]
        if len(places.union(wanted)) < len(places) + len(wanted):
            message = "Duplicate nodes detected. One or more nodes already configured on load balancer."
            return refused(self.duplicate, message)
        if len(balancer.nodes) + len(wanted) > balancer.limit:
            return refused(413, f"Nodes must not exceed {balancer.limit} per load balancer.")
        return None

    # Changes

    def _add(self, balancer: Balancer, documents: Sequence[Settings]) -> list[Node]:
        now, status = self.nature.now(), "OFFLINE" if balancer.monitor else "ONLINE"
        nodes = [Node(next(self._node_ids), status=status, added=now, **document) for document in documents]
        with_them = {node.id: node for node in nodes}
        self._change(balancer, lambda: balancer.nodes.update(with_them))
        return nodes

    def _edit(self, balancer: Balancer, node_id: int, settings: Settings) -> None:
        self._refreshed(balancer)
        old, now = balancer.nodes[node_id], self.nature.now()
        new = evolve(old, **settings)
        if new.condition == "DRAINING" != old.condition:
            seconds = self.draining(self.nature.random)
            new = evolve(new, opened=self.connections(old), drains=now, drained=now + seconds)
        self._change(balancer, lambda: balancer.nodes.update({node_id: new}))

    def _remove(self, balancer: Balancer, ids: Sequence[int]) -> list[Node]:
        nodes = [balancer.nodes[id] for id in ids]

        def remove() -> None:
            for id in ids:
                del balancer.nodes[id]

        self._change(balancer, remove)
        return nodes

    def _change(self, balancer: Balancer, change: Callable[[], None]) -> None:
        """Everything that changes the nodes of a balancer. Lists are seen in the order in which they became true."""
        now, before = self.nature.now(), self._refreshed(balancer)
        change()
        balancer.listed = None
        balancer.busy_until = max(balancer.busy_until, now + self.settle(self.nature.random))
        until = now + self.lag(self.nature.random)
        if until > now:
            balancer.older.append((until, before))

    # How it looks

    def _status_of(self, balancer: Balancer) -> str:
        busy = balancer.status == "ACTIVE" and self.nature.now() < balancer.busy_until
        return "PENDING_UPDATE" if busy else balancer.status

    def _seen(self, balancer: Balancer) -> tuple[Node, ...]:
        """The nodes that the service lists at this moment."""
        if balancer.older:
            now = self.nature.now()
            while balancer.older and balancer.older[0][0] <= now:
                balancer.older.popleft()
            if balancer.older:
                return balancer.older[0][1]
        return self._refreshed(balancer)

    def _refreshed(self, balancer: Balancer) -> tuple[Node, ...]:
        """The nodes, after the health monitor has looked at them."""
        if balancer.monitor:
            ripe = self.nature.now() - self.probing
            self._judge(
                balancer, lambda node: "ONLINE" if node.added <= ripe and self.works(node.address) else "OFFLINE"
            )
        return balancer.now_listed()

    def _judge(self, balancer: Balancer, verdict: Callable[[Node], str]) -> None:
        for node in balancer.now_listed():
            if (status := verdict(node)) != node.status:
                balancer.nodes[node.id] = evolve(node, status=status)
                balancer.listed = None

    def _render(self, balancer: Balancer, nodes: tuple[Node, ...]) -> Answer:
        """An answer is made once for each list; with connections in it, once for each request."""
        if balancer.rendered and balancer.rendered[0] is nodes and not self.shows_connections:
            return balancer.rendered[1]
        answer = Answer(200, {"nodes": [self._shown(balancer, node) for node in nodes]})
        balancer.rendered = (nodes, answer)
        return answer

    def _shown(self, balancer: Balancer, node: Node) -> dict[str, Any]:
        shown = {
            "id": node.id,
            "address": node.address,
            "port": node.port,
            "condition": node.condition,
            "status": node.status,
            "type": node.type,
        }
        if balancer.weighted:
            shown["weight"] = node.weight
        if self.shows_connections:
            shown["connections"] = self.connections(node)
        return shown


def tell(listeners: Sequence[Told], ask: Ask, balancer: Balancer, nodes: Sequence[Node]) -> None:
    for listener in listeners:
        listener(ask, balancer, nodes)


def wrong_in(document: Settings) -> str:
    """What is wrong with what a node is to be; "" if nothing is."""
    if strange := sorted(document.keys() - {"address", "port", "condition", "weight", "type"}):
        return f"Unknown element: {', '.join(strange)}"
    if document.get("condition", "ENABLED") not in CONDITIONS:
        return "Node condition is invalid"
    if document.get("type", "PRIMARY") not in TYPES:
        return "Node type is invalid"
    if not 1 <= document.get("weight", 1) <= 100:
        return "Node weight is invalid. Range is 1-100."
    return ""


def refused(code: int, message: str) -> Answer:
    return Answer(code, {"code": code, "message": message, "details": ""})


def invalid(message: str) -> Answer:
    document = {"code": 400, "message": "Validation Failure", "details": "The object is not valid"}
    return Answer(400, {**document, "validationErrors": {"messages": [message]}})
