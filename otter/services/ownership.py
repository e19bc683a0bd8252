"""Which groups this process works on."""

from collections.abc import Collection

from attrs import field, frozen

from otter.coordination.interface import IShares
from otter.domain.group import GroupId
from otter.domain.shares import SHARES, share_of_group
from otter.services.splits import Splits, Unsplit


@frozen
class Ownership:
    shares: IShares
    splits: Splits | Unsplit = field(factory=Unsplit)

    def fence(self, group_id: GroupId) -> int | None:
        """The fence under which this process works on the group; None if it does not, or cannot be sure now."""
        parts = self.splits.parts(group_id.tenant)
        if parts is None:
            return None
        fence = self.shares.fence(share_of_group(group_id, parts.count))
        return None if fence is None else max(fence, parts.number)

    def owns(self, group_id: GroupId) -> bool:
        return self.fence(group_id) is not None

    def listed_in(self, shares: Collection[int]) -> Collection[int]:
        """The shares in which the groups are listed that whoever has ``shares`` works on; and others with them."""
        return shares if len(shares) == SHARES else {*shares, *self.splits.homes(shares)}
