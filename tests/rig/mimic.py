"""Mimic, the simulated cloud: a process, and what a test may do behind otter's back. (Clouds, "Mimic".)"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from attrs import define, field

from tests.rig.processes import HERE, REPOSITORY, Process, call, free_port

PYTHON = str(REPOSITORY / os.environ.get("CLOUD_PYTHON", ".venv-cloud/bin/python"))
REGION = "ORD"
NOVA, CLB, RACKCONNECT = "cloudServersOpenStack", "cloudLoadBalancers", "rackconnect"
NOVA_CONTROL, CLB_CONTROL = "cloudServersBehavior", "cloudLoadBalancerControl"
GROUP_KEY = "rax:autoscale:group:id"
MONITOR = {"type": "CONNECT", "delay": 10, "timeout": 10, "attemptsBeforeDeactivation": 3}


class Mimic(Process):
    """A running Mimic; ``url`` is its root."""

    @property
    def identity_url(self) -> str:
        return f"{self.url}/identity/v2.0"


def start_mimic(folder: str | Path, port: int | None = None) -> Mimic:
    """A Mimic of its own, on the real clock. It logs to ``folder``/mimic.log."""
    assert Path(PYTHON).exists(), f"no Python with Mimic at {PYTHON}: set CLOUD_PYTHON"
    port = port or free_port()
    launcher = str(REPOSITORY / "scripts/mimic_launcher.py")
    listen = f"tcp:{port}:interface={HERE}"
    command = [PYTHON, launcher, "-n", "--pidfile=", "mimic", "--realtime", "--listen", listen]
    mimic = Mimic(command, f"http://{HERE}:{port}", Path(folder) / "mimic.log", folder=Path(folder))
    mimic.start()
    return mimic


def ask(method: str, url: str, body: Any = None, expected: Sequence[int] = (200, 201, 202, 204)) -> Any:
    """The answer's JSON. :raises AssertionError: the status is not an ``expected`` one."""
    status, answer = call(method, url, body, headers={"x-auth-token": "any"})
    assert status in expected, f"{method} {url}: {status} {answer}"
    return answer


def own_urls(catalog: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Catalog name -> URL in our region, of Mimic's own services. A proxy in the catalog is not one of them."""
    return {
        entry["name"]: endpoint["publicURL"]
        for entry in catalog
        for endpoint in entry["endpoints"]
        if endpoint["region"] == REGION and "/mimicking/" in endpoint["publicURL"]
    }


@define(eq=False)
class Cloud:
    """
    Mimic as one tenant sees it, past any proxy.

    Note [The owner of a tenant]: impersonation goes from the tenant to its user, and from the user back to a tenant.
    Mimic knows the way back only for the first user that logged in for the tenant. So this one logs in with a name
    that no other tenant has; if otter was first, the tenant is owned by a name that Mimic made up, which is just as good.

    :ivar identity_url: with its version: ``http://.../identity/v2.0``.
    :ivar owner: the user that impersonation for the tenant asks for.
    """

    identity_url: str
    tenant: str
    owner: str = field(init=False)
    urls: dict[str, str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        credentials = {"username": f"owner-{self.tenant}", "password": "x"}
        body = {"auth": {"passwordCredentials": credentials, "tenantId": self.tenant}}
        access = ask("POST", f"{self.identity_url}/tokens", body)["access"]
        self.owner = access["user"]["name"]
        self.urls = own_urls(access["serviceCatalog"])
        assert CLB in self.urls, "Mimic lost its load balancers: start it by scripts/mimic_launcher.py"

    def image_id(self) -> str:
        """An image that servers can be made from."""
        return ask("GET", f"{self.urls[NOVA]}/images")["images"][0]["id"]

    def servers(self, group_id: str | None = None) -> list[dict]:
        """All servers in detail, or those marked as the group's."""
        found, url = [], f"{self.urls[NOVA]}/servers/detail?limit=100"
        while url:
            page = ask("GET", url)
            found += page["servers"]
            url = next((link["href"] for link in page.get("servers_links", ()) if link["rel"] == "next"), None)
        return [server for server in found if group_id in (None, server["metadata"].get(GROUP_KEY))]

    def addresses(self, group_id: str | None = None) -> set[str]:
        """The private addresses on which the servers can be served."""
        return set(filter(None, map(address_of, self.servers(group_id))))

    def create_server(self, name: str, metadata: Mapping[str, str] | None = None) -> str:
        """Somebody else's server; its id."""
        server = {"name": name, "imageRef": "", "flavorRef": "2", "metadata": dict(metadata or {})}
        return ask("POST", f"{self.urls[NOVA]}/servers", {"server": server})["server"]["id"]

    def delete_server(self, server_id: str) -> None:
        ask("DELETE", f"{self.urls[NOVA]}/servers/{server_id}")

    def set_status(self, server_id: str, status: str) -> None:
        """``status``: ERROR, SHUTOFF, DELETED, or anything at all."""
        ask("POST", f"{self.urls[NOVA_CONTROL]}/attributes/", {"status": {server_id: status}})

    def metadata(self, server_id: str) -> dict[str, str]:
        return ask("GET", self._metadata(server_id))["metadata"]

    def set_metadata(self, server_id: str, metadata: Mapping[str, str]) -> None:
        """In place of all that it had."""
        ask("PUT", self._metadata(server_id), {"metadata": dict(metadata)})

    def set_metadata_item(self, server_id: str, key: str, value: str) -> None:
        """Beside what it has."""
        ask("PUT", f"{self._metadata(server_id)}/{quote(key, safe='')}", {"meta": {key: value}})

    def wipe_metadata(self, server_id: str) -> None:
        """From now on the server is nobody's."""
        self.set_metadata(server_id, {})

    def create_balancer(self, **extra: Any) -> int:
        """Its id. ``extra``: more of the request, such as ``metadata=[{"key": "lb_pending_update", "value": 2}]``."""
        body = {"loadBalancer": {"name": "x", "protocol": "HTTP", "port": 80, **extra}}
        return ask("POST", f"{self.urls[CLB]}/loadbalancers", body)["loadBalancer"]["id"]

    def delete_balancer(self, lb_id: int) -> None:
        ask("DELETE", self._balancer(lb_id))

    def balancer_status(self, lb_id: int, status: str) -> None:
        """``status``: ACTIVE, ERROR, PENDING_UPDATE or PENDING_DELETE; it stays until set again."""
        ask("PATCH", f"{self.urls[CLB_CONTROL]}/loadbalancer/{lb_id}/attributes", {"status": status})

    def nodes(self, lb_id: int) -> list[dict]:
        return ask("GET", f"{self._balancer(lb_id)}/nodes")["nodes"]

    def served(self, lb_id: int) -> set[str]:
        """The addresses of all nodes."""
        return {node["address"] for node in self.nodes(lb_id)}

    def add_node(self, lb_id: int, address: str, port: int, **extra: Any) -> int:
        """Somebody else's node; its id."""
        node = {"address": address, "port": port, "condition": "ENABLED", **extra}
        return ask("POST", f"{self._balancer(lb_id)}/nodes", {"nodes": [node]})["nodes"][0]["id"]

    def change_node(self, lb_id: int, node_id: int, **changes: Any) -> None:
        """``changes``: ``condition``, ``weight``, ``type``."""
        ask("PUT", f"{self._balancer(lb_id)}/nodes/{node_id}", {"node": changes})

    def remove_node(self, lb_id: int, node_id: int) -> None:
        ask("DELETE", f"{self._balancer(lb_id)}/nodes/{node_id}")

    def node_status(self, lb_id: int, node_id: int, status: str) -> None:
        """What the health monitor says of the node from now on: ``status`` is ONLINE or OFFLINE."""
        ask("PUT", f"{self.urls[CLB_CONTROL]}/loadbalancers/{lb_id}/nodes/{node_id}/status", {"status": status})

    def health_monitor(self, lb_id: int) -> dict[str, Any]:
        """Empty if there is none."""
        return ask("GET", f"{self._balancer(lb_id)}/healthmonitor")["healthMonitor"]

    def set_health_monitor(self, lb_id: int, **other: Any) -> None:
        """From now on new nodes are OFFLINE until :meth:`node_status` says otherwise. ``other``: than MONITOR's values."""
        ask("PUT", f"{self._balancer(lb_id)}/healthmonitor", {"healthMonitor": MONITOR | other})

    def remove_health_monitor(self, lb_id: int) -> None:
        """Nodes keep the status that they have."""
        ask("DELETE", f"{self._balancer(lb_id)}/healthmonitor")

    def pool_id(self) -> str:
        """The tenant's RackConnect pool, the only one that it ever has."""
        [pool] = ask("GET", f"{self.urls[RACKCONNECT]}/load_balancer_pools")
        return pool["id"]

    def pooled(self) -> set[str]:
        """The ids of the servers in the pool."""
        nodes = ask("GET", f"{self.urls[RACKCONNECT]}/load_balancer_pools/{self.pool_id()}/nodes")
        return {node["cloud_server"]["id"] for node in nodes}

    def add_to_pool(self, *server_ids: str) -> None:
        """As somebody else would; whether there are such servers does not matter."""
        self._change_pool("POST", server_ids)

    def remove_from_pool(self, *server_ids: str) -> None:
        """As somebody else would. :raises AssertionError: 409, one of them is not in the pool; nothing is removed."""
        self._change_pool("DELETE", server_ids)

    def on_create(self, name: str, parameters: Mapping[str, Any], criteria: Sequence[Mapping] = ()) -> str:
        """Let the next servers fail, build slowly, ... (Clouds, "creation behaviours".) The behavior's id."""
        body = {"name": name, "parameters": parameters, "criteria": list(criteria)}
        return ask("POST", f"{self.urls[NOVA_CONTROL]}/behaviors/creation", body)["id"]

    def forget(self, behavior_id: str) -> None:
        """The opposite of :meth:`on_create`."""
        ask("DELETE", f"{self.urls[NOVA_CONTROL]}/behaviors/creation/{behavior_id}")

    def fail_identity(
        self, code: int = 500, message: str = "Authentication failed.", username: str | None = None
    ) -> str:
        """
        Refuse logins of ``username``, and its impersonation, until :meth:`heal_identity`; the behavior's id.

        :param username: by default this tenant's owner, so that only impersonation for this tenant fails.
        """
        criteria = [{"username": f"{re.escape(username or self.owner)}$"}]
        body = {"name": "fail", "parameters": {"code": code, "message": message}, "criteria": criteria}
        return ask("POST", self._identity_behaviors(), body)["id"]

    def stutter_identity(self, *codes: int) -> None:
        """Refuse this tenant's next impersonations with these, one each, and all others no more (of the next hundred)."""
        fails = [{"name": "fail", "parameters": {"code": code, "message": "no"}} for code in codes]
        behaviors = [*fails, *[{"name": "default"}] * 100]
        criteria = [{"username": f"{re.escape(self.owner)}$"}]
        body = {"name": "sequence", "parameters": {"behaviors": behaviors}, "criteria": criteria}
        ask("POST", self._identity_behaviors(), body)

    def heal_identity(self, behavior_id: str) -> None:
        ask("DELETE", f"{self._identity_behaviors()}/{behavior_id}")

    def _change_pool(self, method: str, server_ids: Iterable[str]) -> None:
        pool = {"id": self.pool_id()}
        pairs = [{"cloud_server": {"id": server_id}, "load_balancer_pool": pool} for server_id in server_ids]
        ask(method, f"{self.urls[RACKCONNECT]}/load_balancer_pools/nodes", pairs)

    def _metadata(self, server_id: str) -> str:
        return f"{self.urls[NOVA]}/servers/{server_id}/metadata"

    def _balancer(self, lb_id: int) -> str:
        return f"{self.urls[CLB]}/loadbalancers/{lb_id}"

    def _identity_behaviors(self) -> str:
        return f"{self.identity_url.split('/identity/')[0]}/mimic/v1.1/IdentityControlAPI/behaviors/auth"


def address_of(server: Mapping[str, Any]) -> str | None:
    """The first IPv4 address of the inner network."""
    private = server.get("addresses", {}).get("private", ())
    return next((each["addr"] for each in private if each["addr"].startswith("10.")), None)
