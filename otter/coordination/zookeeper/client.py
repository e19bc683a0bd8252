"""
What otter asks of ZooKeeper, and the session in which it asks.

kazoo works in threads of its own. Answers, watches and the news that a session began or ended come into the reactor;
only ``ZooKeeper.session`` changes at once.
"""

import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import islice
from threading import Thread
from typing import Any, Protocol

from attrs import define, field, frozen
from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss
from kazoo.protocol.states import KazooState, KeeperState
from kazoo.retry import KazooRetry
from twisted.internet.defer import Deferred, DeferredList, TimeoutError, ensureDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

log = Logger()

Watch = Callable[[], None]

AT_ONCE = 32
"""Requests of one sort that are under way, so that others, such as pings, do not wait behind hundreds."""

REVIVAL = 1.0
"""Seconds after which a client that ended by itself is started again."""

FAREWELL = 2.0
"""Seconds that ZooKeeper gets to hear that this process stops. If it does not, the session lasts until it times out."""


def options_of(hosts: Sequence[str], session: float) -> dict[str, Any]:
    """Of kazoo's client. Its own way of trying for a connection gives up soon, or waits for a minute."""
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # What matters of it, we say ourselves.
    retry = KazooRetry(max_tries=-1, delay=0.1, max_delay=1.0)
    return {"hosts": ",".join(hosts), "timeout": session, "connection_retry": retry}


@frozen
class Session:
    """:ivar timeout: seconds; not what we asked for, but what the server granted."""

    id: int
    timeout: float


class IWay(Protocol):
    """How kazoo is asked."""

    @property
    def kazoo(self) -> KazooClient: ...

    def ask(self, name: str, *args: Any, **named: Any) -> Deferred:
        """What the method of that name comes to. A ``watch`` is called in the reactor, with an event."""

    def commit(self, transaction: Any) -> Deferred:
        """What each of its requests came to; some may be exceptions."""

    def close(self) -> None:
        """After kazoo has stopped."""


@frozen
class InReactor:
    """Two of the same watch are equal, so that kazoo calls them once."""

    reactor: IReactorFromThreads
    watch: Callable[[Any], None]

    def __call__(self, event: Any) -> None:
        self.reactor.callFromThread(self.watch, event)


@define(eq=False)
class Asynchronous:
    """By its ``..._async`` methods, which never block, and need no thread for each call."""

    reactor: Any
    kazoo: KazooClient

    def ask(self, name: str, *args: Any, **named: Any) -> Deferred:
        if named.get("watch") is not None:
            named["watch"] = InReactor(self.reactor, named["watch"])
        return self._answer(getattr(self.kazoo, f"{name}_async")(*args, **named))

    def commit(self, transaction: Any) -> Deferred:
        return self._answer(transaction.commit_async())

    def close(self) -> None:
        """There is nothing to close."""

    def _answer(self, result: Any) -> Deferred:
        answer: Deferred = Deferred()

        def fire(result: Any) -> None:
            if result.exception is None:
                answer.callback(result.value)
            else:
                answer.errback(result.exception)

        result.rawlink(lambda result: self.reactor.callFromThread(fire, result))
        return answer


@frozen
class Heard:
    """A watch that does not ask what happened."""

    watch: Watch

    def __call__(self, event: Any) -> None:
        self.watch()


async def together(jobs: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """
    What each of them comes to. After an error, which is raised once nothing is under way any more, no more are begun.
    """
    waiting, results = iter(jobs), []
    while some := [ensureDeferred(job) for job in islice(waiting, AT_ONCE)]:
        for _, outcome in await DeferredList(some, consumeErrors=True):
            if isinstance(outcome, Failure):
                outcome.raiseException()
            results.append(outcome)
    return results


@define(eq=False)
class ZooKeeper:
    """
    The small part of ZooKeeper that otter needs. It connects in the background, and again whenever it has to.

    Nothing is asked while there is no session: kazoo would keep the request, and send it in the next one, when it may
    be wrong.

    :raises kazoo.exceptions.KazooException, TimeoutError: from every method that asks. What was asked may have been
        done.
    :ivar patience: seconds that an answer may take.
    :ivar session: None as long as there is no connection. Set in kazoo's thread, at once.
    """

    reactor: Any
    way: IWay
    patience: float
    session: Session | None = field(init=False, default=None)
    _granted: float = field(init=False, default=0.0)
    _stopped: bool = field(init=False, default=False)
    _revival: IDelayedCall | None = field(init=False, default=None)
    _listeners: list[Watch] = field(init=False, factory=list)
    _waiting: set[Deferred] = field(init=False, factory=set)

    def __attrs_post_init__(self) -> None:
        """kazoo tells nobody what the server granted, so we listen to the function that it comes from."""
        connection = self.way.kazoo._connection
        connect = connection._connect

        def connected(*args: Any) -> tuple[float, float]:
            read_timeout, connect_timeout = connect(*args)
            granted = read_timeout * 1.5 / 1000  # It was two thirds of that, in milliseconds.
            self._heard_of(Session(self.way.kazoo.client_id[0], granted))
            return read_timeout, connect_timeout

        connection._connect = connected
        self.way.kazoo.add_listener(self._state_changed)

    def subscribe(self, changed: Watch) -> None:
        """Call ``changed`` when a session began, ended, was interrupted, or goes on."""
        self._listeners.append(changed)

    def start(self) -> None:
        self.way.kazoo.start_async()

    def stop(self) -> Deferred:
        """
        The session ends, and with it all that it holds. Whoever waits for an answer is told that there will be none.
        """
        self._stopped, self.session = True, None
        if self._revival is not None and self._revival.active():
            self._revival.cancel()
        ended: Deferred = Deferred()
        Thread(target=self._end, args=(ended,), daemon=True).start()  # It blocks, for as long as a session if need be.
        ended.addTimeout(FAREWELL, self.reactor).addErrback(lambda failure: failure.trap(TimeoutError))
        return ended.addCallback(self._forget_waiting)

    async def create(self, path: str, ephemeral: bool = False) -> None:
        """With what is missing above it. :raises NodeExistsError:"""
        await self._ask("create", path, b"", ephemeral=ephemeral, makepath=True)

    async def exists(self, path: str, watch: Watch | None = None) -> Any:
        """
        kazoo's ``ZnodeStat``; None if there is no such node. :param watch: called once, when that is not so any more.
        """
        return await self._ask("exists", path, watch=watch and Heard(watch))

    async def children(self, path: str, watch: Watch | None = None) -> list[str]:
        """Their names. :raises NoNodeError: :param watch: called once, when they are not the same any more."""
        return await self._ask("get_children", path, watch=watch and Heard(watch))

    async def delete(self, path: str) -> None:
        """:raises NoNodeError:"""
        await self._ask("delete", path)

    async def delete_while(self, proof: str, path: str) -> None:
        """Delete ``path`` if ``proof`` is still there at that moment. :raises NoNodeError: one of them is not."""
        self._require_session()
        transaction = self.way.kazoo.transaction()
        transaction.check(proof, -1)
        transaction.delete(path)
        for result in await self._patiently(self.way.commit(transaction)):
            if isinstance(result, Exception):
                raise result

    async def sync(self, path: str) -> None:
        """
        What is read from now on is not older than this. The leader itself answers, and only within a session that
        lives.
        """
        await self._ask("sync", path)

    async def _ask(self, name: str, *args: Any, **named: Any) -> Any:
        self._require_session()
        return await self._patiently(self.way.ask(name, *args, **named))

    def _require_session(self) -> None:
        if self.session is None:
            raise ConnectionLoss("there is no connection to ZooKeeper")

    def _patiently(self, answer: Deferred) -> Deferred:
        """An answer that comes too late is dropped."""
        self._waiting.add(answer)

        def over(result: Any) -> Any:
            self._waiting.discard(answer)
            return result

        return answer.addTimeout(self.patience, self.reactor).addBoth(over)

    def _heard_of(self, session: Session | None) -> None:
        """In kazoo's thread."""
        if not self._stopped:
            self.session = session
            self.reactor.callFromThread(self._tell)

    def _state_changed(self, state: str) -> None:
        """In kazoo's thread. It is connected only when ``connected`` above says so."""
        if state == KazooState.CONNECTED:
            return
        self._heard_of(None)
        # A server without its data refuses whoever has seen more than it has. Others tell it that its session is over.
        self.way.kazoo.last_zxid = 0
        if self.way.kazoo.client_state == KeeperState.CLOSED:
            self.reactor.callFromThread(self._revive)

    def _revive(self) -> None:
        """After an error that kazoo does not expect, its client ends."""
        if not self._stopped:
            log.emit(LogLevel.warn, "zookeeper-client-ended")
            self._revival = self.reactor.callLater(REVIVAL, self.start)

    def _tell(self) -> None:
        session = self.session
        log.info("zookeeper-session", session=session and f"{session.id:x}", timeout=session and session.timeout)
        for listener in self._listeners:
            listener()

    def _end(self, ended: Deferred) -> None:
        try:
            self.way.kazoo.stop()
            self.way.kazoo.close()
        except Exception as error:
            log.info("zookeeper-not-told", error=repr(error))  # Nothing depends on it: the session times out.
        self.reactor.callFromThread(ended.callback, None)

    def _forget_waiting(self, result: Any) -> None:
        self.way.close()
        for answer in list(self._waiting):
            answer.cancel()
