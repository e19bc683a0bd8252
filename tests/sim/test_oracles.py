"""The oracles can fail: for each promise otter is broken on purpose, and the run says which promise that was."""

from collections.abc import Callable, Iterable, Sequence
from itertools import count, product

import pytest
from attrs import evolve
from pyrsistent import pset, pvector

from otter.cloud import nova
from otter.cloud.nova import GROUP_KEY
from otter.convergence import iterate, record, scope
from otter.convergence.fence import Fence
from otter.domain.errors import UpstreamUnavailable
from otter.domain.group import GroupId, Status
from otter.domain.jobs import Job
from otter.domain.roster import Member
from otter.domain.servers import ServerState
from otter.domain.shares import SHARES
from otter.operations import policies
from otter.operations.servers import Servers
from otter.planning import plan as planning
from otter.planning import servers
from otter.planning.steps import ChangeNodes, DeleteServer, RemoveNodes, Step
from otter.planning.world import Observed, Ticket
from otter.services.converger import Converger
from otter.services.holds import Holds
from otter.worker import jobs
from tests.sim import coordination
from tests.sim.coordination import Seat
from tests.sim.plan import DAY, ENGINES, GroupPlan, Happening, Plan
from tests.sim.run import Result, Run

COUNTED = GroupPlan("acme", least=0, most=1000, counted=True, balancers=("7",))
BOUNDED = GroupPlan("acme", least=2, most=2)
UP_AND_DOWN = (Happening(50.0, "execute", (0, "two", "id", 1)), Happening(300.0, "execute", (0, "down", "id", 1)))

Patch = pytest.MonkeyPatch


def live(
    group: GroupPlan,
    happenings: Iterable[Happening] = UP_AND_DOWN,
    length: float = 500.0,
    engine: str = "convergence",
    others: tuple[str, ...] = (),
) -> Result:
    return Run(Plan(1, "storm", length, (group,), tuple(happenings), engine, others)).go()


def plan_also(patch: Patch, more: Callable[[Observed], Iterable[Step]]) -> None:
    """Have every pass do ``more``, besides what it should."""
    plan = scope.plan

    def wrong(desired, observed, tickets, timeouts) -> Sequence[Step]:
        return (*plan(desired, observed, tickets, timeouts), *more(observed))

    patch.setattr(scope, "plan", wrong)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("group", [COUNTED, BOUNDED])
def test_otter_as_it_is_breaks_no_promise(group: GroupPlan, engine: str) -> None:
    result = live(group, engine=engine)
    assert result.failure == ""
    assert result.requests > 0


# 1: eventually stable


def test_a_change_that_nobody_acts_on_is_noticed(monkeypatch: Patch) -> None:
    async def nothing(*_: object) -> None:
        pass

    monkeypatch.setattr(Converger, "capacity_changed", nothing)
    monkeypatch.setattr(Converger, "_due", nothing)
    assert "in the end everything is as it was asked for" in live(COUNTED).failure


def test_a_pass_that_always_finds_something_to_change_is_noticed(monkeypatch: Patch) -> None:
    def rewrite(observed: Observed) -> Iterable[Step]:
        return [ChangeNodes(id, pvector(seen.nodes)) for id, seen in observed.balancers.items() if seen.nodes]

    plan_also(monkeypatch, rewrite)
    assert "it is not finished" in live(COUNTED).failure


def test_a_change_in_a_world_that_is_as_it_should_be_is_noticed(monkeypatch: Patch) -> None:
    looks = count()

    def rewrite_sometimes(observed: Observed) -> Iterable[Step]:
        if not next(looks) % 4:
            return [ChangeNodes(id, pvector(seen.nodes)) for id, seen in observed.balancers.items() if seen.nodes]
        return []

    plan_also(monkeypatch, rewrite_sometimes)
    assert "where nothing is to be done, nothing is done" in live(COUNTED).failure


# 2: never more than max, never below min


def test_a_server_too_many_is_noticed(monkeypatch: Patch) -> None:
    plan_creates = servers.plan_creates

    def one_more(desired, fleet, observed, tickets) -> Iterable[Step]:
        return plan_creates(evolve(desired, capacity=desired.capacity + 1), fleet, observed, tickets)

    monkeypatch.setattr(servers, "plan_creates", one_more)
    assert "never more than 2 servers, and there are 3" in live(BOUNDED, []).failure


def test_a_victim_below_the_least_is_noticed(monkeypatch: Patch) -> None:
    sort_servers = servers.sort_servers

    def one_less_once_all_work(observed: Observed, capacity: int, timeout: float) -> servers.Fleet:
        all_work = all(server.state is ServerState.ACTIVE for server in observed.servers)
        return sort_servers(observed, capacity - all_work, timeout)

    for module in (planning, iterate, scope):
        monkeypatch.setattr(module, "sort_servers", one_less_once_all_work)
    assert "a working server was deleted, and 1 of at least 2 are left" in live(BOUNDED, []).failure


def test_a_second_fleet_after_a_flip_is_noticed(monkeypatch: Patch) -> None:
    taken_on = jobs.taken_on

    def blind(old: Sequence[Job], tickets: Sequence[Ticket], sight: jobs.Sight) -> tuple[list[Job], bool]:
        return taken_on(old, tickets, evolve(sight, observed=evolve(sight.observed, servers=pvector())))

    monkeypatch.setattr(jobs, "taken_on", blind)
    flip = [Happening(100.0, "flip", ("worker", "restart", 0)), Happening(200.0, "converge", (0,))]
    assert "never more than 2 servers, and there are 3" in live(BOUNDED, flip).failure


# 3: no untagged server, nobody else's


def test_a_server_without_its_group_is_noticed(monkeypatch: Patch) -> None:
    metadata_of = nova.metadata_of

    def without_group(*arguments) -> dict[str, str]:
        return {key: value for key, value in metadata_of(*arguments).items() if key != GROUP_KEY}

    monkeypatch.setattr(nova, "metadata_of", without_group)
    assert "every server that is made carries the id of a group that there is" in live(COUNTED).failure


def test_a_create_that_was_not_written_down_is_noticed(monkeypatch: Patch) -> None:
    monkeypatch.setattr(iterate.Pass, "_creates", lambda *_: {})
    assert "a create is written down before it is sent" in live(COUNTED).failure


def test_the_end_of_a_strangers_server_is_noticed(monkeypatch: Patch) -> None:
    server_of, groups = nova.server_of, []

    def everybody_is_ours(document):
        server = server_of(document)
        groups.extend([server.group_id] if server.group_id else [])
        return evolve(server, group_id=groups[0]) if groups else server

    monkeypatch.setattr(nova, "server_of", everybody_is_ours)
    stranger = Happening(200.0, "change_server", (0, 0, "other"))
    assert "other people's" in live(COUNTED, (*UP_AND_DOWN, stranger)).failure


def test_a_strangers_node_that_is_removed_is_noticed(monkeypatch: Patch) -> None:
    def remove_all(observed: Observed) -> Iterable[Step]:
        return [RemoveNodes(id, pset(seen.nodes)) for id, seen in observed.balancers.items() if seen.nodes]

    plan_also(monkeypatch, remove_all)
    stranger = Happening(10.0, "change_node", ("acme", "7", 0, "foreign"))
    assert "other people's nodes are left alone" in live(COUNTED, (stranger, *UP_AND_DOWN)).failure


def test_a_delete_that_was_not_written_down_is_noticed(monkeypatch: Patch) -> None:
    def delete_somebody(observed: Observed) -> Iterable[Step]:
        return [DeleteServer(server.id) for server in observed.servers[1:]]

    plan_also(monkeypatch, delete_somebody)
    assert "leaving is written down before anything is done about it" in live(COUNTED).failure


# 4: every acknowledged request counts once


@pytest.mark.parametrize("times", [0, 2])
def test_an_execution_that_does_not_count_once_is_noticed(monkeypatch: Patch, times: int) -> None:
    decide = policies.decide

    def miscount(group, policy, now):
        for _ in range(times):
            group = decide(group, policy, now)
        return group

    monkeypatch.setattr(policies, "decide", miscount)
    happenings = [Happening(50.0, "execute", (0, "two", "id", 1))]
    assert f"g0 wants {2 * times}, and what was asked of it comes to {{2}}" in live(COUNTED, happenings).failure


# 5: load balancers


def test_a_server_without_its_node_is_noticed(monkeypatch: Patch) -> None:
    monkeypatch.setattr(planning, "plan_balancers", lambda *_: [])
    monkeypatch.setattr(
        record, "in_service", lambda _, fleet, __: pvector(Member(it.id, it.links) for it in fleet.serving)
    )
    assert "is not served by" in live(COUNTED).failure


def test_a_node_that_is_left_behind_is_noticed(monkeypatch: Patch) -> None:
    plan_balancers = planning.plan_balancers

    def without_removals(*arguments) -> Iterable[Step]:
        return [step for step in plan_balancers(*arguments) if not isinstance(step, RemoveNodes)]

    monkeypatch.setattr(planning, "plan_balancers", without_removals)
    monkeypatch.setattr(servers.Ties, "hold", lambda *_: False)
    assert "balancer 17 still has Node" in live(COUNTED).failure


def test_a_node_for_a_server_that_does_not_work_is_noticed(monkeypatch: Patch) -> None:
    monkeypatch.setitem(nova.STATES, "SHUTOFF", ServerState.ACTIVE)
    happenings = [
        Happening(200.0, "change_server", (0, 0, "SHUTOFF")),
        Happening(700.0, "change_node", ("acme", "7", 0, "remove")),
    ]
    group = GroupPlan("acme", least=1, most=1, balancers=("7",))
    assert "no node leads to a server that does not work" in live(group, happenings, 900.0).failure


# 6: calls are bounded


def test_looks_that_ask_too_much_are_noticed(monkeypatch: Patch) -> None:
    gather = iterate.gather

    def gather_often(*arguments):
        looking = gather(*arguments)
        for _ in range(10):
            looking = looking.on(lambda _: gather(*arguments))
        return looking

    monkeypatch.setattr(iterate, "gather", gather_often)
    assert "at most" in live(COUNTED).failure


# 7: ERROR has a cause, and goes with it


def test_an_error_without_a_cause_is_noticed(monkeypatch: Patch) -> None:
    state_after = iterate.state_after

    def pessimist(*arguments):
        return evolve(state_after(*arguments), status=Status.ERROR, reasons=pvector(["who knows"]))

    monkeypatch.setattr(iterate, "state_after", pessimist)
    assert "an error has a cause: ['who knows']" in live(COUNTED).failure


def test_an_error_that_does_not_say_what_is_wrong_is_noticed(monkeypatch: Patch) -> None:
    state_after = iterate.state_after

    def speechless(*arguments):
        return evolve(state_after(*arguments), reasons=pvector())

    monkeypatch.setattr(iterate, "state_after", speechless)
    assert "an error says what is wrong" in live(COUNTED, (*UP_AND_DOWN, no_servers(40.0))).failure


def test_an_error_that_outlives_its_cause_is_noticed(monkeypatch: Patch) -> None:
    state_after = iterate.state_after

    def unforgiving(state, *arguments):
        after = state_after(state, *arguments)
        return evolve(after, status=state.status, reasons=state.reasons) if state.reasons else after

    monkeypatch.setattr(iterate, "state_after", unforgiving)
    assert "it is in ERROR" in live(COUNTED, (*UP_AND_DOWN, no_servers(40.0))).failure
    assert "an error has a cause" in live(COUNTED, (*UP_AND_DOWN, no_servers(40.0)), length=DAY).failure


# 8: who is held is left alone


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("who", ["", "acme"])
def test_a_change_for_who_is_held_is_noticed(monkeypatch: Patch, who: str, engine: str) -> None:
    happenings = [Happening(40.0, "hold", (who, 200.0)), Happening(50.0, "execute", (0, "two", "id", 1))]
    assert live(COUNTED, happenings, engine=engine).failure == ""
    monkeypatch.setattr(Holds, "covers", lambda *_: False)
    assert "nothing is changed for who is held: nova POST acme" in live(COUNTED, happenings, engine=engine).failure


def test_a_request_that_is_refused_because_of_a_hold_is_noticed(monkeypatch: Patch) -> None:
    async def refuse(*_: object) -> None:
        raise UpstreamUnavailable("The request was not sent, because otter's operators have it change nothing for now")

    monkeypatch.setattr(Servers, "_member", refuse)
    happenings = [*UP_AND_DOWN, Happening(200.0, "hold", ("", 90.0)), Happening(210.0, "evict", (0, 0, True, True))]
    assert "what is asked while all is held is accepted" in live(COUNTED, happenings).failure


# 9: two never work on the same


@pytest.mark.parametrize("engines", list(product(ENGINES, ENGINES)))
def test_two_processes_break_no_promise(engines: tuple[str, str]) -> None:
    result = live(COUNTED, engine=engines[0], others=engines[1:])
    assert result.failure == ""
    assert result.requests > 0


def test_a_server_that_another_process_makes_too_is_noticed(monkeypatch: Patch) -> None:
    group, two = GroupPlan("acme", least=0, most=2), [Happening(50.0, "execute", (0, "two", "id", 1))]
    assert live(group, two, others=("convergence",)).failure == ""
    everybody_owns_everything(monkeypatch)
    assert "never more than 2 servers, and there are 3" in live(group, two, others=("convergence",)).failure


def test_a_change_by_who_has_lost_the_share_is_noticed(monkeypatch: Patch) -> None:
    frozen = [Happening(at, "freeze", (40, 20.0)) for at in range(49, 300, 25)]
    ups = [Happening(at, "execute", (0, "up", "id", 1)) for at in range(50, 300, 9)]
    assert live(COUNTED, [*frozen, *ups], others=("convergence",)).failure == ""
    monkeypatch.setattr(Fence, "holds", True)
    lost = "nothing is changed by who has not got the share"
    assert lost in live(COUNTED, [*frozen, *ups], others=("convergence",)).failure


def test_work_that_nobody_gets_is_noticed(monkeypatch: Patch) -> None:
    monkeypatch.setattr(coordination, "divided", lambda members: {member: {1, 2} for member in members})
    assert "in the end everything is as it was asked for" in live(COUNTED, others=("convergence",)).failure


def everybody_owns_everything(patch: Patch) -> None:
    """And is told of everything at the same moment."""

    def wake_all(seat: Seat, group_id: GroupId) -> None:
        for session in seat.coordinator.sessions.values():
            session.seat.wake(group_id)

    patch.setattr(Seat, "fence", lambda seat, share: 1)
    patch.setattr(Seat, "held", lambda seat: range(SHARES))
    patch.setattr(Seat, "mark", wake_all)


# 10: the same seed, the same life


def test_what_outlives_a_run_shows_in_its_digest(monkeypatch: Patch) -> None:
    plan, calls = scope.plan, count()
    assert live(COUNTED).digest == live(COUNTED).digest

    def moody(*arguments) -> Sequence[Step]:
        steps = plan(*arguments)
        return () if next(calls) == 2 else steps

    monkeypatch.setattr(scope, "plan", moody)
    assert live(COUNTED).digest != live(COUNTED).digest


def no_servers(at: float) -> Happening:
    """The tenant may have none, or fewer than it asks for, for two minutes."""
    return Happening(at, "network", ("403 page", "nova", "changes", "acme", 1.0, 0, 120.0))
