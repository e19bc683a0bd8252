"""``otter-store`` and ``otter-schema`` where there is no Cassandra; with one, see test_moving.py and test_cassandra_start.py."""

import sys

import pytest

from tests.process.lives import BIN, complaint, config_file, key_file, said
from tests.rig.processes import HERE, free_port
from tests.walks.api import Api, link
from tests.walks.documents import policy

KEY = {"idempotency_key": "once"}
SCHEMA = [sys.executable, "-c", "from otter.__main__ import schema; schema()"]


def otter_store(*arguments):
    return [str(BIN / "otter-store"), *map(str, arguments)]


@pytest.fixture
def nowhere(lives):
    """An otter whose Cassandra does not answer."""
    return lives.otter(store={"backend": "cassandra", "hosts": [HERE], "port": free_port()})


def test_a_store_is_moved_from_one_file_to_another(lives, tmp_path):
    first = lives.otter().start()
    second = lives.otter(secrets={"key_file": str(key_file(first))})
    api = Api(f"{first.root}/t1")
    group = api.create_group(policy())
    [hook] = api.create(link(group["scalingPolicies"][0]) + "webhooks", {"name": "hook"})
    api("POST", link(group["scalingPolicies"][0]) + "execute", **KEY)
    first.stop()
    assert said(otter_store("export", "--config", config_file(first), tmp_path / "moved"))[0] == 0
    status, words = said(otter_store("import", "--config", config_file(second), tmp_path / "moved"))
    assert (status, "1 group" in words) == (0, True), words
    second.start()
    moved = Api(f"{second.root}/t1")
    state = f"/groups/{group['id']}/state"
    assert moved("GET", state).document["group"]["held"] is True
    [kept] = moved("GET", f"/groups/{group['id']}/policies").document["policies"]
    assert moved("GET", link(kept) + "webhooks").document["webhooks"][0]["id"] == hook["id"]
    moved("POST", link(kept) + "execute", **KEY)
    assert moved("GET", state).document["group"]["desiredCapacity"] == 1, (
        "what was executed before is not executed again"
    )


@pytest.mark.parametrize("command", [otter_store("hold"), otter_store("held"), otter_store("release", "t1"), SCHEMA])
def test_a_cassandra_that_does_not_answer_is_named(nowhere, command):
    words = complaint([*command, "--config", str(config_file(nowhere))])
    assert "Cassandra" in words and HERE in words
