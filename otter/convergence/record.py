"""What a pass writes down: before it acts, and afterwards."""

from collections.abc import Mapping

from attrs import evolve
from pyrsistent import PMap, pmap, pvector

from otter.convergence.execute import Outcome, Verdict
from otter.domain.group import Group, GroupState, Status
from otter.domain.roster import Create, Member, Place, Roster
from otter.domain.servers import Server, ServerState
from otter.planning.servers import Fleet
from otter.planning.world import Observed


def before(group: Group, creates: Mapping[str, Create], now: float) -> Group:
    """``group`` with what is about to be done and must not be forgotten; as it is, if it was paused meanwhile."""
    if group.state.resting:
        return group
    roster = evolve(group.roster, creates=group.roster.creates.update(creates))
    look_at = now if group.state.look_at is None else group.state.look_at
    return evolve(group, roster=roster, state=evolve(group.state, look_at=look_at))


def state_after(
    state: GroupState, generation: int, outcome: Outcome, began: float, now: float, patience: float
) -> GroupState:
    """
    ``state`` with what a pass came to. See Note [Divergence].

    :param generation: the one that the pass read.
    :param began: when the pass did; ``now`` it is over.
    :param patience: seconds that a trouble must last before the owner is told.
    """
    failing = bool(outcome.reasons or outcome.troubles)
    since = (state.failing_since or began) if failing else None
    lasting = since is not None and now - since >= patience
    reasons = (*outcome.reasons, *(outcome.troubles if lasting else ()))
    status = Status.ERROR if reasons else Status.ACTIVE
    return evolve(
        state,
        status=Status.DELETING if state.status is Status.DELETING else status,
        reasons=pvector(reasons),
        failing_since=since,
        converged_generation=generation if outcome.verdict is Verdict.DONE else state.converged_generation,
    )


def roster_after(roster: Roster, read: Roster, observed: Observed, fleet: Fleet, outcome: Outcome) -> Roster:
    """
    ``roster`` with what a pass saw and did. See Note [What we know of servers] and Note [Creates in flight].

    :param read: the roster as it was when the pass began.
    """
    settled = outcome.refused | (set(read.creates) - observed.pending)
    served = {(node.target, node.address) for node in observed.nodes}
    active = (s for s in fleet.serving if all((target, s.address) in served for target in s.targets))
    return Roster(
        active=pvector(Member(server.id, server.links) for server in active),
        known=places(observed, fleet),
        creates=pmap(
            {
                id: evolve(create, server_id=outcome.promised.get(id, create.server_id))
                for id, create in roster.creates.items()
                if id not in settled
            }
        ),
    )


def places(observed: Observed, fleet: Fleet) -> PMap[str, Place]:
    """
    Where each server was seen.

    One that is gone is forgotten once no load balancer has its address left. A late arrival that is one too many is not
    remembered, so that it stays the first to go until it is gone.
    """
    unwanted = observed.late & {server.id for server in fleet.leaving}
    still_served = {node.address for node in observed.nodes}

    def matters(server: Server) -> bool:
        if server.state is ServerState.GONE:
            unread = any(target.lb_id in observed.unreadable for target in server.targets)
            return unread or server.address in still_served
        return server.id not in unwanted

    return pmap({server.id: Place(server.address, server.targets) for server in observed.servers if matters(server)})
