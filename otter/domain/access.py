"""Who asks, and what they may do. (docs/api.md, "Authentication".)"""

from enum import IntEnum

from attrs import frozen
from pyrsistent.typing import PSet


class Rights(IntEnum):
    """What somebody may do with a tenant's groups; each includes those before it."""

    NONE = 0
    OBSERVE = 1
    EVERYTHING = 2


@frozen
class Caller:
    """
    Whom a token belongs to.

    :ivar tenant: None if the token is for no tenant in particular.
    :ivar roles: their names.
    """

    tenant: str | None
    roles: PSet[str]


@frozen
class Roles:
    """
    What the names of roles stand for; those that are in neither list count for nothing.

    :ivar admin: for everything.
    :ivar observer: for looking at everything that cannot be used to change anything.
    """

    admin: tuple[str, ...]
    observer: tuple[str, ...]

    def rights_of(self, caller: Caller) -> Rights:
        """The most powerful of the roles decides."""
        if caller.roles.intersection(self.admin):
            return Rights.EVERYTHING
        return Rights.OBSERVE if caller.roles.intersection(self.observer) else Rights.NONE

    def sufficient(self, needed: Rights) -> tuple[str, ...]:
        """The names of all roles with at least these rights."""
        return self.admin if needed is Rights.EVERYTHING else (*self.admin, *self.observer)
