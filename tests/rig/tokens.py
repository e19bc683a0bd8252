"""Tokens of callers, as Identity knows them. Mimic takes every token for a good one; so the proxy answers in its place."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from attrs import define, field

from tests.rig.proxying import Json, Proxy, status

UNKNOWN = status(404, {"itemNotFound": {"code": 404, "message": "Token not found."}})


@define(eq=False)
class Tokens:
    """:ivar proxy: between otter and Identity; see ``Proxy.forward_identity``."""

    proxy: Proxy
    _rules: dict[str, list[int]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self.proxy.add(UNKNOWN, service="identity", methods="GET", path=r"^v2\.0/tokens/(?!issued-)[^/]+$")

    def issue(self, tenant: str | None, *roles: str, seconds: float = 3600, **more: Any) -> str:
        """A token that is good for so many seconds. ``more``: than the usual in ``access.token``."""
        token = f"issued-{uuid4().hex}"
        self.says(token, good(tenant, *roles, seconds=seconds, **more))
        return token

    def says(self, token: str, *faults: Json, **match: Any) -> None:
        """From now on Identity answers so about the token. ``match``: as in ``Proxy.add``, of the first fault."""
        for rule_id in self._rules.pop(token, ()):
            self.proxy.remove(rule_id)
        about = {"service": "identity", "methods": "GET", "path": path_of(token)}
        matches = [about | match, *[about] * (len(faults) - 1)]
        self._rules[token] = [self.proxy.add(fault, **each) for fault, each in zip(faults, matches, strict=True)]

    def revoke(self, token: str) -> None:
        self.says(token, UNKNOWN)

    def asked(self, token: str) -> int:
        """How often Identity was asked about it."""
        return sum(re.search(path_of(token), entry["path"]) is not None for entry in self.proxy.log(""))

    def logins(self) -> int:
        return sum(entry["operation"] == "login" for entry in self.proxy.log(""))


def good(tenant: str | None, *roles: str, seconds: float = 3600, **more: Any) -> Json:
    """What is answered about a token that is good. :param tenant: None for a token that is for none."""
    expires = datetime.now(UTC) + timedelta(seconds=seconds)
    token: Json = {"expires": expires.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    if tenant is not None:
        token["tenant"] = {"id": tenant, "name": tenant}
    user = {"id": "10", "name": "somebody", "roles": [{"id": str(i), "name": name} for i, name in enumerate(roles)]}
    return status(200, {"access": {"token": token | more, "user": user}})


def path_of(token: str) -> str:
    return rf"^v2\.0/tokens/{re.escape(token)}$"
