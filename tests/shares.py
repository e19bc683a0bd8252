"""Shares that a test gives to processes, and takes from them."""

from collections.abc import Callable, Collection

from attrs import define, field

from otter.domain.shares import SHARES

ALL = range(SHARES)


@define(eq=False)
class GivenShares:
    """The ``IShares`` of one process; it has none at first. :ivar numbers: share -> fence."""

    numbers: dict[int, int] = field(factory=dict)
    _listeners: list[Callable[[Collection[int]], None]] = field(init=False, factory=list)

    def fence(self, share: int) -> int | None:
        return self.numbers.get(share)

    def held(self) -> Collection[int]:
        return frozenset(self.numbers)

    def subscribe(self, taken: Callable[[Collection[int]], None]) -> None:
        self._listeners.append(taken)

    def take(self, number: int, shares: Collection[int] = ALL) -> None:
        self.numbers |= dict.fromkeys(shares, number)
        for taken in self._listeners:
            taken(shares)

    def lose(self, shares: Collection[int] = ALL) -> None:
        for share in shares:
            self.numbers.pop(share, None)
