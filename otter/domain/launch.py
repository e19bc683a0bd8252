"""How a group's members are made: the launch configuration."""

import base64
from collections.abc import Mapping, Sequence
from math import inf

from attrs import field, frozen
from pyrsistent import PSet, pset

from otter.domain.balancers import BalancerId, Target
from otter.domain.errors import Invalid

SERVICE_NET = {"uuid": "11111111-1111-1111-1111-111111111111"}
"""The network over which Cloud Load Balancers reach servers, as Nova wants it in ``networks``."""
DEFAULT_KIND = "CloudLoadBalancer"
"""The load balancers of those who do not say which kind they mean."""
LONGEST_NAME = 255
"""Characters of a server's name that Nova takes."""
SUFFIX = 11
"""Characters that are put behind the owner's name for a server."""
MOST_ITEMS = 40
"""Items of metadata that Nova takes for a server."""
OUR_ITEMS = 4
"""Of them, otter's own: the group, by two names; the create; and the state, on the server's way out."""
LONGEST_QUOTE = 128
"""Characters of the owner's own words in a sentence about them."""


@frozen
class Launch:
    """
    A ``launch_server`` configuration, or a ``launch_stack`` one.

    :ivar server: the body of Nova's create call, passed through untouched but for name and metadata.
    :ivar targets: where a new server belongs.
    :ivar draining_timeout: seconds that a server on its way out gets to finish its connections.
    :ivar stack: what Heat is to make a stack from; None if the members are servers.
    :ivar document: the owner's words; the API returns them verbatim.
    """

    server: Mapping
    targets: PSet[Target]
    draining_timeout: float = 0.0
    stack: Mapping | None = None
    document: Mapping = field(factory=dict, eq=False, repr=False)


@frozen
class FileLimits:
    """
    What Nova takes as ``personality``.

    :ivar most: how many files.
    :ivar size: bytes of each.
    """

    most: float = inf
    size: float = inf


def launch_of(document: Mapping) -> Launch:
    """
    The launch configuration a valid ``launchConfiguration`` document describes.

    A null ``metadata`` is dropped, everything else is kept as it was sent. (docs/api.md, "Launch configuration".)
    """
    arguments = document["args"]
    if document["type"] == "launch_stack":
        return Launch({}, pset(), stack=arguments["stack"], document=document)
    server = {key: value for key, value in arguments["server"].items() if (key, value) != ("metadata", None)}
    targets = pset(map(target_of, arguments.get("loadBalancers", ())))
    draining_timeout = float(arguments.get("draining_timeout", 0.0))
    shown = {**document, "args": {**arguments, "server": server}}
    return Launch(server, targets, draining_timeout, document=shown)


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


def require_room(launch: Launch) -> None:
    """
    Name and metadata of a server must have room for what otter adds. (docs/api.md, "Launch configuration".)

    :raises Invalid:
    """
    name = launch.server.get("name")
    if isinstance(name, str) and len(name) + SUFFIX > LONGEST_NAME:
        raise Invalid(
            f"launchConfiguration.args.server.name must not be longer than {LONGEST_NAME - SUFFIX} characters,"
            f" because {SUFFIX} more are put behind it"
        )
    most = MOST_ITEMS - OUR_ITEMS - len({target.balancer for target in launch.targets})
    if len(launch.server.get("metadata", ())) > most:
        raise Invalid(
            f"launchConfiguration.args.server.metadata must not have more than {most} items, because a server takes"
            f" {MOST_ITEMS}, and some are needed for its group and its load balancers"
        )


def encoding_problem(personality: Sequence[Mapping]) -> str | None:
    """What is wrong with the contents of files, whatever the cloud; None if nothing."""
    for file in personality:
        if not decoded(file["contents"]):
            return f"Invalid personality in launchConfiguration: contents of {quoted(file['path'])} must be base64"
    return None


def size_problem(personality: Sequence[Mapping], limits: FileLimits) -> str | None:
    """What of well encoded files the cloud would not take; None if nothing."""
    if len(personality) > limits.most:
        return f"Invalid personality in launchConfiguration: {len(personality)} files, which is more than {limits.most:.0f}"
    for file in personality:
        size = len(decoded(file["contents"]))
        if size > limits.size:
            path = quoted(file["path"])
            return (
                f"Invalid personality in launchConfiguration: {path} has {size} bytes,"
                f" which is more than {limits.size:.0f}"
            )
    return None


def decoded(contents: str) -> bytes:
    """The bytes that ``contents`` is base64 for; none if it is something else."""
    try:
        return base64.b64decode(contents, validate=True)
    except ValueError:
        return b""


def quoted(words: str) -> str:
    return f'"{words[:LONGEST_QUOTE]}"'
