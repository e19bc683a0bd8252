"""Cutting a plan that fails down to what it takes to fail in the same way."""

import re
from collections.abc import Callable, Sequence

from attrs import evolve

from tests.sim.plan import Happening, Plan
from tests.sim.run import Result, Run

Tell = Callable[[str], None]


def shrink(plan: Plan, failure: str, tell: Tell = lambda line: None, most: int = 300) -> Result:
    """The smallest plan found that breaks the same promise. :param most: runs."""
    budget = [most]
    best = Run(plan).go()

    def attempt(happenings: Sequence[Happening]) -> bool:
        nonlocal best
        budget[0] -= 1
        result = Run(evolve(best.plan, happenings=tuple(happenings))).go()
        if kind_of(result.failure) != kind_of(failure):
            return False
        best = result
        tell(f"{len(happenings)} happenings, and still: {result.failure[:100]}")
        return True

    size = max(1, len(plan.happenings) // 2)
    while size and budget[0] > 0:
        progress, start = False, 0
        while start < len(best.plan.happenings) and budget[0] > 0:
            left = best.plan.happenings
            if attempt((*left[:start], *left[start + size :])):
                progress = True
            else:
                start += size
        size = size if progress and size > 1 else size // 2
    return best


def kind_of(failure: str) -> str:
    """The promise that was broken, without ids and numbers."""
    first, _, _ = failure.partition(";")
    return re.sub(r"[0-9a-f-]{8,}|[0-9.]+", "_", first)[:80]
