"""Which share of all work a group belongs to; whoever holds a share does that work alone. (docs/scaling.md.)"""

from hashlib import sha256
from math import ceil

from attrs import frozen

from otter.domain.group import GroupId

SHARES = 256
MOST_PARTS = 64
PAUSE = 5.0
"""Seconds before a split when work on the tenant's groups ends. The clocks of processes must agree better than that."""


def share_of(tenant: str) -> int:
    """Where a tenant's groups are listed, and worked on unless they are split; the same in every process, and for ever."""
    return number_of(tenant) % SHARES


def share_of_group(group_id: GroupId, parts: int = 1) -> int:
    """
    Where a group of a tenant is worked on whose groups are split into ``parts``.

    A tenant's own share has the first part, those after it the others.
    """
    part = number_of(group_id.group) % parts if parts > 1 else 0
    return (share_of(group_id.tenant) + part) % SHARES


def number_of(text: str) -> int:
    return int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:4])


@frozen
class Parts:
    """
    :ivar count: into how many parts a tenant's groups are split; 1 for not at all.
    :ivar number: drawn for that, like a fence; whoever works on the groups has no lower one.
    """

    count: int = 1
    number: int = 0


@frozen
class Split:
    """
    What is stored of a tenant whose groups are split, or were once.

    Note [Splits]: a split moves groups from share to share, and fences are higher than others of the same share only.
    So nobody works on the groups for a while, from shortly before the split; then a number is drawn that is higher than
    all that were there before, and work goes on with that. Whoever takes one of the shares later has a higher one anyway.

    :ivar before: until ``PAUSE`` before ``since``.
    :ivar count: of parts, from when there is a number.
    :ivar since: epoch seconds.
    :ivar number: None until it is drawn, at ``since`` or later.
    """

    before: Parts
    count: int
    since: float
    number: int | None = None

    def parts(self, now: float) -> Parts | None:
        """What holds now; None if nobody works on the groups. :param now: epoch seconds."""
        if self.number is not None:
            return Parts(self.count, self.number)
        return self.before if now < self.since - PAUSE else None

    @property
    def most(self) -> int:
        """Parts that there may be at this moment, for all that those know who do not know the time."""
        return self.count if self.number is not None else max(self.before.count, self.count)


def parts_wanted(groups: int, most: int, parts: int) -> int:
    """
    Into how many parts so many groups are to be split that are split into ``parts``: few enough for each, and not
    another number for every group that comes or goes.

    :param most: groups in one part.
    """
    wanted = min(MOST_PARTS, 1 << (max(1, ceil(groups / most)) - 1).bit_length())
    return wanted if wanted > parts or wanted <= parts // 4 else parts
