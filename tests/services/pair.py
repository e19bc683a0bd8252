"""Two processes over one store and one cloud, of which one can be frozen at any moment, and go on later."""

from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from random import Random
from typing import Any

from attrs import define, field
from effect import TypeDispatcher
from twisted.internet.defer import Deferred

from otter.cloud.errors import NotSent
from otter.cloud.perform import awaiting
from otter.cloud.request import CloudRequest
from otter.config import Config
from otter.coordination.local import LocalMarks
from otter.daemon import Outside, furnish
from otter.rest.app import Operations
from otter.services.holds import Holds
from otter.services.ownership import Ownership
from otter.services.scheduler import Scheduler
from otter.store.sqlite.database import Inline
from otter.store.sqlite.store import SQLiteStore
from tests.services.miniature import KEYS, Miniature
from tests.shares import GivenShares

STEPS = {"get_group", "change_group", "delete_group"}
"""What a pass asks of the store."""
WHEN = ("before", "on its way", "after")


@define(eq=False)
class Ice:
    """
    Whatever a process asks of others passes here. One that is frozen gets no further than to the next such moment.

    :ivar at: which of all requests it is to be frozen at: "before" it has looked whether it may send it, "on its way"
        between that and the other end, or "after" it was obeyed; None for none.
    :ivar frozen: called when it happens.
    """

    at: tuple[int, str] | None = None
    frozen: Callable[[], None] = lambda: None
    number: int = 0
    is_frozen: bool = False
    _waiting: list[Deferred] = field(init=False, factory=list)

    async def passing(self, may_send: Callable[[], None], obey: Callable[[], Awaitable]) -> Any:
        self.number += 1
        number = self.number
        await self.moment(number, "before")
        may_send()
        await self.moment(number, "on its way")
        try:
            return await obey()
        finally:
            await self.moment(number, "after")

    async def moment(self, number: int = 0, when: str = "") -> None:
        if self.at == (number, when):
            self.is_frozen = True
            self.frozen()
        if self.is_frozen:
            thawed: Deferred = Deferred()
            self._waiting.append(thawed)
            await thawed

    def thaw(self) -> None:
        self.is_frozen, self.at = False, None
        waiting, self._waiting = self._waiting, []
        for thawed in waiting:
            thawed.callback(None)


@define(eq=False, slots=False)
class DistantStore:
    """An ``IStore``: ``real``, for one process."""

    real: SQLiteStore
    ice: Ice

    @property
    def epoch(self) -> int:
        return self.real.epoch

    def __getattr__(self, name: str) -> Callable:
        method = getattr(self.real, name)

        async def call(*arguments: Any, **named: Any) -> Any:
            if name in STEPS:
                return await self.ice.passing(lambda: None, lambda: method(*arguments, **named))
            await self.ice.moment()
            return await method(*arguments, **named)

        return call


@define
class DistantClouds:
    """A ``Cloud`` for one process."""

    clouds: Any
    ice: Ice

    def dispatcher(self, tenant: str, group: str, is_ours: Callable[[], bool] = lambda: True) -> TypeDispatcher:
        async def ask(request: CloudRequest) -> Any:
            def may_send() -> None:
                if request.method != "GET" and not is_ours():
                    raise NotSent("another process works on the group")

            async def obey() -> Any:
                return self.clouds.by_tenant[tenant].answer(request)

            return await self.ice.passing(may_send, obey)

        return TypeDispatcher({CloudRequest: awaiting(ask)})

    def changes_within(self, tenant: str, service: str, seconds: float) -> int:
        return 1000


@define(eq=False)
class Process:
    ice: Ice
    shares: GivenShares
    ownership: Ownership
    operations: Operations


@define(eq=False)
class Pair(Miniature):
    """
    Two equal processes; nobody has any shares at first. Owners ask the second one, so the first is to be frozen.

    :ivar other: the configuration of the second process.
    """

    other: Config | None = None
    first: Process = field(init=False)
    second: Process = field(init=False)

    def begin(self, runs: Config) -> None:
        self.store = SQLiteStore(Inline(self._connection))
        self.first, self.second = self._process(runs), self._process(self.other or runs)
        self.operations = self.second.operations

    def give(self, process: Process) -> None:
        """All shares, from whoever has them."""
        for either in (self.first, self.second):
            either.shares.lose()
        process.shares.take(self.now(self.store.next_epoch()))

    def freeze(self, process: Process, number: int, when: str) -> None:
        """``process``, at the so-many-th of its requests from now on; the other takes over in the same moment."""
        successor = self.second if process is self.first else self.first
        process.ice.at = (process.ice.number + number, when)
        process.ice.frozen = lambda: self.give(successor)

    def until_frozen(self, process: Process) -> bool:
        """Whether it is; if not, nothing is due any more."""
        while not process.ice.is_frozen and (group := self.group()) is not None and group.state.due is not None:
            self._go_on()
        return process.ice.is_frozen

    def _process(self, runs: Config) -> Process:
        ice, shares = Ice(), GivenShares()
        store = DistantStore(SQLiteStore(Inline(self._connection)), ice)
        outside = Outside(self.clock, self.clock, None, Random(store.epoch))  # type: ignore[arg-type]
        holds = Holds(store, self.clock, runs.hold)  # type: ignore[arg-type]
        ownership = Ownership(shares)
        rooms = (runs, store, DistantClouds(self.clouds, ice), KEYS, LocalMarks(), ownership, holds, outside)
        operations, services = furnish(*rooms)  # type: ignore[arg-type]
        for service in services:
            if not isinstance(service, Scheduler):
                service.startService()
        return Process(ice, shares, ownership, operations)


def frozen(begin: Callable[[], Pair]) -> Iterator[tuple[Pair, str]]:
    """
    Pairs whose first process was frozen at each moment in turn, while it had something to do; and when it was.

    :param begin: makes one of which the first process has something to do.
    """
    for when in WHEN:
        for number in count(1):
            pair = begin()
            pair.freeze(pair.first, number, when)
            if not pair.until_frozen(pair.first):
                break
            yield pair, f"frozen {when} request {number}"
