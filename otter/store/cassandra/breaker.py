"""Whether it is worth asking a cluster of which nobody answers. Pure."""

from math import inf

from attrs import define

EVERY = 1.0
"""Seconds from some tries to the next."""
TRIES = 8
"""At most; whoever asks otter for one thing has a few things asked of Cassandra at once."""


@define
class Breaker:
    """
    While nothing is answered, a few requests are let through each second. The first answer ends that.

    All times are seconds of one clock.

    :ivar answered: when the last answer came. :ivar lost: since when nothing is answered; None if that is not so.
    """

    answered: float = -inf
    lost: float | None = None
    _tried: float = -inf
    _tries: int = 0

    def lets_through(self, now: float) -> bool:
        if self.lost is None:
            return True
        if now >= self._tried + EVERY:
            self._tried, self._tries = now, 0
        self._tries += 1
        return self._tries <= TRIES

    def is_over_for(self, waiting_since: float) -> bool:
        """Whoever has waited since then, and was not sent, need not be."""
        return self.lost is not None and waiting_since < self.lost

    def succeeded(self, now: float) -> None:
        self.answered, self.lost = now, None

    def failed(self, asked: float, now: float) -> None:
        """What was ``asked`` then failed. If anything was answered since, it is not the cluster that is lost."""
        if self.answered < asked and self.lost is None:
            self.lost, self._tried, self._tries = now, now, TRIES
