"""What a request to the cloud is about: whose it is, and which operation of which service."""

import re

from attrs import frozen

CHANGING = frozenset({"POST", "PUT", "DELETE", "PATCH"})
TENANTED = frozenset({"nova", "clb", "rackconnect"})
"""The services whose URLs begin with the tenant."""

OPERATIONS = {
    "nova": [
        ("GET", r"servers(/detail)?", "list_servers"),
        ("GET", r"servers/[^/]+", "get_server"),
        ("POST", r"servers", "create_server"),
        ("DELETE", r"servers/[^/]+", "delete_server"),
        ("GET", r"servers/[^/]+/metadata(/.*)?", "get_metadata"),
        ("(PUT|POST)", r"servers/[^/]+/metadata(/.*)?", "set_metadata"),
    ],
    "clb": [
        ("GET", r"loadbalancers", "list_balancers"),
        ("GET", r"loadbalancers/[^/]+", "get_balancer"),
        ("GET", r"loadbalancers/[^/]+/nodes", "list_nodes"),
        ("GET", r"loadbalancers/[^/]+/nodes/[^/]+\.atom", "node_feed"),
        ("POST", r"loadbalancers/[^/]+/nodes", "add_nodes"),
        ("DELETE", r"loadbalancers/[^/]+/nodes(/[^/]+)?", "remove_nodes"),
        ("PUT", r"loadbalancers/[^/]+/nodes/[^/]+", "change_node"),
        ("GET", r"loadbalancers/[^/]+/healthmonitor", "health_monitor"),
    ],
    "rackconnect": [
        ("GET", r"load_balancer_pools", "list_pools"),
        ("GET", r"load_balancer_pools/[^/]+", "get_pool"),
        ("GET", r"load_balancer_pools/[^/]+/nodes", "list_pool_nodes"),
        ("POST", r"load_balancer_pools/nodes", "add_pool_nodes"),
        ("DELETE", r"load_balancer_pools/nodes", "remove_pool_nodes"),
    ],
    "identity": [
        ("POST", r"v2\.0/tokens", "login"),
        ("GET", r"v2\.0/tokens/[^/]+", "validate"),
        ("GET", r"v2\.0/tokens/[^/]+/endpoints", "endpoints"),
        ("GET", r"v1\.1/mosso/[^/]+", "mosso"),
        ("POST", r"v2\.0/RAX-AUTH/impersonation-tokens", "impersonate"),
    ],
}


@frozen
class Call:
    """
    One request.

    :ivar tenant: empty where the URL does not begin with it (Identity).
    :ivar path: what follows the tenant, without the slash, with the query.
    """

    service: str
    tenant: str
    method: str
    path: str
    operation: str

    @property
    def changing(self) -> bool:
        return self.method in CHANGING


def call_of(service: str, method: str, rest: str) -> Call:
    """:param rest: the URL after the service's root: tenant (if the service has it there), path and query."""
    tenant, path = "", rest
    if service in TENANTED:
        tenant, _, path = rest.partition("/")
    return Call(service, tenant, method, path, operation_of(service, method, path.partition("?")[0]))


def operation_of(service: str, method: str, path: str) -> str:
    """A name of the table above, or "other"."""
    for a_method, a_path, operation in OPERATIONS.get(service, ()):
        if re.fullmatch(a_method, method) and re.fullmatch(a_path, path):
            return operation
    return "other"
