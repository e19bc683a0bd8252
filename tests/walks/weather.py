"""What often goes wrong in a cloud, all of it at once: nothing that happens in a walk may come out any other way for it."""

from typing import Any

from tests.rig.proxying import Proxy, cut, drop, drop_after, hide, html, status

STORM: list[tuple[str, dict[str, Any], dict[str, int]]] = [
    ("list_servers", status(503), {"first": 1}),
    ("list_servers", hide(), {"nth": 3}),
    ("get_server", html(502), {"first": 1}),
    ("create_server", drop_after(), {"first": 1}),
    ("delete_server", status(500), {"first": 1}),
    ("set_metadata", drop(), {"first": 1}),
    ("get_balancer", html(502), {"nth": 2}),
    ("list_nodes", cut(), {"first": 1}),
    ("add_nodes", drop_after(), {"first": 1}),
    ("change_node", status(503), {"first": 1}),
    ("remove_nodes", status(500, when="after"), {"first": 1}),
    ("health_monitor", drop(), {"first": 1}),
    ("list_pool_nodes", cut(), {"first": 1}),
    ("add_pool_nodes", drop_after(), {"first": 1}),
    ("remove_pool_nodes", status(500, when="after"), {"first": 1}),
]
"""Operation, fault, and which of its requests meet it."""


def begin_storm(proxy: Proxy, tenant: str) -> None:
    for operation, fault, which in STORM:
        proxy.add(fault, tenant=tenant, operation=operation, **which)


def begin_season(proxy: Proxy, tenant: str) -> None:
    """Of each operation every third request goes wrong, and some more servers are missing from lists."""
    for operation, fault, _ in STORM:
        start = 2 if fault["kind"] == "hide" else 1
        for number in range(start, 60, 3):
            proxy.add(fault, tenant=tenant, operation=operation, nth=number)
