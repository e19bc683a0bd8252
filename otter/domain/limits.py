"""How many of everything there may be."""

from attrs import frozen


@frozen
class Limits:
    """Quotas, the same for every tenant. (docs/api.md, "Limits".)"""

    groups: int = 1000
    policies_per_group: int = 100
    webhooks_per_policy: int = 25


@frozen
class Counts:
    """How many of everything there are, of all tenants together."""

    groups: int
    policies: int
    webhooks: int


@frozen
class Page:
    """A part of a list ordered by id: at most ``limit`` items, with ids above ``marker``."""

    limit: int
    marker: str = ""
