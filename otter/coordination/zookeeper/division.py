"""Which of several processes is to have which shares: all work it out for themselves, and come to the same."""

from collections.abc import Collection, Mapping
from math import ceil

from otter.domain.shares import SHARES, number_of


def divided(members: Collection[str]) -> Mapping[str, frozenset[int]]:
    """
    Member -> its shares, evenly.

    Each share ranks the members in an order of its own and takes the first that has room. So who joins takes his part
    from all others, who leaves gives it to them, and little else moves.
    """
    room = {member: ceil(SHARES / len(members)) for member in members}
    shares: dict[str, set[int]] = {member: set() for member in members}
    for share in range(SHARES):
        chosen = max((member for member in room if room[member]), key=lambda member: rank(member, share))
        shares[chosen].add(share)
        room[chosen] -= 1
    return {member: frozenset(its) for member, its in shares.items()}


def rank(member: str, share: int) -> tuple[int, str]:
    return number_of(f"{member} {share}"), member
