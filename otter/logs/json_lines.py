"""The log observer."""

import json
import re
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

from attrs import frozen
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
)
from zope.interface import implementer

LEGACY = {"message", "isError", "failure", "why", "format", "printed", "system", "time"}
CAPABILITY = re.compile("[0-9a-fA-F]{64,}")


@implementer(ILogObserver)
@frozen
class JsonLines:
    """
    Writes each event as ``{"time", "level", "event", "where", ...its facts}``.

    Log with a name as the format, and with facts as fields: ``log.info("pass", tenant=..., group=..., verdict=...)``.
    Nothing secret is ever logged on purpose; as a last resort, whatever looks like a capability is blotted out here.
    """

    out: TextIO = sys.stdout

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
        self.out.flush()


def observer() -> ILogObserver:
    """What ``twistd --logger`` calls: JSON lines, without those that tell of every connection to a cloud service."""
    chatter = LogLevelFilterPredicate()
    chatter.setLogLevelForNamespace("twisted.web.client", LogLevel.warn)
    return FilteringLogObserver(JsonLines(), [chatter])
