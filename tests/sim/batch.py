"""Many plans, in several processes, and what came of them together."""

import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice

from attrs import define, evolve, field, frozen
from twisted.logger import globalLogBeginner

from tests.sim.plan import Happening, Plan
from tests.sim.run import Result, Run
from tests.sim.shrink import kind_of, shrink

WAITING = 2
"""Plans for each process that are drawn before they can be run."""
KIND_OF = {
    "change_server": "server",
    "change_node": "node",
    **dict.fromkeys(["configure", "relaunch", "pause", "resume", "converge", "delete", "renew"], "owner"),
}
"""Of ``plan.KINDS``, where that is not what the happening itself is called."""


def kind_of_happening(happening: Happening) -> str:
    return KIND_OF.get(happening.what, happening.what)


@frozen
class Failure:
    """:ivar result: of the smallest plan found. :ivar was: of the plan that was drawn."""

    was: Result
    result: Result


@define
class Tally:
    """What came of many plans."""

    plans: int = 0
    years: float = 0.0
    effects: int = 0
    changes: int = 0
    faults: Counter = field(factory=Counter)
    answers: Counter = field(factory=Counter)
    happenings: Counter = field(factory=Counter)
    failures: list[Failure] = field(factory=list)

    def add(self, result: Result) -> None:
        self.plans += 1
        self.years += result.years
        self.effects += result.effects
        self.changes += result.requests
        self.faults.update(result.faults)
        self.answers.update(result.answers)
        self.happenings.update(map(kind_of_happening, result.plan.happenings))


def be_quiet() -> None:
    """Nobody reads what otter logs here, and keeping it costs time. Ctrl-C is the business of the process that began us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)


def run_plan(plan: Plan) -> Result:
    """An exception of the simulator's own is a failure, too."""
    run = Run(plan)
    try:
        return run.go()
    except Exception:
        return run.result(f"the simulator itself failed; {traceback.format_exc()}")


def run_for_tally(plan: Plan) -> Result:
    """The trace of a plan that went well is not worth its way between processes."""
    result = run_plan(plan)
    return result if result.failure else evolve(result, trace=())


def shrink_failure(result: Result, most: int) -> Failure:
    if most <= 0 or result.failure.startswith("the simulator itself"):
        return Failure(result, result)
    return Failure(result, shrink(result.plan, result.failure, most=most))


@define
class Batch:
    """
    :ivar processes: how many. :ivar shrinks: runs that cutting a failing plan shorter may take.
    :ivar tell: called again and again with what is known so far. :ivar pause: seconds between two such calls.
    """

    processes: int
    shrinks: int
    tell: Callable[[Tally], None]
    pause: float = 5.0
    tally: Tally = field(factory=Tally)

    def go(self, plans: Iterable[Plan]) -> Tally:
        """Only the first failure of a kind is cut shorter."""
        left = iter(plans)
        with ProcessPoolExecutor(self.processes, initializer=be_quiet) as pool:
            try:
                self._go(pool, left)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        return self.tally

    def _go(self, pool: ProcessPoolExecutor, left: Iterator[Plan]) -> None:
        kinds: set[str] = set()
        first = islice(left, WAITING * self.processes)
        open_ones: set[Future] = {pool.submit(run_for_tally, plan) for plan in first}
        while open_ones:
            done, open_ones = wait(open_ones, self.pause, FIRST_COMPLETED)
            for future in done:
                came = future.result()
                if isinstance(came, Failure):
                    self.tally.failures.append(came)
                    continue
                self.tally.add(came)
                open_ones |= {pool.submit(run_for_tally, plan) for plan in islice(left, 1)}
                if came.failure:
                    most = 0 if kind_of(came.failure) in kinds else self.shrinks
                    kinds.add(kind_of(came.failure))
                    open_ones.add(pool.submit(shrink_failure, came, most))
            self.tell(self.tally)


def chosen(plan: Plan, only: Sequence[str], without: Sequence[str]) -> Plan:
    """``plan`` with nothing but some kinds of happenings; all of them if ``only`` is empty."""
    kinds = [(each, kind_of_happening(each)) for each in plan.happenings]
    return plan.without([each for each, kind in kinds if (only and kind not in only) or kind in without])
