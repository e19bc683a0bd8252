"""Service keys: capability URLs come from them, and outlive restarts and new keys."""

import json
import stat

import pytest

from tests.process.lives import key_file
from tests.walks.api import link
from tests.walks.documents import policy


@pytest.fixture
def up(api):
    """A policy without webhooks."""
    return api.create_group(policy())["scalingPolicies"][0]


def rotate(otter):
    """Append a key, and begin to use it."""
    keys = json.loads(key_file(otter).read_text())["keys"]
    key_file(otter).write_text(json.dumps({"keys": [*keys, {"id": "newer", "key": "ab" * 32}]}))
    otter.restart()


def test_the_key_file_is_made_for_its_owner_alone(otter):
    assert stat.S_IMODE(key_file(otter).stat().st_mode) == 0o600
    assert list(key_file(otter).parent.glob(".keys*")) == []


def test_a_capability_is_the_same_after_a_restart(otter, api, up):
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    before = key_file(otter).read_text()
    otter.restart()
    assert api("GET", link(hook)).document == {"webhook": hook}
    assert key_file(otter).read_text() == before


def test_older_capabilities_survive_a_new_key(otter, api, up):
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    rotate(otter)
    assert api("GET", link(hook)).document == {"webhook": hook}
    assert api("PUT", link(hook), {"name": "other", "metadata": {}}).status == 204
    assert link(api("GET", link(hook)).document["webhook"], "capability") == link(hook, "capability")
    assert api("POST", link(hook, "capability")).status == 202
    assert api.execute(up) == 202


def test_hits_on_older_and_newer_capabilities_both_count(otter, api):
    group = api.create_group(policy())
    [up] = group["scalingPolicies"]
    [older] = api.create(link(up) + "webhooks", {"name": "older"})
    rotate(otter)
    [newer] = api.create(link(up) + "webhooks", {"name": "newer"})
    assert [api("POST", link(each, "capability")).status for each in (older, newer)] == [202, 202]
    assert api.desired(group) == 2


def test_newer_capabilities_need_the_newer_key_and_older_ones_do_not(otter, api, up):
    [older] = api.create(link(up) + "webhooks", {"name": "older"})
    first = key_file(otter).read_text()
    rotate(otter)
    [newer] = api.create(link(up) + "webhooks", {"name": "newer"})
    assert api("DELETE", link(newer)).status == 204
    otter.stop()
    key_file(otter).write_text(first)
    otter.start()
    assert api("GET", link(older)).document == {"webhook": older}


def test_a_deleted_group_no_longer_needs_its_keys(otter, api, up):
    """An old key may be dropped when nothing that was made with it is left."""
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    assert api("DELETE", link(hook)).status == 204
    otter.stop()
    key_file(otter).unlink()
    assert otter.start().running()
