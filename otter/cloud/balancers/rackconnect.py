"""RackConnect v3: load balancer pools, whose members are servers. (docs/clouds.md, "RackConnect v3".)"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from effect import Effect
from effect.do import do
from pyrsistent import PVector, pvector

from otter.cloud.balancers.interface import BalancerGone, Kind, in_order
from otter.cloud.errors import ApiError, CloudError, classified, understood
from otter.cloud.request import request
from otter.domain.balancers import Balancer, BalancerId, Node, Target, Traits

SERVICE = "rackconnect"
KIND = "RackConnectV3"
CALLED = "RackConnect load balancer pool"
TRAITS = Traits(by_address=False, drains=False)

SERVER = "Cloud Server (?P<server>.*)"
POOL = "Load Balancer Pool (?P<pool>.*)"
SETTLED = (
    f"{SERVER} is already a member of {POOL}",
    f"{SERVER} is not a member of {POOL}",
    f"{SERVER} does not exist",
)
"""Refusals, in the order of asking for members and for none, of what is so already; a server that is gone is no member."""
UNPROCESSABLE = f"{SERVER} is unprocessable"
INACTIVE = f"{POOL} is not in an ACTIVE state"
GONE = f"{POOL} does not exist"


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
    return bulk(pool_id, nodes, f"add nodes to {pool_id}", "POST", (201,))


def remove(pool_id: str, nodes: Collection[Node]) -> Effect:
    """Effect of ending memberships, in the same way. Where there is no pool there is nothing to do."""
    removed = bulk(pool_id, nodes, f"remove nodes from {pool_id}", "DELETE", (204,))
    return removed.on(error=unless_gone)


def unless_gone(error: Exception) -> None:
    if not isinstance(error, BalancerGone):
        raise error


def change(pool_id: str, node: Node) -> Effect:
    """A member has nothing to it that could be changed."""
    raise NotImplementedError(f"{CALLED} {pool_id}: {node}")


@do
def bulk(pool_id: str, nodes: Collection[Node], what: str, method: str, success: tuple[int, ...]):
    """Effect of a request about several servers, asked again without those that it was refused for."""
    left, unprocessable = [node.host for node in in_order(nodes)], False
    while left:
        try:
            yield request(
                SERVICE, what, method, "load_balancer_pools/nodes", json=body_of(pool_id, left), success=success
            )
            break
        except ApiError as error:
            settled, refused = sorted_out(pool_id, left, error)
            unprocessable |= bool(refused)
            left = [host for host in left if host not in settled | refused]
    if unprocessable:
        raise ServersUnprocessable(f"{CALLED} {pool_id} cannot reach some of the servers yet")


def sorted_out(pool_id: str, asked: Iterable[str], error: ApiError) -> tuple[set[str], set[str]]:
    """
    The servers for which a refused request is settled, and those for which it is refused indeed.

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
        for patterns, found in ((SETTLED, settled), ((UNPROCESSABLE,), refused)):
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


RACKCONNECT_V3 = Kind(TRAITS, read, add, change, remove)
