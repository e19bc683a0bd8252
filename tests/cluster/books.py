"""What was asked for, and what came of it: enough to say afterwards what each group's size has to be."""

from collections import Counter
from threading import Lock

from attrs import define, field


@define(eq=False)
class Page:
    """Of one group. :ivar unanswered: executions that may have been counted or not: nobody was told, and nobody asked again."""

    acknowledged: int = 0
    unanswered: int = 0


@define(eq=False)
class Books:
    """
    :ivar wrong: sentences. :ivar statuses: of all answers; 0 is no answer at all.
    :ivar slowest_refusal: seconds until a 503 came, at most, of what was asked ``since``, as :func:`time.monotonic` counts.
    """

    pages: dict[str, Page]
    statuses: Counter[int] = field(factory=Counter)
    repeated: int = 0
    since: float = 0.0
    slowest_refusal: float = 0.0
    wrong: list[str] = field(factory=list)
    _lock: Lock = field(init=False, factory=Lock)

    def answered(self, status: int, retry_after: str | None, what: str, asked: float = 0.0, now: float = 0.0) -> None:
        with self._lock:
            self.statuses[status] += 1
            if status == 503 and asked >= self.since:
                self.slowest_refusal = max(self.slowest_refusal, now - asked)
            if status == 503 and not retry_after:
                self.wrong.append(f"{what} was answered with 503 without Retry-After.")
            elif status not in (0, 202, 503):
                self.wrong.append(f"{what} was answered with {status}, not with 202 or 503.")

    def measure(self, since: float) -> None:
        """How long refusals take of what is asked from then on."""
        with self._lock:
            self.since, self.slowest_refusal = since, 0.0

    def count(self, group: str, acknowledged: bool) -> None:
        with self._lock:
            page = self.pages[group]
            if acknowledged:
                page.acknowledged += 1
            else:
                page.unanswered += 1

    def repeats(self) -> None:
        with self._lock:
            self.repeated += 1

    @property
    def acknowledged(self) -> int:
        return sum(page.acknowledged for page in self.pages.values())

    @property
    def unanswered(self) -> int:
        return sum(page.unanswered for page in self.pages.values())

    def judge(self, group: str, desired: int) -> str | None:
        """A sentence if the group's size is not what it has to be."""
        page = self.pages[group]
        least, most = page.acknowledged, page.acknowledged + page.unanswered
        if least <= desired <= most:
            return None
        bounds = str(least) if least == most else f"from {least} to {most}"
        loss = "executions were lost" if desired < least else "executions were counted twice"
        return f"Group {group} has desiredCapacity {desired}, and it must be {bounds}: {loss}."
