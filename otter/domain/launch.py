"""How a group's members are made: the launch configuration."""

from collections.abc import Mapping

from attrs import field, frozen
from pyrsistent import PSet, pset

from otter.domain.balancers import BalancerId, Target
from otter.domain.errors import Invalid

SERVICE_NET = {"uuid": "11111111-1111-1111-1111-111111111111"}
"""The network over which Cloud Load Balancers reach servers, as Nova wants it in ``networks``."""
DEFAULT_KIND = "CloudLoadBalancer"
"""The load balancers of those who do not say which kind they mean."""


@frozen
class Launch:
    """
    A ``launch_server`` configuration.

    :ivar server: the body of Nova's create call, passed through untouched but for name and metadata.
    :ivar targets: where a new server belongs.
    :ivar draining_timeout: seconds that a server on its way out gets to finish its connections.
    :ivar document: the owner's words; the API returns them verbatim.
    """

    server: Mapping
    targets: PSet[Target]
    draining_timeout: float = 0.0
    document: Mapping = field(factory=dict, eq=False, repr=False)


def launch_of(document: Mapping) -> Launch:
    """
    The launch configuration a valid ``launchConfiguration`` document describes.

    A null ``metadata`` is dropped, everything else is kept as it was sent. (docs/api.md, "Launch configuration".)
    """
    arguments = document["args"]
    server = {key: value for key, value in arguments["server"].items() if (key, value) != ("metadata", None)}
    targets = pset(map(target_of, arguments.get("loadBalancers", ())))
    draining_timeout = float(arguments.get("draining_timeout", 0.0))
    return Launch(server, targets, draining_timeout, {**document, "args": {**arguments, "server": server}})


def target_of(document: Mapping) -> Target:
    """The place that an element of ``loadBalancers`` means. Upper and lower case of an id are the same load balancer."""
    balancer = BalancerId(document.get("type", DEFAULT_KIND), str(document["loadBalancerId"]).lower())
    return Target(balancer, document.get("port"))


def require_service_net(launch: Launch) -> None:
    """
    A server that shall be on a Cloud Load Balancer and says which networks it wants, must want ServiceNet.

    (docs/api.md, "Launch configuration".)

    :raises Invalid:
    """
    networks = launch.server.get("networks")
    by_address = any(target.port is not None for target in launch.targets)
    if by_address and networks is not None and not (isinstance(networks, list) and SERVICE_NET in networks):
        raise Invalid(
            "launchConfiguration.args.server.networks must contain ServiceNet,"
            f" {SERVICE_NET}, because there is a Cloud Load Balancer"
        )
