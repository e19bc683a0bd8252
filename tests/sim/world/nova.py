"""
Nova, simulated: servers that take their time, lists that lag, quotas, and other people's hands.

What was answered is never changed afterwards: each change of a server makes a new document. So nothing has to be copied, and a
tenant's history is a row of lists of documents.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from math import inf
from random import Random
from typing import Any

from attrs import define, evolve, field, fields_dict, frozen

from tests.sim.world.answers import Answer, Ask, Nature

MOST_SNAPSHOTS = 512
"""How many states of a tenant's list are remembered."""
LONGEST = 255
"""Characters of a name, and of the key and the value of an item of metadata."""
KINDS = {
    400: "badRequest",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
}
NO_SERVER = "Instance could not be found"
NO_RESOURCE = "The resource could not be found."
VM_STATES = {"BUILD": "building", "SHUTOFF": "stopped"}
Listener = Callable[[Ask, "Server"], None]


@frozen
class Birth:
    """:ivar seconds: that it takes. :ivar ends: the status that the server has then; "" if it is in BUILD for ever."""

    seconds: float
    ends: str = "ACTIVE"


def usual_birth(random: Random) -> Birth:
    return Birth(random.uniform(20, 60))


def usual_deletion(random: Random) -> float:
    return random.uniform(2, 10)


@define(kw_only=True)
class Habits:
    """
    How Nova treats a tenant. All may be set at any time.

    :ivar page: the most servers on a page, whatever was asked for.
    :ivar build: how a new server fares. :ivar deletion: seconds that a server is ``deleting``; inf if it hangs there.
    :ivar lag: seconds that lists are old. Single servers are shown as they are.
    :ivar stale_replica: seconds that one of two replicas is behind that; each page comes from either, by chance.
    :ivar duplicates: chance that a page after the first begins with the last server of the page before.
    :ivar missing: chance that a page lacks one server.
    :ivar shifting: pages go by position, so that what changes between two of them shifts the second.
    :ivar forgets_markers: no page begins behind a server that is gone.
    :ivar quota: servers that may be, the ones on their way out too. :ivar quota_status: 403 or 413.
    :ivar metadata_limit: items of a server. :ivar metadata_status: 403 or 413.
    :ivar picky: metadata can be changed only of servers that are ACTIVE or SHUTOFF, and have no task.
    :ivar invalid: (key, value) of a launch -> what is said about it.
    """

    page: int = 1000
    build: Callable[[Random], Birth] = usual_birth
    deletion: Callable[[Random], float] = usual_deletion
    lag: float = 0.0
    stale_replica: float = 0.0
    duplicates: float = 0.0
    missing: float = 0.0
    shifting: bool = False
    forgets_markers: bool = False
    quota: float = inf
    quota_status: int = 403
    metadata_limit: int = 40
    metadata_status: int = 403
    picky: bool = False
    invalid: Mapping[tuple[str, Any], str] = field(
        factory=lambda: {("key_name", "missing"): "Invalid key_name provided."}
    )


@frozen(eq=False)
class Server:
    """
    A server as it is; a change makes another one.

    :ivar number: of its making: the first server of all is 1. :ivar created: seconds since 1970.
    :ivar address: on the private network; "" as long as it was never ACTIVE.
    :ivar metadata_before: as it was before the last request that changed it; None if there was none.
    :ivar document: what Nova shows of it.
    """

    tenant: str
    number: int
    id: str
    name: str
    created: float
    launch: Mapping[str, Any]
    metadata: Mapping[str, str]
    status: str = "BUILD"
    task_state: str | None = None
    address: str = ""
    updated: float = 0.0
    metadata_before: Mapping[str, str] | None = None
    document: dict[str, Any] = field(factory=dict, repr=False)

    @property
    def is_going(self) -> bool:
        return self.task_state == "deleting"


@define
class Account:
    """
    What there is of one tenant.

    :ivar servers: by id, the oldest first.
    :ivar history: (since when, the list), the newest last; lists have the newest server first.
    :ivar positions: where a page ended, by the marker that it gave.
    """

    servers: dict[str, Server] = field(factory=dict)
    listing: list[dict] = field(factory=list)
    history: deque[tuple[float, list[dict]]] = field(factory=lambda: deque([(-inf, [])], MOST_SNAPSHOTS))
    positions: dict[str, int] = field(factory=dict)

    def remember(self, now: float, longest_lag: float) -> None:
        """Called after each change."""
        self.listing = [server.document for server in reversed(self.servers.values())]
        history = self.history
        if history[-1][0] == now:
            history.pop()
        history.append((now, self.listing))
        while len(history) > 1 and history[1][0] <= now - longest_lag:
            history.popleft()

    def as_of(self, when: float) -> list[dict]:
        """The list as it was; the oldest one that is remembered, if that is too long ago."""
        return next((listing for since, listing in reversed(self.history) if since <= when), self.history[0][1])


@define(eq=False)
class Nova(Habits):
    """
    :ivar own: all the habits with tenants who are treated in another way than the rest. (See ``apart``.)
    :ivar root: of all links, to which the tenant is added.
    :ivar images: id -> status. :ivar limits: the absolute ones, about files.
    :ivar hidden: ids of servers that no list shows.
    :ivar longest_lag: seconds of history that are kept.
    :ivar reuse_addresses: a new server gets the address of the one that has been gone for longest.
    :ivar on_create: told of each change by a request, right after it was made. :ivar on_delete: told once for each server, when
        it is ``deleting``. :ivar on_metadata: the same; ``Server.metadata_before`` is what it was.
    """

    nature: Nature
    root: str = "http://nova.sim/v2"
    own: dict[str, Habits] = field(factory=dict)
    images: dict[str, str] = field(factory=lambda: {"img-1": "ACTIVE"})
    flavors: list[str] = field(factory=lambda: ["2", "3"])
    limits: dict[str, int] = field(factory=lambda: {"maxPersonality": 5, "maxPersonalitySize": 1000})
    hidden: set[str] = field(factory=set)
    longest_lag: float = 900.0
    reuse_addresses: bool = False
    on_create: list[Listener] = field(factory=list)
    on_delete: list[Listener] = field(factory=list)
    on_metadata: list[Listener] = field(factory=list)
    _accounts: dict[str, Account] = field(factory=dict, init=False)
    _tenant_of: dict[str, str] = field(factory=dict, init=False)
    _made: int = field(default=0, init=False)
    _addressed: int = field(default=0, init=False)
    _free: deque[str] = field(factory=deque, init=False)

    def answer(self, ask: Ask) -> Answer:
        match ask.method, ask.parts:
            case "GET", ["servers", "detail"]:
                return self._list(ask)
            case "POST", ["servers"]:
                return self._create(ask)
            case method, ["servers", server_id]:
                return self._one(ask, method, self._account(ask.tenant).servers.get(server_id))
            case method, ["servers", server_id, "metadata", *key]:
                return self._metadata(ask, method, self._account(ask.tenant).servers.get(server_id), "/".join(key))
            case "GET", ["images", image_id] if image_id in self.images:
                return Answer(200, {"image": {"id": image_id, "name": image_id, "status": self.images[image_id]}})
            case "GET", ["images", _]:
                return refusal(404, "Image not found.")
            case "GET", ["flavors", flavor_id] if flavor_id in self.flavors:
                return Answer(200, {"flavor": {"id": flavor_id, "name": flavor_id}})
            case "GET", ["flavors", _]:
                return refusal(404, "The resource could not be found.")
            case "GET", ["limits"]:
                return self._limits(ask.tenant)
        return refusal(404, NO_RESOURCE)

    def apart(self, tenant: str) -> Habits:
        """The tenant's own habits, to be changed; they begin as what all others meet. ``own.pop(tenant)`` ends them."""
        if tenant not in self.own:
            self.own[tenant] = Habits(**{name: getattr(self, name) for name in fields_dict(Habits)})
        return self.own[tenant]

    # What oracles look at

    def servers(self, tenant: str) -> list[Server]:
        """All there are, the oldest first, also those that are going."""
        return list(self._account(tenant).servers.values())

    def server(self, server_id: str) -> Server | None:
        """None if it is gone, or never was."""
        tenant = self._tenant_of.get(server_id)
        return None if tenant is None else self._accounts[tenant].servers[server_id]

    def tenants(self) -> list[str]:
        """Who has ever asked for anything."""
        return list(self._accounts)

    # Other people's hands

    def create_other(self, tenant: str, name: str, metadata: Mapping[str, str] | None = None) -> str:
        """The id of a server that somebody else made, and that is ACTIVE."""
        server = self._new(tenant, {"name": name, "imageRef": "", "flavorRef": "2"}, metadata or {})
        self.set_status(server.id, "ACTIVE")
        return server.id

    def vanish(self, server_id: str) -> None:
        """It is gone at once, if it was not gone before."""
        tenant = self._tenant_of.pop(server_id, None)
        if tenant is None:
            return
        account = self._accounts[tenant]
        server = account.servers.pop(server_id)
        if server.address:
            self._free.append(server.address)
        account.remember(self.nature.now(), self.longest_lag)

    def keep(self, server_id: str) -> None:
        """A server that hangs on its way out is what it was before."""
        self._put(self._there(server_id), task_state=None)

    def set_status(self, server_id: str, status: str) -> None:
        """A server in BUILD is not built any further, and gets its address when it is ACTIVE."""
        server = self._there(server_id)
        address = server.address or (self._next_address() if status == "ACTIVE" else "")
        self._put(server, status=status, address=address)

    def edit_metadata(self, server_id: str, items: Mapping[str, str | None]) -> None:
        """Sets items; takes away those that are to be None."""
        server = self._there(server_id)
        metadata = {**server.metadata, **items}
        self._put(server, metadata={key: value for key, value in metadata.items() if value is not None})

    def finish_building(self, server_id: str | None = None) -> None:
        """This server is ACTIVE now; all that are in BUILD, if none is named."""
        some = [server_id] if server_id is not None else list(self._tenant_of)
        for each in some:
            server = self._there(each)
            if server.status == "BUILD" and not server.is_going:
                self.set_status(each, "ACTIVE")

    def finish_deleting(self, server_id: str | None = None) -> None:
        """This server is gone now; all that are on their way out, if none is named."""
        some = [server_id] if server_id is not None else list(self._tenant_of)
        for each in some:
            if self._there(each).is_going:
                self.vanish(each)

    # Lists

    def _list(self, ask: Ask) -> Answer:
        habits = self.own.get(ask.tenant, self)
        wanted = ask.params.get("limit", ("0",))[0]
        if not wanted.isdecimal():
            return refusal(
                400, "limit param must be an integer" if wanted[:1] != "-" else "limit param must be positive"
            )
        limit = min(int(wanted) or habits.page, habits.page)
        listing = self._listing(ask.tenant, habits)
        marker = ask.params.get("marker", (None,))[0]
        start = 0 if marker is None else self._start(ask.tenant, listing, marker, habits)
        if start is None:
            return refusal(400, f"marker [{marker}] not found")
        if start and limit > 1 and habits.duplicates and self.nature.random.random() < habits.duplicates:
            start -= 1
        page = listing[start : start + limit]
        document: dict[str, Any] = {"servers": self._shown(page, habits)}
        if len(page) == limit:
            document["servers_links"] = [self._next(ask, limit, page[-1]["id"])]
            if habits.shifting:
                self._account(ask.tenant).positions[page[-1]["id"]] = start + limit
        return Answer(200, document)

    def _listing(self, tenant: str, habits: Habits) -> list[dict]:
        """All of the tenant's servers, as old as lists are."""
        account, age = self._account(tenant), habits.lag
        if habits.stale_replica and self.nature.random.random() < 0.5:
            age += habits.stale_replica
        return account.as_of(self.nature.now() - age) if age else account.listing

    def _start(self, tenant: str, listing: list[dict], marker: str, habits: Habits) -> int | None:
        """Where the page after the marker begins; None if there is no such marker."""
        number = number_of(marker)
        if not 0 < number <= self._made or id_of(number) != marker or self._tenant_of.get(marker, tenant) != tenant:
            return None
        if habits.forgets_markers and marker not in self._tenant_of:
            return None
        if habits.shifting and marker in (positions := self._account(tenant).positions):
            return positions[marker]
        return bisect_right(listing, -number, key=lambda document: -number_of(document["id"]))

    def _shown(self, page: list[dict], habits: Habits) -> list[dict]:
        if self.hidden:
            page = [document for document in page if document["id"] not in self.hidden]
        if habits.missing and page and self.nature.random.random() < habits.missing:
            lost = self.nature.random.randrange(len(page))
            page = page[:lost] + page[lost + 1 :]
        return page

    def _next(self, ask: Ask, limit: int, marker: str) -> dict[str, str]:
        return {"rel": "next", "href": f"{self.root}/{ask.tenant}/servers/detail?limit={limit}&marker={marker}"}

    # Single servers

    def _one(self, ask: Ask, method: str, server: Server | None) -> Answer:
        if server is None:
            return refusal(404, NO_SERVER)
        if method == "GET":
            return Answer(200, {"server": server.document})
        if method == "DELETE":
            self._delete(ask, server)
            return Answer(204)
        return refusal(405, "The method specified is not allowed for this resource.")

    def _delete(self, ask: Ask, server: Server) -> None:
        """A server that is going already is not asked about, nor is its end put off."""
        seconds = self.own.get(server.tenant, self).deletion(self.nature.random)
        if not server.is_going:
            server = self._put(server, task_state="deleting")
            for listener in self.on_delete:
                listener(ask, server)
        if seconds < inf:
            self.nature.later(seconds, partial(self.vanish, server.id))

    def _create(self, ask: Ask) -> Answer:
        launch = (ask.json or {}).get("server")
        if not isinstance(launch, Mapping):
            return refusal(
                400, "The server could not comply with the request since it is either malformed or otherwise incorrect."
            )
        metadata = launch.get("metadata") or {}
        refused = self._wrong_with(launch) or self._too_much(ask.tenant, metadata) or self._too_many(ask.tenant)
        if refused:
            return refused
        server = self._new(ask.tenant, launch, metadata)
        birth = self.own.get(ask.tenant, self).build(self.nature.random)
        if birth.ends and birth.seconds < inf:
            self.nature.later(birth.seconds, partial(self._built, server.id, birth.ends))
        for listener in self.on_create:
            listener(ask, server)
        shown = {"id": server.id, "links": server.document["links"], "adminPass": f"pw{server.number}"}
        return Answer(202, {"server": shown}, {"location": server.document["links"][0]["href"]})

    def _wrong_with(self, launch: Mapping[str, Any]) -> Answer | None:
        name, image, flavor = launch.get("name"), launch.get("imageRef") or "", launch.get("flavorRef")
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST:
            return refusal(400, f"Invalid input for field/attribute name. Value: {name}.")
        if image and image not in self.images:
            return refusal(400, "Can not find requested image")
        if image and self.images[image] != "ACTIVE":
            return refusal(400, f"Image {image} is not active.")
        if str(flavor) not in self.flavors:
            return refusal(400, "Invalid flavorRef provided.")
        for (key, value), message in self.invalid.items():
            if launch.get(key) == value:
                return refusal(400, message)
        return None

    def _too_many(self, tenant: str) -> Answer | None:
        habits, used = self.own.get(tenant, self), len(self._account(tenant).servers)
        if used < habits.quota:
            return None
        message = f"Quota exceeded for instances: Requested 1, but already used {used} of {habits.quota:g} instances"
        return refusal(habits.quota_status, message)

    def _too_much(self, tenant: str, metadata: Any) -> Answer | None:
        """What is wrong with metadata."""
        habits = self.own.get(tenant, self)
        if not isinstance(metadata, Mapping):
            return refusal(400, "Unable to parse metadata key/value pairs.")
        if len(metadata) > habits.metadata_limit:
            return refusal(habits.metadata_status, f"Maximum number of metadata items exceeds {habits.metadata_limit}")
        for key, value in metadata.items():
            if not isinstance(value, str):
                return refusal(400, "The input is not a string or unicode")
            if not 0 < len(key) <= LONGEST:
                return refusal(400, f"Metadata property key {'greater than 255 characters' if key else 'blank'}")
            if len(value) > LONGEST:
                return refusal(400, "Metadata property value greater than 255 characters")
        return None

    def _built(self, server_id: str, status: str) -> None:
        server = self.server(server_id)
        if server is not None and server.status == "BUILD" and not server.is_going:
            self.set_status(server_id, status)

    # Metadata

    def _metadata(self, ask: Ask, method: str, server: Server | None, key: str) -> Answer:
        if server is None:
            return refusal(404, "Server does not exist")
        if method == "GET":
            return self._show_metadata(server, key)
        if method != "PUT":
            return refusal(405, "The method specified is not allowed for this resource.")
        body = (ask.json or {}).get("meta" if key else "metadata")
        if not isinstance(body, Mapping):
            return refusal(400, "Malformed request body")
        if key and (len(body) != 1 or key not in body):
            return refusal(
                400, "Request body contains too many items" if len(body) > 1 else "Request body and URI mismatch"
            )
        metadata = {**server.metadata, **body} if key else dict(body)
        refused = self._too_much(ask.tenant, metadata) or self._busy(server)
        if refused:
            return refused
        server = self._put(server, metadata=metadata, metadata_before=server.metadata)
        for listener in self.on_metadata:
            listener(ask, server)
        return Answer(200, {"meta": dict(body)} if key else {"metadata": metadata})

    def _show_metadata(self, server: Server, key: str) -> Answer:
        if not key:
            return Answer(200, {"metadata": server.metadata})
        if key not in server.metadata:
            return refusal(404, "Metadata item was not found")
        return Answer(200, {"meta": {key: server.metadata[key]}})

    def _busy(self, server: Server) -> Answer | None:
        if not self.own.get(server.tenant, self).picky:
            return None
        if server.task_state is not None:
            state = f"task_state {server.task_state}"
        elif server.status not in ("ACTIVE", "SHUTOFF"):
            state = f"vm_state {vm_state(server.status)}"
        else:
            return None
        return refusal(409, f"Cannot 'update metadata' instance {server.id} while it is in {state}")

    def _limits(self, tenant: str) -> Answer:
        habits, used = self.own.get(tenant, self), len(self._account(tenant).servers)
        most = int(habits.quota) if habits.quota < inf else -1
        counts = {"maxTotalInstances": most, "totalInstancesUsed": used, "maxServerMeta": habits.metadata_limit}
        return Answer(200, {"limits": {"rate": [], "absolute": {**counts, **self.limits}}})

    # Keeping books

    def _account(self, tenant: str) -> Account:
        account = self._accounts.get(tenant)
        if account is None:
            account = self._accounts[tenant] = Account()
        return account

    def _there(self, server_id: str) -> Server:
        """:raises KeyError: it is gone."""
        return self._accounts[self._tenant_of[server_id]].servers[server_id]

    def _new(self, tenant: str, launch: Mapping[str, Any], metadata: Mapping[str, str]) -> Server:
        self._made += 1
        server_id = id_of(self._made)
        self._account(tenant)
        self._tenant_of[server_id] = tenant
        now = self.nature.now()
        return self._put(Server(tenant, self._made, server_id, launch["name"], now, launch, dict(metadata)))

    def _put(self, server: Server, **changes: Any) -> Server:
        """The server with changes, as it is from now on."""
        now = self.nature.now()
        bare = evolve(server, updated=now, **changes)
        whole = evolve(bare, document=document_of(bare, f"{self.root}/{bare.tenant}/servers/{bare.id}"))
        account = self._accounts[whole.tenant]
        account.servers[whole.id] = whole
        account.remember(now, self.longest_lag)
        return whole

    def _next_address(self) -> str:
        if self.reuse_addresses and self._free:
            return self._free.popleft()
        self._addressed += 1
        high, low = divmod(self._addressed, 250)
        return f"10.{176 + high // 250}.{high % 250}.{low + 1}"


def document_of(server: Server, url: str) -> dict[str, Any]:
    """What Nova shows of a server."""
    document = {
        "id": server.id,
        "name": server.name,
        "status": server.status,
        "tenant_id": server.tenant,
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": vm_state(server.status),
        "created": iso(server.created),
        "updated": iso(server.updated),
        "progress": 100 if server.status == "ACTIVE" else 0,
        "image": {"id": server.launch["imageRef"]} if server.launch.get("imageRef") else "",
        "flavor": {"id": str(server.launch.get("flavorRef", ""))},
        "addresses": addresses_of(server),
        "metadata": server.metadata,
        "links": [{"rel": "self", "href": url}, {"rel": "bookmark", "href": url.replace("/v2/", "/")}],
    }
    if server.status == "ERROR":
        message = "No valid host was found. There are not enough hosts available."
        document["fault"] = {"code": 500, "message": message, "created": document["updated"]}
    return document


def addresses_of(server: Server) -> dict[str, list[dict]]:
    if not server.address:
        return {}
    public = "198." + server.address.partition(".")[2]
    return {"private": [{"version": 4, "addr": server.address}], "public": [{"version": 4, "addr": public}]}


def vm_state(status: str) -> str:
    return VM_STATES.get(status, status.lower())


def id_of(number: int) -> str:
    """An id that looks like chance, so that the order of ids is not the order of making."""
    return f"{number * 2654435761 & 0xFFFFFFFF:08x}-5e71-4000-8000-{number:012x}"


def number_of(server_id: str) -> int:
    """Which server has the id; 0 if that is no id of Nova's."""
    try:
        return int(server_id[24:], 16)
    except ValueError:
        return 0


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def refusal(status: int, message: str) -> Answer:
    document = {KINDS[status]: {"message": message, "code": status}}
    if status == 413:
        document[KINDS[status]]["retryAfter"] = 0
        return Answer(status, document, {"retry-after": "0"})
    return Answer(status, document)
