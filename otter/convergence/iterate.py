"""One pass: look, think, act, write down."""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random, SystemRandom
from uuid import uuid4

from attrs import evolve, field, frozen
from effect import ComposedDispatcher
from twisted.internet.defer import CancelledError, Deferred, TimeoutError, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from otter.cloud import nova
from otter.cloud.errors import CloudError, Hopeless, Unreachable
from otter.cloud.perform import perform
from otter.cloud.performer import Cloud
from otter.cloud.request import monotonic
from otter.convergence.events import of_status, of_steps
from otter.convergence.execute import Outcome, Verdict, dispatcher, execute, judge, judge_blindness
from otter.convergence.fence import Fence, FenceLost, FenceNow, as_it_is
from otter.convergence.gather import gather
from otter.convergence.pace import Pace
from otter.convergence.record import before, entry_of, noted, overtaken, roster_after, state_after
from otter.convergence.scope import Always, IScope, Work
from otter.domain.errors import OtterError
from otter.domain.group import Group, GroupId, GroupState, Status
from otter.domain.history import Entry
from otter.domain.roster import Create
from otter.planning.servers import Fleet, sort_servers
from otter.planning.steps import CreateServer, Step
from otter.planning.world import Observed, Ticket, Timeouts, desired_of
from otter.store.interface import Change, IStore

log = Logger()


@frozen
class Rules:
    """
    Times are seconds.

    :ivar timeouts: what the planner waits for.
    :ivar creates_per_pass: bounds what one mistake can cost.
    :ivar send_window: how long after it was written down a create may still be sent.
    :ivar resolve_timeout: how long a create is believed in whose fate is unknown.
    :ivar patience: how long a trouble must last before the owner is told.
    :ivar pass_timeout: a pass that takes longer is broken off.
    """

    timeouts: Timeouts = field(factory=Timeouts)
    creates_per_pass: int = 100
    send_window: float = 30.0
    resolve_timeout: float = 300.0
    patience: float = 15.0
    pass_timeout: float = 180.0


@frozen
class Seen:
    """
    What a pass saw (None if it could not even look), did and came to.

    :ivar entry: what its group's history says of it so far; without a number, nothing.
    """

    observed: Observed | None
    work: Work
    outcome: Outcome
    entry: Entry


@frozen
class Pass:
    """
    :ivar epoch: which start of which process this is; see Note [Creates in flight].
    :ivar scope: what it takes care of; that is the engine's choice.
    :ivar fence: which one it has for a group.
    :ivar tells: whether owners are told what happens, through the outboxes of their groups.
    """

    store: IStore
    cloud: Cloud
    clock: IReactorTime
    epoch: int = 0
    rules: Rules = field(factory=Rules)
    pace: Pace = field(factory=Pace)
    monotonic: Callable[[], float] = monotonic
    random: Random = field(factory=SystemRandom)
    new_id: Callable[[], str] = lambda: str(uuid4())
    scope: IScope = field(factory=Always)
    fence: FenceNow = lambda group_id: 0
    tells: bool = False

    async def __call__(self, group_id: GroupId) -> Group | None:
        """
        Bring the group one step nearer to what it should be; the group afterwards, None if that is the end of it.

        :raises NoSuchScalingGroup, StoreUnavailable, FenceLost:
        """
        fence = Fence(group_id, self.fence(group_id), self.fence)
        fence.require()
        group = await self.store.get_group(group_id, even_deleting=True)
        if group.resting:
            return group
        if group.roster.fence != fence.number:
            group = await self._write(fence, as_it_is)
        began = self.clock.seconds()
        seen = await self._guarded(group, fence)
        self._tell(group_id, seen)
        is_gone = group.state.status is Status.DELETING and seen.outcome.verdict is Verdict.DONE
        if is_gone and not (self.tells and group.outbox.events):
            fence.require()
            await self.store.delete_group(group_id)
            return None
        now, chance, news, ours = self.clock.seconds(), self.random.random(), self._name_of_news(), fence.holds

        def after(current: Group) -> Group:
            roster = current.roster.believed(began + self.rules.resolve_timeout)
            if seen.observed is not None:
                fleet = self._fleet(group, seen.observed)
                forget = self.rules.timeouts.forget
                roster = roster_after(roster, group.roster, seen.observed, fleet, seen.outcome, seen.work.jobs, forget)
            if current.resting or not ours:  # paused meanwhile, or somebody else's: what its owner sees stays as it was
                rested = evolve(current, roster=evolve(roster, active=current.roster.active))
                return noted(rested, current, seen.entry, seen.outcome)
            state = state_after(current.state, group.state.generation, seen.outcome, began, now, self.rules.patience)
            if state.generation == group.state.generation:
                state = self._paced(state, seen, now, chance)
            changed = noted(evolve(current, state=state, roster=roster), current, seen.entry, seen.outcome)
            return changed.telling(of_status(current.state, state), news, now) if self.tells else changed

        return await self._write(fence, after)

    async def _write(self, fence: Fence, change: Change) -> Group:
        return await self.store.change_group(fence.group_id, fence.signed(change), even_deleting=True)

    def _paced(self, state: GroupState, seen: Seen, now: float, chance: float) -> GroupState:
        refusal = self.pace.believed(state.refusal, now)
        if seen.outcome.refusals:
            refusal = self.pace.refusal(refusal, seen.outcome.refusals, now, chance)
        elif seen.outcome.promised or (seen.outcome.verdict is Verdict.DONE and refusal and refusal.until <= now):
            refusal = None
        return self.pace.next_look(evolve(state, refusal=refusal), seen.outcome, now, chance)

    async def _guarded(self, group: Group, fence: Fence) -> Seen:
        """``_look_and_act``, with an end to it in any case, and with every error turned into an outcome."""
        try:
            looking: Deferred = ensureDeferred(self._look_and_act(group, fence))
            return await looking.addTimeout(self.rules.pass_timeout, self.clock)
        except TimeoutError:
            error: CloudError = Unreachable(f"A look at the group took longer than {self.rules.pass_timeout:g} seconds")
        except CloudError as failure:
            error = failure
        except (OtterError, FenceLost, CancelledError):
            raise
        except Exception as failure:
            # A bug. It must stop neither the other groups nor this one for good.
            log.failure("pass-broke", tenant=group.id.tenant, group=group.id.group)
            error = Unreachable(f"otter failed with an internal error ({type(failure).__name__})")
        nothing = Work((), (), group.roster.jobs)
        entry = Entry(self.clock.seconds(), group.state.desired)
        return self._concluded(group, None, nothing, judge_blindness(error, group.state.refusal), entry)

    async def _look_and_act(self, group: Group, fence: Fence) -> Seen:
        now = self.clock.seconds()
        requests = self.cloud.dispatcher(group.id.tenant, group.id.group, lambda: fence.holds)

        if group.launch.stack is not None and group.state.desired:
            raise Hopeless("Groups of stacks are kept, but this version of otter makes no stacks")
        observed = await perform(requests, gather(group.id, now, group.roster))
        work = self.scope.work_on(group, observed, self.tickets(group), self.rules.timeouts)
        entry = entry_of(group, observed, work.steps)
        if not work.steps:
            return self._concluded(group, observed, work, judge([]), entry)

        fence.require()
        send_by = self.monotonic() + self.rules.send_window
        creates, news = self._creates(group, work.steps), self._name_of_news()

        def begin(current: Group) -> Group:
            if (begun := before(current, group, creates, work, observed)) is current:
                return current
            if entry.plan and begun.state.status is not Status.DELETING:
                begun = begun.noting(entry)
            return begun.telling(of_steps(work.steps), news, now) if self.tells else begun

        current = await self._write(fence, begin)
        if overtaken(current, group, work.leaving):
            undone = evolve(work, steps=(), jobs=current.roster.jobs)
            return Seen(observed, undone, Outcome(Verdict.AGAIN, tuple(current.state.reasons)), entry)
        if entry.plan:
            entry = evolve(entry, number=current.passes)

        results = await perform(ComposedDispatcher([dispatcher(group.id, send_by), requests]), execute(work.steps))
        return self._concluded(group, observed, work, judge(results), entry)

    def _concluded(self, group: Group, observed: Observed | None, work: Work, outcome: Outcome, entry: Entry) -> Seen:
        jobs, outcome = self.scope.concluded(group, work, outcome)
        return Seen(observed, evolve(work, jobs=jobs), outcome, entry)

    def tickets(self, group: Group) -> list[Ticket]:
        """
        One for each server that this pass may create: no more than can be sent in time, and only one to see whether what was
        refused is possible again. (docs/convergence.md, "Names".)
        """
        prefix = group.launch.server.get("name")
        sendable = self.cloud.changes_within(group.id.tenant, nova.SERVICE, self.rules.send_window / 2)
        most = min(group.state.desired, self.rules.creates_per_pass, max(1, sendable))
        if group.state.refusal is not None:
            most = min(most, 1)
        suffixes = (f"as{self.random.getrandbits(32):08x}" for _ in range(most))
        return [Ticket(self.new_id(), f"{prefix}-{suffix}" if prefix else suffix) for suffix in suffixes]

    def _name_of_news(self) -> str:
        return self.new_id() if self.tells else ""

    def _creates(self, group: Group, steps: Sequence[Step]) -> dict[str, Create]:
        now = self.clock.seconds()
        send_by, resolve_by = now + self.rules.send_window, now + self.rules.resolve_timeout
        return {
            step.create_id: Create(step.create_id, step.name, group.state.generation, self.epoch, send_by, resolve_by)
            for step in steps
            if isinstance(step, CreateServer)
        }

    def _fleet(self, group: Group, observed: Observed) -> Fleet:
        capacity = desired_of(group, observed.at).capacity
        return sort_servers(observed, capacity, self.rules.timeouts.build)

    def _tell(self, group_id: GroupId, seen: Seen) -> None:
        if seen.outcome.verdict is Verdict.DONE:
            return
        counted = Counter(type(step).__name__ for step in seen.work.steps)
        facts = {"steps": dict(counted), "reasons": seen.outcome.reasons, "troubles": seen.outcome.troubles}
        verdict = seen.outcome.verdict.name
        log.info("pass", tenant=group_id.tenant, group=group_id.group, verdict=verdict, **facts)
