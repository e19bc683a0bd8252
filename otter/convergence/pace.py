"""How long to wait before the next look, and before the next attempt at what was refused."""

from attrs import evolve, frozen
from pyrsistent import pvector

from otter.convergence.execute import Outcome, Verdict
from otter.domain.group import GroupState, Refusal

LONGEST_JITTER = 1.25


@frozen
class Pace:
    """
    Seconds. Looks at a group that is not finished become rarer, from ``first`` to ``interval``. One that can do nothing is looked
    at all the same, every ``heal``: servers may vanish meanwhile. After a definite refusal no server is asked for until
    ``probe`` is over, and longer after each further one, up to ``longest_probe``. Any request starts anew.
    """

    first: float = 0.1
    interval: float = 10.0
    heal: float = 30.0
    probe: float = 60.0
    longest_probe: float = 900.0

    def next_look(self, state: GroupState, outcome: Outcome, now: float, chance: float) -> GroupState:
        """
        ``state`` with the moment of the next look after a pass that came to ``outcome``.

        :param chance: from 0 to 1; spreads the looks, so that groups that failed together do not come back together.
        """
        jitter = 0.75 + chance / 2
        match outcome.verdict:
            case Verdict.DONE | Verdict.OVER:
                return evolve(state, look_at=None, tries=0)
            case Verdict.MORE:
                return evolve(state, look_at=now, tries=0)
            case Verdict.AGAIN:
                wait = min(self.interval, self.first * 2 ** min(state.tries, 20)) * jitter
                return evolve(state, look_at=now + wait, tries=state.tries + 1)
            case Verdict.BLOCKED:
                look_at = now + self.heal * jitter
                if state.refusal is not None:
                    look_at = max(now + self.first, min(look_at, state.refusal.until))
                return evolve(state, look_at=look_at, tries=0)

    def believed(self, refusal: Refusal | None, now: float) -> Refusal | None:
        """``refusal``, for no longer than it can have been meant, in case that was by a clock that was ahead."""
        latest = now + self.longest_probe * LONGEST_JITTER
        return None if refusal is None else evolve(refusal, until=min(refusal.until, latest))

    def refusal(self, earlier: Refusal | None, reasons: tuple[str, ...], now: float, chance: float) -> Refusal:
        """What follows from Nova's definite no. The wait is never shorter than ``probe``: clients have to see the error."""
        times = earlier.times if earlier is not None else 0
        wait = min(self.longest_probe, self.probe * 2 ** min(times, 20))
        return Refusal(pvector(reasons), now + wait * (1 + chance * (LONGEST_JITTER - 1)), times + 1)
