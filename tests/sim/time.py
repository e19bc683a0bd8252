"""Simulated time: one line of events for the whole world, and a clock for each process, which may be wrong, stopped or dead."""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

BEGINNING = 2_000_000_000.0
"""Seconds since 1970 at which all simulations begin."""


@define(eq=False, slots=True)
class Event:
    """Something that is going to happen, unless somebody drops it."""

    at: float
    happen: Callable[[], Any] | None

    def drop(self) -> None:
        self.happen = None


@define(eq=False, repr=False)
class Time:
    """:ivar now: seconds since 1970."""

    now: float = BEGINNING
    _line: list[tuple[float, int, Event]] = field(init=False, factory=list)
    _numbers: count = field(init=False, factory=count)

    def later(self, seconds: float, happen: Callable[[], Any]) -> Event:
        return self.at(self.now + seconds, happen)

    def at(self, moment: float, happen: Callable[[], Any]) -> Event:
        event = Event(max(moment, self.now), happen)
        heappush(self._line, (event.at, next(self._numbers), event))
        return event

    def run_until(self, moment: float) -> None:
        """Let everything happen that is due until then, in order; what is due at the same moment, in the order it was asked for."""
        line = self._line
        while line and line[0][0] <= moment:
            at, _, event = heappop(line)
            self.now = at
            if event.happen is not None:
                event.happen()
        self.now = max(self.now, moment)


@implementer(IDelayedCall)
@define(eq=False, slots=True)
class Call:
    """A call that a process waits for."""

    clock: "ProcessClock"
    when: float
    function: Callable
    arguments: tuple
    named: dict
    event: Event | None = None

    def getTime(self) -> float:
        return self.when

    def active(self) -> bool:
        return self.event is not None

    def cancel(self) -> None:
        if self.clock.dead:
            return
        assert self.event is not None, "a call is cancelled once, and before it was made"
        self.event.drop()
        self.event = None
        self.clock.forget(self)

    def reset(self, seconds: float) -> None:
        self.when = self.clock.time.now + seconds
        self.clock.move(self)

    def delay(self, seconds: float) -> None:
        self.when += seconds
        self.clock.move(self)

    def make(self) -> None:
        self.event = None
        self.clock.forget(self)
        self.function(*self.arguments, **self.named)


@implementer(IReactorTime)
@define(eq=False)
class ProcessClock:
    """
    What a process takes for the clock on the wall. Its timers go by ``timer``, which nobody can set.

    :ivar ahead: seconds by which it differs from the world's.
    """

    time: Time
    ahead: float = 0.0
    dead: bool = field(init=False, default=False)
    timer: "Timer" = field(init=False)
    _frozen_until: float = field(init=False, default=0.0)
    _calls: dict[Call, None] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self.timer = Timer(self)

    def seconds(self) -> float:
        return self.time.now + self.ahead

    def callLater(self, delay: float, callable: Callable, *args: Any, **kw: Any) -> Call:
        call = Call(self, self.time.now + delay, callable, args, kw)
        if not self.dead:
            self.move(call)
        return call

    def getDelayedCalls(self) -> list[Call]:
        return list(self._calls)

    def move(self, call: Call) -> None:
        """Have the call made when its time comes; not while the process is frozen."""
        if call.event is not None:
            call.event.drop()
        call.event = self.time.at(max(call.when, self._frozen_until), call.make)
        self._calls[call] = None

    def forget(self, call: Call) -> None:
        self._calls.pop(call, None)

    @property
    def frozen_for(self) -> float:
        """Seconds until the process goes on; 0 if it runs."""
        return max(0.0, self._frozen_until - self.time.now)

    def freeze(self, seconds: float) -> None:
        """The process is stopped, as by SIGSTOP, and goes on after that time without knowing."""
        self._frozen_until = self.time.now + seconds
        for call in list(self._calls):
            self.move(call)

    def die(self) -> None:
        self.dead = True
        for call in self._calls:
            if call.event is not None:
                call.event.drop()
        self._calls.clear()


@implementer(IReactorTime)
@define(eq=False)
class Timer:
    """A process's steady clock, which agrees with the other when the process begins."""

    clock: ProcessClock
    ahead: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.ahead = self.clock.ahead

    def seconds(self) -> float:
        return self.clock.time.now + self.ahead

    def callLater(self, delay: float, callable: Callable, *args: Any, **kw: Any) -> Call:
        return self.clock.callLater(delay, callable, *args, **kw)

    def getDelayedCalls(self) -> list[Call]:
        return self.clock.getDelayedCalls()
