"""Which groups this process works on."""

from collections.abc import Collection

from attrs import frozen

from otter.coordination.interface import IShares
from otter.domain.group import GroupId
from otter.domain.shares import share_of


@frozen
class Ownership:
    shares: IShares

    def fence(self, group_id: GroupId) -> int | None:
        """The fence under which this process works on the group; None if it does not, or cannot be sure at this moment."""
        return self.shares.fence(share_of(group_id.tenant))

    def owns(self, group_id: GroupId) -> bool:
        return self.fence(group_id) is not None

    def listed_in(self, shares: Collection[int]) -> Collection[int]:
        """The shares in which the groups are listed that are worked on by whoever has ``shares``; and others with them."""
        return shares
