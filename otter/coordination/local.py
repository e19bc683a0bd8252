"""Coordination within one process: all groups are its own."""

from collections.abc import Callable

from attrs import define, field

from otter.domain.group import GroupId


@define
class LocalMarks:
    _wakes: list[Callable[[GroupId], None]] = field(init=False, factory=list)

    async def mark(self, group_id: GroupId) -> None:
        for wake in self._wakes:
            wake(group_id)

    def subscribe(self, wake: Callable[[GroupId], None]) -> None:
        self._wakes.append(wake)
