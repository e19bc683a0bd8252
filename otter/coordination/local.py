"""Coordination within one process: everything is its own."""

from collections.abc import Callable, Collection

from attrs import define, field

from otter.domain.group import GroupId
from otter.domain.shares import SHARES


@define
class LocalMarks:
    _wakes: list[Callable[[GroupId], None]] = field(init=False, factory=list)

    async def mark(self, group_id: GroupId) -> None:
        for wake in self._wakes:
            wake(group_id)

    def subscribe(self, wake: Callable[[GroupId], None]) -> None:
        self._wakes.append(wake)


@define
class LocalShares:
    """:ivar number: the fence of all shares: which start of otter on its store this is."""

    number: int
    leads: bool = field(init=False, default=True)

    def fence(self, share: int) -> int | None:
        return self.number

    def held(self) -> Collection[int]:
        return range(SHARES)

    def subscribe(self, taken: Callable[[Collection[int]], None]) -> None:
        """There are none to come."""
