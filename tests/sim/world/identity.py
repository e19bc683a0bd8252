"""Identity, simulated: who is let in, for how long, and where the services are."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import define, field, frozen

from tests.sim.world.answers import Answer, Ask, Nature

ADMINISTRATOR = "admin-of-"
"""What the name of a tenant's administrator begins with."""
UNKNOWN = Answer(404, {"itemNotFound": {"message": "Resource Not Found", "code": 404}})
MALFORMED = Answer(400, {"badRequest": {"message": "Expecting a JSON body", "code": 400}})
STRANGER = Answer(
    401, {"unauthorized": {"message": "No valid token provided. Please use the 'X-Auth-Token' header", "code": 401}}
)


@frozen
class Token:
    """:ivar tenant: "" for otter's own account's. :ivar until: it is good before then, in seconds since 1970."""

    id: str
    tenant: str
    until: float


@define(eq=False)
class Identity:
    """
    Gives tokens, and says which are good. All that is public may be set at any time.

    :ivar endpoints: service's name -> what its URL begins with, to which the tenant is added.
    :ivar region: of all endpoints.
    :ivar token_life: seconds; for tokens that are given from then on.
    :ivar down: the status of all answers, 500 or 503; 0 if it works.
    :ivar without: tenant -> names of services that its catalog lacks.
    :ivar given: how many tokens were given.
    """

    nature: Nature
    endpoints: Mapping[str, str]
    region: str = "ORD"
    token_life: float = 10800.0
    down: int = 0
    without: dict[str, set[str]] = field(factory=dict)
    given: int = field(default=0, init=False)
    _tokens: dict[str, Token] = field(factory=dict, init=False)

    def answer(self, ask: Ask, token: str | None = None) -> Answer:
        """
        :param token: what the request has as ``x-auth-token``. None if nobody knows: then it is taken for otter's own, and is
            good as long as any of those is.
        """
        if self.down:
            return broken(self.down)
        match ask.method, without_version(ask.parts):
            case "POST", ["tokens"]:
                return self._log_in(ask.json)
            case "GET", ["mosso", tenant]:
                return Answer(301, {"user": {"id": f"{ADMINISTRATOR}{tenant}", "mossoId": tenant, "enabled": True}})
            case _ if not self._is_own(token):
                return STRANGER
            case "POST", ["RAX-AUTH", "impersonation-tokens"]:
                return self._impersonate(ask.json)
            case "GET", ["tokens", token_id, "endpoints"]:
                return self._endpoints_of(token_id)
        return UNKNOWN

    def is_good(self, token: str, tenant: str) -> bool:
        """Whether services let the token's bearer in, for that tenant."""
        known = self._tokens.get(token)
        return known is not None and known.tenant == tenant and self.nature.now() < known.until

    def revoke(self, tenant: str) -> None:
        """No token that was given for the tenant is good any more."""
        self._tokens = {key: token for key, token in self._tokens.items() if token.tenant != tenant}

    def revoke_own(self) -> None:
        """None of otter's own account's tokens is good any more."""
        self.revoke("")

    def leave_out(self, tenant: str, service: str, seconds: float) -> None:
        """The tenant's catalog lacks a service, for a while."""
        lacking = self.without.setdefault(tenant, set())
        lacking.add(service)
        self.nature.later(seconds, lambda: lacking.discard(service))

    def _is_own(self, token: str | None) -> bool:
        if token is not None:
            return self.is_good(token, "")
        now = self.nature.now()
        return any(known.tenant == "" and now < known.until for known in self._tokens.values())

    def _log_in(self, body: Any) -> Answer:
        try:
            username = body["auth"]["passwordCredentials"]["username"]
        except (KeyError, TypeError):
            return MALFORMED
        tenant = body["auth"].get("tenantId", "")
        token = self._give(tenant, self.token_life)
        access: dict[str, Any] = {"token": shown(token), "user": {"id": username, "name": username, "roles": []}}
        access["serviceCatalog"] = [
            {"name": endpoint["name"], "endpoints": [endpoint]} for endpoint in self._catalog(tenant)
        ]
        return Answer(200, {"access": access})

    def _impersonate(self, body: Any) -> Answer:
        try:
            wanted = body["RAX-AUTH:impersonation"]
            username, seconds = wanted["user"]["username"], wanted["expire-in-seconds"]
        except (KeyError, TypeError):
            return MALFORMED
        if not username.startswith(ADMINISTRATOR):
            return UNKNOWN
        token = self._give(username.removeprefix(ADMINISTRATOR), min(seconds, self.token_life))
        return Answer(200, {"access": {"token": shown(token)}})

    def _endpoints_of(self, token_id: str) -> Answer:
        token = self._tokens.get(token_id)
        if token is None or self.nature.now() >= token.until:
            return UNKNOWN
        return Answer(200, {"endpoints": self._catalog(token.tenant)})

    def _catalog(self, tenant: str) -> list[dict[str, Any]]:
        """What there is for the tenant, as a flat list. Nothing is for nobody."""
        if not tenant:
            return []
        lacking = self.without.get(tenant, ())
        return [
            {
                "id": n,
                "name": name,
                "region": self.region,
                "tenantId": tenant,
                "publicURL": f"{prefix.rstrip('/')}/{tenant}",
            }
            for n, (name, prefix) in enumerate(self.endpoints.items(), 1)
            if name not in lacking
        ]

    def _give(self, tenant: str, seconds: float) -> Token:
        """A new token. What has expired is forgotten now and then."""
        self.given += 1
        now = self.nature.now()
        if self.given % 1000 == 0:
            self._tokens = {key: token for key, token in self._tokens.items() if now < token.until}
        token = Token(f"token-{self.given}-{tenant}", tenant, now + seconds)
        self._tokens[token.id] = token
        return token


def without_version(parts: list[str]) -> list[str]:
    return parts[1:] if parts[0] in ("v1.1", "v2.0") else parts


def shown(token: Token) -> dict[str, Any]:
    """A token as the answer has it."""
    expires = datetime.fromtimestamp(token.until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"id": token.id, "expires": expires, "tenant": {"id": token.tenant, "name": token.tenant}}


def broken(status: int) -> Answer:
    kind = "serviceUnavailable" if status == 503 else "identityFault"
    return Answer(status, {kind: {"message": "The service is not available.", "code": status}})
