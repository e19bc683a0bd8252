"""Working on a group only as long as nobody else does. See Note [Fences] in ``coordination.interface``."""

from collections.abc import Callable

from attrs import evolve, frozen

from otter.domain.group import Group, GroupId
from otter.store.interface import Change

FenceNow = Callable[[GroupId], int | None]
"""The fence under which this process works on a group; None if it does not, or cannot be sure at this moment."""


class FenceLost(Exception):
    """Somebody else works on the group by now, or may do so soon. Nothing was written."""

    def __init__(self, group_id: GroupId, number: int | None, other: int | None):
        super().__init__(f"group {group_id.group} of tenant {group_id.tenant}: the fence was {number}, and is {other}")


@frozen
class Fence:
    """
    That of one pass, from its beginning to its end.

    Note [A pass makes a group its own]: the first pass under a new fence stores that before it looks at anything. What
    the predecessor has stored by then is seen, and what it has sent is in its records of creates; what it would store
    afterwards, because it was frozen or a request was on its way for long, is refused. So nothing else needs to be
    compared between two passes.

    :ivar number: None if the pass must not even begin.
    """

    group_id: GroupId
    number: int | None
    now: FenceNow

    @property
    def holds(self) -> bool:
        """Whether something new may be begun. That costs nothing to ask, and is asked right before."""
        return self.number is not None and self.now(self.group_id) == self.number

    def require(self) -> None:
        """:raises FenceLost:"""
        if not self.holds:
            raise FenceLost(self.group_id, self.number, self.now(self.group_id))

    def signed(self, change: Change) -> Change:
        """
        ``change``, with this fence in what it writes. All that a pass writes goes through here.

        :raises FenceLost: there is a higher one.
        """

        def write(group: Group) -> Group:
            if self.number is None or group.roster.fence > self.number:
                raise FenceLost(self.group_id, self.number, group.roster.fence)
            changed = change(group)
            if changed.roster.fence == self.number:
                return changed
            return evolve(changed, roster=evolve(changed.roster, fence=self.number))

        return write


def as_it_is(group: Group) -> Group:
    return group
