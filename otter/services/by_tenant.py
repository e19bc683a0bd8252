"""Two engines in one process."""

from collections.abc import Awaitable, Callable, Collection

from attrs import frozen

from otter.domain.group import Group, GroupId

RunPass = Callable[[GroupId], Awaitable[Group | None]]


@frozen
class ByTenant:
    """Passes of the engine that a group's tenant has: ``special`` for the ``tenants``, ``usual`` for all others."""

    usual: RunPass
    special: RunPass
    tenants: Collection[str]

    async def __call__(self, group_id: GroupId) -> Group | None:
        run_pass = self.special if group_id.tenant in self.tenants else self.usual
        return await run_pass(group_id)
