"""How long to wait before the next look."""

from attrs import evolve, frozen

from otter.convergence.execute import Verdict
from otter.domain.group import GroupState


@frozen
class Pace:
    """
    Looks at a group that is not finished become rarer, from ``first`` to ``interval``; at one that was refused what it needs,
    from ``probe`` to ``longest_probe``. Any request starts anew. Seconds.
    """

    first: float = 0.1
    interval: float = 10.0
    probe: float = 60.0
    longest_probe: float = 900.0

    def next_look(self, state: GroupState, verdict: Verdict, now: float, chance: float) -> GroupState:
        """
        ``state`` with the moment of the next look after a pass that ended in ``verdict``.

        :param chance: from 0 to 1; spreads the looks, so that groups that failed together do not come back together.
        """
        jitter = 0.75 + chance / 2
        match verdict:
            case Verdict.DONE:
                return evolve(state, look_at=None, tries=0, refusals=0)
            case Verdict.AGAIN:
                wait = min(self.interval, self.first * 2 ** min(state.tries, 20)) * jitter
                return evolve(state, look_at=now + wait, tries=state.tries + 1, refusals=0)
            case Verdict.FAILED:
                wait = min(self.longest_probe, self.probe * 2 ** min(state.refusals, 20)) * jitter
                return evolve(state, look_at=now + wait, tries=0, refusals=state.refusals + 1)
