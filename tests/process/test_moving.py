"""``otter-store export`` and ``import``: otter goes on with another store as it went on with the old one."""

import json
import subprocess
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest

from tests.process.lives import BIN, complaint, config_file, key_file
from tests.rig.keyspaces import a_keyspace
from tests.rig.mimic import Cloud, start_mimic
from tests.rig.otter import watched
from tests.rig.processes import REPOSITORY, until
from tests.walks.api import Api, link
from tests.walks.documents import policy

HELD = "Everything is held: nothing is changed in the cloud until it is released.\n"
FREE = "Nothing is held.\n"


def command(*arguments):
    return [str(BIN / "otter-store"), *map(str, arguments)]


def done(*arguments):
    """What the command says, which does what it is told; an import may wait for ten seconds."""
    environment = {"PATH": "/usr/bin:/bin", **watched({"PYTHONPATH": str(REPOSITORY)})}
    ended = subprocess.run(
        command(*arguments), check=False, env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def refusal(*arguments):
    return complaint(command(*arguments), PYTHONPATH=str(REPOSITORY))


@pytest.fixture
def place(cassandra_node):
    with a_keyspace(cassandra_node.hosts, cassandra_node.port) as place:
        yield place


def on_cassandra(place, **more):
    store = {"backend": "cassandra", "hosts": list(place.hosts), "port": place.port, "keyspace": place.keyspace}
    return {"store": {**store, **more}}


@pytest.fixture(scope="module")
def mimic(tmp_path_factory):
    mimic = start_mimic(tmp_path_factory.mktemp("mimic"))
    yield mimic
    mimic.kill()


@pytest.fixture
def make(lives, mimic):
    """Otters that share one cloud, with servers in it."""
    return partial(lives.otter, mimic.identity_url, identity={"strategy": "impersonation"})


@pytest.fixture
def old(make):
    return make().start()


def heir(make, old, **config):
    """An otter with the keys of the old one, at another store; not started yet."""
    keys, root = str(key_file(old)), old.root.removesuffix("/v1.0")
    return make(secrets={"key_file": keys}, url_root=root, **config)


@pytest.fixture
def new(make, old, place):
    return heir(make, old, **on_cassandra(place))


def at(otter, api):
    return Api(f"{otter.root}/{api.root.rpartition('/')[2]}")


def executed(otter, hook):
    """The status of a hit, at another otter than the URL says."""
    return at(otter, Api("/"))("POST", f"{otter.root}/execute/{hook.partition('/execute/')[2]}").status


def moved(source, target, file):
    """The first has been stopped; the second has the same things, and holds them."""
    done("export", "-c", config_file(source), file)
    words = done("import", "-c", config_file(target), file)
    assert "Everything is held" in words
    return words


def test_otter_goes_on_on_cassandra_and_back_on_a_file(make, mimic, old, new, tmp_path):
    tenant = f"t{uuid4().hex[:12]}"
    cloud, api = Cloud(mimic.identity_url, tenant), Api(f"{old.root}/{tenant}")
    group = api.create_group(policy(), minEntities=1, maxEntities=1000)
    [up] = group["scalingPolicies"]
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    assert api("POST", link(up) + "execute", idempotency_key="one").status == 202
    until(lambda: api.state(group)["activeCapacity"] == 2, 30)
    servers = ids(cloud)
    event = (datetime.now(UTC) + timedelta(seconds=6)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    later = api.create_group(policy(type="schedule", change=3, args={"at": event}))
    old.stop()

    assert "2 groups, 2 policies, 1 webhook, 1 remembered execution" in moved(old, new, tmp_path / "there")
    assert done("held", "-c", config_file(new)) == HELD
    new.start()
    there = at(new, api)
    shown = there("GET", f"/groups/{group['id']}?webhooks=true").document["group"]
    assert shown["scalingPolicies"][0]["webhooks"] == [hook]
    assert (shown["state"]["activeCapacity"], shown["state"]["held"]) == (2, True)
    assert there("POST", f"/groups/{group['id']}/policies/{up['id']}/execute", idempotency_key="one").status == 202
    assert executed(new, link(hook, "capability")) == 202
    until(lambda: [desired(there, each) for each in (group, later)] == [3, 3], 30)
    time.sleep(3)  # three sweeps, and nobody moves
    assert ids(cloud) == servers

    assert done("release", "-c", config_file(new)) == FREE
    until(lambda: len(ids(cloud)) == 6, 30)
    assert servers < ids(cloud)
    until(lambda: [active(there, each) for each in (group, later)] == [3, 3], 30)
    servers = ids(cloud)
    new.stop()

    back = heir(make, old)
    moved(new, back, tmp_path / "back")
    back.start()
    here = at(back, api)
    assert done("release", "-c", config_file(back)) == FREE
    assert executed(back, link(hook, "capability")) == 202
    until(lambda: [active(here, each) for each in (group, later)] == [4, 3], 30)
    assert (servers < ids(cloud), len(ids(cloud))) == (True, 7)


def test_an_otter_that_runs_on_the_keyspace_meanwhile_does_nothing_until_it_is_released(mimic, old, new, tmp_path):
    tenant = f"t{uuid4().hex[:12]}"
    cloud, api = Cloud(mimic.identity_url, tenant), Api(f"{old.root}/{tenant}")
    done("hold", "-c", config_file(old))
    until(lambda: json.loads(health(old))["held"]["everything"])
    groups = [api.create_group(minEntities=1) for _ in range(3)]
    done("export", "-c", config_file(old), tmp_path / "file")
    new.start()
    until(lambda: not json.loads(health(new))["held"]["everything"])
    done("import", "-c", config_file(new), tmp_path / "file")
    assert [desired(at(new, api), group) for group in groups] == [1, 1, 1]
    time.sleep(3)  # three sweeps
    assert ids(cloud) == set()
    done("release", "-c", config_file(new))
    until(lambda: len(ids(cloud)) == 3, 30)


def state(api, group):
    return api("GET", f"/groups/{group['id']}/state").document["group"]


def desired(api, group):
    return state(api, group)["desiredCapacity"]


def active(api, group):
    return state(api, group)["activeCapacity"]


def ids(cloud):
    return {server["id"] for server in cloud.servers()}


def test_a_store_on_cassandra_is_held_and_released_while_otter_runs_and_while_it_does_not(new):
    for _ in range(2):
        assert done("held", "-c", config_file(new)) == FREE
        assert done("hold", "-c", config_file(new)) == HELD
        assert done("hold", "a", "-c", config_file(new)).endswith("will be afterwards: a.\n")
        if new.running():
            until(lambda: json.loads(health(new))["held"] == {"everything": True, "tenants": 1})
        assert done("release", "-c", config_file(new)) == "These tenants are held, and nobody else: a.\n"
        assert done("release", "a", "-c", config_file(new)) == FREE
        if not new.running():
            new.start()


def health(otter):
    return Api(otter.root.removesuffix("/v1.0"))("GET", "/health").body


def test_a_cluster_that_does_not_answer_and_a_keyspace_that_is_not_there_are_named(lives, place):
    nowhere = lives.otter(**on_cassandra(place, port=1))
    assert "cannot be used" in refusal("held", "-c", config_file(nowhere))
    strange = lives.otter(**on_cassandra(place, keyspace="strange"))
    assert "there is no keyspace strange" in refusal("hold", "-c", config_file(strange))


def test_what_is_there_already_is_not_mixed_with_what_is_imported(old, new, tmp_path):
    Api(f"{old.root}/t1").create_group()
    done("export", "-c", config_file(old), tmp_path / "file")
    done("import", "-c", config_file(new), tmp_path / "file")
    assert "not empty" in refusal("import", "-c", config_file(new), tmp_path / "file")
    assert "in use by another otter" in refusal("import", "--store", old.store, tmp_path / "file")
    assert done("held", "--store", old.store) == FREE


def test_a_file_that_is_cut_is_refused_and_no_store_is_made(old, tmp_path):
    Api(f"{old.root}/t1").create_group()
    done("export", "--store", old.store, tmp_path / "file")
    (tmp_path / "cut").write_bytes((tmp_path / "file").read_bytes()[:-1])
    assert "it was cut, or altered; nothing was done" in refusal(
        "import", "--store", tmp_path / "new" / "otter.sqlite", tmp_path / "cut"
    )
    assert not (tmp_path / "new").exists()


def test_the_export_of_an_otter_at_work_has_what_was_answered_before_and_is_not_disturbed_by_what_comes_then(
    old, tmp_path
):
    api = Api(f"{old.root}/t1")
    groups = [api.create_group(policy(), maxEntities=1000) for _ in range(5)]
    for group in groups:
        assert api.execute(group["scalingPolicies"][0]) == 202
    done("export", "--store", old.store, tmp_path / "file")
    assert api.execute(groups[0]["scalingPolicies"][0]) == 202
    done("import", "--store", tmp_path / "new.sqlite", tmp_path / "file")
    lines = [json.loads(line) for line in (tmp_path / "file").read_text().splitlines()]
    assert [line["state"]["desired"] for line in lines if line["kind"] == "group"] == [1] * 5
