"""Which share of all work a group belongs to; whoever holds a share does that work alone. (docs/scaling.md.)"""

from hashlib import sha256

from otter.domain.group import GroupId

SHARES = 256


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
