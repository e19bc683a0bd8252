"""The log observer."""

import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

from attrs import define, field
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from twisted.python.threadable import isInIOThread
from zope.interface import implementer

LEGACY = {"message", "isError", "failure", "why", "format", "printed", "system", "time"}
CHATTY = ("twisted.web.client._HTTP11ClientFactory",)
"""Tell of every connection to a cloud service."""
CAPABILITY = re.compile("[0-9a-fA-F]{64,}")


def at_once(do: Callable[[], None]) -> None:
    do()


@implementer(ILogObserver)
@define
class JsonLines:
    """
    Writes each event as ``{"time", "level", "event", "where", ...its facts}``.

    Log with a name as the format, and with facts as fields: ``log.info("pass", tenant=..., group=..., verdict=...)``.
    Nothing secret is ever logged on purpose; as a last resort, whatever looks like a capability is blotted out here.

    :ivar soon: does something when there is time for it. Many lines are then written together: each write makes the
        reactor's thread wait for the store's.
    """

    out: TextIO = sys.stdout
    soon: Callable[[Callable[[], None]], None] = at_once
    _unwritten: bool = field(init=False, default=False)

    def __call__(self, event: LogEvent) -> None:
        namespace = event.get("log_namespace")
        if namespace in CHATTY and event["log_level"] < LogLevel.warn:
            return
        facts: dict[str, Any] = {
            "time": datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds"),
            "level": event["log_level"].name,
            "event": name_of(event),
            "where": namespace,
        }
        facts |= {key: value for key, value in event.items() if not key.startswith("log_") and key not in LEGACY}
        if "log_failure" in event:
            facts["traceback"] = event["log_failure"].getTraceback()
        self.out.write(CAPABILITY.sub("[capability]", json.dumps(facts, default=str)) + "\n")
        if not self._unwritten:
            self._unwritten = True
            self.soon(self._flush)

    def _flush(self) -> None:
        self._unwritten = False
        self.out.flush()


def name_of(event: LogEvent) -> str:
    """Our events are names; a library's may be sentences with gaps to fill."""
    name = event.get("log_format")
    return formatEvent(event) if name is None or "{" in name else name


def observer() -> JsonLines:
    """What ``twistd --logger`` calls."""
    return JsonLines(soon=in_the_next_turn)


def in_the_next_turn(do: Callable[[], None]) -> None:
    """``do`` it when the reactor is through with what it is at; at once if it does not run."""
    from twisted.internet import reactor

    if reactor.running and isInIOThread():
        reactor.callLater(0, do)
    else:
        do()
