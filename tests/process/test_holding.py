"""Held, otter accepts everything and changes nothing in the cloud; released, it does what it was asked for."""

import json
import time
from uuid import uuid4

import pytest

from tests.process.lives import BIN, said
from tests.rig.mimic import Cloud, start_mimic
from tests.rig.otter import url_of
from tests.rig.processes import call, until

A_WHILE = 3.0
"""Seconds: long enough for otter to notice what operators say, and to look at a group more than once."""


@pytest.fixture(scope="module")
def mimic(tmp_path_factory):
    mimic = start_mimic(tmp_path_factory.mktemp("mimic"))
    yield mimic
    mimic.kill()


@pytest.fixture
def cloud(mimic):
    """As a tenant that no other test has."""
    return Cloud(mimic.identity_url, f"t{uuid4().hex[:12]}")


@pytest.fixture
def otter(lives, mimic):
    """An otter that is not started yet."""
    return lives.otter(mimic.identity_url, identity={"strategy": "impersonation"})


def store(command, otter, *tenant):
    status, words = said([str(BIN / "otter-store"), command, *tenant, "--store", str(otter.store)])
    assert status == 0, words


def health(otter):
    status, document = call("GET", otter.url)
    assert status == 200
    return document


def changes(otter):
    """What otter has changed in the cloud, in all its lives."""
    events = [json.loads(line) for line in otter.log.read_text().splitlines() if line.startswith("{")]
    return [event["tenant"] for event in events if event["event"] == "cloud-changed"]


def grown(otter, cloud, size=0):
    """A group with a policy that adds two servers, and its least size in service."""
    group = otter.create_group(cloud.tenant, size, policies=[{"name": "up", "change": 2}])
    until(lambda: otter.state(group.url)["activeCapacity"] == size)
    return group


def assert_left_alone(otter, cloud, size):
    before = changes(otter)
    time.sleep(A_WHILE)
    assert (len(cloud.servers()), changes(otter)) == (size, before)


def is_right(otter, cloud, group, size):
    def right():
        state = otter.state(group.url)
        return (state["desiredCapacity"], state["activeCapacity"], len(cloud.servers())) == (size,) * 3

    return right


def test_an_otter_that_is_started_held_accepts_and_changes_nothing_until_it_is_started_otherwise(otter, cloud):
    otter.environment = {**otter.environment, "OTTER_HOLD": "1"}
    otter.start()
    group = otter.create_group(cloud.tenant, 1, policies=[{"name": "up", "change": 2}])
    assert otter.execute(group.policies["up"]) == 202
    assert health(otter)["held"] == {"everything": True, "tenants": 0}
    state = otter.state(group.url)
    assert (state["held"], state["desiredCapacity"], state["activeCapacity"]) == (True, 3, 0)
    store("release", otter)
    assert_left_alone(otter, cloud, 0)
    otter.stop()
    otter.environment = {name: value for name, value in otter.environment.items() if name != "OTTER_HOLD"}
    otter.start()
    until(is_right(otter, cloud, group, 3))
    assert (otter.state(group.url)["held"], health(otter)["held"]["everything"]) == (False, False)


@pytest.mark.parametrize("engine", ["convergence", "cycle", "worker"])
def test_a_running_otter_rests_while_it_is_held_and_goes_on_when_it_is_released(otter, cloud, engine):
    otter.environment = {**otter.environment, "OTTER_ENGINE": engine}
    otter.start()
    group = grown(otter, cloud, 1)
    store("hold", otter)
    until(lambda: health(otter)["held"]["everything"], 5.0)
    assert otter.execute(group.policies["up"]) == 202
    [server] = cloud.servers()
    cloud.delete_server(server["id"])
    assert_left_alone(otter, cloud, 0)
    state = otter.state(group.url)
    assert (state["held"], state["desiredCapacity"], state["status"]) == (True, 3, "ACTIVE")
    store("release", otter)
    until(is_right(otter, cloud, group, 3))


def test_one_tenant_is_held_and_its_neighbour_is_served(otter, cloud, mimic):
    other = Cloud(mimic.identity_url, f"t{uuid4().hex[:12]}")
    otter.start()
    group, neighbour = grown(otter, cloud), grown(otter, other)
    store("hold", otter, cloud.tenant)
    until(lambda: otter.state(group.url)["held"], 5.0)
    assert health(otter)["held"] == {"everything": False, "tenants": 1}
    for each in (group, neighbour):
        assert otter.execute(each.policies["up"]) == 202
    until(is_right(otter, other, neighbour, 2))
    assert not otter.state(neighbour.url)["held"]
    assert_left_alone(otter, cloud, 0)
    store("release", otter, cloud.tenant)
    until(is_right(otter, cloud, group, 2))


def test_a_group_is_deleted_while_it_is_held_and_its_servers_go_afterwards(otter, cloud):
    otter.start()
    group = grown(otter, cloud, 2)
    store("hold", otter)
    until(lambda: health(otter)["held"]["everything"], 5.0)
    otter.delete(group.url)
    assert not otter.exists(group.url)
    assert_left_alone(otter, cloud, 2)
    store("release", otter)
    until(lambda: cloud.servers() == [])


def test_a_restored_backup_deletes_no_newer_servers_until_it_is_released(lives, otter, cloud, tmp_path, mimic):
    otter.start()
    group = grown(otter, cloud, 1)
    assert said([str(BIN / "otter-store"), "backup", str(otter.store), str(tmp_path / "copy")])[0] == 0
    assert otter.execute(group.policies["up"]) == 202
    until(is_right(otter, cloud, group, 3))
    otter.kill()
    for file in otter.store.parent.glob("otter.sqlite*"):
        file.unlink()
    assert said([str(BIN / "otter-store"), "restore", str(tmp_path / "copy"), str(otter.store)])[0] == 0
    otter.start()
    state = otter.state(group.url)
    assert (state["held"], state["desiredCapacity"]) == (True, 1)
    assert_left_alone(otter, cloud, 3)
    [up] = [url_of(policy) for policy in otter.ask("GET", group.url)["group"]["scalingPolicies"]]
    assert otter.execute(up) == 202
    store("release", otter)
    until(is_right(otter, cloud, group, 3))
