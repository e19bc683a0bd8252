"""
The things a pass can do. A step is plain data, and at the same time the intent that ``convergence.execute`` performs.

No step says what its success means: a pass that did anything is followed by another that looks, until one plans nothing.
"""

from collections.abc import Mapping

from attrs import frozen
from pyrsistent import PSet

from otter.domain.balancers import Target


@frozen
class CreateServer:
    """Ask Nova for a server. By its id, or by its unique name, a later pass recognises what became of the request."""

    create_id: str
    name: str
    server: Mapping
    targets: PSet[Target]


@frozen
class DeleteServer:
    """Delete a server that is on no load balancer any more."""

    server_id: str


@frozen
class AddNodesToCLB:
    """Put (address, port) pairs on one load balancer, in one request."""

    lb_id: str
    nodes: PSet[tuple[str, int]]


@frozen
class RemoveNodesFromCLB:
    """Take nodes off one load balancer, in one request."""

    lb_id: str
    node_ids: PSet[str]


@frozen
class ConvergeLater:
    """
    Change nothing, but look again: something is not finished.

    :ivar why: for logs; and for the owner too, should it last, if it is ``trouble``.
    """

    why: str
    trouble: bool = False


Step = CreateServer | DeleteServer | AddNodesToCLB | RemoveNodesFromCLB | ConvergeLater
