"""Cloud Feeds over a real connection: who asks, and which answers are final."""

import pytest
from attrs import define, field
from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred
from twisted.trial.unittest import TestCase

from otter.cloud.feeds import Feed, entry_of
from otter.cloud.http import Http, make_client
from otter.cloud.identity import Identity
from otter.domain.events import CannotBeSent, Event, Notice
from otter.domain.group import GroupId
from tests.rig.feed import FeedService

GROUP = GroupId("111", "g1")
EVENT = Event("6f0d1b5e-8c1a-4b0e-9d53-0c6a4a4a0000", 5.25, Notice("group-status-active", "all is well"), 3, 2)


@define
class ToyLogin:
    """Gives another token each time."""

    tenants: list[str] = field(factory=list)

    async def __call__(self, tenant):
        self.tenants.append(tenant)
        return f"token {len(self.tenants)}", []


class Strict(FeedService):
    """Takes events from those with the second token alone."""

    def take(self, path, headers, body):
        self.status = 201 if headers.get("X-Auth-Token") == "token 2" else 401
        return super().take(path, headers, body)


class FeedTests(TestCase):
    def setUp(self):
        client, pool = make_client(reactor)
        self.addCleanup(pool.closeCachedConnections)
        self.login, self.http = ToyLogin(), Http(client, reactor, deadline=5.0)

    def feed(self, service):
        self.addCleanup(service.close)
        return Feed(self.http, Identity(self.login, reactor), service.url, "feeds", "ORD")

    async def error_after(self, status):
        service = FeedService()
        service.status = status
        with self.assertRaises(CannotBeSent) as raised:
            await self.feed(service).send(GROUP, EVENT)
        return raised.exception

    async def test_an_event_is_sent_with_the_accounts_own_token_of_its_tenant(self):
        service = FeedService()
        await self.feed(service).send(GROUP, EVENT)
        [(path, headers, entry)] = service.taken
        self.assertEqual((path, headers["X-Auth-Token"]), ("/feeds/autoscale/events", "token 1"))
        self.assertEqual((entry, self.login.tenants), (entry_of(GROUP, EVENT, "ORD"), ["feeds"]))

    async def test_a_token_that_is_not_good_any_more_is_replaced(self):
        service = Strict()
        await self.feed(service).send(GROUP, EVENT)
        self.assertEqual((len(service.taken), self.login.tenants), (1, ["feeds"] * 2))

    async def test_a_refusal_of_the_event_is_final(self):
        for status in (400, 409, 413, 415, 422):
            self.assertTrue((await self.error_after(status)).is_final, status)

    async def test_any_other_refusal_is_not(self):
        for status in (202, 401, 403, 404, 408, 429, 500, 503):
            self.assertFalse((await self.error_after(status)).is_final, status)

    async def test_a_feed_that_is_not_there_is_asked_again(self):
        service = FeedService()
        feed = self.feed(service)
        service.shutdown()
        service.server_close()
        with self.assertRaises(CannotBeSent) as raised:
            await ensureDeferred(feed.send(GROUP, EVENT))
        self.assertFalse(raised.exception.is_final)


@pytest.mark.parametrize("is_error", [False, True])
def test_only_what_there_is_to_say_is_said(is_error):
    notice = Notice("sch-exec-pol", "now", is_error, policy_id="p1", scheduled=0.0)
    event = entry_of(GROUP, Event("id", 0.0, notice, 0, 0), "ORD")["entry"]["content"]["event"]
    assert event["type"] == ("ERROR" if is_error else "INFO")
    assert event["product"]["policyId"] == "p1"
    assert event["product"]["scheduledTime"] == "1970-01-01T00:00:00.000Z"
    plain = entry_of(GROUP, EVENT, "ORD")["entry"]["content"]["event"]["product"]
    assert plain.keys() & {"policyId", "scheduledTime"} == set()
