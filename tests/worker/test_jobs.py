"""What becomes of jobs: values in, values out."""

from attrs import evolve
from pyrsistent import pmap, pvector

from otter.cloud.balancers.clb import TRAITS
from otter.convergence.execute import Outcome, Verdict
from otter.convergence.scope import Work
from otter.domain.balancers import Balancer, Node
from otter.domain.group import Status
from otter.domain.jobs import Job, Jobs, Kind
from otter.domain.servers import ServerState
from otter.planning.steps import AddNodes, ConvergeLater, CreateServer, DeleteServer, MarkLeaving, RemoveNodes
from otter.planning.world import Observed, Ticket, Timeouts
from otter.worker.jobs import MOST_ATTEMPTS, JobsOnly
from tests.worlds import HTTP_80, LB_7, a_group, a_server, on_7

AT = 1000.0
OWNER = 7
TIMEOUTS = Timeouts(build=600.0, online=60.0, detach=60.0)
TICKETS = [Ticket(f"t{number}", f"web-t{number}") for number in range(1, 10)]
LAUNCH = Job(Kind.LAUNCH, "c1", 1, AT + 100, "s1")
"""Of server s1, by an earlier process."""
BUILDING, BROKEN = ServerState.BUILD, ServerState.BROKEN


def seen(*servers, nodes=(), **facts):
    """``servers``, and load balancer 7 with a node for each of the numbers in ``nodes``."""
    balancer = Balancer(TRAITS, pvector(Node(HTTP_80, f"10.0.0.{number}", id=str(number)) for number in nodes))
    return Observed(AT, servers=pvector(servers), balancers=pmap({LB_7: balancer}), **facts)


def a_group_with(*jobs, desired=0, asked=False):
    """A group whose last request has its jobs, unless there was one since that ``asked`` for something."""
    group = a_group(desired)
    generation = group.state.generation - asked
    listed = Jobs(generation, pmap({job.key: job for job in jobs}))
    return evolve(group, roster=evolve(group.roster, jobs=listed))


def work_on(group, observed):
    return JobsOnly(OWNER).work_on(group, observed, TICKETS, TIMEOUTS)


def jobs_of(work):
    return {job.key: job for job in work.jobs.by_key.values()}


def kinds_of(work):
    return [type(step) for step in work.steps]


# Requests


def test_a_request_makes_a_job_for_each_server_that_is_missing():
    work = work_on(a_group_with(desired=3, asked=True), seen(a_server(1)))
    assert jobs_of(work) == {f"LAUNCH {id}": Job(Kind.LAUNCH, id, OWNER, AT + TIMEOUTS.build) for id in ("t1", "t2")}
    assert kinds_of(work) == [CreateServer, CreateServer]
    assert work.jobs.generation == a_group().state.generation


def test_a_request_makes_a_job_for_each_server_that_is_too_many_the_oldest_first():
    work = work_on(a_group_with(desired=1, asked=True), seen(a_server(1), a_server(2), a_server(3)))
    deadline = AT + TIMEOUTS.detach
    assert jobs_of(work) == {f"DELETE {id}": Job(Kind.DELETE, id, OWNER, deadline, id) for id in ("s1", "s2")}
    assert work.leaving == ["s1", "s2"]


def test_a_request_makes_no_job_about_servers_that_are_where_they_belong():
    work = work_on(a_group_with(desired=1, asked=True), seen(*on_7(a_server(1)), nodes=[1]))
    assert (dict(work.jobs.by_key), work.steps) == ({}, ())


def test_an_active_server_without_its_node_is_placed_and_stays_in_any_case():
    work = work_on(a_group_with(desired=1, asked=True), seen(*on_7(a_server(1))))
    assert list(jobs_of(work)) == ["PLACE s1"]
    assert kinds_of(work) == [AddNodes]


def test_a_server_that_builds_is_launched_to_the_end_whoever_began_it():
    work = work_on(a_group_with(desired=1, asked=True), seen(a_server(1, BUILDING)))
    assert jobs_of(work)["LAUNCH c1"].server_id == "s1"
    assert kinds_of(work) == [ConvergeLater]


def test_a_create_in_flight_counts_and_becomes_a_job():
    work = work_on(a_group_with(desired=2, asked=True), seen(pending=frozenset(["c5"])))
    assert set(jobs_of(work)) == {"LAUNCH c5", "LAUNCH t1"}
    assert kinds_of(work).count(CreateServer) == 1


def test_a_request_that_needs_more_servers_than_there_are_tickets_is_looked_at_again():
    scope, group = JobsOnly(OWNER), a_group_with(desired=3, asked=True)
    work = scope.work_on(group, seen(), TICKETS[:1], TIMEOUTS)
    assert (len(work.jobs.by_key), work.jobs.generation) == (1, 0)


def test_another_request_keeps_the_deadlines_and_attempts_of_launches_that_go_on():
    job = evolve(LAUNCH, attempt=3)
    work = work_on(a_group_with(job, desired=1, asked=True), seen(a_server(1, BUILDING)))
    assert jobs_of(work) == {"LAUNCH c1": evolve(job, owner=OWNER)}


def test_another_request_forgets_what_failed_and_tries_again():
    failed = evolve(LAUNCH, server_id=None, why="no luck")
    work = work_on(a_group_with(failed, desired=1, asked=True), seen())
    assert jobs_of(work) == {"LAUNCH t1": Job(Kind.LAUNCH, "t1", OWNER, AT + TIMEOUTS.build)}


def test_a_smaller_size_undoes_launches():
    work = work_on(a_group_with(LAUNCH, desired=0, asked=True), seen(a_server(1, BUILDING)))
    assert set(jobs_of(work)) == {"DELETE s1"}


# Launches


def test_a_launch_goes_on_under_whoever_finds_it():
    work = work_on(a_group_with(LAUNCH, desired=1), seen(a_server(1, BUILDING)))
    assert jobs_of(work) == {"LAUNCH c1": evolve(LAUNCH, owner=OWNER)}


def test_a_launch_is_over_when_its_server_is_where_it_belongs():
    work = work_on(a_group_with(LAUNCH, desired=1), seen(*on_7(a_server(1)), nodes=[1]))
    assert (dict(work.jobs.by_key), work.steps) == ({}, ())


def test_a_launch_knows_its_server_by_the_create_alone():
    work = work_on(a_group_with(evolve(LAUNCH, server_id=None), desired=1), seen(a_server(1, BUILDING)))
    assert jobs_of(work)["LAUNCH c1"].server_id == "s1"


def test_a_launch_whose_create_is_in_flight_waits_for_it():
    unseen = evolve(LAUNCH, server_id=None)
    work = work_on(a_group_with(unseen, desired=1), seen(pending=frozenset(["c1"])))
    assert jobs_of(work) == {"LAUNCH c1": evolve(unseen, owner=OWNER)}
    assert CreateServer not in kinds_of(work)


def test_a_launch_whose_create_came_to_nothing_sends_another():
    unseen = evolve(LAUNCH, server_id=None)
    work = work_on(a_group_with(unseen, desired=1), seen())
    assert jobs_of(work) == {"LAUNCH t1": evolve(unseen, id="t1", owner=OWNER)}
    assert kinds_of(work) == [CreateServer]


def test_a_launch_without_a_server_fails_at_its_deadline():
    late = evolve(LAUNCH, server_id=None, deadline=AT)
    work = work_on(a_group_with(late, desired=1), seen())
    assert [job.why for job in jobs_of(work).values()] == ["A server could not be created in time"]
    assert kinds_of(work) == [ConvergeLater]


def test_a_server_that_breaks_goes_and_another_attempt_is_made():
    work = work_on(a_group_with(LAUNCH, desired=1), seen(a_server(1, BROKEN)))
    going, retried = jobs_of(work)["DELETE s1"], jobs_of(work)["LAUNCH t1"]
    assert (going.server_id, retried.attempt, retried.server_id) == ("s1", 2, None)
    assert {CreateServer, DeleteServer} <= set(kinds_of(work))


def test_the_last_attempt_that_breaks_is_the_end_of_it():
    work = work_on(a_group_with(evolve(LAUNCH, attempt=MOST_ATTEMPTS), desired=1), seen(a_server(1, BROKEN)))
    assert jobs_of(work)["LAUNCH c1"].why.endswith(f"{MOST_ATTEMPTS} times")
    assert CreateServer not in kinds_of(work)
    assert DeleteServer in kinds_of(work)


def test_a_server_that_is_not_in_service_at_the_deadline_is_deleted():
    late = evolve(LAUNCH, deadline=AT)
    work = work_on(a_group_with(late, desired=1), seen(*on_7(a_server(1))))
    assert set(jobs_of(work)) == {"DELETE s1", "LAUNCH c1"}
    assert "not in service in time" in jobs_of(work)["LAUNCH c1"].why
    assert kinds_of(work) == [DeleteServer, ConvergeLater]


def test_a_server_that_is_taken_out_while_it_is_launched_leaves():
    work = work_on(a_group_with(LAUNCH, desired=1), seen(a_server(1, BUILDING), leaving=pmap({"s1": AT})))
    assert set(jobs_of(work)) == {"DELETE s1"}


# Deletes


def going(number):
    return Job(Kind.DELETE, f"s{number}", 1, AT + 60, f"s{number}")


def test_a_server_on_its_way_out_loses_its_node_first():
    work = work_on(a_group_with(going(1)), seen(*on_7(a_server(1)), nodes=[1], leaving=pmap({"s1": AT - 1})))
    assert set(kinds_of(work)) == {MarkLeaving, RemoveNodes}
    assert set(jobs_of(work)) == {"DELETE s1"}


def test_a_delete_is_over_when_nova_knows_the_server_no_more_and_no_node_is_left():
    gone = evolve(a_server(1), state=ServerState.GONE)
    assert dict(work_on(a_group_with(going(1)), seen()).jobs.by_key) == {}
    assert dict(work_on(a_group_with(going(1)), seen(*on_7(gone))).jobs.by_key) == {}
    still = work_on(a_group_with(going(1)), seen(*on_7(gone), nodes=[1]))
    assert (set(jobs_of(still)), kinds_of(still)) == ({"DELETE s1"}, [RemoveNodes])


def test_a_server_that_nova_is_deleting_is_watched_until_the_deadline():
    dying = a_server(1, ServerState.DELETING)
    assert set(jobs_of(work_on(a_group_with(going(1)), seen(dying)))) == {"DELETE s1"}
    late = evolve(going(1), deadline=AT)
    assert dict(work_on(a_group_with(late), seen(dying)).jobs.by_key) == {}


def test_servers_without_a_job_are_not_touched():
    broken, too_many, unplaced = a_server(2, BROKEN), a_server(3), *on_7(a_server(4))
    observed = seen(a_server(1, BUILDING), broken, too_many, unplaced)
    work = work_on(a_group_with(LAUNCH, desired=2), observed)
    assert (set(jobs_of(work)), work.leaving, kinds_of(work)) == ({"LAUNCH c1"}, [], [ConvergeLater])


# Ends

NO_BALANCER = Outcome(Verdict.BLOCKED, ("no such balancer",))


def concluded(outcome, *jobs, status=Status.ACTIVE, told=True):
    """:param told: the pass before came to the same, and the owner knows."""
    group = a_group_with(*jobs, desired=1)
    before = {"tries": 1, "reasons": pvector(outcome.reasons)} if told else {}
    group = evolve(group, state=evolve(group.state, status=status, **before))
    return JobsOnly(OWNER).concluded(group, Work((), (), group.roster.jobs), outcome)


def test_what_seems_hopeless_gets_one_more_look():
    for job in (LAUNCH, evolve(LAUNCH, server_id=None), Job(Kind.PLACE, "s1", 1, AT, "s1")):
        jobs, outcome = concluded(NO_BALANCER, job, told=False)
        assert (dict(jobs.by_key), outcome.verdict) == ({job.key: job}, Verdict.AGAIN)


def test_a_launch_that_is_still_hopeless_is_undone_and_the_owner_told_why():
    jobs, outcome = concluded(NO_BALANCER, LAUNCH)
    assert set(jobs.by_key) == {"DELETE s1", "LAUNCH c1"}
    assert (jobs.by_key["LAUNCH c1"].why, jobs.by_key["LAUNCH c1"].server_id) == ("no such balancer", None)
    assert outcome.verdict is Verdict.AGAIN


def test_an_active_server_that_cannot_be_placed_stays():
    place = Job(Kind.PLACE, "s1", 1, AT, "s1")
    jobs, outcome = concluded(NO_BALANCER, place)
    assert (set(jobs.by_key), outcome.verdict) == ({"PLACE s1"}, Verdict.OVER)


def test_nothing_is_undone_while_a_server_is_on_its_way_out():
    jobs, outcome = concluded(NO_BALANCER, LAUNCH, going(2))
    assert (set(jobs.by_key), outcome.verdict) == ({"LAUNCH c1", "DELETE s2"}, Verdict.BLOCKED)


def test_a_create_that_is_refused_for_good_ends_the_request():
    jobs, outcome = concluded(NO_BALANCER, evolve(LAUNCH, server_id=None))
    assert (set(jobs.by_key), outcome.verdict) == ({"LAUNCH c1"}, Verdict.OVER)


def test_a_group_that_is_to_go_is_never_given_up():
    assert concluded(NO_BALANCER, status=Status.DELETING)[1].verdict is Verdict.BLOCKED


def test_what_is_not_hopeless_goes_on():
    for verdict in (Verdict.AGAIN, Verdict.MORE, Verdict.DONE):
        jobs, outcome = concluded(Outcome(verdict), LAUNCH)
        assert (dict(jobs.by_key), outcome.verdict) == ({"LAUNCH c1": LAUNCH}, verdict)
