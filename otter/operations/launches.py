"""Launch configurations, compared with what the cloud has. (docs/api.md, "Launch configuration".)"""

from attrs import frozen
from effect import Effect
from twisted.internet.defer import Deferred, TimeoutError, ensureDeferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from otter.cloud import nova
from otter.cloud.errors import CloudError, Nonsense
from otter.cloud.perform import perform
from otter.cloud.performer import Cloud, worth_repeating
from otter.domain.errors import InvalidLaunchConfiguration, UpstreamUnavailable
from otter.domain.group import GroupId
from otter.domain.launch import FileLimits, Launch, encoding_problem, quoted, size_problem

LONGEST_CHECK = 20.0
"""Seconds. Somebody is waiting for the answer."""
PAUSES = (0.5, 1.0)
"""Seconds before a question is asked again that the performer does not repeat."""
Verdict = str | UpstreamUnavailable | None
"""Of a field: what is wrong with it, or that nobody can tell; None if all is well."""


@frozen
class Launches:
    """What is looked at before a launch configuration is stored."""

    cloud: Cloud
    clock: IReactorTime

    async def check(self, group_id: GroupId, launch: Launch) -> None:
        """
        Return if servers can be made like this, as far as image, flavor and files go.

        A mistake that is certain is told even if something else could not be found out.

        :raises InvalidLaunchConfiguration:
        :raises UpstreamUnavailable: the cloud did not say, however often it was asked.
        """
        checks = (self._image, self._flavor, self._personality)
        # Awaited only after all of them have begun.
        verdicts = await gatherResults([ensureDeferred(check(group_id, launch)) for check in checks])
        problems = [verdict for verdict in verdicts if isinstance(verdict, str)]
        if problems:
            raise InvalidLaunchConfiguration(problems)
        for verdict in verdicts:
            if isinstance(verdict, UpstreamUnavailable):
                raise verdict

    async def _image(self, group_id: GroupId, launch: Launch) -> Verdict:
        image_id = launch.server.get("imageRef")
        if not image_id:
            return None
        status = await self._answer(group_id, nova.show_image(image_id))
        if isinstance(status, UpstreamUnavailable):
            return status
        if status is None:
            return f"Invalid imageRef {quoted(image_id)} in launchConfiguration"
        return None if status == "ACTIVE" else f"Inactive imageRef {quoted(image_id)} in launchConfiguration"

    async def _flavor(self, group_id: GroupId, launch: Launch) -> Verdict:
        flavor_id = launch.server.get("flavorRef")
        if not flavor_id:
            return None
        flavor = await self._answer(group_id, nova.show_flavor(flavor_id))
        if isinstance(flavor, UpstreamUnavailable):
            return flavor
        return f"Invalid flavorRef {quoted(flavor_id)} in launchConfiguration" if flavor is None else None

    async def _personality(self, group_id: GroupId, launch: Launch) -> Verdict:
        """Nobody is refused because the limits cannot be had: Nova itself keeps to them."""
        personality = launch.server.get("personality")
        if not personality:
            return None
        if problem := encoding_problem(personality):
            return problem
        limits = await self._answer(group_id, nova.show_limits())
        return size_problem(personality, limits) if isinstance(limits, FileLimits) else None

    async def _answer(self, group_id: GroupId, question: Effect) -> object:
        """The result of ``question``; ``UpstreamUnavailable`` if there is none in time."""
        asking: Deferred = ensureDeferred(self._ask(group_id, question))
        try:
            return await asking.addTimeout(LONGEST_CHECK, self.clock)
        except TimeoutError:
            return UpstreamUnavailable(f"Nova did not answer within {LONGEST_CHECK:g} seconds")
        except CloudError as error:
            return UpstreamUnavailable(error.user_message)

    async def _ask(self, group_id: GroupId, question: Effect) -> object:
        """What the performer itself has not repeated is asked again: no doubt is passed on after one try."""
        requests = self.cloud.dispatcher(group_id.tenant, group_id.group)
        for pause in PAUSES:
            try:
                return await perform(requests, question)
            except CloudError as error:
                if worth_repeating(error) and not isinstance(error, Nonsense):
                    raise
                await deferLater(self.clock, pause)
        return await perform(requests, question)
