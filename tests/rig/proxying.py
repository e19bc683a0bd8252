"""The fault-injecting proxy as a test uses it: start it, put it into Mimic's catalog, make rules, look at what passed."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from attrs import frozen

from tests.rig.mimic import CLB, NOVA, RACKCONNECT, REGION, Cloud, ask
from tests.rig.processes import HERE, Process, call, free_port

SERVICES = {
    "nova": (NOVA, "compute"),
    "clb": (CLB, "rax:load-balancer"),
    "rackconnect": (RACKCONNECT, "rax:rackconnect"),
}
"""Our name of a service -> its name and type in the catalog."""

BAD_GATEWAY = "<h1>Bad Gateway</h1>"
GARBAGE = ("{}", "[]", '"text"', '{"servers": null}', '{"servers": [{"id": 5}]}', '{"nodes": null}', '{"nodes": [5]}')
"""JSON that is not what was asked for."""

Json = dict[str, Any]


def delay(seconds: float, when: str = "before") -> Json:
    """The request (``after``: the answer) is late. It is forwarded even if the client gives up meanwhile."""
    return {"kind": "delay", "seconds": seconds, "when": when}


def drop() -> Json:
    """The connection is closed, and the cloud never hears of the request."""
    return {"kind": "drop"}


def drop_after() -> Json:
    """The cloud does it, the connection is closed without an answer."""
    return {"kind": "drop", "when": "after"}


def cut() -> Json:
    """The cloud does it, and half of the answer's body arrives."""
    return {"kind": "cut"}


def status(code: int, body: Any = None, headers: Mapping[str, str] | None = None, when: str = "before") -> Json:
    """Another answer; ``after`` the cloud did it, or instead. ``body``: a text as it is, anything else as JSON."""
    return {"kind": "status", "code": code, "body": body, "headers": dict(headers or {}), "when": when}


def html(code: int = 502, body: str = BAD_GATEWAY, when: str = "before") -> Json:
    """A page for people where JSON was expected."""
    return status(code, body, {"content-type": "text/html"}, when)


def garbage(text: str, code: int = 200, when: str = "before") -> Json:
    """A success that says nothing useful: see GARBAGE."""
    return status(code, text, when=when)


def stall(when: str = "before") -> Json:
    """Nothing comes until the client gives up; ``after`` the cloud did it, or instead."""
    return {"kind": "stall", "when": when}


def hide(entries: str = ".*") -> Json:
    """
    Lists lack the servers, nodes or pools whose whole id, name or address fits the regular expression. A node of a pool
    goes by the id of its server, too.
    """
    return {"kind": "hide", "entries": entries}


def duplicate(entries: str = ".*") -> Json:
    """Lists have the servers, nodes or pools twice."""
    return {"kind": "duplicate", "entries": entries}


def edit(entries: str = ".*", set: Mapping[str, str] | None = None, remove: Iterable[str] = ()) -> Json:
    """Lists show servers with these metadata set, and without those keys."""
    return {"kind": "edit", "entries": entries, "set": dict(set or {}), "remove": list(remove)}


def kill(pid: int, when: str = "before") -> Json:
    """SIGKILL for a process; ``after`` the cloud did it and before the client knows, or before the cloud hears of it."""
    return {"kind": "kill", "pid": pid, "when": when}


def freeze(pid: int, when: str = "before", seconds: float = 0.0) -> Json:
    """
    SIGSTOP for a process; then the cloud never hears of the request, or (``after``) does it so many seconds later, and the answer
    is there when the process goes on.
    """
    return {"kind": "freeze", "pid": pid, "when": when, "seconds": seconds}


@frozen(eq=False)
class Proxy:
    process: Process

    @property
    def url(self) -> str:
        """The proxy's root, without a slash at the end."""
        return f"http://{HERE}:{self.process.port}"

    def forward(self, name: str, service: str, url: str) -> str:
        """From now on ``/{name}`` of the proxy is ``url``; its URL. ``service``: a name in SERVICES, or "identity"."""
        ask("PUT", f"{self.url}/control/upstreams/{name}", {"service": service, "url": url})
        return f"{self.url}/{name}"

    def forward_identity(self, identity_url: str) -> str:
        """An identity URL (with its version) that leads through the proxy. Its requests have the tenant ""."""
        root, _, version = identity_url.rstrip("/").rpartition("/")
        return f"{self.forward(f'identity-{urlsplit(root).port}', 'identity', root)}/{version}"

    def register(self, identity_url: str, tenants: Iterable[str] | None = None) -> None:
        """
        Puts the proxy before all SERVICES in Mimic's catalog.

        :param tenants: who shall see it; None: everybody, which disturbs all tests on the same Mimic.
        """
        tenants = None if tenants is None else list(tenants)
        urls = Cloud(identity_url, f"seen-by-proxy-{self.process.port}").urls
        for service, (name, kind) in SERVICES.items():
            upstream = urls[name].rpartition("/")[0]
            url = self.forward(f"{service}-{urlsplit(identity_url).port}", service, upstream)
            ask(
                "POST", f"{identity_url}/services", {"id": f"proxied-{service}", "name": name, "type": kind}, (201, 409)
            )
            template_id = self._add_template(identity_url, service, f"{url}/%tenant_id%", everybody=tenants is None)
            for tenant in tenants or ():
                endpoints = f"{identity_url}/tenants/{tenant}/OS-KSCATALOG/endpoints"
                ask("DELETE", f"{endpoints}/{template_id}", expected=(204, 404))  # else it would be there twice
                ask("POST", endpoints, {"OS-KSCATALOG:endpointTemplate": {"id": template_id}})

    def unregister(self, identity_url: str, tenants: Iterable[str] | None = None) -> None:
        """Takes it out of the catalog again, for these tenants or for everybody."""
        for service in SERVICES:
            template_id = self._template_id(service, everybody=tenants is None)
            if tenants is None:
                ask("DELETE", f"{identity_url}/OS-KSCATALOG/endpointTemplates/{template_id}")
            for tenant in tenants or ():
                ask("DELETE", f"{identity_url}/tenants/{tenant}/OS-KSCATALOG/endpoints/{template_id}")

    def add(self, fault: Json, **match: Any) -> int:
        """
        A rule; its id. ``match`` narrows down whom it hits: ``service`` (a name in SERVICES, or "identity"), ``methods``,
        ``path`` (regular expression, searched in what follows the tenant, query included), ``tenant``, ``operation``
        (a name of ``tests.rig.calls``), and of those ``nth`` (only the n-th) or ``first`` (only the first k), counted per
        tenant. A kill or a freeze counts only changing requests unless ``methods`` says otherwise.
        """
        return ask("POST", f"{self.url}/control/rules", {"match": match, "fault": fault})["id"]

    def remove(self, rule_id: int) -> None:
        ask("DELETE", f"{self.url}/control/rules/{rule_id}")

    def clear(self, tenant: str | None = None) -> None:
        """Drops all rules, or those that name the tenant."""
        ask("DELETE", f"{self.url}/control/rules{of_tenant(tenant)}")

    def rules(self) -> list[Json]:
        """Each with its ``id``, ``match``, ``fault``, and the numbers of requests: ``fitted`` and ``applied``."""
        return ask("GET", f"{self.url}/control/rules")["rules"]

    def applied(self, rule_id: int) -> int:
        """How many requests met the rule's fault."""
        return next(rule["applied"] for rule in self.rules() if rule["id"] == rule_id)

    def counts(self, tenant: str) -> dict[str, dict[str, int]]:
        """Service -> operation -> number of requests; all SERVICES, even if nothing was asked of them."""
        return {name: {} for name in SERVICES} | {k: v for k, v in self._counts_of(tenant).items() if k != "changes"}

    def changes(self, tenant: str) -> int:
        """Number of requests with POST, PUT, DELETE or PATCH that arrived, forwarded or not."""
        return self._counts_of(tenant).get("changes", 0)

    def log(self, tenant: str | None = None) -> list[Json]:
        """
        What arrived, in this order: ``sequence``, ``at``, ``tenant``, ``service``, ``operation``, ``method``, ``path``,
        ``faults`` (kinds), ``forwarded``, ``status`` (None: nothing was answered).
        """
        return ask("GET", f"{self.url}/control/log{of_tenant(tenant)}")["log"]

    def reset(self, tenant: str | None = None) -> None:
        """Forgets counts and log; rules stay."""
        ask("POST", f"{self.url}/control/reset{of_tenant(tenant)}")

    def stop(self) -> None:
        self.process.stop()

    def _counts_of(self, tenant: str) -> Json:
        return ask("GET", f"{self.url}/control/counts").get(tenant, {})

    def _add_template(self, identity_url: str, service: str, url: str, everybody: bool) -> str:
        """Its id. A second registration finds the first one's template in place, and keeps it."""
        name, kind = SERVICES[service]
        places = dict.fromkeys(("publicURL", "internalURL", "adminURL"), url)
        template_id = self._template_id(service, everybody)
        body = {"id": template_id, "name": name, "type": kind, "region": REGION, **places}
        headers = {"x-auth-token": "any", "serviceid": f"proxied-{service}"}
        url = f"{identity_url}/OS-KSCATALOG/endpointTemplates"
        answer = call("POST", url, {**body, "enabled": everybody}, headers=headers)
        assert answer[0] in (201, 409), answer
        return template_id

    def _template_id(self, service: str, everybody: bool) -> str:
        return f"{service}-{self.process.port}-{'everybody' if everybody else 'some'}"


def of_tenant(tenant: str | None) -> str:
    return "" if tenant is None else f"?tenant={quote(tenant, safe='')}"


def start_proxy(folder: str | Path, port: int | None = None) -> Proxy:
    """A proxy of its own. It logs to ``folder``/proxy.log."""
    port = port or free_port()
    command = [sys.executable, "-m", "tests.rig.proxy", "--listen", str(port)]
    process = Process(command, f"http://{HERE}:{port}/control/", Path(folder) / "proxy.log")
    process.start()
    return Proxy(process)
