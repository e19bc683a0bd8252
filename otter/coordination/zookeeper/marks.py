"""Hints from process to process: a node for each group that wants to be looked at, below one for its share."""

from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import quote, unquote

from attrs import define, field, frozen
from kazoo.exceptions import KazooException, NodeExistsError, NoNodeError
from twisted.internet.defer import CancelledError, TimeoutError, ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from otter.coordination.zookeeper.client import ZooKeeper, together
from otter.coordination.zookeeper.shares import ZooKeeperShares
from otter.domain.group import GroupId

log = Logger()

MOST = 1000
"""Hints that a share has at once, or thereabouts. A listing is sent whole each time that one is added."""

EVERYTHING = "*"
"""The hint that takes the place of all that would be too many."""


@frozen
class Listener:
    """What a share's watch calls; equal to any other for the same."""

    hear: Callable[[int], None]
    share: int

    def __call__(self) -> None:
        self.hear(self.share)


@define(eq=False)
class ZooKeeperMarks:
    """
    A hint is left where the owner of the share watches. He deletes it, and wakes the converger then; so one that comes
    before it is deleted, and finds it there, is covered by the look that follows.

    :ivar share_of: where a group is worked on.
    """

    zookeeper: ZooKeeper
    shares: ZooKeeperShares
    root: str
    share_of: Callable[[GroupId], int]
    _wakes: list[Callable[[GroupId], None]] = field(init=False, factory=list)
    _outgoing: dict[int, set[str]] = field(init=False, factory=dict)
    _sending: set[int] = field(init=False, factory=set)
    _listening: set[int] = field(init=False, factory=set)
    _heard: set[int] = field(init=False, factory=set)

    def subscribe(self, wake: Callable[[GroupId], None]) -> None:
        self._wakes.append(wake)

    def __attrs_post_init__(self) -> None:
        self.shares.subscribe(self._listen)

    async def mark(self, group_id: GroupId) -> None:
        share = self.share_of(group_id)
        if self.shares.fence(share) is not None:
            self._wake(group_id)
            return
        outgoing = self._outgoing.setdefault(share, set())
        if EVERYTHING not in outgoing:
            outgoing.add(name_of(group_id))
        if len(outgoing) > MOST:
            self._outgoing[share] = {EVERYTHING}
        if share not in self._sending:
            self._sending.add(share)
            ensureDeferred(self._send(share)).addBoth(self._sent, share)

    async def _send(self, share: int) -> None:
        while names := self._outgoing.pop(share, None):
            there = await self.zookeeper.exists(self._hints_of(share))
            room = MOST - (there.numChildren if there else 0)
            fitting = names if len(names) <= room else [EVERYTHING]
            await together(self._leave(f"{self._hints_of(share)}/{name}") for name in fitting)

    async def _leave(self, path: str) -> None:
        try:
            await self.zookeeper.create(path)
        except NodeExistsError:
            pass  # Whoever deletes it looks afterwards.

    def _sent(self, result: Any, share: int) -> None:
        """If it failed, the next sweep finds what was not told."""
        self._sending.discard(share)
        self._outgoing.pop(share, None)

    def _listen(self, shares: Collection[int]) -> None:
        for share in shares:
            self._hear(share)

    def _hear(self, share: int) -> None:
        """There may be hints."""
        self._heard.add(share)
        if share not in self._listening:
            self._listening.add(share)
            ensureDeferred(self._take_all(share)).addBoth(self._taken, share)

    async def _take_all(self, share: int) -> None:
        while share in self._heard and self.shares.fence(share) is not None:
            self._heard.discard(share)
            await together(self._take(share, name) for name in await self._names(share))

    def _taken(self, result: Any, share: int) -> None:
        """If it failed, so did a ping, and when the next one is answered the shares are told of again."""
        self._listening.discard(share)
        if isinstance(result, Failure) and not result.check(KazooException, TimeoutError, CancelledError):
            log.failure("hints-not-heard", result, share=share)

    async def _names(self, share: int) -> list[str]:
        path, listener = self._hints_of(share), Listener(self._hear, share)
        while True:
            try:
                return await self.zookeeper.children(path, listener)
            except NoNodeError:
                await self._leave(path)

    async def _take(self, share: int, name: str) -> None:
        if self.shares.fence(share) is None:
            return  # It is for whoever has the share now.
        try:
            await self.zookeeper.delete(f"{self._hints_of(share)}/{name}")
        except NoNodeError:
            pass
        group_id = group_of(name)
        if group_id is not None:
            self._wake(group_id)
        elif name == EVERYTHING:
            self.shares.tell([share])

    def _wake(self, group_id: GroupId) -> None:
        for wake in self._wakes:
            wake(group_id)

    def _hints_of(self, share: int) -> str:
        return f"{self.root}/hints/{share}"


def name_of(group_id: GroupId) -> str:
    """As a node may be called."""
    return ",".join(quote(word, safe="", errors="surrogatepass") for word in (group_id.tenant, group_id.group))


def group_of(name: str) -> GroupId | None:
    """None if the name is not one that ``name_of`` makes."""
    words = [unquote(word, errors="surrogatepass") for word in name.split(",")]
    return GroupId(*words) if len(words) == 2 else None
