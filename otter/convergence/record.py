"""What a pass writes down: before it acts, and afterwards."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from attrs import evolve
from pyrsistent import PMap, PVector, pmap, pset, pvector

from otter.convergence.execute import Outcome, Verdict
from otter.convergence.scope import Work
from otter.domain.balancers import Access, Target
from otter.domain.group import Group, GroupState, Status
from otter.domain.history import MOST_REASONS, Entry
from otter.domain.jobs import Jobs
from otter.domain.roster import Create, Member, Place, Roster
from otter.domain.servers import Server, ServerState
from otter.planning.servers import Fleet, ties_of
from otter.planning.steps import ConvergeLater, Step
from otter.planning.world import Observed, host_of

FINISHED = (Verdict.DONE, Verdict.OVER)
"""Of the request that the pass read, nothing is left to be done."""
OLDEST_LIST = 300.0
"""Seconds by which a listing may be behind."""


def overtaken(group: Group, read: Group, leaving: Collection[str]) -> bool:
    """
    Whether what was planned must not be done any more: the group was paused meanwhile, or another server was let go or is to go.

    :param read: what the plan was made from.
    :param leaving: ids of the servers that are to go by the plan.
    """
    now, then = group.roster, read.roster
    return group.resting or now.released != then.released or not set(now.leaving) <= {*then.leaving, *leaving}


def before(group: Group, read: Group, creates: Mapping[str, Create], work: Work, observed: Observed) -> Group:
    """
    ``group`` with what is about to be done and must not be forgotten; as it is, if it was ``overtaken``.

    That includes where its servers are: whoever is put on a load balancer now may vanish before the next look.
    """
    if overtaken(group, read, work.leaving):
        return group
    now = observed.at
    # See Note [Leaving is final].
    begun = {id: since for id, since in group.roster.leaving.items() if since is not None}
    going: PMap[str, float | None] = pmap(dict.fromkeys({*work.leaving, *group.roster.leaving}, now) | begun)
    roster = evolve(
        group.roster,
        known=group.roster.known.update({server.id: place_of(server, observed) for server in observed.servers}),
        active=pvector(member for member in group.roster.active if member.id not in going),
        creates=group.roster.creates.update(creates),
        leaving=going,
        jobs=work.jobs,
    )
    look_at = now if group.state.look_at is None else group.state.look_at
    return evolve(group, roster=roster, state=evolve(group.state, look_at=look_at))


def entry_of(group: Group, observed: Observed, steps: Sequence[Step]) -> Entry:
    """What there is to say of a pass before it acts. Of what it only waits for, the states of the servers tell."""
    states = Counter(server.state.name for server in observed.servers)
    plan: Counter[str] = Counter()
    for step in steps:
        if not isinstance(step, ConvergeLater):
            plan[type(step).__name__] += len(getattr(step, "nodes", (step,)))
    seen = {**states, **({"PENDING": len(observed.pending)} if observed.pending else {})}
    return Entry(observed.at, group.state.desired, pmap(seen), pmap(plan))


def noted(group: Group, read: Group, entry: Entry, outcome: Outcome) -> Group:
    """
    ``group`` with what its history says of a pass; as it is, if the pass did nothing and its owner is told nothing new.

    :param read: the group before what the pass came to was written into it.
    """
    is_news = (group.state.status, group.state.reasons) != (read.state.status, read.state.reasons)
    if group.state.status is Status.DELETING or not (entry.number or is_news):
        return group
    reasons = pvector([*outcome.reasons, *outcome.troubles][:MOST_REASONS])
    status = group.state.status.value
    return group.noting(evolve(entry, outcome=outcome.verdict.name, status=status, reasons=reasons))


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
        converged_generation=generation if outcome.verdict in FINISHED else state.converged_generation,
    )


def roster_after(
    roster: Roster, read: Roster, observed: Observed, fleet: Fleet, outcome: Outcome, jobs: Jobs, forget: float
) -> Roster:
    """
    ``roster`` with what a pass saw and did. See Note [What we know of servers] and Note [Creates in flight].

    :param read: the roster as it was when the pass began; what was added since, the pass knows nothing about.
    :param forget: see ``Timeouts``.
    """
    settled = outcome.withdrawn | (set(read.creates) - observed.pending)
    added = {id: place for id, place in roster.known.items() if id not in read.known}
    gone = gone_after(roster, observed)
    known = places(observed, forget, gone).update(added)
    return Roster(
        active=in_service(observed, fleet, roster),
        known=pmap({id: place for id, place in known.items() if id not in roster.released}),
        creates=pmap(
            {
                id: evolve(create, server_id=outcome.promised.get(id, create.server_id))
                for id, create in roster.creates.items()
                if id not in settled
            }
        ),
        leaving=pmap({id: observed.leaving.get(id, since) for id, since in roster.leaving.items() if id in known}),
        released=pset(id for id in roster.released if id in observed.released or id not in read.released),
        gone=gone,
        draining=pmap(
            {
                (balancer_id, node.id): node.draining_since
                for balancer_id, balancer in observed.balancers.items()
                for node in balancer.nodes
                if node.draining_since is not None
            }
        ),
        jobs=jobs,
    )


def gone_after(roster: Roster, observed: Observed) -> PMap[str, float]:
    remembered = {id: min(since, observed.at) for id, since in roster.gone.items()}
    recent = {id: since for id, since in remembered.items() if observed.at - since < OLDEST_LIST}
    return pmap(dict.fromkeys(observed.gone, observed.at) | recent)


def in_service(observed: Observed, fleet: Fleet, roster: Roster) -> PVector[Member]:
    """The servers that have a node wherever they belong. Where that cannot be seen, what was so before is still believed."""
    served = {(node.target, node.host) for balancer in observed.balancers.values() for node in balancer.nodes}
    before = {member.id for member in roster.active}
    on_their_way = {*roster.leaving, *roster.released}

    def is_served(server: Server, target: Target) -> bool:
        balancer = observed.balancers[target.balancer]
        if balancer.access is Access.UNREADABLE:
            return server.id in before
        return (target, host_of(server, balancer.traits)) in served

    staying = (server for server in fleet.serving if server.id not in on_their_way)
    active = (server for server in staying if all(is_served(server, target) for target in server.targets))
    return pvector(Member(server.id, server.links) for server in active)


def places(observed: Observed, forget: float, gone: Mapping[str, float]) -> PMap[str, Place]:
    """
    Where each server was seen. One that is gone is forgotten once no load balancer holds it any more.

    :param forget: seconds after which it is forgotten all the same.
    :param gone: ids of servers that are not forgotten yet, because lists of nodes may be old, too.
    """
    ties = ties_of(observed)

    def matters(server: Server) -> bool:
        if server.state is not ServerState.GONE:
            return True
        return observed.leaving_for(server) < forget and (server.id in gone or ties.hold(server))

    kept = filter(matters, observed.servers)
    return pmap({server.id: place_of(server, observed) for server in kept})


def place_of(server: Server, observed: Observed) -> Place:
    return Place(server.address, server.targets, observed.seen.get(server.id, observed.at))
