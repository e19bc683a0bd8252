"""What a simulated service is asked, and what it answers."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from attrs import field, frozen


@frozen
class Ask:
    """
    A request as a service gets it.

    :ivar path: below the tenant's endpoint, unquoted, without a slash at either end.
    """

    tenant: str
    method: str
    path: str
    params: Mapping[str, Sequence[str]] = field(factory=dict)
    json: Any = None

    @property
    def parts(self) -> list[str]:
        return self.path.split("/")


@frozen
class Answer:
    """:ivar document: its body, a JSON document; None for none. Nobody may change it: the service's own things are copied."""

    status: int
    document: Any = None
    headers: Mapping[str, str] = field(factory=dict)


@frozen
class Nature:
    """
    What a service depends on.

    :ivar now: simulated seconds since 1970. :ivar later: calls a function after so many seconds.
    :ivar random: all of the service's chance; the same seed and the same requests give the same answers.
    """

    now: Callable[[], float]
    later: Callable[[float, Callable[[], None]], Any]
    random: Random
