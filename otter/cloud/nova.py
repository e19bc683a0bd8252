"""Nova: servers. (docs/clouds.md, "Nova".)"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from math import inf
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from effect import Constant, Effect, catch
from effect.do import do
from pyrsistent import PSet, pset, pvector

from otter.cloud.balancers.kinds import KINDS
from otter.cloud.errors import Hopeless, Unreachable, classified, understood
from otter.cloud.request import request
from otter.domain.balancers import BalancerId, Target
from otter.domain.group import GroupId
from otter.domain.launch import FileLimits
from otter.domain.servers import Server, ServerState

SERVICE = "nova"
MOST_PAGES = 1000
LIST = "detail"
"""What stands in place of a server's id if the list is meant."""
GROUP_KEY = "rax:autoscale:group:id"
OLD_GROUP_KEY = "rax:auto_scaling_group_id"
CREATE_KEY = "rax:autoscale:create"
STATE_KEY = "rax:autoscale:server:state"
LEAVING = "DRAINING"
BALANCER_KEY = "rax:autoscale:lb:"
OUR_KEYS = ("rax:autoscale:", "rax:auto_scaling")
"""What the keys begin with that are otter's business."""
STATES = {
    "ACTIVE": ServerState.ACTIVE,
    "BUILD": ServerState.BUILD,
    "ERROR": ServerState.BROKEN,
    "SHUTOFF": ServerState.BROKEN,
    "DELETED": ServerState.DELETING,
}


class NoSuchServer(Hopeless):
    """Nova is sure that there is no such server."""


class NotFound(Hopeless):
    """Nova is sure that there is no such image or flavor."""


class InvalidServer(Hopeless):
    """Nova will never make such a server."""


class OverQuota(Hopeless):
    """The tenant may not have another server."""


class Refused(Hopeless):
    """Nova does not make servers for the tenant."""


class MetadataFull(Hopeless):
    """The server takes no more items of metadata."""


NO_PAGE = r"(?!\s*<)"
"""A refusal in HTML comes from something in between, and means nothing."""
GET_ERRORS = (({404}, NO_PAGE, NoSuchServer),)
FOUND, FIND_ERRORS = (200, 203), (({404}, NO_PAGE, NotFound),)
LIST_ERRORS = (
    ({400}, "marker .* not found", lambda _: Unreachable("Nova's list of servers changed while it was read")),
)
LONGEST_ID = 255
METADATA_ERRORS = (*GET_ERRORS, ({403, 413}, "Maximum number of metadata items", MetadataFull))
NETWORKS = (
    r"403 Forbidden\s+Access was denied to this resource\.\s+"
    r"(?=Exactly 1 isolated network\(s\) must be attached|Networks \(.*\) (not allowed|required but missing))"
)
CREATE_ERRORS = (
    ({400, 422}, NO_PAGE, lambda message: InvalidServer(f"Server launch configuration is invalid: {message}")),
    ({403}, NETWORKS, lambda message: InvalidServer(f"Server launch configuration is invalid: {last_line(message)}")),
    ({403, 413}, "Quota exceeded", lambda message: OverQuota(f"Servers cannot be created: {message}")),
    ({402, 403, 404, 405, 406, 415}, NO_PAGE + ".", lambda message: Refused(f"Servers cannot be created: {message}")),
)


@do
def list_servers():
    """Effect of all servers of the tenant, ours or not: a vector of ``Server``."""
    servers, params, pages = [], {"limit": ["100"]}, []
    while params:
        if params in pages or len(pages) == MOST_PAGES:
            raise Unreachable("Nova's list of servers has no end")
        pages.append(params)
        listed = request(SERVICE, "list the servers", "GET", f"servers/{LIST}", params=params)
        answer = yield listed.on(error=classified(LIST_ERRORS))
        some, params = understood("Nova", page_of)(answer)
        servers += some
    return pvector(servers)


def get_server(server_id: str) -> Effect:
    """Effect of one ``Server``; None if it does not exist."""
    if server_id == LIST:
        return Effect(Constant(None))
    return (
        request(SERVICE, "show a server", "GET", f"servers/{quote(server_id, '')}")
        .on(error=classified(GET_ERRORS))
        .on(success=understood("Nova", lambda answer: server_of(answer["server"])))
        .on(error=catch(NoSuchServer, lambda gone: None))
    )


def create_server(
    group_id: GroupId, create_id: str, name: str, server: Mapping, targets: PSet[Target], send_by: float
) -> Effect:
    """
    Effect of the id of a new server.

    Fails with ``InvalidServer``, ``OverQuota`` or ``Refused`` if there is no point in asking again.

    :param send_by: see ``CloudRequest``; Nova cannot be told to refuse what comes too late, so we do.
    """
    metadata = {**theirs(server.get("metadata", {})), **metadata_of(group_id, create_id, targets)}
    body = {"server": {**server, "name": name, "metadata": metadata}}
    return (
        request(SERVICE, "create a server", "POST", "servers", json=body, success=(202,), send_by=send_by)
        .on(error=classified(CREATE_ERRORS))
        .on(success=understood("Nova", lambda answer: str(answer["server"]["id"])))
    )


def delete_server(server_id: str) -> Effect:
    """Effect of asking for a server's end; fine if it is gone already."""
    path = f"servers/{quote(server_id, '')}"
    return request(SERVICE, "delete a server", "DELETE", path, success=(202, 204, 404))


def mark_leaving(server_id: str) -> Effect:
    """Effect of writing on a server that it is on its way out; fine if it is gone, or has no room for that."""
    path = f"servers/{quote(server_id, '')}/metadata/{quote(STATE_KEY, '')}"
    return (
        request(SERVICE, "mark a server", "PUT", path, json={"meta": {STATE_KEY: LEAVING}})
        .on(error=classified(METADATA_ERRORS))
        .on(error=catch((NoSuchServer, MetadataFull), lambda _: None))
    )


@do
def release_server(server_id: str):
    """Effect of taking otter's items out of a server's metadata; fine if it is gone."""
    path = f"servers/{quote(server_id, '')}/metadata"
    try:
        shown = yield request(SERVICE, "show a server's metadata", "GET", path).on(error=classified(GET_ERRORS))
        before, after = understood("Nova", lambda answer: (answer["metadata"], theirs(answer["metadata"])))(shown)
        if before == after:
            return
        body = {"metadata": after}
        yield request(SERVICE, "release a server", "PUT", path, json=body).on(error=classified(GET_ERRORS))
    except NoSuchServer:
        return


def theirs(metadata: Mapping[str, str]) -> dict[str, str]:
    """What is the owner's of a server's metadata. Nobody else speaks in otter's name."""
    return {key: value for key, value in metadata.items() if not key.startswith(OUR_KEYS)}


def show_image(image_id: str) -> Effect:
    """Effect of the status of an image, "ACTIVE" if servers can be made from it; None if it does not exist."""
    return show("images", image_id, "show an image", lambda answer: text(answer["image"]["status"]).upper())


def show_flavor(flavor_id: str) -> Effect:
    """Effect of the id of a flavor; None if it does not exist."""
    return show("flavors", flavor_id, "show a flavor", lambda answer: text(answer["flavor"]["id"]))


def show(kind: str, thing_id: str, what: str, read: Callable[[Any], str]) -> Effect:
    """Effect of what ``read`` makes of the answer about an image or flavor; None if there is no such thing."""
    if thing_id in (LIST, ".", "..") or "/" in thing_id or len(thing_id) > LONGEST_ID:
        # In a URL that would be something else, or nothing.
        return Effect(Constant(None))
    return (
        request(SERVICE, what, "GET", f"{kind}/{quote(thing_id, '')}", success=FOUND)
        .on(error=classified(FIND_ERRORS))
        .on(success=understood("Nova", read))
        .on(error=catch(NotFound, lambda _: None))
    )


def show_limits() -> Effect:
    """Effect of the tenant's ``FileLimits``."""
    return request(SERVICE, "show the limits", "GET", "limits", success=FOUND).on(
        success=understood("Nova", file_limits_of)
    )


def file_limits_of(answer: Mapping[str, Any]) -> FileLimits:
    """A limit that is not said, or is negative, is none."""
    absolute = answer["limits"]["absolute"]
    most, size = (absolute.get(name, -1) for name in ("maxPersonality", "maxPersonalitySize"))
    return FileLimits(most if most >= 0 else inf, size if size >= 0 else inf)


def metadata_of(group_id: GroupId, create_id: str, targets: PSet[Target]) -> dict[str, str]:
    """What makes a server the group's, and says where it belongs. (docs/convergence.md, "Metadata on servers".)"""
    ports: dict[str, list] = {}
    for target in sorted(targets):
        entries = ports.setdefault(f"{BALANCER_KEY}{target.balancer.kind}:{target.balancer.id}", [])
        entries += [] if target.port is None else [{"port": target.port}]
    ours = {GROUP_KEY: group_id.group, OLD_GROUP_KEY: group_id.group, CREATE_KEY: create_id}
    return ours | {key: json.dumps(value) if value else "" for key, value in ports.items()}


def page_of(answer: Mapping[str, Any]) -> tuple[list[Server], dict[str, list[str]] | None]:
    """The servers on one page of a list, and the parameters of the next page; None if there is none."""
    servers = [server_of(document) for document in answer["servers"] if not is_odd_stranger(document)]
    following = [link["href"] for link in answer.get("servers_links", ()) if link["rel"] == "next"]
    return servers, parse_qs(urlsplit(following[0]).query) if following and answer["servers"] else None


def is_odd_stranger(document: Any) -> bool:
    """Whether this is a server of nobody's group that we cannot make sense of. It is no reason not to see the others."""
    if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
        return False
    if document["metadata"].keys() & {GROUP_KEY, OLD_GROUP_KEY}:
        return False
    try:
        server_of(document)
        return False
    except (KeyError, TypeError, ValueError, AttributeError):
        return True


def server_of(document: Mapping[str, Any]) -> Server:
    """The server that an element of Nova's detailed list describes."""
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    addresses = [entry["addr"] for entry in document.get("addresses", {}).get("private", ()) if entry["version"] == 4]
    return Server(
        id=text(document["id"]),
        name=text(document["name"]),
        state=state_of(document),
        created=datetime.fromisoformat(document["created"]).timestamp(),
        address=next((address for address in addresses if address.startswith("10.")), ""),
        group_id=metadata.get(GROUP_KEY, metadata.get(OLD_GROUP_KEY)),
        create_id=metadata.get(CREATE_KEY),
        targets=pset([target for key, value in metadata.items() for target in targets_in(key, value)]),
        links=pvector(dict(link) for link in document.get("links", ())),
        marked=metadata.get(STATE_KEY) == LEAVING,
    )


def state_of(document: Mapping[str, Any]) -> ServerState:
    if document.get("OS-EXT-STS:task_state") == "deleting":
        return ServerState.DELETING
    return STATES.get(document["status"], ServerState.OTHER)


def targets_in(key: str, value: str) -> list[Target]:
    """The targets in one metadata item; none if it is not about a load balancer, or was damaged."""
    if not key.startswith(BALANCER_KEY):
        return []
    kind, _, lb_id = key.removeprefix(BALANCER_KEY).partition(":")
    if kind not in KINDS or not lb_id:
        return []
    balancer = BalancerId(kind, lb_id.lower())
    if not KINDS[kind].traits.by_address:
        return [Target(balancer)]
    try:
        return [Target(balancer, int(entry["port"])) for entry in json.loads(value)]
    except (ValueError, TypeError, KeyError):
        return []


def text(value: Any) -> str:
    """:raises TypeError: it is something else."""
    if not isinstance(value, str):
        raise TypeError(f"not a string: {value!r}")
    return value


def last_line(message: str) -> str:
    return message.strip().splitlines()[-1].strip()
