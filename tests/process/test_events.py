"""What owners are told through Cloud Feeds, by an otter that may be killed, and a feed that may be down."""

import re
import sqlite3
from contextlib import closing
from uuid import UUID, uuid4

import pytest

from tests.process.test_crashes import fallen
from tests.rig.feed import FeedService
from tests.rig.mimic import Cloud, ask, start_mimic
from tests.rig.processes import until
from tests.walks.api import Api
from tests.walks.documents import group_body, launch, policy
from tests.walks.groups import grown, sick, whole

LONG = 60.0
IMPERSONATING = {"strategy": "impersonation"}
QUICK = {"interval": 0.3, "longest_pause": 2}


@pytest.fixture
def feed():
    feed = FeedService()
    yield feed
    feed.close()


@pytest.fixture(scope="module")
def mimic(tmp_path_factory):
    mimic = start_mimic(tmp_path_factory.mktemp("mimic"))
    yield mimic
    mimic.kill()


@pytest.fixture
def cloud(mimic):
    return Cloud(mimic.identity_url, f"t{uuid4().hex[:12]}")


@pytest.fixture
def telling(lives, mimic, feed):
    """An otter that tells the feed what happens."""
    return lives.otter(mimic.identity_url, identity=IMPERSONATING, feeds=feeds(mimic, feed)).start()


def feeds(mimic, feed):
    """A configuration. At Mimic each user is in one tenant, so otter's own account has to write to the feed from that."""
    credentials = {"auth": {"passwordCredentials": {"username": "otter", "password": "any"}}}
    tenant_id = ask("POST", f"{mimic.identity_url}/tokens", credentials)["access"]["token"]["tenant"]["id"]
    return {"url": feed.url, "tenant_id": tenant_id, **QUICK}


def arrives(feed, *messages):
    until(lambda: set(messages) <= set(feed.messages()), LONG, saying=f"{messages} in {feed.messages()}")


def logged(otter, event):
    return f'"event": "{event}"' in otter.log.read_text()


def test_a_scale_up_is_told_in_the_form_that_clients_know(telling, cloud, feed):
    group = grown(telling, cloud, 2)
    arrives(feed, "Creating 2 servers.")
    path, headers, document = feed.taken[0]
    headers = {name.lower(): value for name, value in headers.items()}
    assert path == "/feeds/autoscale/events"
    assert headers["content-type"] == "application/vnd.rackspace.atom+json"
    assert headers["x-auth-token"]
    event = document["entry"]["content"].pop("event")
    assert document["entry"] == {"@type": "http://www.w3.org/2005/Atom", "title": "autoscale", "content": {}}
    assert UUID(event.pop("id")).version == 4
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event.pop("eventTime"))
    assert event == {
        "@type": "http://docs.rackspace.com/core/event",
        "version": "2",
        "type": "INFO",
        "region": "ORD",
        "tenantId": cloud.tenant,
        "product": {
            "@type": "http://docs.rackspace.com/event/autoscale",
            "serviceCode": "Autoscale",
            "version": "1",
            "message": "Creating 2 servers.",
            "scalingGroupId": group.id,
            "desiredCapacity": 2,
            "currentCapacity": 0,
        },
    }


def test_an_error_is_told_and_its_end(telling, cloud, feed):
    body = group_body(minEntities=1) | {"launchConfiguration": launch([{"loadBalancerId": 9099, "port": 80}])}
    group = telling.group(telling.post_group(cloud.tenant, body))
    [reason] = sick(telling, group)
    error = f"Group's status is changed to ERROR. Reasons: {reason}"
    arrives(feed, error)
    [told] = [event for event in feed.events() if event["product"]["message"] == error]
    assert told["type"] == "ERROR"
    telling.resize(group.url, 0, 0)
    arrives(feed, "Group's status is changed to ACTIVE")


def test_what_was_due_when_the_process_died_is_told_afterwards(telling, cloud, feed):
    feed.status = 503
    group = grown(telling, cloud, 1)
    until(lambda: feed.asked, LONG, saying="the feed was asked")
    telling.kill()
    feed.status = 201
    assert feed.messages() == []
    telling.start()
    arrives(feed, "Creating 1 servers.")
    assert {event["product"]["scalingGroupId"] for event in feed.events()} == {group.id}
    assert len({event["id"] for event in feed.events()}) == len(feed.events())


def test_a_feed_that_is_down_for_a_while_holds_up_nothing_and_gets_everything(lives, mimic, cloud):
    feed = FeedService()
    port = feed.server_port
    feed.close()
    otter = lives.otter(mimic.identity_url, identity=IMPERSONATING, feeds=feeds(mimic, feed)).start()
    group = grown(otter, cloud, 1, policies=[{"name": "up", "change": 2}])
    assert otter.execute(group.policies["up"]) == 202
    whole(otter, cloud, group, 3)
    until(lambda: logged(otter, "event-postponed"), LONG, saying="event-postponed")
    back = FeedService(port)
    arrives(back, "Creating 1 servers.", "Creating 2 servers.")
    assert back.messages().index("Creating 1 servers.") < back.messages().index("Creating 2 servers.")
    back.close()


def test_the_last_events_of_a_deleted_group_are_told_and_then_nothing_of_it_is_left(telling, cloud, feed):
    group = grown(telling, cloud, 1)
    [server] = cloud.servers(group.id)
    arrives(feed, "Creating 1 servers.")
    feed.status = 503
    telling.delete(group.url)
    until(lambda: not cloud.servers(group.id), LONG, saying="its server is gone")
    assert not telling.exists(group.url)
    fallen(telling)
    feed.status = 201
    arrives(feed, f"Deleting server(s) {server['id']}")
    until(lambda: not outboxes(telling), LONG, saying="the record is gone")


def outboxes(otter):
    with closing(sqlite3.connect(f"file:{otter.store}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT outbox FROM groups").fetchall()


def test_a_scheduled_execution_is_told(telling, cloud, feed):
    api = Api(f"{telling.root}/{cloud.tenant}")
    cron = policy(name="often", type="schedule", args={"cron": "* * * * *"}, change=1)
    group = api.create_group(cron, maxEntities=1)
    [often] = group["scalingPolicies"]
    text = f"Executing scheduled policy {often['id']}"
    until(lambda: text in feed.messages(), 90.0, saying=text)
    [event] = [event for event in feed.events() if event["product"]["message"] == text]
    assert event["product"]["policyId"] == often["id"]
    assert event["product"]["scheduledTime"].endswith(":00.000Z")


def test_without_feeds_nothing_is_stored_to_be_told(lives, mimic, cloud):
    otter = lives.otter(mimic.identity_url, identity=IMPERSONATING).start()
    grown(otter, cloud, 1)
    assert outboxes(otter) == [(None,)]
