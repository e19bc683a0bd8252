"""
The network between a process and the simulated cloud, in the shape of the HTTP client that otter's ``Http`` uses.

A request takes time to arrive, and its answer to come back; each may be lost on the way, and gateways answer in place of services.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any
from urllib.parse import unquote, urlsplit

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost, ConnectionRefusedError
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers

from tests.sim.time import ProcessClock, Time
from tests.sim.world.answers import Answer, Ask
from tests.sim.world.identity import Identity

PAGE = "<html><body><h1>Bad Gateway</h1></body></html>"
FAULTS = (
    "no connection",
    "request lost",
    "answer lost",
    "answer late",
    "502 page",
    "503 page before",
    "500",
    "500 after",
    "nonsense",
    "408",
    "409",
    "413",
    "429",
    "401",
    "403 page",
    "404 page",
)
"""What may happen to a request. "after": the service has obeyed, and the client is not told."""


@frozen
class Fault:
    """
    :ivar kind: one of ``FAULTS``.
    :ivar service: "identity", "nova", "clb" or "rackconnect"; "" for each of them.
    :ivar methods: what it happens to: "reads", "changes" or "all".
    :ivar tenant: "" for everybody's.
    :ivar chance: of a request to meet it.
    :ivar seconds: how late an answer is, or how long the client is asked to wait.
    """

    kind: str
    service: str = ""
    methods: str = "all"
    tenant: str = ""
    chance: float = 1.0
    seconds: float = 0.0

    def concerns(self, service: str, tenant: str, method: str) -> bool:
        if self.service not in ("", service) or self.tenant not in ("", tenant):
            return False
        return self.methods == "all" or (method == "GET") == (self.methods == "reads")


@frozen
class Response:
    """What Twisted's agent would give, as far as ``Http`` looks at it."""

    code: int
    headers: Headers
    body: bytes

    @property
    def original(self) -> "Response":
        return self

    def deliverBody(self, protocol: Any) -> None:
        protocol.dataReceived(self.body)
        protocol.connectionLost(Failure(ResponseDone()))


Service = Callable[[Ask], Answer]


@define(eq=False)
class Network:
    """
    Everything that can be reached, and how well at this moment.

    :ivar services: by the first segment of the path of their URLs: what answers ``/<service>/<tenant>/...``.
    :ivar identity: gives tokens, and says which of them let their bearer into a service.
    :ivar faults: those that there are at this moment.
    :ivar pace: seconds that a request or an answer is on its way.
    :ivar met: how often which kind of fault was met.
    :ivar asked: how many requests there have been. :ivar chosen: the fault that waits for the one with a number, besides ``faults``.
    """

    time: Time
    random: Random
    services: Mapping[str, Service]
    identity: Identity
    pace: Callable[[Random], float] = lambda random: random.uniform(0.01, 0.1)
    faults: list[Fault] = field(factory=list)
    met: dict[str, int] = field(factory=dict)
    asked: int = 0
    chosen: dict[int, Fault] = field(factory=dict)

    def answer(self, service: str, ask: Ask, token: str) -> Answer:
        if service == "identity":
            return self.identity.answer(ask, token)
        if not self.identity.is_good(token, ask.tenant):
            return Answer(401, {"unauthorized": {"message": "This server could not verify that you are who you are"}})
        return self.services[service](ask)

    def fault_of(self, service: str, tenant: str, method: str) -> Fault | None:
        self.asked += 1
        if self.asked in self.chosen:
            return self.chosen[self.asked]
        for fault in self.faults:
            if fault.concerns(service, tenant, method) and self.random.random() < fault.chance:
                self.met[fault.kind] = self.met.get(fault.kind, 0) + 1
                return fault
        return None


Effect = Callable[[str], bool]
"""Told what a process is about to do to the world, or has done. Whether the process outlives it."""


@define(eq=False)
class Client:
    """
    One process's way into the network.

    :ivar effect: told "<service> <method> <path>" before a request leaves, and again, with " done", when it was obeyed.
    """

    network: Network
    clock: ProcessClock
    effect: Effect

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        json: Any = None,
        params: Mapping[str, Sequence[str]] | None = None,
        **_: Any,
    ) -> Deferred:
        """As ``treq.client.HTTPClient.request``."""
        waiting: Deferred = Deferred()
        if self.clock.dead:
            return waiting
        service, ask = read_url(method, url, params or {}, json)
        label = f"{service} {method} {ask.tenant}/{ask.path}"
        if not self.effect(label):
            return waiting
        network = self.network
        fault = network.fault_of(service, ask.tenant, method)
        kind = fault.kind if fault else ""
        if kind == "no connection":
            self._fail(waiting, network.pace(network.random), ConnectionRefusedError())
            return waiting
        arrives = network.pace(network.random)
        arrive = partial(self._arrive, waiting, service, ask, headers.get("x-auth-token", ""), fault, label)
        if stopped := self.clock.frozen_for:  # it leaves when the process goes on, unless that gives it up then
            network.time.later(stopped + arrives, lambda: waiting.called or arrive())
        else:
            network.time.later(arrives, arrive)
        return waiting

    def _arrive(self, waiting: Deferred, service: str, ask: Ask, token: str, fault: Fault | None, label: str) -> None:
        network, kind = self.network, fault.kind if fault else ""
        if kind == "request lost":
            return
        in_its_place = instead(kind, fault.seconds if fault else 0.0)
        if in_its_place is None:
            answer = network.answer(service, ask, token)
            if not self.clock.dead and not self.effect(f"{label} done"):
                return
        else:
            answer = in_its_place
        way_back = network.pace(network.random)
        match kind:
            case "answer lost":
                self._fail(waiting, way_back, ConnectionLost())
            case "answer late":
                self._tell(waiting, way_back + fault.seconds, answer)  # type: ignore[union-attr]
            case "500 after":
                self._tell(waiting, way_back, Answer(500, {"computeFault": {"code": 500, "message": "oops"}}))
            case "nonsense":
                self._tell(waiting, way_back, Answer(answer.status, {"nonsense": [1, 2, 3]}))
            case _:
                self._tell(waiting, way_back, answer)

    def _tell(self, waiting: Deferred, seconds: float, answer: Answer) -> None:
        self.clock.callLater(seconds, _callback, waiting, response_of(answer))

    def _fail(self, waiting: Deferred, seconds: float, error: Exception) -> None:
        self.clock.callLater(seconds, _errback, waiting, error)


def _callback(waiting: Deferred, result: Any) -> None:
    if not waiting.called:
        waiting.callback(result)


def _errback(waiting: Deferred, error: Exception) -> None:
    if not waiting.called:
        waiting.errback(error)


def read_url(method: str, url: str, params: Mapping[str, Sequence[str]], body: Any) -> tuple[str, Ask]:
    """``http://cloud/<service>/<tenant>/<path>``; Identity's have no tenant."""
    service, _, path = urlsplit(url).path.lstrip("/").partition("/")
    if service == "identity":
        return service, Ask("", method, unquote(path), params, body)
    tenant, _, path = path.partition("/")
    return service, Ask(tenant, method, unquote(path), params, body)


def instead(kind: str, seconds: float) -> Answer | None:
    """What something between us and a service answers in its place; None if the service is asked."""
    wait = {"retry-after": f"{seconds:.0f}"} if seconds else {}
    match kind:
        case "502 page":
            return Answer(502, PAGE)
        case "503 page before":
            return Answer(503, PAGE, wait)
        case "500":
            return Answer(
                500, {"computeFault": {"code": 500, "message": "The server has either erred or is incapable"}}
            )
        case "408":
            return Answer(408, PAGE)
        case "409":
            return Answer(409, {"conflictingRequest": {"code": 409, "message": "Try again"}})
        case "413":
            return Answer(
                413, {"overLimit": {"code": 413, "message": "This request was rate-limited.", "retryAfter": seconds}}
            )
        case "429":
            return Answer(429, {"overLimit": {"code": 429, "message": "Too many requests"}}, wait)
        case "401":
            return Answer(401, {"unauthorized": {"message": "Authentication required", "code": 401}})
        case "403 page":
            return Answer(403, PAGE)
        case "404 page":
            return Answer(404, PAGE)
        case _:
            return None


def response_of(answer: Answer) -> Response:
    if answer.document is None:
        body = b""
    elif isinstance(answer.document, str):
        body = answer.document.encode()
    else:
        body = json.dumps(answer.document).encode()
    return Response(answer.status, Headers({name: [value] for name, value in answer.headers.items()}), body)
