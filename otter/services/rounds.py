"""What a service does again and again."""

from collections.abc import Callable, Coroutine

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredList, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure


@define(eq=False)
class Rounds:
    """
    Begins at once, and never again before the last round is over.

    :ivar go: one round. :ivar failed: is told of an error that ended one; there is another round nevertheless.
    :ivar interval: seconds between two beginnings.
    :ivar grace: seconds that a round gets to finish when there are to be no more.
    """

    go: Callable[[], Coroutine]
    failed: Callable[[Failure], None]
    clock: IReactorTime
    interval: float
    grace: float
    _calls: LoopingCall = field(init=False)
    _busy: Deferred | None = field(init=False, default=None)

    def start(self) -> None:
        self._calls = LoopingCall(self._round)
        self._calls.clock = self.clock
        self._calls.start(self.interval)

    def stop(self) -> Deferred:
        """Fires when nothing goes on any more."""
        self._calls.stop()
        busy = [] if self._busy is None else [self._busy.addTimeout(self.grace, self.clock)]
        return DeferredList(busy, consumeErrors=True)

    def _round(self) -> Deferred:
        self._busy = ensureDeferred(self.go())
        self._busy.addErrback(self.failed)
        return self._busy
