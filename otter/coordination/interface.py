"""What coordination promises; ``tests/contracts/marks.py`` holds every back end to it."""

from collections.abc import Callable
from typing import Protocol

from otter.domain.group import GroupId


class IMarks(Protocol):
    """
    Hints that a group wants to be looked at. The truth is in the store (Note [Divergence] in ``domain.group``), so a hint
    may be lost, doubled, late or false: losing one costs time, never work.
    """

    async def mark(self, group_id: GroupId) -> None:
        """Let whoever works on the group know, very soon."""

    def subscribe(self, wake: Callable[[GroupId], None]) -> None:
        """Call ``wake`` for every hint about a group that this process works on."""
