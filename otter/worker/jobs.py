"""
What the worker engine does about a group: its jobs, one for each server that a request is about, and nothing else.

The steps are those of convergence, and so is the planner that finds them; but it is shown only the servers that jobs are about,
and may want no more of them than there are jobs. So the worker touches no server that no request was about.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen
from pyrsistent import pmap, pvector
from twisted.logger import Logger

from otter.convergence.execute import Outcome, Verdict
from otter.convergence.scope import Work, over_if_blocked
from otter.domain.balancers import Target
from otter.domain.group import Group
from otter.domain.jobs import Job, Jobs, Kind
from otter.domain.roster import Roster
from otter.domain.servers import Server, ServerState
from otter.planning.plan import plan
from otter.planning.servers import Ties, sort_servers, ties_of
from otter.planning.steps import ConvergeLater, Tell
from otter.planning.world import Desired, Observed, Ticket, Timeouts, desired_of, host_of

log = Logger()
MOST_ATTEMPTS = 4
"""Servers that one launch may take, if they break while they are made."""
STAYING = (Kind.LAUNCH, Kind.PLACE)


@frozen
class JobsOnly:
    """An ``IScope``. :ivar owner: which start of which process this is."""

    owner: int = 0

    def work_on(self, group: Group, observed: Observed, tickets: Sequence[Ticket], timeouts: Timeouts) -> Work:
        idle = max(0.0, observed.at - (group.state.look_at or observed.at))
        sight = Sight(desired_of(group, observed.at), observed, group.roster, timeouts, self.owner, idle)
        before = group.roster.jobs
        self.tell_of_others(group, before)
        jobs = [after for job in before.by_key.values() for after in resumed(job, sight)]
        if before.generation == group.state.generation and not observed.late:
            return work_of(jobs, before.generation, tickets, sight)
        jobs, all_of_them = taken_on(jobs, tickets, sight)
        return work_of(jobs, group.state.generation if all_of_them else 0, tickets, sight)

    def tell_of_others(self, group: Group, jobs: Jobs) -> None:
        inherited = [job.key for job in jobs.by_key.values() if job.owner != self.owner]
        if inherited:
            log.info("jobs-resumed", tenant=group.id.tenant, group=group.id.group, jobs=inherited)

    def concluded(self, group: Group, work: Work, outcome: Outcome) -> tuple[Jobs, Outcome]:
        """When nothing can be done for launches any more, they are undone; a server on its way out goes to the end of it."""
        jobs = list(work.jobs.by_key.values())
        if outcome.verdict is not Verdict.BLOCKED or any(job.kind is Kind.DELETE for job in jobs):
            return work.jobs, outcome
        final = over_if_blocked(group, outcome)
        if final.verdict is not Verdict.OVER or not any(job.kind is Kind.LAUNCH and job.server_id for job in jobs):
            return work.jobs, final
        why = "; ".join(outcome.reasons)
        undone = [each for job in jobs for each in undoing(job, why)]
        return evolve(work.jobs, by_key=pmap({job.key: job for job in undone})), evolve(outcome, verdict=Verdict.AGAIN)


def undoing(job: Job, why: str) -> Iterator[Job]:
    """What is left of a job that came to nothing, because of ``why``."""
    if job.kind is Kind.LAUNCH and job.server_id:
        yield Job(Kind.DELETE, job.server_id, job.owner, job.deadline, job.server_id)
        job = evolve(job, server_id=None, why=why)
    yield job


@frozen
class Sight:
    """
    What jobs go by: the group's servers, and where they are.

    :ivar idle: seconds since this look was due: otter was held, or did not run.
    """

    desired: Desired
    observed: Observed
    roster: Roster
    timeouts: Timeouts
    owner: int
    idle: float = 0.0
    _found: Mapping[str, Server] = field(init=False)
    _ties: Ties = field(init=False)
    _nodes: Collection[tuple[Target, str]] = field(init=False)

    @_found.default
    def _(self) -> Mapping[str, Server]:
        named = ((server, (server.id, server.create_id, server.name)) for server in self.observed.servers)
        return {name: server for server, names in named for name in names if name}

    @_ties.default
    def _(self) -> Ties:
        return ties_of(self.observed)

    @_nodes.default
    def _(self) -> Collection[tuple[Target, str]]:
        balancers = self.observed.balancers.values()
        return {(node.target, node.host) for balancer in balancers for node in balancer.nodes if node.as_wanted}

    def server_of(self, job: Job) -> Server | None:
        create = self.roster.creates.get(job.id)
        names = (job.server_id, job.id, *((create.server_id, create.name) if create is not None else ()))
        return next((self._found[name] for name in names if name in self._found), None)

    def is_placed(self, server: Server) -> bool:
        """Whether it works, and gets traffic wherever it belongs."""
        traits = {target: self.observed.balancers[target.balancer].traits for target in server.targets}
        everywhere = all((target, host_of(server, traits[target])) in self._nodes for target in server.targets)
        return server.state is ServerState.ACTIVE and everywhere

    def is_away(self, server: Server) -> bool:
        """Whether there is nothing left of it, neither in Nova nor on a load balancer."""
        return server.state is ServerState.GONE and not self._ties.hold(server)

    def is_believed_away(self, server: Server, job: Job) -> bool:
        """Nova may forget what it was told to delete. It is watched until it is gone, but not for ever, if others may stay."""
        patient = self.desired.going or self.observed.at < job.deadline
        return server.state is ServerState.DELETING and not self._ties.hold(server) and not patient

    def is_overdue(self, job: Job, server: Server) -> bool:
        """Whether it took too long. The planner goes by when the server was seen first, which another engine may have seen."""
        built = server.state is not ServerState.BUILD or self.observed.seen_for(server) < self.timeouts.build
        return not built or self.observed.at >= job.deadline

    def going_on(self, job: Job) -> Job:
        """The job with this owner. Time in which nobody could work on it does not count, nor what a clock that was wrong made of it."""
        return evolve(job, owner=self.owner, deadline=min(job.deadline + self.idle, self.deadline(job.kind)))

    def deadline(self, kind: Kind) -> float:
        """Of a job that begins now."""
        allowed = {
            Kind.LAUNCH: self.timeouts.build,
            Kind.PLACE: self.timeouts.online,
            Kind.DELETE: self.desired.draining_timeout + self.timeouts.detach,
        }
        return self.observed.at + allowed[kind]

    def launch(self, id: str, **more: Any) -> Job:
        return Job(Kind.LAUNCH, id, self.owner, self.deadline(Kind.LAUNCH), **more)

    def placement(self, server_id: str) -> Job:
        return Job(Kind.PLACE, server_id, self.owner, self.deadline(Kind.PLACE), server_id)

    def deletion(self, server_id: str) -> Job:
        return Job(Kind.DELETE, server_id, self.owner, self.deadline(Kind.DELETE), server_id)


def resumed(job: Job, sight: Sight) -> Iterator[Job]:
    """What becomes of a job that was there already: itself, what undoes it, what replaces it; nothing if it is over."""
    job, server = sight.going_on(job), sight.server_of(job)
    match job.kind:
        case Kind.DELETE:
            if server is not None and not sight.is_away(server) and not sight.is_believed_away(server, job):
                yield job
        case Kind.PLACE:
            if server is not None and not sight.is_placed(server):
                yield from placed(job, server, sight)
        case Kind.LAUNCH:
            if job.why:
                yield job
            elif server is None:
                yield from awaited(job, sight)
            elif not sight.is_placed(server) or server.id in sight.observed.leaving:
                yield from launched(evolve(job, server_id=server.id), server, sight)


def placed(job: Job, server: Server, sight: Sight) -> Iterator[Job]:
    if server.id in sight.observed.leaving or server.state in (ServerState.DELETING, ServerState.GONE):
        yield sight.deletion(server.id)
    elif server.state is not ServerState.BROKEN:
        yield job


def awaited(job: Job, sight: Sight) -> Iterator[Job]:
    """A launch that has no server: not yet, or not any more. A create that came to nothing is made anew."""
    if job.id in sight.observed.pending:
        yield job
    elif job.server_id is not None:
        yield again(job, "A server vanished while it was made", sight)
    elif sight.observed.at < job.deadline:
        yield job
    else:
        yield evolve(job, why="A server could not be created in time")


def launched(job: Job, server: Server, sight: Sight) -> Iterator[Job]:
    """A launch whose server is not where it belongs. Whoever takes it out of the group says whether another is to come."""
    if server.id in sight.observed.leaving:
        yield sight.deletion(server.id)
    elif server.state in (ServerState.DELETING, ServerState.GONE):
        yield from (sight.deletion(server.id), again(job, "A server vanished while it was made", sight))
    elif server.state is ServerState.BROKEN:
        yield from (
            sight.deletion(server.id),
            again(job, "A server went into the state ERROR while it was made", sight),
        )
    elif sight.is_overdue(job, server):
        why = "A server was not in service in time, and was deleted"
        yield from (sight.deletion(server.id), evolve(job, server_id=None, why=why))
    else:
        yield job


def again(job: Job, why: str, sight: Sight) -> Job:
    """The launch of another server in place of ``job``'s, or its failure."""
    if job.attempt >= MOST_ATTEMPTS:
        return evolve(job, server_id=None, why=f"{why}, {MOST_ATTEMPTS} times")
    return sight.launch(f"{job.id}/{job.attempt + 1}", attempt=job.attempt + 1)


def taken_on(jobs: Sequence[Job], tickets: Sequence[Ticket], sight: Sight) -> tuple[list[Job], bool]:
    """
    The jobs that a request is about: those of ``jobs`` that go on, and one for each server that is missing, too many, or not where
    it belongs. And whether these are all; if not, the next pass looks for the others.
    """
    desired, observed = sight.desired, sight.observed
    fleet = sort_servers(observed, desired.capacity, sight.timeouts.build)
    being_deleted = {job.id: job for job in jobs if job.kind is Kind.DELETE}
    going = (server.id for server in (*fleet.leaving, *fleet.deleting, *fleet.gone) if not sight.is_away(server))
    leaving = [being_deleted.get(id) or sight.deletion(id) for id in going]
    going_on = {job.server_id: job for job in jobs if job.server_id is not None and job.kind in STAYING}
    unplaced = [server for server in (*fleet.serving, *fleet.building) if not sight.is_placed(server)]
    staying = [going_on.get(server.id) or adopted(server, sight) for server in unplaced]
    in_flight = {job.id: job for job in jobs if job.kind is Kind.LAUNCH}
    pending = [in_flight.get(id) or sight.launch(id) for id in sorted(observed.pending)]
    missing = desired.capacity - len(fleet.staying) - len(observed.pending)
    new = [sight.launch(ticket.create_id) for ticket in tickets[: max(0, missing)]]
    return [*leaving, *staying, *pending, *new], 0 <= missing <= len(tickets)


def adopted(server: Server, sight: Sight) -> Job:
    """The rest of what another engine, or an earlier request, began."""
    if server.state is ServerState.BUILD:
        return sight.launch(server.create_id or server.id, server_id=server.id)
    return sight.placement(server.id)


def work_of(jobs: Sequence[Job], generation: int, tickets: Sequence[Ticket], sight: Sight) -> Work:
    """The next steps of ``jobs``, in a world that has nothing else in it."""
    observed = sight.observed
    launches = (job for job in jobs if job.kind is Kind.LAUNCH and not job.why)
    unsent = (job for job in launches if not job.server_id and job.id not in observed.pending)
    sent = {job.key: ticket.create_id for job, ticket in zip(unsent, tickets, strict=False)}
    jobs = [evolve(job, id=sent.get(job.key, job.id)) for job in jobs]

    theirs = {job.server_id for job in jobs}
    going = sorted(job.id for job in jobs if job.kind is Kind.DELETE)
    seen = evolve(
        observed,
        servers=pvector(server for server in observed.servers if server.id in theirs),
        pending=observed.pending & {job.id for job in jobs},
        leaving=pmap({id: observed.leaving.get(id, observed.at) for id in going}),
    )
    wanted = [job for job in jobs if job.kind in STAYING and not job.why]
    steps = plan(evolve(sight.desired, capacity=len(wanted)), seen, tickets, sight.timeouts)
    failures = sorted({job.why for job in jobs if job.why})
    steps += tuple(ConvergeLater(why, Tell.AT_ONCE) for why in failures)
    if jobs and not steps:
        steps = (ConvergeLater("waiting for servers that are busy"),)
    return Work(steps, going, Jobs(generation, pmap({job.key: job for job in jobs})))
