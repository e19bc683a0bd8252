"""RackConnect v3: load balancer pools, whose members are servers. (docs/clouds.md, "RackConnect v3".)"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from attrs import frozen
from effect import Effect, catch
from effect.do import do
from pyrsistent import PVector, pvector

from otter.cloud.balancers.interface import BalancerGone, Kind, in_order
from otter.cloud.errors import ApiError, CloudError, classified, understood
from otter.cloud.request import request
from otter.domain.balancers import Balancer, BalancerId, Node, Target, Traits
from otter.domain.events import THINGS, Notice, notices

SERVICE = "rackconnect"
KIND = "RackConnectV3"
CALLED = "RackConnect load balancer pool"
TRAITS = Traits(by_address=False, drains=False)

SERVER = "Cloud Server (?P<server>.*)"
POOL = "Load Balancer Pool (?P<pool>.*)"
INACTIVE = f"{POOL} is not in an ACTIVE state"
GONE = f"{POOL} does not exist"


@frozen
class Bulk:
    """
    One of the requests about several servers.

    :ivar settled: how it is refused for a server for which there is nothing to do.
    :ivar not_yet: how it is refused for a server for which it may be possible later.
    """

    what: str
    method: str
    success: int
    settled: tuple[str, ...]
    not_yet: tuple[str, ...]


ADD = Bulk(
    "add nodes to",
    "POST",
    201,
    settled=(f"{SERVER} is already a member of {POOL}",),
    not_yet=(f"{SERVER} is unprocessable", f"{SERVER} does not exist"),
)
REMOVE = Bulk(
    "remove nodes from",
    "DELETE",
    204,
    settled=(f"{SERVER} is not a member of {POOL}", f"{SERVER} does not exist"),
    not_yet=(f"{SERVER} is unprocessable",),
)


class PoolInactive(CloudError):
    """The pool changes nothing for now."""


class ServersUnprocessable(CloudError):
    """Servers cannot become members yet."""


def is_gone(pool_id: str) -> str:
    return f"{CALLED} does not exist: {pool_id}"


def read(pool_id: str) -> Effect:
    """Effect of the ``Balancer``."""
    path = f"load_balancer_pools/{quote(pool_id, '')}/nodes"
    gone = ({400, 404}, r"(?!\s*<)", lambda _: BalancerGone(is_gone(pool_id)))  # 400: not even an id
    return (
        request(SERVICE, f"list the nodes of {pool_id}", "GET", path)
        .on(error=classified([gone]))
        .on(success=understood("RackConnect", partial(nodes_in, pool_id), pool_id))
        .on(success=lambda nodes: Balancer(TRAITS, nodes))
    )


def add(pool_id: str, nodes: Collection[Node], present: int) -> Effect:
    """Effect of making servers members, in one request, which is refused as a whole if it is wrong about one of them."""
    return perform_bulk(ADD, pool_id, nodes)


def remove(pool_id: str, nodes: Collection[Node]) -> Effect:
    """Effect of ending memberships, in the same way. Where there is no pool there is nothing to do."""
    return perform_bulk(REMOVE, pool_id, nodes).on(error=catch(BalancerGone, lambda gone: None))


def change(pool_id: str, node: Node) -> Effect:
    """A member has nothing to it that could be changed."""
    raise NotImplementedError(f"{CALLED} {pool_id}: {node}")


@do
def perform_bulk(bulk: Bulk, pool_id: str, nodes: Collection[Node]):
    """Effect of a request about several servers, asked again without those that it was refused for."""
    what, path, success = f"{bulk.what} {pool_id}", "load_balancer_pools/nodes", (bulk.success,)
    left, refused_for_any = [node.host for node in in_order(nodes)], False
    while left:
        try:
            yield request(SERVICE, what, bulk.method, path, json=body_of(pool_id, left), success=success)
            break
        except ApiError as error:
            settled, refused = sorted_out(bulk, pool_id, left, error)
            refused_for_any |= bool(refused)
            left = [host for host in left if host not in settled | refused]
    if refused_for_any:
        raise ServersUnprocessable(f"{CALLED} {pool_id} cannot reach some of the servers yet")


def sorted_out(bulk: Bulk, pool_id: str, asked: Iterable[str], error: ApiError) -> tuple[set[str], set[str]]:
    """
    The servers for which a refused request is settled, and those for which it is not possible yet.

    :raises BalancerGone, PoolInactive:
    :raises ApiError: it is none of the known refusals, which always name one of the servers ``asked`` about, or the pool.
    """
    settled: set[str] = set()
    refused: set[str] = set()
    hosts = {host.lower(): host for host in asked}
    for sentence in sentences_of(error):
        if re.match(GONE, sentence, re.IGNORECASE):
            raise BalancerGone(is_gone(pool_id)) from error
        if re.match(INACTIVE, sentence, re.IGNORECASE):
            raise PoolInactive(f"{CALLED} {pool_id} is not active") from error
        for patterns, found in ((bulk.settled, settled), (bulk.not_yet, refused)):
            if (host := hosts.get(server_in(sentence, patterns))) is not None:
                found.add(host)
                break
        else:
            raise error
    if not settled | refused:
        raise error
    return settled, refused


def sentences_of(error: ApiError) -> Sequence[str]:
    """What is wrong, according to the body of a 409; nothing, if it is something else."""
    try:
        return [str(sentence) for sentence in json.loads(error.body)["errors"]] if error.status == 409 else []
    except (ValueError, KeyError, TypeError):
        return []


def server_in(sentence: str, patterns: Iterable[str]) -> str:
    """The id of the server that a sentence is about, in lower case; "" if it is another sentence."""
    matches = (re.match(pattern, sentence, re.IGNORECASE) for pattern in patterns)
    return next((match["server"].strip().lower() for match in matches if match), "")


def body_of(pool_id: str, hosts: Iterable[str]) -> list[dict[str, Any]]:
    return [{"cloud_server": {"id": host}, "load_balancer_pool": {"id": pool_id}} for host in hosts]


def nodes_in(pool_id: str, answer: Sequence[Mapping[str, Any]]) -> PVector[Node]:
    target = Target(BalancerId(KIND, pool_id))
    if not isinstance(answer, list):
        raise TypeError("not a list")
    return pvector(Node(target, str(member["cloud_server"]["id"]), str(member["id"])) for member in answer)


def adding(pool_id: str, nodes: Collection[Node]) -> list[Notice]:
    return notices("convergence-add-rcv3-nodes", f"Adding servers to RCv3 LB {pool_id}: {THINGS}", servers_of(nodes))


def changing(pool_id: str, nodes: Collection[Node]) -> list[Notice]:
    """There is nothing about them that could be changed."""
    return []


def removing(pool_id: str, nodes: Collection[Node]) -> list[Notice]:
    text = f"Removing servers from RCv3 LB {pool_id}: {THINGS}"
    return notices("convergence-remove-rcv3-nodes", text, servers_of(nodes))


def servers_of(nodes: Collection[Node]) -> list[str]:
    return sorted(node.host for node in nodes)


RACKCONNECT_V3 = Kind(TRAITS, read, add, change, remove, adding, changing, removing)
