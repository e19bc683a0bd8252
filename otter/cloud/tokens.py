"""
Whose the tokens are that callers come with: Identity is asked, and its word remembered for a while.

A token is as good as a password: it is in no text and no log, and what is remembered is found by its digest.
(docs/clouds.md, "Identity".)
"""

import random
import re
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from attrs import define, field, frozen
from pyrsistent import pset
from twisted.internet.defer import Deferred, TimeoutError, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from otter.cloud.errors import ApiError, CloudError, NotSent, understood
from otter.cloud.identity import YES, OwnToken, reason
from otter.cloud.nova import text
from otter.cloud.performer import LONGEST_PAUSE, PAUSES, worth_repeating
from otter.cloud.sharing import Shared
from otter.domain.access import Caller

log = Logger()
TOKEN = re.compile(r"(?!\.+$)[A-Za-z0-9._~+=:-]{1,8192}")
"""All that can be a token. It becomes a part of a URL, and must not be able to lead anywhere else."""
MOST = 5000
"""Tokens that are remembered; as many that nobody has."""
UNKNOWN_FOR = 5.0
"""Seconds for which a token stays unknown, or less if the others are remembered for less."""
LONGEST_CHECK = 20.0
"""Seconds. Somebody is waiting for the answer."""
NOT_OURS = 5.0
"""Seconds after our own token was renewed in vain, in which a 401 is not about ours."""


@frozen
class Verdict:
    """
    :ivar caller: None if nobody has such a token.
    :ivar since: when Identity said so. Before that, if the clock was put back, and from ``until`` on, it counts no more.
    """

    caller: Caller | None
    since: float
    until: float


@frozen
class Memory:
    """The last verdicts that somebody asked for, by the digests of their tokens."""

    most: int = MOST
    _verdicts: OrderedDict[bytes, Verdict] = field(init=False, factory=OrderedDict, repr=False)

    def get(self, digest: bytes, now: float) -> Verdict | None:
        verdict = self._verdicts.get(digest)
        if verdict is None:
            return None
        if not verdict.since <= now < verdict.until:
            del self._verdicts[digest]
            return None
        self._verdicts.move_to_end(digest)
        return verdict

    def put(self, digest: bytes, verdict: Verdict) -> None:
        self._verdicts[digest] = verdict
        self._verdicts.move_to_end(digest)
        if len(self._verdicts) > self.most:
            self._verdicts.popitem(last=False)


@define
class Tokens:
    """
    :ivar cache_ttl: seconds for which Identity's word is taken, unless the token ends before.
    """

    own: OwnToken
    clock: IReactorTime
    cache_ttl: float = 60.0
    random: Callable[[], float] = random.random
    _known: Memory = field(init=False, factory=Memory)
    _unknown: Memory = field(init=False, factory=Memory)
    _checks: Shared[Verdict] = field(init=False, factory=Shared)
    _ours_is_good_until: float = field(init=False, default=0.0)

    async def caller(self, token: str) -> Caller | None:
        """
        Whom the token belongs to; None if to nobody, or its time is over. Those who ask at the same time share one request.

        :raises CloudError: Identity does not say, however often it was asked.
        """
        if not TOKEN.fullmatch(token):
            return None
        digest, now = sha256(token.encode()).digest(), self.clock.seconds()
        verdict = self._known.get(digest, now) or self._unknown.get(digest, now)
        return (verdict or await self._checks.run(digest, partial(self._check, digest, token))).caller

    async def _check(self, digest: bytes, token: str) -> Verdict:
        asking: Deferred = ensureDeferred(self._ask_patiently(token))
        try:
            caller, expires = await asking.addTimeout(LONGEST_CHECK, self.clock)
        except TimeoutError:
            raise NotSent(f"it did not answer within {LONGEST_CHECK:g} seconds") from None
        now = self.clock.seconds()
        if caller is None or expires <= now:
            verdict, memory = Verdict(None, now, now + min(UNKNOWN_FOR, self.cache_ttl)), self._unknown
        else:
            verdict, memory = Verdict(caller, now, min(expires, now + self.cache_ttl)), self._known
        memory.put(digest, verdict)
        return verdict

    async def _ask_patiently(self, token: str) -> tuple[Caller | None, float]:
        for pause in PAUSES:
            try:
                return await self._ask(token)
            except CloudError as error:
                if not worth_repeating(error) or error.retry_after > LONGEST_PAUSE:
                    raise
                log.info("token-check-repeated", error=reason(error))
                await deferLater(self.clock, max(error.retry_after, pause * (0.5 + self.random())))
        return await self._ask(token)

    async def _ask(self, token: str) -> tuple[Caller | None, float]:
        """
        Whose the token is, and when it ends (seconds since 1970).

        A 401 may be about it or about ours, so ours is renewed to tell. Not for each of many tokens that nobody has, though.
        """
        request = partial(self._validate, token)
        try:
            if self.clock.seconds() < self._ours_is_good_until:
                return await request(await self.own.get())
            return await self.own.use(request)
        except ApiError as error:
            if error.status not in (401, 404) or error.is_page:
                raise
            if error.status == 401 and self.clock.seconds() >= self._ours_is_good_until:
                self._ours_is_good_until = self.clock.seconds() + NOT_OURS
        return None, 0.0

    async def _validate(self, token: str, own: str) -> tuple[Caller, float]:
        url = f"{self.own.account.admin_url}/tokens/{quote(token, '')}"
        answer = await self.own.http.exchange("GET", url, YES, {"x-auth-token": own})
        return understood("Identity", caller_in)(answer)


def caller_in(answer: Any) -> tuple[Caller, float]:
    """What Identity says of a token: whose it is, and when it ends. Without a tenant, it is for none in particular."""
    token, user = answer["access"]["token"], answer["access"]["user"]
    tenant = token.get("tenant")
    roles = pset(text(role["name"]) for role in user["roles"])
    expires = datetime.fromisoformat(token["expires"])
    end = expires if expires.tzinfo else expires.replace(tzinfo=UTC)
    return Caller(None if tenant is None else text(tenant["id"]), roles), end.timestamp()
