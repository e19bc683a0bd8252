"""
Performing cloud requests: whose token, when it is our turn, what to do when it fails.

Cloud functions say *what* to ask; everything that is the same for all of them is here, once.
"""

import random
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

from attrs import evolve, frozen
from effect import TypeDispatcher
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from otter.cloud.errors import ApiError, CloudError, NoSuchEndpoint, NotSent, Unreachable
from otter.cloud.http import Http
from otter.cloud.identity import Access, Identity
from otter.cloud.perform import awaiting
from otter.cloud.request import CloudRequest, monotonic
from otter.cloud.throttle import Doors, Lane, Throttle, Traffic

log = Logger()
TITLES = {"nova": "Nova", "clb": "Cloud Load Balancers", "rackconnect": "RackConnect"}
"""What owners call the services."""
PAUSES = (0.5, 2.0, 5.0)
"""Seconds (with jitter) before a request that is safe to repeat is tried again."""
LONGEST_PAUSE = 5.0
"""Seconds; a service that wants us to wait for longer is left to a later pass, so that nothing else waits for it."""


@frozen
class Asker:
    """For whom something is asked; see ``Cloud.dispatcher``."""

    tenant: str
    group: str
    is_ours: Callable[[], bool] = lambda: True


@frozen
class Cloud:
    """
    The cloud as each tenant sees it.

    :ivar names: our name of a service -> its name in the service catalog.
    :ivar monotonic: the clock that ``CloudRequest.send_by`` is read on.
    :ivar is_held: whether nothing may be changed for a tenant at this moment.
    """

    http: Http
    identity: Identity
    throttle: Throttle
    doors: Doors
    clock: IReactorTime
    region: str
    names: Mapping[str, str]
    monotonic: Callable[[], float] = monotonic
    random: Callable[[], float] = random.random
    is_held: Callable[[str], bool] = lambda tenant: False

    def dispatcher(self, tenant: str, group: str, is_ours: Callable[[], bool] = lambda: True) -> TypeDispatcher:
        """
        Performs requests as ``tenant``. Which tenant is meant is decided here and is in no request.

        :param group: for whom; only the log wants to know.
        :param is_ours: whether anything may be changed for the group at this moment.
        """
        return TypeDispatcher({CloudRequest: awaiting(partial(self.request, Asker(tenant, group, is_ours)))})

    def changes_within(self, tenant: str, service: str, seconds: float) -> int:
        """
        How many changing requests of the tenant to ``service`` could be sent within the next ``seconds``.

        That is a forecast: nothing is reserved, and the tenant's other groups may take those turns first.
        """
        return self.throttle.turns_within(Lane(tenant, service, Traffic.CHANGES), seconds)

    async def request(self, asker: Asker, request: CloudRequest) -> Any:
        """
        The JSON answer to ``request``.

        Only reads are repeated. A change whose answer was lost may have been made: the next pass looks, and decides anew.
        """
        facts = {"tenant": asker.tenant, "group": asker.group, "method": request.method, "path": request.path}
        for pause in PAUSES if request.method == "GET" else ():
            try:
                return await self._authenticated(asker, request)
            except CloudError as error:
                if not worth_repeating(error) or error.retry_after > LONGEST_PAUSE:
                    raise
                log.info("cloud-request-repeated", error=str(error), **facts)
                await deferLater(self.clock, max(error.retry_after, pause * (0.5 + self.random())))
        try:
            answer = await self._authenticated(asker, request)
        except CloudError as error:
            log.info("cloud-request-failed", error=str(error), **facts)
            raise
        if request.method != "GET":
            log.info("cloud-changed", **facts)
        return answer

    async def _authenticated(self, asker: Asker, request: CloudRequest) -> Any:
        """A 401 gets one more try with a new token; it was refused, so that is safe for changes too."""
        tenant = asker.tenant
        access = await self.identity.access(tenant)
        try:
            return await self._send(asker, access, request)
        except ApiError as error:
            if error.status == 404 and not error.is_document:
                # Not the service itself: it may have moved. The next request asks the catalog where to.
                self.identity.forget(tenant, access)
            if error.status != 401:
                raise
            self.identity.forget(tenant, access)
        return await self._send(asker, await self.identity.access(tenant), request)

    async def _send(self, asker: Asker, access: Access, request: CloudRequest) -> Any:
        tenant = asker.tenant
        url = f"{self._endpoint(tenant, access, request.service)}/{request.path}"
        failed = f"{TITLES[request.service]} could not {request.what}"
        door = (tenant, request.service, request.method, request.path)
        self._refuse_closed(door, failed)
        await self.throttle.turn(lane_of(tenant, request))
        self._refuse_closed(door, failed)  # it may have been closed while we waited
        if request.send_by is not None and self.monotonic() > request.send_by:
            raise NotSent(f"{failed}: the request was not sent, because its time was over")
        if request.method != "GET" and self.is_held(tenant):
            raise NotSent(f"{failed}: otter's operators have it change nothing for now")
        if request.method != "GET" and not asker.is_ours():
            raise NotSent(f"{failed}: another process of otter's works on the group from now on")
        headers = {"x-auth-token": access.token}
        what = {"json": request.json, "params": request.params}
        try:
            return await self.http.exchange(request.method, url, request.success, headers, **what)
        except ApiError as error:
            if error.retry_after:
                self.doors.close(door, error.retry_after)
            raise evolve(error, failed=failed, body=without_secrets(error.body, request.json)) from None
        except (NotSent, Unreachable) as error:
            raise type(error)(f"{failed}: {error}") from error

    def _endpoint(self, tenant: str, access: Access, service: str) -> str:
        """:raises NoSuchEndpoint: the next request asks for the catalog anew."""
        try:
            return access.endpoint(self.names[service], self.region)
        except NoSuchEndpoint:
            self.identity.forget(tenant, access)
            raise

    def _refuse_closed(self, door: Hashable, failed: str) -> None:
        if wait := self.doors.closed_for(door):
            raise NotSent(f"{failed}, and asked not to be asked again for another {wait:.0f} seconds")


def lane_of(tenant: str, request: CloudRequest) -> Lane:
    return Lane(tenant, request.service, Traffic.READS if request.method == "GET" else Traffic.CHANGES)


def worth_repeating(error: CloudError) -> bool:
    """Whether the same request may fare better in a moment."""
    if isinstance(error, ApiError):
        return error.status in (401, 408, 413, 429) or error.status >= 500
    return not error.terminal


def without_secrets(text: str, sent: Any) -> str:
    """``text``, an error's, without what only the server that was asked for may know, in case the service repeats it."""
    server = sent.get("server", {}) if isinstance(sent, dict) else {}
    personality = server.get("personality") or ()
    secrets = [server.get("user_data"), server.get("adminPass"), *(file["contents"] for file in personality)]
    for secret in secrets:
        if isinstance(secret, str) and secret:
            text = text.replace(secret, "...")
    return text
