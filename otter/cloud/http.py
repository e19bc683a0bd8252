"""One HTTP exchange, bounded in time and size."""

import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from math import isfinite
from typing import Any, NoReturn
from urllib.parse import urlsplit

from attrs import define, field, frozen
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionDone,
    ConnectionLost,
    DNSLookupError,
)
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
)
from twisted.web.http import PotentialDataLoss

from otter.cloud.errors import ApiError, NotSent, Unreachable

COMMON = {"accept": "application/json", "user-agent": "otter"}
BROKEN_OFF = (RequestGenerationFailed, RequestTransmissionFailed, ResponseFailed, ConnectionLost, ConnectionDone)


@define(eq=False)
class Body(Protocol):
    """
    Collects an answer's body.

    Ours, because treq's and Twisted's readers leave the connection open when they are cancelled (Twisted #12499, #8929).
    """

    limit: int
    received: bytearray = field(init=False, factory=bytearray)
    whole: Deferred = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.whole = Deferred(lambda _: self.hang_up())

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if len(self.received) > self.limit and not self.whole.called:
            self.hang_up()
            self.whole.errback(Unreachable(f"answer is longer than {self.limit} bytes"))

    def hang_up(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.whole.callback(bytes(self.received))
        else:
            self.whole.errback(reason)


@frozen
class Http:
    """
    :ivar deadline: seconds from sending until the last byte of the answer.
    :ivar largest_body: bytes.
    """

    client: HTTPClient
    clock: IReactorTime
    deadline: float = 30.0
    largest_body: int = 8 * 1024 * 1024

    async def exchange(self, method: str, url: str, success: tuple[int, ...], headers: dict, **what: Any) -> Any:
        """
        The answer's JSON; None if it has no body.

        :raises ApiError, NotSent, Unreachable: as ``answer`` does; also if it is not JSON.
        """
        body = await self.answer(method, url, success, headers, **what)
        try:
            return json.loads(body) if body else None
        except ValueError as error:
            raise Unreachable(f"{host_of(url)} sent an answer that is not JSON") from error

    async def answer(self, method: str, url: str, success: tuple[int, ...], headers: dict, **what: Any) -> bytes:
        """
        The answer's body.

        :raises ApiError: the status is not one of ``success``.
        :raises NotSent: there is no connection to be had.
        :raises Unreachable: there was no whole answer in time.
        """
        sent = ensureDeferred(self._send(method, url, headers=COMMON | headers, **what))
        sent.addTimeout(self.deadline, self.clock, partial(too_late, url))
        try:
            status, retry_after, body = await heard_until_cancelled(sent)
        except (ConnectError, DNSLookupError) as error:
            raise NotSent(f"There is no connection to {host_of(url)}: {error}") from error
        except BROKEN_OFF as error:
            raise Unreachable(f"{host_of(url)} broke off the connection") from error
        if status not in success:
            text = body.decode("utf-8", "replace")
            raise ApiError(status, text, wait_asked_for(retry_after, text, self.clock.seconds()))
        return body

    async def _send(self, method: str, url: str, **what: Any) -> tuple[int, str | None, bytes]:
        """Status, ``Retry-After`` and body of the answer."""
        response = await self.client.request(method, url, unbuffered=True, allow_redirects=False, **what)
        body = Body(self.largest_body)
        response.original.deliverBody(body)
        headers = response.headers.getRawHeaders(b"retry-after", [])
        retry_after = headers[0].decode("ascii", "replace") if headers else None
        return response.code, retry_after, await body.whole


def wait_asked_for(header: str | None, body: str, now: float) -> float:
    """
    Seconds for which an answer asks to be left alone; 0 if it does not, or makes no sense.

    :param header: ``Retry-After``. Without one, ``retryAfter`` in the body says it, at the top or one level below.
    :param now: seconds since 1970.
    """
    seconds = seconds_until(retry_after_in(body) if header is None else header, now)
    return seconds if isfinite(seconds) and seconds > 0 else 0.0


def retry_after_in(body: str) -> str:
    """What a JSON body says in ``retryAfter``; "" if nothing."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    levels = [document, *document.values()] if isinstance(document, dict) else []
    said = (level.get("retryAfter") for level in levels if isinstance(level, dict))
    return next((str(when) for when in said if isinstance(when, str | int | float)), "")


def seconds_until(when: str, now: float) -> float:
    """From ``now`` to ``when``: a number of seconds, or a date as HTTP or ISO 8601 has it. 0 if it is none of these."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", when):
        return float(when)
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        with suppress(ValueError, TypeError, LookupError, OverflowError):
            date = read(when)
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
    return 0.0


def heard_until_cancelled(sent: Deferred) -> Deferred:
    """
    What ``sent`` comes to; but whoever cancels it hears ``CancelledError`` and nothing else.

    Each stage of a request has an error of its own for being cancelled, and some are those of a network that failed. Whoever
    cancels does not want to hear of errors, and least of all of one that is tried again.
    """

    def cancel(heard: Deferred) -> None:
        heard.errback(CancelledError())
        sent.cancel()

    heard: Deferred = Deferred(cancel)
    sent.addBoth(lambda result: None if heard.called else heard.callback(result))
    return heard


def too_late(url: str, result: Failure, seconds: float) -> NoReturn:
    """What a request comes to when its time is over, by the stage at which it was cancelled then."""
    if result.check(ConnectingCancelledError, DNSLookupError):
        raise NotSent(f"There is no connection to {host_of(url)} after {seconds:g} seconds")
    raise Unreachable(f"{host_of(url)} did not answer within {seconds:g} seconds")


def host_of(url: str) -> str:
    return urlsplit(url).netloc


def make_client(reactor: Any) -> tuple[HTTPClient, HTTPConnectionPool]:
    """A client, and the pool that keeps its connections open for the next request."""
    pool = HTTPConnectionPool(reactor, persistent=True)
    pool.maxPersistentPerHost = 50
    return HTTPClient(Agent(reactor, pool=pool, connectTimeout=10)), pool
