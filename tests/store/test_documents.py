import json

from attrs import asdict, evolve
from hypothesis import given
from hypothesis import strategies as st
from pyrsistent import pmap, pset, pvector

from otter.cloud.balancers.kinds import KINDS
from otter.domain.balancers import BalancerId, Target
from otter.domain.group import GroupState, Refusal, Status
from otter.domain.jobs import Job, Jobs, Kind
from otter.domain.roster import Create, Member, Place, Roster
from otter.store.documents import dump_roster, dump_state, load_roster, load_state
from tests.contracts.store import REFUSAL, ROSTER
from tests.worlds import HTTP_80, LB_7

names, times, counts = st.text(max_size=5), st.floats(0, 1e10), st.integers(0, 10**9)
balancers = st.builds(BalancerId, st.sampled_from(sorted(KINDS)), names)
targets = st.sets(st.builds(Target, balancers, st.integers(1, 65535))).map(pset) | st.sets(
    st.builds(Target, balancers)
).map(pset)
creates = st.builds(Create, names, names, counts, counts, times, times, st.none() | names)
jobs = st.lists(st.builds(Job, st.sampled_from(Kind), names, counts, times, st.none() | names, counts, why=names)).map(
    lambda made: pmap({job.key: job for job in made})
)
rosters = st.builds(
    Roster,
    active=st.lists(st.builds(Member, names, st.lists(st.dictionaries(names, names, max_size=2)).map(pvector))).map(
        pvector
    ),
    known=st.dictionaries(names, st.builds(Place, names, targets)).map(pmap),
    creates=st.lists(creates).map(lambda made: pmap({create.id: create for create in made})),
    leaving=st.dictionaries(names, st.none() | times).map(pmap),
    released=st.sets(names).map(pset),
    draining=st.dictionaries(st.tuples(balancers, names), times).map(pmap),
    jobs=st.builds(Jobs, counts, jobs),
)
sentences = st.lists(names).map(pvector)
states = st.builds(
    GroupState,
    desired=counts,
    generation=counts,
    converged_generation=counts,
    look_at=st.none() | times,
    tries=counts,
    refusal=st.none() | st.builds(Refusal, sentences, times, counts),
    paused=st.booleans(),
    status=st.sampled_from(Status),
    reasons=sentences,
    failing_since=st.none() | times,
    group_touched=st.none() | times,
    policy_touched=st.dictionaries(names, times).map(pmap),
)


@given(rosters)
def test_a_roster_is_read_as_it_was_written(roster):
    assert load_roster(dump_roster(roster)) == roster


@given(states)
def test_a_state_is_read_as_it_was_written(state):
    assert load_state(dump_state(state)) == state


def test_examples_show_every_part_of_a_roster_and_of_a_state():
    assert all(asdict(ROSTER, recurse=False).values())
    state = GroupState(refusal=REFUSAL)
    assert load_state(dump_state(state)).refusal == REFUSAL
    assert load_roster(dump_roster(ROSTER)) == ROSTER


def test_the_first_form_of_a_roster_is_still_read():
    place = {"address": "10.0.0.1", "targets": [["7", 80], ["7", 8080]]}
    roster = load_roster(json.dumps({"active": [], "known": {"s1": place}, "creates": []}))
    assert roster == Roster(known=pmap({"s1": Place("10.0.0.1", pset([HTTP_80, Target(LB_7, 8080)]))}))


def test_targets_with_and_without_their_kind_may_stand_side_by_side():
    place = {"address": "", "targets": [["7", 80], ["p", None, "RackConnectV3"], ["8", 80, "CloudLoadBalancer"]]}
    roster = load_roster(json.dumps({"active": [], "known": {"s1": place}, "creates": []}))
    eight, pool = BalancerId("CloudLoadBalancer", "8"), BalancerId("RackConnectV3", "p")
    assert roster.known["s1"].targets == pset([HTTP_80, Target(eight, 80), Target(pool)])


def test_a_state_from_before_there_were_refusals_is_read():
    document = json.loads(dump_state(GroupState(desired=3)))
    del document["refusal"]
    assert load_state(json.dumps(document)) == GroupState(desired=3)


def test_a_roster_from_before_there_were_jobs_is_read():
    document = json.loads(dump_roster(ROSTER))
    del document["jobs"]
    assert load_roster(json.dumps(document)) == evolve(ROSTER, jobs=Jobs())
