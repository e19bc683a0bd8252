"""RackConnect v3: pools of servers, changed in bulk, wholly or not at all."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from attrs import define, field

from tests.sim.world.answers import Answer, Ask, Nature

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
NO_PATH = Answer(404, "Not Found")
NO_ID = Answer(400, "The input was not in the correct format. Please reference the documentation")
Pair = tuple[str, str]
"""A pool and a server."""


@define(eq=False)
class Pool:
    """:ivar members: server -> the membership's id, in the order in which they came. :ivar listed: what is answered, if it is known."""

    tenant: str
    id: str
    status: str = "ACTIVE"
    members: dict[str, str] = field(factory=dict)
    listed: Answer | None = None


Told = Callable[[Ask, Pool, Sequence[str]], None]
"""Somebody who wants to know which servers a request has added to a pool, or removed from it."""


@define(eq=False)
class RackConnect:
    """
    All pools of all tenants. What other people do is never refused.

    A server that does not exist any more stays a member until somebody removes it; that is not refused.

    :ivar exists: whether a tenant has a server. :ivar made: when a server was made (epoch seconds); as the default, when it
        was first asked for here.
    :ivar unprocessable: for how many seconds a new server cannot become a member.
    :ivar on_add, on_remove: told of what requests do, once for each pool, not of what other people do.
    """

    nature: Nature
    exists: Callable[[str, str], bool]
    made: Callable[[str, str], float] | None = field(default=None, kw_only=True)
    unprocessable: float = field(default=0.0, kw_only=True)
    on_add: list[Told] = field(factory=list, init=False)
    on_remove: list[Told] = field(factory=list, init=False)
    _pools: dict[str, Pool] = field(factory=dict, init=False)
    _first_asked: dict[Pair, float] = field(factory=dict, init=False)
    _ids: Any = field(factory=lambda: count(1), init=False)

    # What there is

    def members(self, pool_id: str) -> tuple[str, ...]:
        """Ids of servers; none, if there is no such pool."""
        pool = self._pools.get(pool_id.lower())
        return tuple(pool.members) if pool else ()

    def pools(self) -> Iterable[Pool]:
        return self._pools.values()

    # What other people do

    def create_pool(self, tenant: str, pool_id: str | None = None) -> str:
        """Its id."""
        id = (pool_id or self._new_id("a001")).lower()
        if id in self._pools:
            raise ValueError(f"there is a pool {id}")
        self._pools[id] = Pool(tenant, id)
        return id

    def add_member(self, pool_id: str, server_id: str) -> None:
        self._join(self._pools[pool_id.lower()], [server_id])

    def remove_member(self, pool_id: str, server_id: str) -> None:
        self._leave(self._pools[pool_id.lower()], [server_id])

    def set_status(self, pool_id: str, status: str) -> None:
        self._pools[pool_id.lower()].status = status

    def delete_pool(self, pool_id: str) -> None:
        self._pools.pop(pool_id.lower(), None)

    # Requests

    def answer(self, ask: Ask) -> Answer:
        match ask.method, ask.parts:
            case "GET", ["load_balancer_pools"]:
                return Answer(200, [shown(pool) for pool in self._pools.values() if pool.tenant == ask.tenant])
            case "GET", ["load_balancer_pools", pool_id, *rest]:
                return self._read(ask, pool_id, rest)
            case "POST", ["load_balancer_pools", "nodes"]:
                return self._bulk(ask, self._why_not_added, self._add)
            case "DELETE", ["load_balancer_pools", "nodes"]:
                return self._bulk(ask, self._why_not_removed, self._remove)
        return NO_PATH

    def _read(self, ask: Ask, pool_id: str, rest: list[str]) -> Answer:
        pool = self._pool(ask, pool_id)
        match rest:
            case _ if not UUID.fullmatch(pool_id):
                return NO_ID
            case _ if pool is None:
                return Answer(404, f"Load Balancer Pool {pool_id} does not exist")
            case []:
                return Answer(200, shown(pool))
            case ["nodes"]:
                pool.listed = pool.listed or Answer(200, memberships(pool, pool.members))
                return pool.listed
        return NO_PATH

    def _bulk(
        self, ask: Ask, why_not: Callable[[Ask, Pool, str], str], obey: Callable[[Ask, Pool, list[str]], Answer]
    ) -> Answer:
        """All pairs, or none; a sentence for each that is wrong, and one for each pool that is."""
        pairs = list(dict.fromkeys(pairs_in(ask.json)))
        if not pairs or not all(UUID.fullmatch(pool_id) for pool_id, _ in pairs):
            return NO_ID
        errors = [self._why_no_pool(ask, pool_id) for pool_id in dict.fromkeys(pool_id for pool_id, _ in pairs)]
        usable = [(pool, server) for pool_id, server in pairs if (pool := self._pool(ask, pool_id)) and is_active(pool)]
        errors += [why_not(ask, pool, server) for pool, server in usable]
        if sentences := [error for error in errors if error]:
            return Answer(409, {"errors": sentences})
        by_pool: dict[str, list[str]] = {}
        for pool, server in usable:
            by_pool.setdefault(pool.id, []).append(server)
        answers = [obey(ask, self._pools[pool_id], servers) for pool_id, servers in by_pool.items()]
        made = [membership for answer in answers for membership in answer.document or ()]
        return Answer(answers[0].status, made or None)

    def _pool(self, ask: Ask, pool_id: str) -> Pool | None:
        pool = self._pools.get(pool_id.lower())
        return pool if pool and pool.tenant == ask.tenant else None

    def _why_no_pool(self, ask: Ask, pool_id: str) -> str:
        pool = self._pool(ask, pool_id)
        if pool is None:
            return f"Load Balancer Pool {pool_id} does not exist"
        return "" if is_active(pool) else f"Load Balancer Pool {pool_id} is not in an ACTIVE state"

    def _why_not_added(self, ask: Ask, pool: Pool, server: str) -> str:
        if server in pool.members:
            return f"Cloud Server {server} is already a member of Load Balancer Pool {pool.id}"
        if not self.exists(ask.tenant, server):
            return f"Cloud Server {server} does not exist"
        if self.nature.now() < self._made(ask.tenant, server) + self.unprocessable:
            return f"Cloud Server {server} is unprocessable"
        return ""

    def _why_not_removed(self, ask: Ask, pool: Pool, server: str) -> str:
        if server in pool.members:
            return ""
        if not self.exists(ask.tenant, server):
            return f"Cloud Server {server} does not exist"
        return f"Cloud Server {server} is not a member of Load Balancer Pool {pool.id}"

    def _made(self, tenant: str, server: str) -> float:
        if self.made:
            return self.made(tenant, server)
        return self._first_asked.setdefault((tenant, server), self.nature.now())

    def _add(self, ask: Ask, pool: Pool, servers: list[str]) -> Answer:
        self._join(pool, servers)
        for listener in self.on_add:
            listener(ask, pool, servers)
        return Answer(201, memberships(pool, servers))

    def _remove(self, ask: Ask, pool: Pool, servers: list[str]) -> Answer:
        self._leave(pool, servers)
        for listener in self.on_remove:
            listener(ask, pool, servers)
        return Answer(204)

    def _join(self, pool: Pool, servers: Iterable[str]) -> None:
        for server in servers:
            if server not in pool.members:
                pool.members[server] = self._new_id("a002")
        pool.listed = None

    def _leave(self, pool: Pool, servers: Iterable[str]) -> None:
        for server in servers:
            pool.members.pop(server, None)
        pool.listed = None

    def _new_id(self, kind: str) -> str:
        return f"{next(self._ids):08x}-{kind}-4000-8000-000000000000"


def is_active(pool: Pool) -> bool:
    return pool.status == "ACTIVE"


def pairs_in(document: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """The pairs of a bulk request, pools in lower case."""
    return [(str(pair["load_balancer_pool"]["id"]).lower(), str(pair["cloud_server"]["id"])) for pair in document or ()]


def shown(pool: Pool) -> dict[str, Any]:
    counted = {"cloud_servers": len(pool.members)}
    return {"id": pool.id, "name": "default", "status": pool.status, "port": 80, "node_counts": counted}


def memberships(pool: Pool, servers: Iterable[str]) -> list[dict[str, Any]]:
    return [
        {
            "id": pool.members[server],
            "status": "ACTIVE",
            "cloud_server": {"id": server},
            "load_balancer_pool": {"id": pool.id},
        }
        for server in servers
    ]
