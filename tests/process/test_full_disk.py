"""The store cannot grow any more: nothing is acknowledged that is not kept, reads go on, and nobody has to wait."""

import sys
from uuid import uuid4

import pytest

from tests.rig.processes import until
from tests.walks.api import link
from tests.walks.documents import config, group_body, launch, policy

LIMITED = "import os, resource, sys; size = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_FSIZE, (size, size));"
LIMITED += "os.execv(sys.argv[2], sys.argv[2:])"
SIZE = 400_000
"""Bytes; a file may have no more of them."""


@pytest.fixture
def otter(lives):
    """An otter whose files cannot become longer than SIZE."""
    otter = lives.otter()
    otter.usual = otter.command
    otter.command = [sys.executable, "-c", LIMITED, str(SIZE), *otter.command]
    return otter.start()


@pytest.fixture
def kept(api):
    """The groups that were acknowledged until the disk was full. The first has a policy, and that a webhook."""
    first = api.create_group(policy())
    [hook] = api.create(link(first["scalingPolicies"][0]) + "webhooks", {"name": "hook"})
    ids = [first["id"]]
    while (answer := api("POST", "/groups", group_body(metadata={"k": "v" * 256}))).status == 201:
        ids.append(answer.document["group"]["id"])
    assert answer.status == 503
    # A smaller change may still find room, down to one of a single page.
    until(lambda: api("PUT", link(hook), {"name": uuid4().hex, "metadata": {}}).status == 503, every=0)
    return ids


def changes(api, group):
    """Every request that changes something, as (method, url, body)."""
    [up] = api("GET", link(group) + "?webhooks=true").document["group"]["scalingPolicies"]
    [hook] = up["webhooks"]
    return [
        ("POST", "/groups", group_body()),
        ("PUT", link(group) + "config", config(name="other")),
        ("PUT", link(group) + "launch", launch(name="other")),
        ("POST", link(group) + "policies", [policy()]),
        ("PUT", link(up), policy(change=2)),
        ("POST", link(up) + "execute", None),
        ("POST", link(up) + "webhooks", [{"name": "more"}]),
        ("PUT", link(hook), {"name": "other", "metadata": {}}),
        ("POST", link(hook, "capability"), None),
        ("POST", link(group) + "pause", None),
        ("POST", link(group) + "converge", None),
        ("DELETE", link(hook), None),
        ("DELETE", link(up), None),
        ("DELETE", link(group) + "?force=true", None),
    ]


def shown(api, group_id):
    return api("GET", f"/groups/{group_id}?webhooks=true").document["group"]


def test_requests_that_change_something_are_refused_until_later_and_change_nothing(api, kept):
    group = shown(api, kept[0])
    for method, url, body in changes(api, group):
        answer = api(method, url, body)
        assert answer.refusal[0] == 503, (method, url)
        assert int(answer.headers["retry-after"]) > 0
    assert shown(api, kept[0]) == group


def test_health_says_so(otter, api, kept):
    answer = api("GET", otter.url)
    assert answer.status == 503
    assert answer.document["healthy"] is False
    assert answer.document["store"]["healthy"] is False


def test_reads_go_on(api, kept):
    for path in ("", "/state", "/config", "/launch", "/policies"):
        assert api("GET", f"/groups/{kept[0]}{path}").status == 200
    assert api("GET", "/limits").status == 200
    listed = api("GET", "/groups").document["groups"]
    assert [each["id"] for each in listed] == sorted(kept)[:100]


def test_a_mistake_is_still_called_one(api, kept):
    assert api("POST", "/groups", b"{").refusal == (400, "InvalidJsonError")
    assert api("GET", "/groups/none").refusal == (404, "NoSuchScalingGroupError")


def test_what_was_acknowledged_is_there_after_a_restart_with_room(otter, api, kept):
    before = shown(api, kept[0])
    otter.stop(within=10)
    otter.command = otter.usual
    otter.start()
    assert shown(api, kept[0]) == before
    assert all(api("GET", f"/groups/{each}").status == 200 for each in kept)
    assert api("GET", otter.url).status == 200
    assert api("POST", "/groups", group_body()).status == 201


def test_executions_that_were_acknowledged_are_kept(otter, api):
    group = api.create_group(policy(), maxEntities=1000)
    statuses = []
    while 503 not in statuses and len(statuses) < 500:
        statuses.append(api.execute(group["scalingPolicies"][0]))
    assert set(statuses) == {202, 503}
    otter.kill()
    otter.command = otter.usual
    otter.start()
    assert api.desired(group) == statuses.count(202)
