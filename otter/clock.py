"""Two kinds of time: what people agree on, which may be set, and what passes, which may not."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from otter.cloud.request import monotonic


@implementer(IReactorTime)
@frozen
class WallClock:
    """
    Says what time it is (seconds since 1970), and lets time pass as ``reactor`` does.

    Twisted's reactor does both by the wall's clock: set that back by an hour, and every timer waits for an hour longer. So the
    reactor gets another one, see ``steadied``.
    """

    reactor: Any

    def seconds(self) -> float:
        return time.time()

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kwargs: object) -> IDelayedCall:
        return self.reactor.callLater(delay, callable, *args, **kwargs)

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        return self.reactor.getDelayedCalls()


def steadied(reactor: Any) -> WallClock:
    """
    The wall's clock for ``reactor``, whose own agrees with it now, and cannot be set from now on. It must not have any timers
    yet.
    """
    ahead = time.time() - monotonic()
    reactor.seconds = lambda: ahead + monotonic()
    return WallClock(reactor)
