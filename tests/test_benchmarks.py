"""What ``make bench`` says is worked out as its words mean it, and what it measures against does what it is said to do."""

import json
import os
import subprocess
import sys
from time import time

import pytest

from benchmarks.cassandra import Fired, Hits, Round, moments, numbers
from benchmarks.figures import percentile, percentiles
from benchmarks.filler import fill_keyspace
from benchmarks.load import Load, generate
from benchmarks.lwts import write_all
from benchmarks.schedules import scheduled
from benchmarks.servers import cheap_cloud, running
from otter.store.cassandra import driver
from tests.rig.keyspaces import a_keyspace
from tests.rig.processes import REPOSITORY


def a_load(rate):
    return Load(0.0, {"202": 1}, 0.5, [0], [0.1], rate)


@pytest.fixture
def place(cassandra_node):
    with a_keyspace(cassandra_node.hosts, cassandra_node.port) as place:
        yield place


@pytest.fixture
def rows(place):
    """What is in the keyspace: columns, table -> rows."""
    cluster, session = driver.connect(place)
    yield lambda columns, table: list(session.execute(f"SELECT {columns} FROM {place.keyspace}.{table}"))
    cluster.shutdown()


@pytest.mark.parametrize(("percent", "value"), [(50, 50.0), (90, 90.0), (99, 99.0)])
def test_a_percentile_is_what_so_many_percent_of_the_values_do_not_exceed(percent, value):
    assert percentile([float(number) for number in reversed(range(101))], percent) == value


def test_percentiles_are_told_in_milliseconds():
    assert percentiles([number / 1000 for number in range(101)]) == "p50 50 ms, p90 90 ms, p99 99 ms"


def test_the_load_takes_down_how_long_each_answer_took(tmp_path):
    with running(cheap_cloud(tmp_path, 0.05)) as cloud:
        done = generate(cloud.port, 0, [["/nova/t1/servers/detail"] * 3] * 2, "GET")
    assert done.answers == {"200": 6}
    assert len(done.latencies) == 6
    assert min(done.latencies) >= 0.05


def test_executions_are_measured_by_the_bare_writes_that_they_take():
    it = Round(400.0, 50.0, Hits(a_load(150.0), 2.0), Hits(a_load(900.0), 0.1), a_load(1.0), a_load(1.0))
    assert (it.permitted, it.share) == (200.0, 0.75)


def test_events_are_measured_by_the_bare_writes_that_they_take():
    assert Fired(rate=150.0, bare=400.0, lwts=2.0).share == 0.75


def test_the_moments_of_events_are_read_from_where_the_log_was(tmp_path):
    line = json.dumps({"time": "1970-01-01T00:01:40.000+00:00", "event": "schedule-executed"}) + "\n"
    log = tmp_path / "log"
    log.write_text(line + '{"event": "pass"}\n' + line)
    assert moments(log, len(line), "schedule-executed") == [100.0]


@pytest.mark.parametrize(("seconds", "rounds"), [(60.0, [0, 1, 2]), (0.0, [0])])
def test_there_is_at_least_one_round_and_no_other_after_the_time(seconds, rounds):
    assert list(numbers(3, seconds)) == rounds


def test_a_machine_without_java_is_told_so_in_a_sentence():
    environment = {**os.environ, "OTTER_SERVICES_JAVA": "/nowhere/java"}
    command = [sys.executable, "-m", "benchmarks", "cassandra"]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "NOT MEASURED: it needs Java 17 and Maven" in done.stdout


def test_each_bare_write_is_one_version_of_its_partition(place, rows):
    done = write_all(place, 0.5, 3)
    versions = [row["version"] for row in rows("DISTINCT tenant, grp, version", "groups")]
    assert len(versions) == 3
    assert sum(versions) == len(done.latencies) + 2 * 3, "the first of each, and the one that came after the time"


def test_a_keyspace_is_filled_with_groups_whose_policies_are_due(place, rows):
    fill_keyspace(place, 2, 3, [scheduled(time())] * 2, "due")
    groups = {(row["tenant"], row["grp"]) for row in rows("DISTINCT tenant, grp", "groups")}
    assert sorted(tenant for tenant, _ in groups) == ["due-0"] * 3 + ["due-1"] * 3
    events = [(row["tenant"], row["grp"]) for row in rows("tenant, grp", "schedule")]
    assert sorted(events) == sorted([*groups, *groups])
