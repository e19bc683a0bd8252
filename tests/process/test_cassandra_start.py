"""otter on Cassandra: what keeps it from starting, whether it says so in a sentence, and what it says when it starts."""

import json
import re
import socket

import pytest

from otter.store.cassandra import driver, schema
from tests.process.lives import complaint, in_the_foreground
from tests.rig.keyspaces import a_keyspace
from tests.rig.processes import HERE, REPOSITORY, call, free_port

NEWEST = len(schema.versions())


@pytest.fixture(params=["twistd", "python -m otter"])
def command(request):
    """An otter's command, in each of the two ways to run it."""
    return (lambda otter: otter.command) if request.param == "twistd" else in_the_foreground


@pytest.fixture(scope="module")
def place(cassandra_node):
    """A keyspace with all tables."""
    with a_keyspace(cassandra_node.hosts, cassandra_node.port) as place:
        yield place


@pytest.fixture
def session(place):
    cluster, session = driver.connect(place)
    yield session
    cluster.shutdown()


@pytest.fixture
def at_version(place, session):
    """Has the keyspace say that it has another version, for one test."""
    delete = f"DELETE FROM {place.keyspace}.schema_versions WHERE name = 'otter' AND number = %s"
    extra = []

    def pretend(number):
        for further in range(NEWEST + 1, number + 1):
            session.execute(schema.RECORD.format(keyspace=place.keyspace), [further, "later.cql"])
            extra.append(further)

    yield pretend
    for number in extra:
        session.execute(delete + " IF EXISTS", [number])


def on(place, **more):
    """What is to be configured."""
    return {"backend": "cassandra", "hosts": list(place.hosts), "port": place.port, "keyspace": place.keyspace, **more}


def last_words(command):
    """The sentence that it ends with."""
    return complaint(command, PYTHONPATH=str(REPOSITORY)).strip().splitlines()[-1]


def test_a_cluster_that_cannot_be_reached_is_named(lives, command):
    store = {"backend": "cassandra", "hosts": [HERE], "port": free_port()}
    words = last_words(command(lives.otter(store=store)))
    assert f"otter: Cassandra at {HERE} cannot be used: no node can be used" in words


def test_a_cluster_that_does_not_answer_is_named(lives):
    with socket.create_server((HERE, 0)) as silent:
        store = {"backend": "cassandra", "hosts": [HERE], "port": silent.getsockname()[1]}
        words = last_words(in_the_foreground(lives.otter(store=store)))
    assert f"otter: Cassandra at {HERE} cannot be used: no node can be used" in words


def test_a_keyspace_that_is_not_there_is_named(lives, place, command):
    words = last_words(command(lives.otter(store=on(place, keyspace="nowhere"))))
    assert "otter: there is no keyspace nowhere; make it with otter-schema" in words


def test_a_keyspace_without_tables_is_not_enough(lives, place, session):
    replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    session.execute(f"CREATE KEYSPACE IF NOT EXISTS empty_one WITH replication = {replication}", timeout=60)
    words = last_words(in_the_foreground(lives.otter(store=on(place, keyspace="empty_one"))))
    assert f"otter: keyspace empty_one has version 0, and this otter works with {NEWEST}; run otter-schema" in words


def test_a_keyspace_that_is_two_versions_newer_is_left_to_the_newer_otter(lives, place, at_version, command):
    at_version(NEWEST + 2)
    words = last_words(command(lives.otter(store=on(place))))
    assert f"has version {NEWEST + 2}, and this otter works with {NEWEST}; start the newer otter" in words


@pytest.mark.parametrize(
    "config, sentence",
    [
        (
            {"username": "otter", "password_file": "/nowhere/password"},
            "otter: store.password_file: .*/nowhere/password",
        ),
        ({"ca_file": "/nowhere/ca.pem"}, "otter: store.ca_file: /nowhere/ca.pem: .*No such file"),
        ({"ca_file": "/dev/null"}, "otter: store.ca_file: /dev/null: "),
    ],
)
def test_a_file_of_credentials_that_is_not_good_is_named(lives, place, config, sentence):
    assert re.search(sentence, last_words(in_the_foreground(lives.otter(store=on(place, **config)))))


def test_an_otter_starts_on_the_next_version_says_what_endangers_its_promises_and_counts(lives, place, at_version):
    at_version(NEWEST + 1)
    port = free_port()
    otter = lives.otter(store=on(place), admin=f"tcp:{port}:interface={HERE}").start()
    group = otter.create_group("111", least=0)
    lines = [json.loads(line) for line in otter.log.read_text().splitlines() if line.startswith("{")]
    advice = {line["about"]: line["advice"] for line in lines if line.get("event") == "cassandra-advice"}
    assert set(advice) == {"replication", "local_dc"}
    _, answer = call("GET", f"http://{HERE}:{port}/metrics")
    metrics = {metric["id"]: metric["value"] for metric in answer["metrics"]}
    assert metrics["otter.metrics.cassandra.update_statics"] >= 1
    assert metrics["otter.metrics.cassandra.errors"] == 0
    assert metrics["otter.metrics.groups"] == 1
    otter.restart()
    assert otter.exists(group.url)
