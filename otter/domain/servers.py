"""Servers as Nova shows them."""

from collections.abc import Mapping
from enum import Enum

from attrs import frozen
from pyrsistent import PSet, PVector, pset, pvector

from otter.domain.balancers import Target


class ServerState(Enum):
    """Nova's status, reduced to what makes a difference to us."""

    ACTIVE = "ACTIVE"
    BUILD = "BUILD"
    BROKEN = "ERROR or SHUTOFF: it is replaced"
    DELETING = "on its way out: it does not count, and only its nodes are left to be dealt with"
    GONE = "does not exist any more, but a load balancer may still send traffic to where it was"
    OTHER = "anything else: being rebooted, resized, rescued; it counts, and is left alone"


@frozen
class Server:
    """
    :ivar created: epoch seconds.
    :ivar address: its ServiceNet address; "" while it has none.
    :ivar group_id: the group that its metadata names; None if it is not ours.
    :ivar create_id: the create that it came from, by its metadata; None if that does not say.
    :ivar targets: where it belongs, from its own metadata, as it was when the server was made.
    :ivar marked: its metadata says that it is on its way out.
    """

    id: str
    name: str
    state: ServerState
    created: float
    address: str = ""
    group_id: str | None = None
    create_id: str | None = None
    targets: PSet[Target] = pset()
    links: PVector[Mapping] = pvector()
    marked: bool = False
