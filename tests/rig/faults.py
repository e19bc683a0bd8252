"""What can go wrong between otter and the cloud. A fault acts before a request is forwarded, or on the answer to it."""

import json
import os
import re
import signal
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from attrs import evolve, field, frozen, validators
from twisted.internet import reactor
from twisted.internet.task import deferLater

from tests.rig.editing import duplicated, hidden, relabelled

Headers = tuple[tuple[bytes, list[bytes]], ...]


@frozen
class Answer:
    """
    :ivar cut: only half of the body gets through.
    """

    status: int
    headers: Headers
    body: bytes
    reason: bytes | None = None
    cut: bool = False


class Ending(Enum):
    """How it ends without an answer."""

    CLOSED = auto()
    SILENCE = auto()


class Fault:
    """
    :cvar kind: its name in a rule's document; the other words of the document are its fields.
    """

    kind = "none"

    async def before(self) -> Answer | Ending | None:
        """Before the request is forwarded. Anything but None is the end, and the cloud never hears of the request."""

    async def after(self, answer: Answer) -> Answer | Ending:
        """What becomes of the cloud's answer."""
        return answer


WHEN = validators.in_(["before", "after"])


@frozen
class Delay(Fault):
    """The request, or its answer, is on its way for some seconds. It arrives even if the client no longer waits."""

    kind = "delay"
    seconds: float
    when: str = field(default="before", validator=WHEN)

    async def before(self) -> None:
        if self.when == "before":
            await deferLater(reactor, self.seconds)

    async def after(self, answer: Answer) -> Answer:
        if self.when == "after":
            await deferLater(reactor, self.seconds)
        return answer


@frozen
class Finish(Fault):
    """The end, instead of forwarding the request or instead of telling what came of it."""

    when: str = field(default="before", validator=WHEN, kw_only=True)

    async def before(self) -> Answer | Ending | None:
        return self.finish() if self.when == "before" else None

    async def after(self, answer: Answer) -> Answer | Ending:
        return self.finish() if self.when == "after" else answer

    def finish(self) -> Answer | Ending:
        raise NotImplementedError


@frozen
class Drop(Finish):
    """The connection is closed."""

    kind = "drop"

    def finish(self) -> Ending:
        return Ending.CLOSED


@frozen
class Stall(Finish):
    """Nothing ever comes, until the client gives up."""

    kind = "stall"

    def finish(self) -> Ending:
        return Ending.SILENCE


@frozen
class Status(Finish):
    """Somebody on the way answers. A ``body`` that is a text goes out as it is, anything else but None as JSON."""

    kind = "status"
    code: int
    body: Any = None
    headers: Mapping[str, str] = field(factory=dict)

    def finish(self) -> Answer:
        headers = {"content-type": "application/json"} | {name.lower(): text for name, text in self.headers.items()}
        body = self.body if isinstance(self.body, str) else "" if self.body is None else json.dumps(self.body)
        raw = tuple((name.encode(), [text.encode()]) for name, text in headers.items())
        return Answer(self.code, raw, body.encode())


@frozen
class Kill(Finish):
    """A process dies, normally the one that asks. ``after``: the cloud has done what it was asked for."""

    kind = "kill"
    pid: int = field(validator=validators.gt(1))

    def finish(self) -> Ending:
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return Ending.CLOSED


@frozen
class Freeze(Fault):
    """
    A process is stopped by SIGSTOP, normally the one that asks, until somebody lets it go on. ``before``: its connection is
    closed, and the cloud never hears of the request. ``after``: the cloud does it, and the answer waits for the process.

    :ivar seconds: for which the request is on its way to the cloud, which does it after the process was stopped.
    """

    kind = "freeze"
    pid: int = field(validator=validators.gt(1))
    when: str = field(default="before", validator=WHEN, kw_only=True)
    seconds: float = 0.0

    async def before(self) -> Answer | Ending | None:
        os.kill(self.pid, signal.SIGSTOP)
        await deferLater(reactor, self.seconds)
        return Ending.CLOSED if self.when == "before" else None


@frozen
class Cut(Fault):
    """The connection breaks in the middle of the answer's body."""

    kind = "cut"

    async def after(self, answer: Answer) -> Answer:
        return evolve(answer, cut=True)


@frozen
class Edited(Fault):
    """
    The list of servers, nodes or pools in the answer is not what the cloud said.

    :ivar entries: regular expression that fits the whole id, name or address of those that are meant, or the id of
        their server.
    """

    entries: re.Pattern = field(default=".*", converter=re.compile, kw_only=True)

    async def after(self, answer: Answer) -> Answer:
        try:
            document = json.loads(answer.body)
        except ValueError:
            return answer
        edited = self.edit(document)
        return answer if edited == document else evolve(answer, body=json.dumps(edited).encode())

    def edit(self, document: Any) -> Any:
        raise NotImplementedError


@frozen
class Hide(Edited):
    """Entries are missing."""

    kind = "hide"

    def edit(self, document: Any) -> Any:
        return hidden(document, self.entries)


@frozen
class Duplicate(Edited):
    """Entries are there twice."""

    kind = "duplicate"

    def edit(self, document: Any) -> Any:
        return duplicated(document, self.entries)


@frozen
class Edit(Edited):
    """Entries have other metadata than they have."""

    kind = "edit"
    set: Mapping[str, str] = field(factory=dict)
    remove: tuple[str, ...] = field(default=(), converter=tuple)

    def edit(self, document: Any) -> Any:
        return relabelled(document, self.entries, self.set, self.remove)


KINDS = {fault.kind: fault for fault in (Delay, Drop, Stall, Status, Kill, Freeze, Cut, Hide, Duplicate, Edit)}


def fault_of(document: Mapping[str, Any]) -> Fault:
    """
    The inverse of a fault written as JSON: ``{"kind": "delay", "seconds": 2}``.

    :raises ValueError: no such kind, or an impossible value.
    :raises TypeError: an unknown word in it, or one missing.
    """
    if document.get("kind") not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}")
    return KINDS[document["kind"]](**{name: value for name, value in document.items() if name != "kind"})
