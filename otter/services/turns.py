"""Whose turn it is, when more groups want a pass than can have one."""

from collections import Counter, OrderedDict

from attrs import define, field

from otter.domain.group import GroupId


@define(eq=False)
class Turns:
    """
    Next is the tenant that has the fewest passes now; of several, the one that has waited longest since it joined the line,
    or since a pass of its own ended. Its groups are first come, first served.

    So tenants take turns, and one that has no pass at all comes before all that have some, however many groups they have.

    :ivar most_at_once: passes.
    :ivar most_per_tenant: of these.
    """

    most_at_once: int = 100
    most_per_tenant: int = 25
    _line: OrderedDict[str, dict[GroupId, None]] = field(init=False, factory=OrderedDict)
    """The groups that wait, by tenant; no tenant without any."""
    _passes: Counter[str] = field(init=False, factory=Counter)

    def __contains__(self, group_id: GroupId) -> bool:
        """Whether the group waits."""
        return group_id in self._line.get(group_id.tenant, ())

    def wait(self, group_id: GroupId) -> None:
        """Join the line; whoever is in it already keeps their place."""
        self._line.setdefault(group_id.tenant, {}).setdefault(group_id)

    def take(self) -> GroupId | None:
        """The group whose turn it is, until its turn is ``over``; None if nobody waits who may have one now."""
        if not self._line or self._passes.total() >= self.most_at_once:
            return None
        tenant = min(self._line, key=self._passes.__getitem__)
        if self._passes[tenant] >= self.most_per_tenant:
            return None
        self._passes[tenant] += 1
        groups = self._line[tenant]
        group_id = next(iter(groups))
        del groups[group_id]
        if not groups:
            del self._line[tenant]
        return group_id

    def over(self, group_id: GroupId) -> None:
        self._passes -= Counter({group_id.tenant: 1})  # which keeps no zeros
        if group_id.tenant in self._line:
            self._line.move_to_end(group_id.tenant)
