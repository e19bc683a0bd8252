"""What can go wrong out there, and what each error knows about itself."""

import json
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NoReturn

from attrs import frozen

PASSING = {401, 404, 407, 408, 409, 410, 413, 422, 423, 425, 429}
"""Refusals that may be another matter in a moment: of a token, of a rate, of something that is busy, or not there yet."""
LONGEST_QUOTE = 300
"""Characters of a service's own words that are passed on to owners and logs."""


class CloudError(Exception):
    """
    :cvar terminal: trying again is pointless until somebody changes something. Unmarked errors are tried again.
    :cvar sent: the service may have got the request, and may have obeyed. False only where that is impossible.
    :ivar retry_after: seconds the service wants us to wait; 0 if it did not say.
    :ivar user_message: a sentence for the group's owner. For an error that is not terminal they get it if it lasts.
    """

    terminal = False
    sent = True
    retry_after: float = 0.0

    @property
    def user_message(self) -> str:
        return str(self)


class Unreachable(CloudError):
    """No usable answer: cut off, too slow, too long, not JSON. Whether the request was obeyed is unknown."""


class Nonsense(Unreachable):
    """An answer came that is JSON, but not what was asked for."""


class NotSent(CloudError):
    """The request never left: no connection, no token, or no time left to send it in."""

    sent = False


class Hopeless(CloudError):
    """Base of the terminal errors; made with the sentence for the owner."""

    terminal = True


class NoSuchEndpoint(Hopeless):
    """The tenant's catalog does not have the service."""

    sent = False

    def __init__(self, service: str):
        super().__init__(
            f"Could not locate service {service} in the service catalog. Please check if your account is still active."
        )


@frozen
class ApiError(CloudError):
    """
    An answer with a status that was not asked for.

    :ivar failed: what did not come about ("Nova could not delete a server").
    """

    status: int
    body: str
    retry_after: float = 0.0
    failed: str = "The request failed"

    @property
    def terminal(self) -> bool:  # type: ignore[override]
        """Whether it is a definite refusal. What answers in HTML is not the service, and decides nothing."""
        return 400 <= self.status < 500 and self.status not in PASSING and not self.is_page

    @property
    def message(self) -> str:
        """What the service said; the whole body if it is not of the usual form ``{..., "message": ...}``."""
        try:
            document = json.loads(self.body)
            inner = document if "message" in document else next(iter(document.values()))
            return str(inner["message"])
        except (ValueError, TypeError, KeyError, AttributeError, StopIteration):
            return self.body

    @property
    def is_page(self) -> bool:
        """Whether it is meant for people to look at."""
        return self.body.lstrip().startswith("<")

    @property
    def is_document(self) -> bool:
        """Whether the service itself said it; something in between answers in HTML."""
        return self.body.lstrip().startswith("{")

    def __str__(self) -> str:
        words = f": {self.message[:LONGEST_QUOTE]}" if self.message else ""
        return f"{self.failed}; the answer was {self.status}{words}"


Rule = tuple[set[int], str, Callable[[str], CloudError]]
"""(statuses, beginning of the message as a regular expression, error made from the message)."""


def classified(rules: Sequence[Rule]) -> Callable[[Exception], NoReturn]:
    """An error callback that raises what the first fitting rule says, or else the error itself."""

    def classify(error: Exception) -> NoReturn:
        if isinstance(error, ApiError):
            for statuses, pattern, kind in rules:
                if error.status in statuses and re.match(pattern, error.message, re.IGNORECASE):
                    raise kind(error.message[:LONGEST_QUOTE]) from error
        raise error

    return classify


def understood(service: str, read: Callable[[Any], Any], about: str = "") -> Callable[[Any], Any]:
    """
    ``read``, for an answer that may be anything: what it cannot make sense of raises ``Nonsense``.

    :param about: the id of what was asked about, if there are several.
    """

    @wraps(read)
    def try_to_read(answer: Any) -> Any:
        try:
            return read(answer)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            # Not quoted: there may be a password in it.
            what = f"an answer about {about}" if about else "an answer"
            raise Nonsense(f"{service} sent {what} that makes no sense") from error

    return try_to_read
