"""The real node of Cassandra that tests share, and what happens where there is none."""

import os
import subprocess
import sys

import pytest
from cassandra.cluster import Cluster

from scripts.services.settings import settings_of
from tests.rig.cassandra import claim_net
from tests.rig.processes import REPOSITORY

THIS = "tests/rig/test_cassandra.py"
NOWHERE = {"OTTER_SERVICES_JAVA": "/nowhere/java", "CI": "", "OTTER_NOT_RUN": ""}


@pytest.fixture
def session(cassandra_node):
    cluster = Cluster(list(cassandra_node.hosts), port=cassandra_node.port, protocol_version=5)
    yield cluster.connect()
    cluster.shutdown()


@pytest.fixture
def claim(tmp_path):
    claim = claim_net(tmp_path)
    yield claim
    if claim.net.used():
        claim.net.services("down", "--wipe")
    claim.lock.close()


def pytest_run(test, environment, *options):
    """A run of its own: (exit status, lines)."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, test]
    environment = {name: value for name, value in {**os.environ, **environment}.items() if value}
    environment = {name: value for name, value in environment.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, check=False, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


def test_the_node_is_a_cassandra_5(session):
    assert session.execute("SELECT release_version FROM system.local").one().release_version.startswith("5.0.")


def test_the_node_is_ours(session):
    assert session.execute("SELECT cluster_name FROM system.local").one().cluster_name == "otter-test"


def test_without_java_it_is_skipped_and_the_run_says_what_to_install_at_its_end_and_at_that_of_make_test(tmp_path):
    end = tmp_path / "end"
    status, lines = pytest_run(f"{THIS}::test_the_node_is_a_cassandra_5", {**NOWHERE, "OTTER_NOT_RUN": str(end)})
    what, how = end.read_text().splitlines()
    assert status == 0 and {what, how} <= set(lines)
    assert what.startswith(f"NOT RUN: 1 tests in {THIS}.")
    assert how.endswith("apt-get install --no-install-recommends openjdk-17-jre-headless")


def test_without_java_it_fails_in_ci_and_the_run_says_what_to_install():
    status, lines = pytest_run(f"{THIS}::test_the_node_is_a_cassandra_5", {**NOWHERE, "CI": "true"}, "-n", "2")
    assert status == 1
    assert any(line.startswith(f"NOT RUN: 1 tests in {THIS}.") for line in lines)


def test_two_runs_never_share_a_net(claim, tmp_path):
    other = claim_net(tmp_path)
    with other.lock:
        assert other.net.prefix != claim.net.prefix


def test_the_net_of_a_run_that_ended_can_be_claimed_again(tmp_path):
    claim = claim_net(tmp_path)
    claim.lock.close()
    again = claim_net(tmp_path, [claim.net.prefix])
    with again.lock:
        assert again.net == claim.net


@pytest.mark.services
def test_a_run_that_died_leaves_nothing_to_the_next(claim, tmp_path):
    claim.net.services("up", "--only", "zookeeper")
    claim.lock.close()
    again = claim_net(tmp_path, [claim.net.prefix])
    with again.lock:
        assert again.net.free() and not again.net.used()


@pytest.mark.services
def test_a_net_on_which_a_stranger_listens_is_left_alone(claim, tmp_path):
    claim.net.services("up", "--only", "zookeeper")
    assert claim_net(tmp_path / "elsewhere", [claim.net.prefix]) is None


@pytest.mark.services
def test_a_server_can_be_paused_killed_and_started_again(claim):
    services = claim.net.services
    services("up", "--only", "zookeeper")
    states = []
    for command in ("pause", "resume", "kill", "start"):
        services(command, "zookeeper-1")
        states.append(services("status").split()[2])
    assert states == ["paused", "up", "down", "up"]
    assert f"ZOOKEEPER_HOSTS={claim.net.prefix}.1:2181" in services("env")


@pytest.mark.services
def test_another_layout_and_an_unknown_node_are_refused(claim):
    claim.net.services("up", "--only", "zookeeper")
    with pytest.raises(AssertionError, match="holds another layout"):
        claim.net.services("up", "--only", "zookeeper", "--nodes", "3")
    with pytest.raises(AssertionError, match="no node 'zookeeper-2'; there are: zookeeper-1"):
        claim.net.services("kill", "zookeeper-2")


def test_settings_come_from_the_environment(tmp_path):
    settings = settings_of(
        {"XDG_CACHE_HOME": str(tmp_path), "OTTER_SERVICES_NET": "127.0.9", "OTTER_SERVICES_HEAP": ""}
    )
    assert (settings.data, settings.net) == (tmp_path / "otter-services" / "data", "127.0.9")
    assert settings.cassandra_heap == "512m"
