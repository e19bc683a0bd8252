"""
The things a pass can do. A step is plain data, and at the same time the intent that ``convergence.execute`` performs.

No step says what its success means: a pass that did anything is followed by another that looks, until one plans nothing.
"""

from collections.abc import Mapping
from enum import Enum

from attrs import frozen
from pyrsistent import PSet, PVector

from otter.domain.balancers import BalancerId, Node, Target


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
class MarkLeaving:
    """Write on the server itself that it is on its way out."""

    server_id: str


@frozen
class ReleaseServer:
    """Take from a server what makes it the group's; it lives on."""

    server_id: str


@frozen
class AddNodes:
    """Put new nodes on one load balancer, in one request. :ivar present: how many nodes it has."""

    balancer: BalancerId
    nodes: PSet[Node]
    present: int


@frozen
class ChangeNodes:
    """Give nodes of one load balancer the condition, weight and type that they have here, one after the other."""

    balancer: BalancerId
    nodes: PVector[Node]


@frozen
class RemoveNodes:
    """Take nodes off one load balancer, in one request."""

    balancer: BalancerId
    nodes: PSet[Node]


class Tell(Enum):
    """When the owner is to know of something."""

    NEVER = "it is as it should be, and only takes time"
    IF_IT_LASTS = "it may well mend by itself"
    AT_ONCE = "it will stay until somebody changes something"


@frozen
class ConvergeLater:
    """
    Change nothing, but look again: something is not as it should be.

    :ivar why: for logs, and as a sentence for owners.
    :ivar more: this pass has left out what the next one can do at once.
    """

    why: str
    tell: Tell = Tell.NEVER
    more: bool = False


Step = CreateServer | DeleteServer | MarkLeaving | ReleaseServer | AddNodes | ChangeNodes | RemoveNodes | ConvergeLater
