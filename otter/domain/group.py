"""A scaling group: what its owner asked for, and how far we have got with it."""

from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import Any

from attrs import evolve, field, frozen
from pyrsistent import PMap, PVector, pmap, pvector

from otter.domain.errors import InvalidMinEntities
from otter.domain.events import Event, Notice, Outbox, numbered
from otter.domain.history import Entry
from otter.domain.launch import Launch
from otter.domain.roster import Member, Roster

MAX_ENTITIES = 1000
"""Upper bound of a group whose owner gave none (docs/api.md, "Group configuration")."""


@frozen
class GroupId:
    """Names a group everywhere: a group's id alone says nothing about whose it is."""

    tenant: str
    group: str


class Status(Enum):
    """What becomes of the group. ``DELETING`` is final: to its owner such a group does not exist any more."""

    ACTIVE = "ACTIVE"
    ERROR = "ERROR"
    DELETING = "DELETING"


@frozen
class GroupConfig:
    """Size bounds (servers) and the pause between two changes (seconds)."""

    name: str
    cooldown: int
    min_entities: int
    max_entities: int = MAX_ENTITIES
    document: Mapping = field(factory=dict, eq=False, repr=False)


@frozen
class Refusal:
    """
    Nova's definite no to a create, such as for a full quota: it is not asked again before ``until``.

    :ivar reasons: sentences for the owner.
    :ivar until: epoch seconds.
    :ivar times: how many noes there were in a row.
    """

    reasons: PVector[str]
    until: float
    times: int = 1


@frozen
class GroupState:
    """
    What changes by itself, or by executing policies.

    Note [Divergence]: every request that should lead to a look at the cloud raises ``generation`` in the same write that
    stores the request. A pass after which nothing is left to do writes down, as ``converged_generation``, the generation that
    it *read*; so a request made meanwhile leaves the two unequal. A group is divergent if they differ, or if a pass asked
    for another at ``look_at``; one that is about to act does so beforehand, in case it dies. Nothing else says what is to be done: hints between services may all get lost.

    :ivar desired: how many servers the group should have.
    :ivar look_at: when the next pass is to be made (epoch seconds); None for at once if the group is divergent, else never.
    :ivar tries: how many looks in a row, since the last request, were not the last.
    :ivar refusal: why no servers are created at this moment; None if nothing is in the way.
    :ivar reasons: sentences for the owner; empty unless the status is ERROR.
    :ivar failing_since: since when no pass went without an error (epoch seconds); None if the last one did.
    :ivar group_touched: when any policy last changed ``desired``; None for never.
    :ivar policy_touched: policy id -> when that policy last changed ``desired``.
    """

    desired: int = 0
    generation: int = 1
    converged_generation: int = 0
    look_at: float | None = None
    tries: int = 0
    refusal: Refusal | None = None
    paused: bool = False
    status: Status = Status.ACTIVE
    reasons: PVector[str] = pvector()
    failing_since: float | None = None
    group_touched: float | None = None
    policy_touched: PMap[str, float] = pmap()

    @property
    def due(self) -> float | None:
        """When the group's next pass is due (epoch seconds); None if there is nothing to do."""
        if self.paused and self.status is not Status.DELETING:
            return None
        if self.generation == self.converged_generation:
            return self.look_at
        return self.look_at or 0.0

    def asked(self, **changes: Any) -> "GroupState":
        """The state after a request that must lead to a look at the cloud, whether or not it changed anything else."""
        return evolve(self, generation=self.generation + 1, look_at=None, tries=0, refusal=None, **changes)


@frozen
class Group:
    """
    One scaling group, complete but for its policies (nobody who converges needs those).

    :ivar suspended: its tenant is; nothing that is done to a group changes that. (docs/operations.md, "Suspended tenants".)
    :ivar passes: how many entries its history has had.
    :ivar outbox: what its owner is still to be told.
    :ivar noted: an entry that is stored together with what else a change does to the group; no store gives it back.
    """

    id: GroupId
    config: GroupConfig
    launch: Launch
    state: GroupState = field(factory=GroupState)
    roster: Roster = field(factory=Roster)
    suspended: bool = False
    passes: int = 0
    outbox: Outbox = field(factory=Outbox)
    noted: Entry | None = field(default=None, eq=False)

    @property
    def resting(self) -> bool:
        """Whether the group is to be left alone: paused or suspended, and not on its way out."""
        return (self.state.paused or self.suspended) and self.state.status is not Status.DELETING

    @property
    def summary(self) -> "Summary":
        return Summary(self.id, self.config.name, self.state, self.roster.active)

    def asked(self, **changes: Any) -> "Group":
        """The group after a request that changed its state; see ``GroupState.asked``."""
        return evolve(self, state=self.state.asked(**changes))

    def noting(self, entry: Entry) -> "Group":
        """The group with a new entry in its history, or with another text of one that has a number already."""
        number = entry.number or self.passes + 1
        return evolve(self, passes=max(self.passes, number), noted=evolve(entry, number=number))

    def telling(self, notices: Sequence[Notice], base: str, now: float) -> "Group":
        """
        The group with something to tell to its owner.

        :param base: a UUID that nobody else uses; the ids of the events are made from it.
        :param now: epoch seconds.
        """
        if not notices:
            return self
        facts = (self.state.desired, len(self.roster.active))
        events = [Event(numbered(base, number), now, notice, *facts) for number, notice in enumerate(notices)]
        return evolve(self, outbox=self.outbox.with_more(events))

    def told(self, ids: Collection[str], dropped: int) -> "Group":
        """
        The group without events that need not be sent any more. One that only waited for that, and is to be deleted, wants a look.

        :param dropped: see ``Outbox.without``.
        """
        left = evolve(self, outbox=self.outbox.without(ids, dropped))
        is_over = self.state.status is Status.DELETING and self.outbox.events and not left.outbox.events
        return left.asked() if is_over else left


@frozen
class Summary:
    """What a list of groups shows of each."""

    id: GroupId
    name: str
    state: GroupState
    active: PVector[Member]


def config_of(document: Mapping) -> GroupConfig:
    """
    The configuration a valid ``groupConfiguration`` document describes; defaults filled in, as clients will read them.

    :raises InvalidMinEntities:
    """
    document = {"maxEntities": MAX_ENTITIES, "metadata": {}, **document}
    least, most = document["minEntities"], document["maxEntities"]
    if least > most:
        raise InvalidMinEntities(f"minEntities ({least}) is above maxEntities ({most})")
    return GroupConfig(document["name"], document["cooldown"], least, most, document)
