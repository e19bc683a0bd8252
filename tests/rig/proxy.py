"""
The proxy that injects faults: ``python -m tests.rig.proxy --listen PORT``, a process of its own.

``/{name}/{rest}`` goes to the upstream of that name, unchanged if no rule says otherwise; ``/control/`` is for the test.
"""

import argparse
import sys
from typing import Any

from attrs import define, field, frozen
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.logger import Logger, LogLevel, globalLogBeginner, textFileLogObserver
from twisted.web.client import Agent, HTTPConnectionPool, readBody
from twisted.web.http import NO_BODY_CODES
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from zope.interface import implementer

from tests.rig.calls import call_of
from tests.rig.control import Control
from tests.rig.faults import Answer, Ending, Fault
from tests.rig.ledger import Entry, Ledger
from tests.rig.rules import Rulebook

log = Logger()

OF_THE_CONNECTION = {b"connection", b"keep-alive", b"transfer-encoding", b"te", b"upgrade", b"content-length", b"host"}
"""Headers that are about one connection, or that are made anew from the body."""


@implementer(IBodyProducer)
@frozen
class Bytes:
    """A request's body that is already here."""

    content: bytes

    @property
    def length(self) -> int:
        return len(self.content)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        consumer.write(self.content)
        return succeed(None)

    def pauseProducing(self) -> None: ...

    def stopProducing(self) -> None: ...


def kept(headers: Headers) -> list[tuple[bytes, list[bytes]]]:
    return [(name, values) for name, values in headers.getAllRawHeaders() if name.lower() not in OF_THE_CONNECTION]


def make_agent() -> Agent:
    """
    Keeps connections open, but not as long as Mimic does (60 s), and never sends a request twice: the point of the
    proxy is to know what reached the cloud.
    """
    pool = HTTPConnectionPool(reactor, persistent=True)
    pool.maxPersistentPerHost = 200
    pool.cachedConnectionTimeout = 20
    pool.retryAutomatically = False
    return Agent(reactor, connectTimeout=10, pool=pool)


@define(eq=False)
class Passage:
    """
    One request on its way through the proxy.

    :ivar body: read at once, because Twisted closes it when the client leaves, and the request goes on nevertheless.
    """

    request: IRequest
    url: bytes
    body: bytes
    faults: list[Fault]
    entry: Entry
    agent: Agent
    _left: bool = field(init=False, default=False)

    async def go(self) -> None:
        self.request.notifyFinish().addErrback(self._client_left)
        match await self._outcome():
            case Answer() as answer:
                self._answer(answer)
            case Ending.CLOSED:
                self.request.loseConnection()
            case Ending.SILENCE:
                pass

    async def _outcome(self) -> Answer | Ending:
        for fault in self.faults:
            if (end := await fault.before()) is not None:
                return end
        outcome: Answer | Ending = await self._forward()
        for fault in self.faults:
            if isinstance(outcome, Ending):
                break
            outcome = await fault.after(outcome)
        return outcome

    async def _forward(self) -> Answer | Ending:
        """The cloud's answer. A cloud that is not there, or breaks off, looks just so to the client."""
        self.entry.forwarded = True
        headers = Headers(dict(kept(self.request.requestHeaders)))
        producer = Bytes(self.body) if self.body else None
        try:
            response = await self.agent.request(self.request.method, self.url, headers, producer)
            content = await readBody(response)
        except Exception as error:
            log.error("{method} {url}: {error!r}", method=self.request.method, url=self.url, error=error)
            return Ending.CLOSED
        return Answer(response.code, tuple(kept(response.headers)), content, response.phrase)

    def _answer(self, answer: Answer) -> None:
        if self._left:
            return
        self.entry.status = answer.status
        self.request.setResponseCode(answer.status, answer.reason)
        for name, values in answer.headers:
            self.request.responseHeaders.setRawHeaders(name, values)
        if answer.status not in NO_BODY_CODES:
            self.request.setHeader(b"content-length", b"%d" % len(answer.body))
        if answer.cut:
            self.request.write(answer.body[: len(answer.body) // 2])
            self.request.loseConnection()
        else:
            self.request.write(answer.body)
            self.request.finish()

    def _client_left(self, _: Any) -> None:
        self._left = True


@define(eq=False, slots=False)
class Front(Resource):
    """Everything that the proxy answers."""

    isLeaf = True

    rulebook: Rulebook
    ledger: Ledger
    control: Control
    agent: Agent = field(factory=make_agent)

    def __attrs_post_init__(self) -> None:
        super().__init__()
        self._control = self.control.app.resource()

    def render(self, request: IRequest) -> Any:
        if request.path.startswith(b"/control/"):
            return self._control.render(request)
        ensureDeferred(self._pass(request)).addErrback(lambda failure: log.failure("in the proxy", failure))
        return NOT_DONE_YET

    async def _pass(self, request: IRequest) -> None:
        name, _, rest = request.uri.decode("ascii").lstrip("/").partition("/")
        upstream = self.control.upstreams.get(name)
        if upstream is None:
            request.setResponseCode(404)
            request.write(b"the proxy knows no upstream of this name")
            request.finish()
            return
        call = call_of(upstream.service, request.method.decode("ascii"), rest)
        faults = self.rulebook.faults_for(call)
        entry = self.ledger.open(call, [fault.kind for fault in faults])
        url = f"{upstream.url}/{rest}".encode("ascii")
        await Passage(request, url, request.content.read(), faults, entry, self.agent).go()


class QuietSite(Site):
    """Without access log; connections stay open as long as the client likes."""

    def log(self, request: IRequest) -> None: ...


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", type=int, required=True, metavar="PORT")
    port = parser.parse_args(arguments).listen
    to_stderr = textFileLogObserver(sys.stderr)
    loud = {LogLevel.error, LogLevel.critical}
    globalLogBeginner.beginLoggingTo(
        [lambda event: to_stderr(event) if event["log_level"] in loud else None], redirectStandardIO=False
    )
    rulebook, ledger = Rulebook(), Ledger()
    site = QuietSite(Front(rulebook, ledger, Control(rulebook, ledger)), timeout=None)
    listening = TCP4ServerEndpoint(reactor, port, backlog=500, interface="127.0.0.1").listen(site)
    listening.addErrback(lambda failure: (log.failure("cannot listen", failure), reactor.stop()))
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1:])
