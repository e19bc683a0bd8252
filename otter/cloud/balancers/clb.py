"""Cloud Load Balancers. (docs/clouds.md, "Cloud Load Balancers".)"""

from collections.abc import Iterable
from functools import partial
from typing import Any
from urllib.parse import quote

from effect import Effect, catch
from pyrsistent import PVector, pvector

from otter.cloud.errors import Hopeless, classified, understood
from otter.cloud.request import request
from otter.domain.balancers import Node, Target

SERVICE = "clb"
CALLED = "Cloud Load Balancers"

GONE = r"""(?x)
    load\s*balancer\ not\ found
    | the\ load\s*balancer\ is\ (marked\ as\ )?deleted
    | load\s*balancer\ '\d+'\ has\ a\ status\ of\ '(PENDING.DELETE|DELETED)'
"""
"""How clouds say that a balancer is no more. A busy one answers 422 too, but with another status; it is tried again."""


class BalancerGone(Hopeless):
    """The owner deleted the balancer."""


class BalancerFull(Hopeless):
    """The balancer takes no more nodes."""


def nodes_of(lb_id: str) -> str:
    """The path of a balancer's nodes."""
    return f"loadbalancers/{quote(lb_id, '')}/nodes"


def errors_of(lb_id: str) -> tuple:
    """What a balancer's answers mean."""
    return (
        ({404, 410, 422}, GONE, lambda message: BalancerGone(f"Cloud Load Balancer does not exist: {lb_id}")),
        ({413}, "nodes must not exceed", lambda message: BalancerFull(f"Cloud Load Balancer {lb_id}: {message}")),
    )


def list_nodes(lb_id: str) -> Effect:
    """Effect of the nodes on a balancer: a vector of ``Node``, empty if the balancer is gone."""
    return (
        request(SERVICE, f"list the nodes of {lb_id}", "GET", nodes_of(lb_id))
        .on(error=classified(errors_of(lb_id)))
        .on(success=understood(CALLED, partial(nodes_in, lb_id)))
        .on(error=catch(BalancerGone, lambda gone: pvector()))
    )


def add_nodes(lb_id: str, nodes: Iterable[tuple[str, int]]) -> Effect:
    """Effect of adding (address, port) pairs. Fails with ``BalancerGone`` or ``BalancerFull``."""
    common = {"condition": "ENABLED", "weight": 1, "type": "PRIMARY"}
    body = {"nodes": [{"address": address, "port": port, **common} for address, port in sorted(nodes)]}
    return (
        request(SERVICE, f"add nodes to {lb_id}", "POST", nodes_of(lb_id), json=body, success=(202,))
        .on(error=classified(errors_of(lb_id)))
        .on(success=understood(CALLED, partial(nodes_in, lb_id)))
    )


def remove_nodes(lb_id: str, node_ids: Iterable[str]) -> Effect:
    """
    Effect of removing nodes; fine if the whole balancer is gone.

    Somebody else may have removed one of them meanwhile. The balancer then refuses all, and the next pass sees which are left.
    """
    params = {"id": sorted(node_ids)}
    return (
        request(SERVICE, f"remove nodes from {lb_id}", "DELETE", nodes_of(lb_id), params=params, success=(202, 204))
        .on(error=classified(errors_of(lb_id)))
        .on(success=understood(CALLED, nothing_in))
        .on(error=catch(BalancerGone, lambda gone: None))
    )


def nodes_in(lb_id: str, answer: dict[str, Any]) -> PVector[Node]:
    """The nodes that an answer shows, each once."""
    return pvector(
        dict.fromkeys(
            Node(str(node["id"]), Target(lb_id, int(node["port"])), str(node["address"])) for node in answer["nodes"]
        )
    )


def nothing_in(answer: None) -> None:
    """:raises ValueError: there is something in it."""
    if answer is not None:
        raise ValueError("the answer should be empty")
