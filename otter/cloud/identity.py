"""
Identity: tokens, and where a tenant's services are. (docs/clouds.md, "Identity".)

The service account either logs in to the tenant itself (``single_tenant``), or impersonates the tenant's administrator.
"""

import base64
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar
from urllib.parse import quote

from attrs import Factory, define, field, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from otter.cloud.errors import ApiError, CloudError, NoSuchEndpoint, NotSent
from otter.cloud.http import Http
from otter.cloud.sharing import Shared

PAUSES = (0.25, 1.0)
"""Seconds before a failed login is tried again: it changes nothing, so that is always safe."""
IMPERSONATED_FOR = 10800
"""Seconds that an impersonation token is asked for."""
YES = (200, 203)
T = TypeVar("T")


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
class OwnToken:
    """The token of otter's own account, which is in no tenant. It is kept until it is refused."""

    http: Http
    account: Account
    _token: str | None = field(init=False, default=None, repr=False)
    _logins: Shared[str] = field(init=False, factory=Shared, repr=False)

    async def use(self, request: Callable[[str], Awaitable[T]]) -> T:
        """What ``request`` comes to with our token; if it is refused with 401, with a new one."""
        known = self._token
        if known is None:
            return await request(await self.get())
        try:
            return await request(known)
        except ApiError as error:
            if error.status != 401:
                raise
        if self._token == known:
            self._token = None
        return await request(await self.get())

    async def get(self) -> str:
        """:raises NotSent: Identity does not let us in."""
        return self._token or await self._logins.run("own", self._log_in)

    async def _log_in(self) -> str:
        url = f"{self.account.url}/tokens"
        try:
            answer = await self.http.exchange("POST", url, YES, {}, json=self.account.login_body())
            self._token = str(answer["access"]["token"]["id"])
        except (CloudError, KeyError, TypeError) as error:
            raise NotSent(f"otter's own account could not log in: {reason(error)}") from error
        return self._token


@define
class Impersonation:
    """A ``Login`` as the tenant's administrator."""

    http: Http
    account: Account
    own: OwnToken = Factory(lambda self: OwnToken(self.http, self.account), takes_self=True)

    async def __call__(self, tenant: str) -> tuple[str, list]:
        return await self.own.use(partial(self._impersonate, await self._administrator_of(tenant)))

    async def _impersonate(self, username: str, own: str) -> tuple[str, list]:
        headers = {"x-auth-token": own}
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
    _logins: Shared[Access] = field(init=False, factory=Shared)

    async def access(self, tenant: str) -> Access:
        """:raises NotSent: Identity does not let us in, whatever its reason; nothing was asked of any other service."""
        known = self._known.get(tenant)
        if known is not None and self.clock.seconds() < known.until:
            return known
        return await self._logins.run(tenant, partial(self._log_in, tenant))

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
