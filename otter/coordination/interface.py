"""What coordination promises; ``tests/contracts/coordination.py`` holds every back end to it."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from attrs import frozen
from twisted.application.service import IService

from otter.domain.group import GroupId

Fence = Callable[[], int | None]
"""The fence of what one does; see ``IShares.fence``."""


class IMarks(Protocol):
    """
    Hints that a group wants to be looked at. The truth is in the store (Note [Divergence] in ``domain.group``), so a hint
    may be lost, doubled, late or false: losing one costs time, never work.
    """

    async def mark(self, group_id: GroupId) -> None:
        """Let whoever works on the group know, very soon. It does not wait for a coordinator that does not answer."""

    def subscribe(self, wake: Callable[[GroupId], None]) -> None:
        """Call ``wake`` for every hint about a group that this process works on."""


class IShares(Protocol):
    """
    Which shares of the work this process has (``domain.shares``). No two processes have one at the same moment.

    Note [Fences]: a process that was frozen, or cut off, may find out late that a share is not its own any more. So whoever
    takes a share gets a number with it, the fence, that is higher than that of everybody who had it before. It is stored with
    what a pass writes, and whoever comes with a lower one than is stored is refused. A cloud knows no fences: every changing
    request is preceded by a look at ``fence``, and a create by its ``send_by``, too (Note [Creates in flight] in ``domain.roster``).
    """

    def fence(self, share: int) -> int | None:
        """
        The fence under which this process works on the share; None if it has not got it, or cannot be sure at this moment.

        It costs nothing to ask, and the answer holds for this moment only.
        """

    def held(self) -> Collection[int]:
        """The shares with a fence."""

    def subscribe(self, taken: Callable[[Collection[int]], None]) -> None:
        """
        Call ``taken`` with shares whose groups are to be looked at, all of them: this process has them from now on, and had not
        before, or there were more hints than can be told one by one.
        """


class ILeader(Protocol):
    @property
    def leads(self) -> bool:
        """Whether this process is the one that does what is to be done once for all; of several, at most one may say so."""


@frozen
class Coordination:
    """
    :ivar trouble: says why this process works on nothing at this moment; None if it may.
    :ivar services: what runs from before there is work until after it is over.
    """

    marks: IMarks
    shares: IShares
    leader: ILeader
    trouble: Callable[[], str | None] = lambda: None
    services: Sequence[IService] = ()
