"""
Coordination of several simulated processes: the rules of ``otter.coordination.interface``, over a network that takes time.

How ``coordination.zookeeper`` keeps them is another matter: here is as little as it takes to break everything that they allow.
"""

from collections.abc import Awaitable, Callable, Collection
from math import inf
from random import Random
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.python.failure import Failure

from otter.coordination.zookeeper.division import divided
from otter.domain.group import GroupId
from otter.domain.shares import SHARES, share_of
from tests.sim.time import ProcessClock, Time

PING = 1 / 5
"""Of a session's time-out: seconds between two pings."""
LEASE = 3 / 4
"""Of a session's time-out: how long a ping that was answered is good for, from when it was sent."""
RETRY = 1 / 4
"""Of a session's time-out: how long to wait for an answer."""


@define(eq=False)
class Session:
    """:ivar heard: when its process was last heard of (seconds since 1970)."""

    seat: "Seat"
    heard: float


@define(eq=False, repr=False)
class Coordinator:
    """
    What outlives processes: which of them are there, and who claims which share.

    :ivar timeout: seconds after which the session of a process that is not heard of is over.
    :ivar away: it hears nobody, and answers nobody; when it is back, all sessions begin to count anew.
    :ivar cut: the names of processes that cannot reach it. :ivar hints: share -> groups of which its owner was not yet told.
    :ivar forgot: when all data were lost last (seconds since 1970).
    """

    time: Time
    random: Random
    timeout: float
    away: bool = False
    cut: set[str] = field(factory=set)
    forgot: float = -inf
    hints: dict[int, list[GroupId]] = field(factory=dict)
    sessions: dict[str, Session] = field(factory=dict)
    claims: dict[int, Session] = field(factory=dict)

    def pace(self) -> float:
        return self.random.uniform(0.0005, 0.01)

    def hears(self, name: str) -> bool:
        return not self.away and name not in self.cut

    # What processes ask for

    def ping(self, seat: "Seat") -> Session:
        """The session of the process: a new one if it has none any more."""
        session = self.sessions.get(seat.name)
        if session is None:
            session = self.sessions[seat.name] = Session(seat, self.time.now)
            self._tell_all()
        session.heard = self.time.now
        self.time.later(self.timeout, lambda: self._expire(session))
        return session

    def members(self) -> list[str]:
        return list(self.sessions)

    def claim(self, session: Session, wanted: Collection[int]) -> set[int]:
        """Of those that it wants, the session has from now on what nobody else has; what it does not want, it lets go."""
        if not self._lives(session):
            return set()
        free = [share for share in self.claimed_by(session) if share not in wanted]
        for share in free:
            del self.claims[share]
        for share in wanted:
            self.claims.setdefault(share, session)
        if free:
            self._tell_all()
        return self.claimed_by(session)

    def claimed_by(self, session: Session) -> set[int]:
        return {share for share, whose in self.claims.items() if whose is session}

    def leave_hint(self, share: int, group_id: GroupId) -> None:
        waiting = self.hints.setdefault(share, [])
        waiting.append(group_id)
        if len(waiting) == 1 and share in self.claims:
            seat = self.claims[share].seat
            seat.hear(lambda: seat.take_hints([share]))

    def end(self, session: Session | None) -> None:
        if session is not None and self._lives(session):
            del self.sessions[session.seat.name]
            self.claims = {share: whose for share, whose in self.claims.items() if whose is not session}
            self._tell_all()

    # What happens to it

    def come_back(self) -> None:
        self.away = False
        for session in self.sessions.values():
            session.heard = self.time.now
            self.time.later(self.timeout, lambda it=session: self._expire(it))
        self._tell_all()

    def forget(self) -> None:
        """All data are lost. Whoever believed in a share may do so until its lease is over, while somebody else claims it."""
        self.sessions, self.claims, self.forgot = {}, {}, self.time.now

    def _lives(self, session: Session) -> bool:
        return self.sessions.get(session.seat.name) is session

    def _expire(self, session: Session) -> None:
        if not self.away and self.time.now >= session.heard + self.timeout:
            self.end(session)

    def _tell_all(self) -> None:
        for session in self.sessions.values():
            session.seat.hear(session.seat.look)


@define(eq=False, repr=False)
class Seat:
    """
    An ``IShares`` and ``ILeader``: one process's, as long as it lives.

    :ivar name: unlike that of any other process, also of those before it.
    :ivar number: draws a number that is higher than all that were drawn before.
    """

    coordinator: Coordinator
    clock: ProcessClock
    name: str
    number: Callable[[], Awaitable[int]]
    wake: Callable[[GroupId], None] = lambda group_id: None
    _until: float = field(init=False, default=-inf)
    _session: Session | None = field(init=False, default=None)
    _numbers: dict[int, int] = field(init=False, factory=dict)
    _listeners: list[Callable[[Collection[int]], None]] = field(init=False, factory=list)
    _settling: bool = field(init=False, default=False)
    _dirty: bool = field(init=False, default=False)
    _left: bool = field(init=False, default=False)

    def fence(self, share: int) -> int | None:
        return self._numbers.get(share) if self.believes else None

    def held(self) -> Collection[int]:
        return tuple(self._numbers) if self.believes else ()

    def subscribe(self, taken: Callable[[Collection[int]], None]) -> None:
        self._listeners.append(taken)

    @property
    def leads(self) -> bool:
        return self.fence(0) is not None

    @property
    def believes(self) -> bool:
        return not self._left and self.clock.timer.seconds() < self._until

    def start(self) -> None:
        if self._left:
            return
        self.clock.callLater(self.coordinator.timeout * PING, self.start)
        sent = self.clock.timer.seconds()
        self._ask(lambda: self.coordinator.ping(self)).addCallbacks(self._pinged, lambda _: None, [sent])

    def stop(self) -> None:
        """From now on it has none. Others can claim them when the session ends."""
        self._left = True

    def leave(self) -> None:
        """Cleanly: others may have its shares at once."""
        self.stop()
        session = self._session
        self._ask(lambda: self.coordinator.end(session)).addErrback(lambda _: None)

    def look(self) -> None:
        """Something may have changed."""
        self._dirty = True
        if not self._settling and not self._left:
            self._settling = True
            ensureDeferred(self._settle()).addBoth(self._settled)

    def hear(self, call: Callable[[], Any]) -> None:
        """News are on their way to this process."""
        self.coordinator.time.later(self.coordinator.pace(), lambda: self.clock.callLater(0.0, call))

    def mark(self, group_id: GroupId) -> None:
        """Let whoever has the group's share know."""
        share = share_of(group_id.tenant)
        if self.fence(share) is not None:
            self.wake(group_id)
        else:
            self._ask(lambda: self.coordinator.leave_hint(share, group_id)).addErrback(lambda _: None)

    def take_hints(self, shares: Collection[int]) -> None:
        for share in shares if self.believes else ():
            for group_id in self.coordinator.hints.pop(share, ()) if share in self._numbers else ():
                self.wake(group_id)

    def _pinged(self, session: Session, sent: float) -> None:
        if session is not self._session:
            self._session, self._numbers = session, {}
            self.look()
        news = not self.believes
        self._until = sent + self.coordinator.timeout * LEASE
        if news:
            self._tell(self.held())

    def _settled(self, result: Any) -> None:
        self._settling = False
        if isinstance(result, Failure):
            self.clock.callLater(self.coordinator.timeout * RETRY, self.look)
        elif self._dirty:
            self.look()

    async def _settle(self) -> None:
        """What is let go is not believed in any more before anybody hears of it; what is claimed, not before it has a number."""
        session, self._dirty = self._session, False
        if session is None:
            return
        members = await self._ask(self.coordinator.members)
        mine = divided({*members, self.name})[self.name]
        for share in self._numbers.keys() - mine:
            del self._numbers[share]
        claimed = await self._ask(lambda: self.coordinator.claim(session, mine))
        if not claimed - self._numbers.keys():
            return
        number = await self.number()
        claimed = await self._ask(lambda: self.coordinator.claimed_by(session))
        new = claimed - self._numbers.keys()
        if session is self._session:
            self._numbers |= dict.fromkeys(sorted(new), number)
            self._tell(sorted(new))

    def _tell(self, shares: Collection[int]) -> None:
        for taken in self._listeners if shares and self.believes else ():
            taken(shares)
        self.take_hints(shares)

    def _ask(self, request: Callable[[], Any]) -> Deferred:
        """Its answer, or ``NoAnswer``. A process that is stopped at this moment has not sent it yet."""
        answer: Deferred = Deferred()
        coordinator, clock = self.coordinator, self.clock

        def arrive() -> None:
            if coordinator.hears(self.name):
                result = request()
                clock.callLater(coordinator.pace(), lambda: answer.called or answer.callback(result))

        def give_up() -> None:
            if not answer.called:
                answer.errback(NoAnswer())

        if not clock.dead:
            coordinator.time.later(clock.frozen_for + coordinator.pace(), arrive)
            clock.callLater(coordinator.timeout * RETRY, give_up)
        return answer


class NoAnswer(Exception):
    """The coordinator cannot be reached at this moment."""


@define(eq=False)
class Hints:
    """
    ``IMarks`` of which some get lost, or come late, or twice.

    :ivar mood: "", "lost", "late" or "doubled". :ivar seat: where hints about others' groups go; None if there are no others.
    """

    clock: ProcessClock
    mood: Callable[[], str]
    seat: Seat | None = None
    _wakes: list[Callable[[GroupId], None]] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        if self.seat is not None:
            self.seat.wake = self.wake

    async def mark(self, group_id: GroupId) -> None:
        mood = self.mood()
        if mood == "lost":
            return
        if mood == "late":
            self.clock.callLater(7.0, lambda: self._pass_on(group_id))
            return
        for _ in range(2 if mood == "doubled" else 1):
            self._pass_on(group_id)

    def subscribe(self, wake: Callable[[GroupId], None]) -> None:
        self._wakes.append(wake)

    def wake(self, group_id: GroupId) -> None:
        for wake in self._wakes:
            wake(group_id)

    def _pass_on(self, group_id: GroupId) -> None:
        (self.seat.mark if self.seat else self.wake)(group_id)


def is_divided(coordinator: Coordinator) -> bool:
    """Whether each share has an owner that believes in it, and nobody has more than others: all that is to be divided is."""
    seats = [session.seat for session in coordinator.sessions.values()]
    sizes = [len(seat.held()) for seat in seats]
    held = [share for seat in seats for share in seat.held()]
    most = -(-SHARES // len(seats)) if seats else 0
    return sorted(held) == list(range(SHARES)) and max(sizes) <= most
