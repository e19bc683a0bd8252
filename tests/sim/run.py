"""Running a plan from its beginning to its end, and what came of it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError
from twisted.logger import formatEvent, globalLogPublisher

from otter.domain.errors import StoreUnavailable
from otter.domain.group import Status
from tests.sim.happenings import Hands, Owned, Users
from tests.sim.oracles import Oracles, Violation, require
from tests.sim.plan import Plan
from tests.sim.simulation import KEYS, Place, Simulation

SETTLES_WITHIN = 7200.0
"""Seconds after the last trouble in which everything becomes as it was asked for; or two self-heal sweeps, if they take longer."""
REQUESTS = 6
"""How often at most owners ask for a look at a group that does not heal by itself."""
LOOKS = 200
"""How often the oracles look while a plan runs."""
YEAR = 365 * 86400.0
EXPECTED = (StoreUnavailable, CancelledError)
"""What services may say went wrong, when the store does not work."""


@frozen
class Result:
    """
    :ivar failure: the promise that was broken, and when; "" if none was.
    :ivar digest: of everything that happened.
    """

    plan: Plan
    failure: str
    digest: str
    years: float
    faults: Mapping[str, int]
    answers: Mapping[str, int]
    requests: int
    effects: int
    trace: tuple[str, ...] = field(repr=False)


@define(eq=False)
class Run:
    """
    :ivar looks: how often the oracles look while the plan runs. :ivar step: seconds between two looks at what is to settle.
    :ivar rests: intervals of self-heal for which nothing may happen in the end.
    :ivar requests: see ``REQUESTS``; whoever finds a group that its owner was not told of does not ask less often for that.
    :ivar patience: seconds between two of them.
    """

    plan: Plan
    dies_at: int | None = None
    looks: int = LOOKS
    step: float = 60.0
    rests: float = 3.0
    requests: int = REQUESTS
    patience: float = 300.0
    simulation: Simulation = field(init=False)
    users: Users = field(init=False)
    hands: Hands = field(init=False)
    oracles: Oracles = field(init=False)
    bugs: list[str] = field(init=False, factory=list)
    group_seconds: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self.simulation = Simulation(self.plan, dies_at=self.dies_at)
        groups = [Owned(group, f"g{number}") for number, group in enumerate(self.plan.groups)]
        self.users = Users(self.simulation, groups, KEYS.capability_of)
        self.hands = Hands(self.simulation, groups, self.simulation.chance("hands"))
        self.oracles = Oracles(self.simulation, self.users, self.hands)
        self.simulation.on_death.append(self.restart_soon)

    def restart_soon(self, place: Place) -> None:
        self.simulation.time.later(self.hands.random.uniform(1.0, 20.0), lambda: self.restart(place))

    def restart(self, place: Place) -> None:
        if place.process is None and not place.closed:
            self.simulation.begin_process(place)

    def go(self) -> Result:
        globalLogPublisher.addObserver(self.look_for_bugs)
        failure = ""
        try:
            self.live()
        except Violation as violation:
            failure = f"{violation} (at {self.simulation.time.now:.4f})"
        finally:
            globalLogPublisher.removeObserver(self.look_for_bugs)
        return self.result(failure or (self.bugs[0] if self.bugs else ""))

    def live(self) -> None:
        simulation, begin = self.simulation, self.simulation.time.now
        for place in simulation.places:
            simulation.begin_process(place)
        for owned in list(self.users.groups):
            self.begin(self.users.make(owned))
        for happening in self.plan.happenings:
            actor: Any = self.users if hasattr(self.users, happening.what) else self.hands
            simulation.time.at(begin + happening.at, partial(self.happen, actor, happening))
        for number in range(1, self.looks + 1):
            self.run_until(begin + self.plan.length * number / self.looks)
            self.oracles.look()
        self.end()

    def happen(self, actor: Any, happening: Any) -> None:
        if isinstance(actor, Users):
            self.simulation.trace.add(self.simulation.time.now, f"* {happening.what} {happening.details}")
            self.begin(getattr(actor, happening.what)(*happening.details))
        else:
            actor.happen(happening)

    def begin(self, request: Any) -> None:
        self.users.begin(request).addErrback(lambda failure: self.bugs.append(failure.getTraceback()))

    def run_until(self, moment: float) -> None:
        alive = sum(owned.id is not None and not owned.deleted for owned in self.users.groups)
        self.group_seconds += alive * (moment - self.simulation.time.now)
        self.simulation.time.run_until(moment)

    def end(self) -> None:
        """All troubles are over, and owners mend what they broke. Everything becomes as it was asked for, and then nothing happens."""
        simulation = self.simulation
        self.hands.end_all()
        for place in simulation.places:
            place.set_clock(-place.ahead)
        simulation.dies_at = simulation.freezes_at = None
        for which, owned in enumerate(self.users.groups):
            if owned.id is not None and not owned.deleted:
                self.begin(self.mend(which, owned))
        for group_id in simulation.stored_groups():
            if not simulation.heals(group_id.tenant):
                times = self.requests if self.oracles.owner(group_id) else REQUESTS
                self.begin(self.users.insist(group_id, times, self.patience, self.oracles.problem_of))
        began, problem = simulation.time.now, "nothing was looked at"
        late = max(0.0, simulation.last_event() - began)
        longest = late + max(SETTLES_WITHIN, 2 * simulation.config.selfheal.interval)
        while problem and (passed := simulation.time.now - began) < longest:
            self.run_until(simulation.time.now + max(self.step, passed / 50))
            problem = "somebody still waits for an answer" if self.users.asking else self.oracles.unsettled()
        require(not problem, f"in the end everything is as it was asked for; {problem}")
        self.oracles.check_accounts()
        self.oracles.check_groups()
        self.oracles.check_strangers()
        self.stay_quiet()

    async def mend(self, which: int, owned: Owned) -> None:
        while (group := self.simulation.group(owned.id)) and group.state.status is not Status.DELETING:  # type: ignore[arg-type]
            if owned.invalid:
                await self.users.relaunch(which, "same")
            elif group.state.paused:
                await self.users.resume(which)
            else:
                return

    def stay_quiet(self) -> None:
        """Nothing is changed, and not much is asked."""
        simulation, changes = self.simulation, len(self.oracles.changes)
        before = simulation.effects
        interval = simulation.config.selfheal.interval
        self.run_until(simulation.time.now + self.rests * interval)
        more = self.oracles.changes[changes:]
        require(not more, f"where nothing is to be done, nothing is done: {more}")
        groups = simulation.stored_groups().values()
        looks = sum(2 * (3 + 2 * len(group.launch.targets)) + 6 for group in groups)
        most = 4 * looks + 40
        require(simulation.effects - before <= most, f"{simulation.effects - before} effects, {most} at most")
        problem = self.oracles.unsettled()
        require(not problem, f"what is as it should be stays so; {problem}")

    def look_for_bugs(self, event: Mapping[str, Any]) -> None:
        failure = event.get("log_failure")
        if failure is not None and not failure.check(*EXPECTED):
            self.bugs.append(f"{formatEvent(event)}: {failure.getTraceback()}")

    def result(self, failure: str) -> Result:
        simulation = self.simulation
        return Result(
            self.plan,
            failure,
            simulation.trace.digest.hexdigest(),
            self.group_seconds / YEAR,
            {**simulation.network.met, **simulation.disk.met},
            self.users.answers,
            len(self.oracles.changes),
            simulation.effects,
            tuple(simulation.trace.lines),
        )
