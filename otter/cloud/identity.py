"""
Identity: tokens, and where a tenant's services are. (docs/clouds.md, "Identity".)

The service account either logs in to the tenant itself (``single_tenant``), or impersonates the tenant's administrator.
"""

import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from otter.cloud.errors import ApiError, CloudError, NoSuchEndpoint, NotSent
from otter.cloud.http import Http

PAUSES = (0.25, 1.0)
"""Seconds before a failed login is tried again: it changes nothing, so that is always safe."""
IMPERSONATED_FOR = 10800
"""Seconds that an impersonation token is asked for."""
YES = (200, 203)


@frozen(eq=False)
class Access:
    """What one login gave: a token, and the root URL of each (service, region) of the catalog."""

    token: str
    endpoints: Mapping[tuple[str, str], str]
    until: float

    def endpoint(self, service: str, region: str) -> str:
        """:raises NoSuchEndpoint:"""
        try:
            return self.endpoints[service, region]
        except KeyError:
            raise NoSuchEndpoint(service) from None


@frozen
class Account:
    """otter's own account at Identity; both URLs end with the version (".../v2.0")."""

    url: str
    admin_url: str
    username: str
    password: str = field(repr=False)

    def login_body(self, **more: str) -> dict:
        return {"auth": {"passwordCredentials": {"username": self.username, "password": self.password}, **more}}


Login = Callable[[str], Awaitable[tuple[str, list]]]
"""From a tenant to a token and its flat list of endpoints, each with ``name``, ``region`` and ``publicURL``."""


@frozen
class SingleTenant:
    """A ``Login`` with the service account's own rights in the tenant."""

    http: Http
    account: Account

    async def __call__(self, tenant: str) -> tuple[str, list]:
        body = self.account.login_body(tenantId=tenant)
        answer = await self.http.exchange("POST", f"{self.account.url}/tokens", YES, {}, json=body)
        catalog = answer["access"]["serviceCatalog"]
        flat = [{"name": entry["name"], **endpoint} for entry in catalog for endpoint in entry["endpoints"]]
        return answer["access"]["token"]["id"], flat


@define
class Impersonation:
    """A ``Login`` as the tenant's administrator."""

    http: Http
    account: Account
    _token: str | None = field(init=False, default=None, repr=False)

    async def __call__(self, tenant: str) -> tuple[str, list]:
        try:
            return await self._impersonate(tenant)
        except ApiError as error:
            if error.status != 401 or self._token is None:
                raise
            self._token = None  # it has expired; the caller will ask again
            return await self._impersonate(tenant)

    async def _impersonate(self, tenant: str) -> tuple[str, list]:
        username = await self._administrator_of(tenant)
        headers = {"x-auth-token": await self._own_token()}
        wanted = {"user": {"username": username}, "expire-in-seconds": IMPERSONATED_FOR}
        url = f"{self.account.admin_url}/RAX-AUTH/impersonation-tokens"
        answer = await self.http.exchange("POST", url, YES, headers, json={"RAX-AUTH:impersonation": wanted})
        token = answer["access"]["token"]["id"]
        url = f"{self.account.admin_url}/tokens/{quote(token, '')}/endpoints"
        return token, (await self.http.exchange("GET", url, YES, headers))["endpoints"]

    async def _administrator_of(self, tenant: str) -> str:
        url = f"{self.account.admin_url.replace('v2.0', 'v1.1')}/mosso/{quote(tenant, '')}"
        basic = base64.b64encode(f"{self.account.username}:{self.account.password}".encode()).decode()
        answer = await self.http.exchange("GET", url, (*YES, 301), {"authorization": f"Basic {basic}"})
        return answer["user"]["id"]

    async def _own_token(self) -> str:
        if self._token is None:
            url = f"{self.account.url}/tokens"
            answer = await self.http.exchange("POST", url, YES, {}, json=self.account.login_body())
            self._token = answer["access"]["token"]["id"]
        return self._token


@define
class Identity:
    """
    Logs in for tenants, and remembers. Any number of callers who miss at the same time share one login.

    :ivar cache_ttl: seconds after which a token is asked for anew, however long it says it is good.
    """

    login: Login
    clock: IReactorTime
    cache_ttl: float = 300.0
    _known: dict[str, Access] = field(init=False, factory=dict)
    _logins: dict[str, list[Deferred]] = field(init=False, factory=dict)

    async def access(self, tenant: str) -> Access:
        """:raises NotSent: Identity does not let us in, whatever its reason; nothing was asked of any other service."""
        known = self._known.get(tenant)
        if known is not None and self.clock.seconds() < known.until:
            return known
        answer: Deferred = Deferred()
        waiters = self._logins.setdefault(tenant, [])
        waiters.append(answer)
        if len(waiters) == 1:
            ensureDeferred(self._log_in(tenant)).addBoth(self._tell, tenant)
        return await answer

    def forget(self, tenant: str, access: Access) -> None:
        """``access`` was refused. If somebody has logged in anew since, that newer one stays."""
        if self._known.get(tenant) is access:
            del self._known[tenant]

    async def _log_in(self, tenant: str) -> Access:
        for pause in (*PAUSES, None):
            try:
                token, endpoints = await self.login(tenant)
                self._known[tenant] = Access(token, by_service(endpoints), self.clock.seconds() + self.cache_ttl)
                return self._known[tenant]
            except (CloudError, KeyError, TypeError, AttributeError) as error:
                if pause is None:
                    raise NotSent(f"Identity gives no access to tenant {tenant}: {reason(error)}") from error
                await deferLater(self.clock, pause)
        raise AssertionError("the last try returns or raises")

    def _tell(self, result: Any, tenant: str) -> None:
        for waiter in self._logins.pop(tenant):
            if not waiter.called:
                waiter.callback(result)  # a Failure passed to callback() comes out as an error


def by_service(endpoints: list) -> dict[tuple[str, str], str]:
    """Root URLs by (service, region). The first of several wins."""
    found: dict[tuple[str, str], str] = {}
    for endpoint in endpoints:
        found.setdefault((endpoint["name"], endpoint.get("region", "")), endpoint["publicURL"].rstrip("/"))
    return found


def reason(error: Exception) -> str:
    """What went wrong with a login. Identity's own words are left out: they may repeat the password."""
    if isinstance(error, ApiError):
        return f"the answer was {error.status}"
    return str(error) if isinstance(error, CloudError) else "the answer makes no sense"
