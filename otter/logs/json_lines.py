"""The log observer."""

import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

from attrs import define, field
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
)
from twisted.python.threadable import isInIOThread
from zope.interface import implementer

LEGACY = {"message", "isError", "failure", "why", "format", "printed", "system", "time"}
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
        facts: dict[str, Any] = {
            "time": datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds"),
            "level": event["log_level"].name,
            "event": formatEvent(event),
            "where": event.get("log_namespace"),
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


def observer() -> ILogObserver:
    """What ``twistd --logger`` calls: JSON lines, without those that tell of every connection to a cloud service."""
    chatter = LogLevelFilterPredicate()
    chatter.setLogLevelForNamespace("twisted.web.client", LogLevel.warn)
    return FilteringLogObserver(JsonLines(soon=in_the_next_turn), [chatter])


def in_the_next_turn(do: Callable[[], None]) -> None:
    """``do`` it when the reactor is through with what it is at; at once if it does not run."""
    from twisted.internet import reactor

    if reactor.running and isInIOThread():
        reactor.callLater(0, do)
    else:
        do()
