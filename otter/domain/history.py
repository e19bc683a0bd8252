"""What a group's owner can look back on: its passes. (docs/api.md, "History".)"""

from attrs import frozen
from pyrsistent import PMap, PVector, pmap, pvector

KEPT = 200
"""Entries of a group; the next one takes the place of the oldest."""
LONGEST = 30 * 86400.0
"""Seconds after which an entry is forgotten."""
MOST_REASONS = 20


@frozen
class Entry:
    """
    One pass that did something, or that found something which its owner was not told before.

    It is written twice if the pass acts: what is planned, before anything is done about it, and what came of that afterwards.

    :ivar number: counts the group's entries from 1 on; 0 before it is stored.
    :ivar at: when the pass began (epoch seconds).
    :ivar desired: how many servers the group should have.
    :ivar observed: how many servers there were in each state; None if they could not be seen.
    :ivar plan: how many of each kind of step; a step on several nodes counts each.
    :ivar outcome: a verdict's name; "" as long as nobody knows, for ever if the process died.
    :ivar status: the group's after the pass.
    :ivar reasons: sentences about what went wrong, at most ``MOST_REASONS``; also those that the group's state does not tell yet.
    """

    at: float
    desired: int
    observed: PMap[str, int] | None = None
    plan: PMap[str, int] = pmap()
    outcome: str = ""
    status: str = "ACTIVE"
    reasons: PVector[str] = pvector()
    number: int = 0
