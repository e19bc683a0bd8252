"""The store as a process sees it: the real one, at some distance, and not always there."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred

from otter.domain.errors import StoreUnavailable
from otter.store.sqlite.store import SQLiteStore
from tests.sim.network import Effect
from tests.sim.time import ProcessClock

READS = {
    "get_group",
    "list_groups",
    "list_passes",
    "groups_with_events",
    "divergent_groups",
    "settled_groups",
    "list_policies",
    "get_policy",
    "due_policies",
    "list_webhooks",
    "get_webhook",
    "find_capability",
    "suspended_tenants",
    "held",
    "counts",
    "capability_key_ids",
}
OFTEN = {"divergent_groups", "settled_groups", "due_policies", "held"}
"""What processes look up all the time: no place to die that would be different from any other."""
CHANGES = {"change_group": 1, "fire": 3, "execute_once": 2, "change_webhook": 3}
"""Methods that take a function, and which of their arguments it is: a store may call it more than once."""
FAULTS = ("unreadable", "refused", "done but not told", "called twice", "slow")


@frozen
class StoreFault:
    """:ivar kind: one of ``FAULTS``. :ivar chance: of a call to meet it."""

    kind: str
    chance: float = 1.0
    seconds: float = 5.0


@define(eq=False)
class Disk:
    """
    What outlives processes, and how well it works at this moment.

    :ivar writes: how many there have been. :ivar chosen: the fault that waits for the one with a number, besides ``faults``.
    """

    random: Random
    pace: Callable[[Random], float] = lambda random: random.uniform(0.0005, 0.005)
    faults: list[StoreFault] = field(factory=list)
    met: dict[str, int] = field(factory=dict)
    writes: int = 0
    chosen: dict[int, StoreFault] = field(factory=dict)

    def next_write(self) -> StoreFault | None:
        """The fault that waits for the write that begins now."""
        self.writes += 1
        return self.chosen.get(self.writes)

    def fault(self, kinds: Sequence[str]) -> StoreFault | None:
        for fault in self.faults:
            if fault.kind in kinds and self.random.random() < fault.chance:
                name = f"store {fault.kind}"
                self.met[name] = self.met.get(name, 0) + 1
                return fault
        return None


@define(eq=False, slots=False)
class DistantStore:
    """
    An ``IStore``: ``real``, for one process.

    :ivar effect: told "store <method>" before and "store <method> done" after each write.
    """

    real: SQLiteStore
    disk: Disk
    clock: ProcessClock
    effect: Effect

    @property
    def epoch(self) -> int:
        return self.real.epoch

    @property
    def trouble(self) -> str | None:
        return self.real.trouble

    def __getattr__(self, name: str) -> Callable:
        method = getattr(self.real, name)
        kind = self._read if name in READS else self._write

        async def call(*arguments: Any, **named: Any) -> Any:
            return await kind(name, method, arguments, named)

        setattr(self, name, call)
        return call

    async def _read(self, name: str, method: Callable, arguments: tuple, named: dict) -> Any:
        await self._pause(name not in OFTEN)
        if self.disk.fault(["unreadable"]):
            raise StoreUnavailable("the store cannot be read")
        return await method(*arguments, **named)

    async def _write(self, name: str, method: Callable, arguments: tuple, named: dict) -> Any:
        if self.clock.dead or not self.effect(f"store {name}"):
            await Deferred()
        chosen = self.disk.next_write()
        await self._pause()
        fault = chosen or self.disk.fault(["refused", "done but not told", "called twice", "slow"])
        kind = fault.kind if fault else ""
        if kind == "refused":
            raise StoreUnavailable("nothing could be stored")
        if kind == "slow":
            await self._pause(fault.seconds)  # type: ignore[union-attr]
        if kind == "called twice" and name in CHANGES:
            arguments = twice(arguments, CHANGES[name])
        try:
            result = await method(*arguments, **named)
        finally:
            if not self.effect(f"store {name} done"):
                await Deferred()
        await self._pause()
        if kind == "done but not told":
            raise StoreUnavailable("there was no answer in time")
        return result

    async def _pause(self, seconds: float | bool = True) -> None:
        """A moment, or so many seconds; with False, only for as long as the process is frozen."""
        waiting: Deferred = Deferred()
        wait = self.disk.pace(self.disk.random) if seconds is True else float(seconds)
        self.clock.callLater(wait, lambda: waiting.called or waiting.callback(None))
        await waiting


def twice(arguments: tuple, position: int) -> tuple:
    """The same, but the function among them is called twice whenever it is called."""
    function = arguments[position]

    def both(thing: Any) -> Any:
        function(thing)
        return function(thing)

    return (*arguments[:position], both, *arguments[position + 1 :])
