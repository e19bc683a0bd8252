"""Bodies of requests: good ones, and what makes them bad."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.rig.otter import BOOT

ABSENT = ...
"""In place of a value: leave the field out."""
SERVICE_NET = {"uuid": "11111111-1111-1111-1111-111111111111"}
PUBLIC_NET = {"uuid": "00000000-0000-0000-0000-000000000000"}


def present(document: Mapping[str, Any]) -> dict:
    return {key: value for key, value in document.items() if value is not ABSENT}


def config(**more: Any) -> dict:
    """The configuration of an empty group."""
    return present({"name": "web", "cooldown": 0, "minEntities": 0, "maxEntities": 10, "metadata": {}} | more)


def launch(balancers: Sequence | None = None, **server: Any) -> dict:
    """A launch configuration, of servers that boot from a volume; ``server`` is more of what Nova gets."""
    args = {"server": present({"name": "web", "flavorRef": "2", **BOOT} | server)}
    if balancers is not None:
        args["loadBalancers"] = balancers
    return {"type": "launch_server", "args": args}


def policy(**more: Any) -> dict:
    """A policy without cooldown; it adds one server if nothing else is said."""
    rule = {} if more.keys() & {"change", "changePercent", "desiredCapacity"} else {"change": 1}
    return present({"name": "up", "type": "webhook", "cooldown": 0} | rule | more)


def group_body(*policies: Any, **more: Any) -> dict:
    """``more``: of the configuration."""
    body = {"groupConfiguration": config(**more), "launchConfiguration": launch()}
    return body | ({"scalingPolicies": list(policies)} if policies else {})
