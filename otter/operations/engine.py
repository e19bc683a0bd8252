"""What makes a changed group come true: one of several engines, chosen once, in the daemon."""

from typing import Protocol

from otter.domain.group import GroupId


class IEngine(Protocol):
    """Implemented by ``services.converger.Converger``, whose passes are those of the engine. (docs/engines.md.)"""

    async def capacity_changed(self, group_id: GroupId) -> None:
        """The group's desired state is stored, with a new generation; whoever works on it may begin at once."""
