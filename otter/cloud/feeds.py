"""Cloud Feeds: telling owners what happens to their groups. (docs/clouds.md, "Cloud Feeds".)"""

import json
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from otter.cloud.errors import ApiError, CloudError
from otter.cloud.http import Http
from otter.cloud.identity import Access, Identity
from otter.domain.events import CannotBeSent, Event
from otter.domain.group import GroupId

PASSING = {401, 403, 404, 407, 408, 425, 429}
"""Refusals that are not about the event: of our account, of the address, of a rate. Any other below 500 is final."""


@frozen
class Feed:
    """
    :ivar url: of the service. :ivar tenant: as whom otter tells; the event says whose the group is.
    :ivar region: that events are from.
    """

    http: Http
    identity: Identity
    url: str
    tenant: str
    region: str

    async def send(self, group_id: GroupId, event: Event) -> None:
        """
        When this returns, the feed has the event. Sending it again does no harm: it has its id.

        :raises CannotBeSent: the feed may have it all the same.
        """
        body = json.dumps(entry_of(group_id, event, self.region)).encode()
        try:
            await self._authenticated(body)
        except ApiError as error:
            is_final = 400 <= error.status < 500 and error.status not in PASSING
            raise CannotBeSent(f"the answer was {error.status}", is_final, error.retry_after) from error
        except CloudError as error:
            raise CannotBeSent(str(error)) from error

    async def _authenticated(self, body: bytes) -> None:
        access = await self.identity.access(self.tenant)
        try:
            return await self._post(access, body)
        except ApiError as error:
            if error.status != 401:
                raise
        self.identity.forget(self.tenant, access)
        await self._post(await self.identity.access(self.tenant), body)

    async def _post(self, access: Access, body: bytes) -> None:
        headers = {"x-auth-token": access.token, "content-type": "application/vnd.rackspace.atom+json"}
        await self.http.answer("POST", f"{self.url}/autoscale/events", (201,), headers, data=body)


def entry_of(group_id: GroupId, event: Event, region: str) -> dict[str, Any]:
    """The event as an entry of an Atom feed."""
    notice = event.notice
    told = {
        "message": notice.message,
        "scalingGroupId": group_id.group,
        "policyId": notice.policy_id,
        "desiredCapacity": event.desired,
        "currentCapacity": event.current,
        "scheduledTime": None if notice.scheduled is None else timestamp(notice.scheduled),
    }
    product = {
        "@type": "http://docs.rackspace.com/event/autoscale",
        "serviceCode": "Autoscale",
        "version": "1",
        **{name: value for name, value in told.items() if value is not None},
    }
    content = {
        "@type": "http://docs.rackspace.com/core/event",
        "id": event.id,
        "version": "2",
        "eventTime": timestamp(event.at),
        "type": "ERROR" if notice.is_error else "INFO",
        "region": region,
        "tenantId": group_id.tenant,
        "product": product,
    }
    entry = {"@type": "http://www.w3.org/2005/Atom", "title": "autoscale", "content": {"event": content}}
    return {"entry": entry}


def timestamp(moment: float) -> str:
    """:param moment: epoch seconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
