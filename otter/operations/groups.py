"""Asking for groups, and about them."""

from collections.abc import Callable, Mapping, Sequence

from attrs import evolve, frozen
from twisted.internet.interfaces import IReactorTime

from otter.domain.capacity import clamp, refuse_resting, refuse_suspended
from otter.domain.errors import GroupNotEmpty, PoliciesOverLimit
from otter.domain.group import Group, GroupConfig, GroupId, GroupState, Status, Summary, config_of
from otter.domain.history import LONGEST, Entry
from otter.domain.launch import Launch, launch_of, require_room, require_service_net
from otter.domain.limits import Limits, Page
from otter.domain.policy import Policy, new_policy
from otter.domain.tags import ANYTHING, Expected
from otter.operations.engine import IEngine
from otter.operations.launches import Launches
from otter.store.interface import Change, IStore


@frozen
class Groups:
    store: IStore
    engine: IEngine
    clock: IReactorTime
    limits: Limits
    new_id: Callable[[], str]
    launches: Launches

    async def create(
        self, tenant: str, config: Mapping, launch: Mapping, policies: Sequence[Mapping]
    ) -> tuple[Group, list[Policy]]:
        """
        A new group of its least size.

        :raises InvalidMinEntities, Invalid, InvalidLaunchConfiguration, GroupsOverLimit, PoliciesOverLimit:
        :raises UpstreamUnavailable: the cloud does not say what it has.
        """
        bounds, group_id = config_of(config), GroupId(tenant, self.new_id())
        now = self.clock.seconds()
        stored = [new_policy(self.new_id(), document, now) for document in policies]
        how = await self._sound_launch(group_id, launch)
        if len(policies) > self.limits.policies_per_group:
            raise PoliciesOverLimit(0, len(policies), self.limits.policies_per_group)
        state = GroupState(desired=clamp(bounds, 0))
        group = Group(group_id, bounds, how, state)
        await self.store.create_group(group, stored, self.limits.groups)
        await self.engine.capacity_changed(group.id)
        return group, stored

    async def get(self, group_id: GroupId) -> Group:
        """:raises NoSuchScalingGroup:"""
        return await self.store.get_group(group_id)

    async def page(self, tenant: str, page: Page) -> Sequence[Summary]:
        return await self.store.list_groups(tenant, page)

    async def history(self, group_id: GroupId, most: int, before: int | None) -> Sequence[Entry]:
        """
        What the last passes did, the newest first.

        :param before: of the entries with smaller numbers; None for of all.
        :raises NoSuchScalingGroup:
        """
        return await self.store.list_passes(group_id, most, before, self.clock.seconds() - LONGEST)

    async def replace_config(self, group_id: GroupId, document: Mapping, expected: Expected = ANYTHING) -> GroupConfig:
        """
        New bounds. They are enforced at once, whatever the cooldowns; of a paused group, when it is resumed.

        :raises InvalidMinEntities, NoSuchScalingGroup, TenantSuspended, PreconditionFailed:
        """
        config = config_of(document)

        def change(group: Group) -> Group:
            refuse_suspended(group, "configure")
            expected.require(group.config.document)
            return bounded(evolve(group, config=config), config)

        await self._ask(group_id, change)
        return config

    async def replace_launch(self, group_id: GroupId, document: Mapping, expected: Expected = ANYTHING) -> Launch:
        """
        What servers are made from, from now on; those that exist stay.

        :raises Invalid, InvalidLaunchConfiguration, NoSuchScalingGroup, PreconditionFailed:
        :raises UpstreamUnavailable: the cloud does not say what it has.
        """
        launch = await self._sound_launch(group_id, document)

        def change(group: Group) -> Group:
            expected.require(group.launch.document)
            return evolve(group, launch=launch).asked()

        await self._ask(group_id, change)
        return launch

    async def converge(self, group_id: GroupId) -> None:
        """Have the group looked at, and healed if need be. :raises NoSuchScalingGroup, GroupResting:"""
        await self._ask(group_id, unless_resting)

    async def pause(self, group_id: GroupId) -> None:
        """Leave the group's servers alone until it is resumed. :raises NoSuchScalingGroup:"""
        await self.store.change_group(group_id, lambda group: evolve(group, state=evolve(group.state, paused=True)))

    async def resume(self, group_id: GroupId) -> None:
        """:raises NoSuchScalingGroup:"""
        await self._ask(group_id, lambda group: group.asked(paused=False))

    async def delete(self, group_id: GroupId, force: bool) -> None:
        """
        From now on the group does not exist; its servers are removed in the background, and then its record.

        :param force: even if it is meant to have servers.
        :raises NoSuchScalingGroup, GroupNotEmpty:
        """
        await self._ask(group_id, lambda group: leaving(group, force))

    async def _sound_launch(self, group_id: GroupId, document: Mapping) -> Launch:
        launch = launch_of(document)
        require_service_net(launch)
        require_room(launch)
        await self.launches.check(group_id, launch)
        return launch

    async def _ask(self, group_id: GroupId, change: Change) -> None:
        await self.store.change_group(group_id, change)
        await self.engine.capacity_changed(group_id)


def bounded(group: Group, config: GroupConfig) -> Group:
    return group.asked(desired=clamp(config, group.state.desired))


def unless_resting(group: Group) -> Group:
    refuse_resting(group, "converge")
    return group.asked()


def leaving(group: Group, force: bool) -> Group:
    if group.state.desired and not force:
        raise GroupNotEmpty(group.id, group.state.desired)
    return group.asked(desired=0, status=Status.DELETING)
