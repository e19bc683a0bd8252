"""The one intent that leaves the process."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from attrs import frozen
from effect import Effect, FirstError, parallel


@frozen
class CloudRequest:
    """
    A call to a service of the tenant for whom it is performed; its result is the answer's JSON (None if it is empty).

    :ivar service: ``nova``, ``clb`` or ``rackconnect``; the configuration says what the tenant's service catalog calls it.
    :ivar what: for the owner, should it fail: what the service could not do ("delete a server"). No server's id is in it:
        one cause is one reason, however many servers suffer.
    :ivar path: below the service's endpoint, quoted.
    :ivar success: statuses that mean yes; any other raises ``ApiError``.
    :ivar send_by: a moment on the monotonic clock (seconds) after which it must not be sent any more; None for never.
    """

    service: str
    what: str
    method: str
    path: str
    json: Any = None
    params: Mapping[str, Any] | None = None
    success: tuple[int, ...] = (200,)
    send_by: float | None = None


CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def monotonic() -> float:
    """The clock of ``send_by`` (seconds): nobody can set it, and it goes on while the machine sleeps."""
    return time.clock_gettime(CLOCK)


def request(*args: Any, **kwargs: Any) -> Effect:
    """An Effect of a ``CloudRequest``."""
    return Effect(CloudRequest(*args, **kwargs))


def together(effects: Iterable[Effect]) -> Effect:
    """Effect of all their results; if one fails, its error comes out as itself."""
    return parallel(effects).on(error=raise_itself)


def raise_itself(error: Exception) -> NoReturn:
    while isinstance(error, FirstError):
        error = error.exception
    raise error
