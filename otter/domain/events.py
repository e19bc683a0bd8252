"""What a group's owner is told through Cloud Feeds, and what is still to be sent. (docs/convergence.md, "Customer events".)"""

from collections.abc import Collection, Sequence

from attrs import frozen
from pyrsistent import PVector, pvector

MOST = 200
"""Events of a group that wait to be sent; the next one takes the place of the oldest."""
THINGS = "{}"
"""In a text, where the things are named that it is about."""
LONGEST_MESSAGE = 255
"""Characters."""


@frozen
class Notice:
    """
    Something that the owner is to be told.

    :ivar kind: a name of the catalogue of events; for logs.
    :ivar message: a sentence, of ``LONGEST_MESSAGE`` at most.
    :ivar policy_id: of the policy that it is about. :ivar scheduled: when that was due (epoch seconds).
    """

    kind: str
    message: str
    is_error: bool = False
    policy_id: str | None = None
    scheduled: float | None = None


@frozen
class Event:
    """
    A notice that waits to be sent, or is sent again: whoever gets the same ``id`` twice was told one thing.

    :ivar at: when it happened (epoch seconds).
    :ivar desired: how many servers the group should have had then. :ivar current: how many were in service.
    """

    id: str
    at: float
    notice: Notice
    desired: int
    current: int


@frozen
class Outbox:
    """:ivar events: the oldest first. :ivar dropped: how many had to make room, and nobody has been told so."""

    events: PVector[Event] = pvector()
    dropped: int = 0

    def with_more(self, events: Sequence[Event]) -> "Outbox":
        everything = self.events.extend(events)
        too_many = max(0, len(everything) - MOST)
        return Outbox(everything[too_many:], self.dropped + too_many)

    def without(self, ids: Collection[str], dropped: int) -> "Outbox":
        """:param dropped: how many of those that had to make room are known by now."""
        return Outbox(pvector(event for event in self.events if event.id not in ids), max(0, self.dropped - dropped))


class CannotBeSent(Exception):
    """
    The text says why an event was not taken.

    :ivar is_final: it never will be.
    :ivar wait: seconds for which nobody should try again.
    """

    def __init__(self, why: str, is_final: bool = False, wait: float = 0.0):
        super().__init__(why)
        self.is_final, self.wait = is_final, wait


def numbered(base: str, number: int) -> str:
    """One of many ids that are made from one: ``base``, a UUID, with another end."""
    return f"{base[:-4]}{number:04x}"


def notices(kind: str, text: str, things: Sequence[str], is_error: bool = False, between: str = ", ") -> list[Notice]:
    """``text``, with the things where it has ``THINGS``: in as many messages as it takes for none of them to be too long."""
    message = text.replace(THINGS, between.join(things))
    if len(message) <= LONGEST_MESSAGE:
        return [Notice(kind, message, is_error)]
    if len(things) < 2:
        return [Notice(kind, f"{message[: LONGEST_MESSAGE - 3]}...", is_error)]
    half = (len(things) + 1) // 2
    halves = (things[:half], things[half:])
    return [notice for some in halves for notice in notices(kind, text, some, is_error, between)]
