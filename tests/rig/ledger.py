"""What passed through the proxy."""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from itertools import count
from typing import Any

from attrs import asdict, define, field

from tests.rig.calls import Call


@define(eq=False)
class Entry:
    """
    :ivar at: seconds since 1970 at which the request was complete.
    :ivar faults: kinds of the faults that it met.
    :ivar forwarded: it was sent on to the cloud.
    :ivar status: None as long as nothing was answered, which may be for ever.
    """

    sequence: int
    at: float
    call: Call
    faults: list[str]
    forwarded: bool = False
    status: int | None = None

    def described(self) -> dict[str, Any]:
        return {
            "sequence": self.sequence,
            "at": self.at,
            **asdict(self.call),
            "faults": self.faults,
            "forwarded": self.forwarded,
            "status": self.status,
        }


@define(eq=False)
class Ledger:
    """Counts requests when they arrive, and remembers the last ones."""

    _entries: deque[Entry] = field(init=False, factory=lambda: deque(maxlen=200_000))
    _operations: dict[str, Counter[tuple[str, str]]] = field(init=False, factory=lambda: defaultdict(Counter))
    _changes: Counter[str] = field(init=False, factory=Counter)
    _numbers: count = field(init=False, factory=lambda: count(1))

    def open(self, call: Call, faults: Iterable[str]) -> Entry:
        self._operations[call.tenant][call.service, call.operation] += 1
        self._changes[call.tenant] += call.changing
        entry = Entry(next(self._numbers), time.time(), call, list(faults))
        self._entries.append(entry)
        return entry

    def counts(self) -> dict[str, dict[str, Any]]:
        """Tenant -> {service: {operation: count}, "changes": count}."""
        counts: dict[str, dict[str, Any]] = {}
        for tenant, operations in self._operations.items():
            counts[tenant] = {"changes": self._changes[tenant]}
            for (service, operation), number in operations.items():
                counts[tenant].setdefault(service, {})[operation] = number
        return counts

    def entries(self, tenant: str | None = None) -> list[dict[str, Any]]:
        return [entry.described() for entry in self._entries if tenant in (None, entry.call.tenant)]

    def reset(self, tenant: str | None = None) -> None:
        """Forgets everything, or everything of one tenant."""
        gone = set(self._operations) if tenant is None else {tenant}
        for each in gone:
            self._operations.pop(each, None)
            self._changes.pop(each, None)
        self._entries = deque((e for e in self._entries if e.call.tenant not in gone), maxlen=self._entries.maxlen)
