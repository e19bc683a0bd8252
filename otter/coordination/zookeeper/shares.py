"""Which shares this process has, among others that want theirs. (docs/zookeeper.md.)"""

from collections.abc import Awaitable, Callable, Collection
from math import inf

from attrs import define, field
from kazoo.exceptions import NodeExistsError
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from otter.coordination.zookeeper.client import Session, ZooKeeper, together
from otter.coordination.zookeeper.division import divided
from otter.domain.shares import SHARES

log = Logger()

PING = 1 / 5
"""Of the session's time-out: how long after a ping the next one is sent."""

LEASE = 3 / 4
"""
Of the session's time-out: how long a ping that was answered is good for, from when it was sent.

A server tells the leader of its clients' requests every half tick, which is a quarter of the shortest session that a
server grants by itself. What it had not told when it died does not count for the leader, who ends sessions.
"""

RETRY = 1.0
"""Seconds after something went wrong."""

REVIEW = 60.0
"""Seconds after which nothing is taken for granted that ZooKeeper has said before."""


@define(eq=False)
class Tenure:
    """
    What this process has in one session.

    :ivar until: as long as that (the clock's seconds) nobody else can have it; unless ZooKeeper's data are lost, for
        which there are fences.
    :ivar numbers: share -> fence.
    """

    session: Session
    until: float = -inf
    numbers: dict[int, int] = field(factory=dict)


@define(eq=False)
class ZooKeeperShares:
    """
    Each share that somebody has is an ephemeral node of his session, its claim.

    Note [Claims]: first the claim is made, then a number is got, then we look whether the claim is still ours; only
    then is the share believed to be ours. Whoever makes the next claim gets his number later, and so a higher one. A
    share is let go by no longer believing in it first, and deleting the claim then. A request may arrive in a later
    session than it was meant for, so a claim is deleted only together with the proof that our session, which made it,
    still lives: the node by which we are a member.

    Note [Lease]: the server ends the session of a client that it has not heard of for the time-out. News of it comes
    late, to a process that was frozen it comes after it has gone on. So what we have is believed only for a time that
    our own clock measures, from when a ping was sent that ZooKeeper's leader answered in the same session.

    :ivar name: of this process, unlike that of any other, without dots.
    :ivar number: draws a number that is higher than all that were drawn before.
    :ivar clock: one that nobody can set.
    """

    zookeeper: ZooKeeper
    root: str
    name: str
    number: Callable[[], Awaitable[int]]
    clock: IReactorTime
    _tenure: Tenure | None = field(init=False, default=None)
    _listeners: list[Callable[[Collection[int]], None]] = field(init=False, factory=list)
    _later: dict[Callable[[], None], IDelayedCall] = field(init=False, factory=dict)
    _settling: Deferred | None = field(init=False, default=None)
    _dirty: bool = field(init=False, default=False)
    _in_doubt: bool = field(init=False, default=False)

    def fence(self, share: int) -> int | None:
        tenure = self._believed()
        return tenure.numbers.get(share) if tenure else None

    def held(self) -> Collection[int]:
        tenure = self._believed()
        return tuple(tenure.numbers) if tenure else ()

    @property
    def leads(self) -> bool:
        """Whoever has the first share does."""
        return self.fence(0) is not None

    def subscribe(self, taken: Callable[[Collection[int]], None]) -> None:
        self._listeners.append(taken)

    def tell(self, shares: Collection[int]) -> None:
        """Have all of these shares looked at."""
        for taken in self._listeners if shares else ():
            taken(shares)

    @property
    def trouble(self) -> str | None:
        """Why this process works on nothing; None if it may have shares, even if it has none."""
        return None if self._believed() else "ZooKeeper does not answer"

    def start(self) -> None:
        self.zookeeper.subscribe(self._session_changed)

    def stop(self) -> None:
        """From now on it has none. Others can claim them when the session ends."""
        self._tenure = None
        for call in list(self._later):
            self._forget(call)
        if self._settling is not None:
            self._settling.cancel()

    def look(self) -> None:
        """Something may have changed: compare what is with what should be."""
        self._dirty = True
        if self._settling is None and self._tenure is not None:
            self._settling = ensureDeferred(self._settle(self._tenure))
            # Added afterwards: the coroutine may be finished before ``ensureDeferred`` returns.
            self._settling.addBoth(self._settled)

    def _believed(self) -> Tenure | None:
        tenure = self._tenure
        if tenure is None or self.zookeeper.session != tenure.session or self.clock.seconds() >= tenure.until:
            return None
        return tenure

    def _session_changed(self) -> None:
        """Also if it only went on: a ping has to be answered again, and all watches are gone."""
        session = self.zookeeper.session
        if session is None:
            return
        if self._tenure is None or self._tenure.session != session:
            self._tenure = Tenure(session)
        self._tenure.until = -inf
        self._ping()
        self.look()

    def _after(self, seconds: float, call: Callable[[], None]) -> None:
        """In place of what was planned for the same before."""
        self._forget(call)
        self._later[call] = self.clock.callLater(seconds, call)

    def _forget(self, call: Callable[[], None]) -> None:
        planned = self._later.pop(call, None)
        if planned is not None and planned.active():
            planned.cancel()

    def _ping(self) -> None:
        tenure = self._tenure
        if tenure is not None:
            self._after(PING * tenure.session.timeout, self._ping)
            # A ping without an answer needs no words: what comes of it, the lease says.
            ensureDeferred(self._pinged(tenure, self.clock.seconds())).addErrback(lambda failure: None)

    async def _pinged(self, tenure: Tenure, sent: float) -> None:
        await self.zookeeper.sync(self.root)
        if self._tenure is tenure and self.zookeeper.session == tenure.session:
            before = self._believed()
            tenure.until = max(tenure.until, sent + LEASE * tenure.session.timeout)
            if before is None:
                self.tell(self.held())

    def _review(self) -> None:
        self._in_doubt = True
        self.look()

    def _settled(self, failure: Failure | None) -> None:
        self._settling = None
        if self._tenure is None:
            return
        if failure is not None and self.zookeeper.session is None:
            self._in_doubt = True  # We shall look when there is a session again.
        elif failure is not None:
            log.emit(LogLevel.warn, "shares-not-settled", error=repr(failure.value))
            self._after(RETRY, self._review)
        elif self._dirty:
            self.look()
        else:
            self._after(REVIEW, self._review)

    async def _settle(self, tenure: Tenure) -> None:
        self._dirty, in_doubt, self._in_doubt = False, self._in_doubt, False
        await self._enter(tenure)
        members = await self.zookeeper.children(f"{self.root}/members", self.look)
        mine = divided({member.partition(".")[0] for member in members}).get(self.name, frozenset())
        others = set(range(SHARES) if in_doubt else tenure.numbers) - mine
        await together(self._let_go(tenure, share) for share in others)
        await self._claim(tenure, mine)

    async def _enter(self, tenure: Tenure) -> None:
        await self._make(self._member(tenure))

    async def _let_go(self, tenure: Tenure, share: int) -> None:
        tenure.numbers.pop(share, None)
        if share in await self._ours(tenure, [share]):
            await self.zookeeper.delete_while(self._member(tenure), self._claim_on(share))

    async def _claim(self, tenure: Tenure, mine: Collection[int]) -> None:
        await together(self._make(self._claim_on(share)) for share in mine if share not in tenure.numbers)
        ours = await self._ours(tenure, mine)
        for share in tenure.numbers.keys() - ours:
            del tenure.numbers[share]
        new = ours - tenure.numbers.keys()
        if not new:
            return
        number = await self.number()
        await self.zookeeper.sync(self.root)
        new = await self._ours(tenure, new)
        tenure.numbers |= dict.fromkeys(new, number)
        log.info("shares-taken", new=len(new), all=len(tenure.numbers))
        if self._believed() is tenure:
            self.tell(new)

    async def _ours(self, tenure: Tenure, shares: Collection[int]) -> set[int]:
        """Those whose claim is of this session. We are told when that changes."""
        claims = await together(self.zookeeper.exists(self._claim_on(share), self.look) for share in shares)
        self._dirty = self._dirty or None in claims
        owners = {share: claim.ephemeralOwner for share, claim in zip(shares, claims, strict=True) if claim}
        return {share for share, owner in owners.items() if owner == tenure.session.id}

    async def _make(self, path: str) -> None:
        try:
            await self.zookeeper.create(path, ephemeral=True)
        except NodeExistsError:
            pass  # Whose it is will be seen.

    def _member(self, tenure: Tenure) -> str:
        return f"{self.root}/members/{self.name}.{tenure.session.id:x}"

    def _claim_on(self, share: int) -> str:
        return f"{self.root}/shares/{share}"
