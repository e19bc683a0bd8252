"""The schema's versions, the command that applies them, and what otter says of a cluster that endangers its promises."""

import json
import re
import subprocess
import sys
from shutil import copytree

import pytest
from twisted.internet import reactor

from otter.store.cassandra import driver, queries, schema
from otter.store.cassandra.advice import advice_for, on_clocks, on_commitlog, on_data_centre, on_replication
from otter.store.cassandra.client import CannotConnect, Cassandra, Place
from otter.store.cassandra.command import replication_in
from tests.rig.processes import REPOSITORY

SIMPLE = '{"class": "SimpleStrategy", "replication_factor": 1}'
COMMAND = [sys.executable, "-c", "from otter.__main__ import schema; schema()"]
NEWEST = len(schema.versions())


@pytest.fixture
def keyspace(cassandra_node, tmp_path, request):
    """One that is not there yet: (where it would be, a session)."""
    name = re.sub(r"\W", "_", request.node.name.lower())[-40:].strip("_")
    place = Place(cassandra_node.hosts, cassandra_node.port, f"s_{name}", timeout=20.0)
    cluster, session = driver.connect(place)
    section = {"backend": "cassandra", "hosts": place.hosts, "port": place.port, "keyspace": place.keyspace}
    (tmp_path / "config.json").write_text(json.dumps({"store": section}))
    yield place, session
    session.execute(f"DROP KEYSPACE IF EXISTS {place.keyspace}", timeout=60)
    cluster.shutdown()


@pytest.fixture
def otter_schema(tmp_path):
    """Starts the command."""

    def start(*words):
        command = [*COMMAND, "--config", str(tmp_path / "config.json"), *words]
        return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return start


def ended(process):
    """(exit status, words)"""
    words, _ = process.communicate(timeout=100)
    assert "Traceback" not in words, words
    return process.returncode, words


def tables(session, place):
    return {row["table_name"] for row in session.execute(schema.SEE_TABLES, [place.keyspace])}


def numbers(session, place):
    return [row["number"] for row in session.execute(schema.DONE.format(keyspace=place.keyspace))]


def test_three_who_start_at_once_make_everything_once(keyspace, otter_schema):
    place, session = keyspace
    done = [ended(process) for process in [otter_schema("--replication", SIMPLE) for _ in range(3)]]
    assert [status for status, _ in done] == [0, 0, 0], done
    words = "".join(words for _, words in done)
    assert words.count(f"Keyspace {place.keyspace} has version {NEWEST}.") == 3
    assert words.count("Version 1: 0001-groups.cql") == 1
    assert numbers(session, place) == list(range(1, NEWEST + 1))
    assert ended(otter_schema()) == (0, f"Keyspace {place.keyspace} has version {NEWEST}.\n")


def test_a_dry_run_prints_statements_that_make_the_same_and_changes_nothing(keyspace, otter_schema):
    place, session = keyspace
    status, words = ended(otter_schema("--replication", SIMPLE, "--dry-run"))
    assert status == 0
    assert not schema.is_there(session, place.keyspace)
    for statement in words.split(";"):
        if statement.strip():
            session.execute(statement, timeout=60)
    printed = tables(session, place)
    session.execute(f"DROP KEYSPACE {place.keyspace}", timeout=60)
    assert ended(otter_schema("--replication", SIMPLE))[0] == 0
    assert printed == tables(session, place) > {"groups", "schedule", "schema_versions"}
    assert ended(otter_schema("--dry-run")) == (0, "-- nothing is missing\n")


def test_a_keyspace_is_not_made_by_guessing_its_replication(keyspace, otter_schema):
    place, session = keyspace
    for words in ([], ["--dry-run"]):
        status, said = ended(otter_schema(*words))
        assert (status, said.count("\n")) == (1, 1)
        assert f"there is no keyspace {place.keyspace}; with --replication, otter-schema makes it" in said
    assert not schema.is_there(session, place.keyspace)


def test_a_schema_that_is_newer_is_left_alone(keyspace, otter_schema):
    place, session = keyspace
    ended(otter_schema("--replication", SIMPLE))
    session.execute(schema.RECORD.format(keyspace=place.keyspace), [NEWEST + 1, "later.cql"])
    for words in ([], ["--dry-run"]):
        status, said = ended(otter_schema(*words))
        assert status == 1
        assert f"has version {NEWEST + 1}, and this otter-schema knows {NEWEST}; it never goes back" in said


def test_what_a_process_began_that_died_is_finished_by_the_next(keyspace, otter_schema):
    place, session = keyspace
    cluster = session.cluster
    options = replication_in(SIMPLE)
    migration = schema.Migration(cluster, session, place.keyspace, print, options)
    for statement in migration.plan()[:6]:
        session.execute(statement, timeout=60)
    assert 3 <= len(tables(session, place)) < 10
    assert ended(otter_schema())[0] == 0
    assert numbers(session, place) == list(range(1, NEWEST + 1))


def test_whoever_waits_for_one_that_died_goes_on_when_its_lease_is_over(keyspace, otter_schema):
    place, session = keyspace
    ended(otter_schema("--replication", SIMPLE))
    session.execute(schema.TAKE.format(keyspace=place.keyspace), ["somebody who died", 15])
    status, words = ended(otter_schema())
    assert status == 0
    assert "Somebody else is at it; waiting." in words


@pytest.mark.parametrize("words", ["SimpleStrategy", "[]", '{"replication_factor": 3}', '{"class": "X", "dc1": []}'])
def test_a_replication_that_is_none_is_refused(words):
    with pytest.raises(CannotConnect, match="--replication: must"):
        replication_in(words)


def test_a_replication_that_cassandra_refuses_is_a_sentence(keyspace, otter_schema):
    status, words = ended(otter_schema("--replication", '{"class": "It\'s mine"}'))
    assert (status, words.count("\n")) == (1, 1)
    assert "refuses" in words


def test_an_older_otter_works_on_the_next_version_and_not_on_the_one_after(keyspace, tmp_path):
    place, session = keyspace
    folder = tmp_path / "versions"
    copytree(schema.FOLDER, folder)
    (folder / f"{NEWEST + 1:04d}-more.cql").write_text(
        "-- What a rolling upgrade may bring: another column, another table.\n"
        "ALTER TABLE {keyspace}.groups ADD IF NOT EXISTS colour text static;\n"
        "CREATE TABLE IF NOT EXISTS {keyspace}.colours (name text PRIMARY KEY);\n"
    )
    schema.Migration(session.cluster, session, place.keyspace, print, replication_in(SIMPLE)).run()
    client = Cassandra(reactor, place, queries.ALL)
    client.prepare()
    key = {"tenant": "111", "grp": "g1"}
    update = {**key, "version": None, "new": 1, "ops": "[]", "config": "c", "launch": "l", "state": "s", "roster": "r"}
    client.execute_now(queries.UPDATE_STATICS, update)

    schema.Migration(session.cluster, session, place.keyspace, print, folder=folder).run()
    schema.require_current(session, place.keyspace)
    [answer] = client.execute_now(queries.UPDATE_STATICS, {**update, "version": 1, "new": 2, "state": "t"})
    assert answer["[applied]"]
    again = Cassandra(reactor, place, queries.ALL)
    again.prepare()
    for each in (client, again):
        [statics] = each.execute_now(queries.STATICS, key)
        assert (statics["version"], statics["state"], statics["config"]) == (2, "t", "c")
        each.close()

    schema.require_current(session, place.keyspace, folder)
    session.execute(schema.RECORD.format(keyspace=place.keyspace), [NEWEST + 2, "later.cql"])
    with pytest.raises(CannotConnect, match=f"has version {NEWEST + 2}, .* with {NEWEST}; start the newer otter"):
        schema.require_current(session, place.keyspace)
    schema.require_current(session, place.keyspace, folder)


def test_a_newer_otter_does_not_work_on_an_older_version(keyspace, tmp_path):
    place, session = keyspace
    schema.Migration(session.cluster, session, place.keyspace, print, replication_in(SIMPLE)).run()
    folder = tmp_path / "versions"
    copytree(schema.FOLDER, folder)
    (folder / f"{NEWEST + 1:04d}-more.cql").write_text("CREATE TABLE IF NOT EXISTS {keyspace}.x (y int PRIMARY KEY);")
    with pytest.raises(CannotConnect, match="run otter-schema"):
        schema.require_current(session, place.keyspace, folder)


# What is said of the cluster


def test_of_a_single_node_its_replication_is_told_and_its_commitlog_and_clock_are_not(keyspace):
    place, session = keyspace
    schema.Migration(session.cluster, session, place.keyspace, print, replication_in(SIMPLE)).run()
    advice = advice_for(session.cluster, session, place)
    assert [each.about for each in advice] == ["replication", "replication", "local_dc"]
    assert "SimpleStrategy" in advice[0].text
    assert "has 1 replicas: " in advice[1].text


def abouts(advice):
    return [each.about for each in advice]


def test_three_replicas_in_the_local_data_centre_need_no_word():
    network = {"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", "dc1": "3", "dc2": "3"}
    assert abouts(on_replication("otter", network, "dc1")) == []
    assert abouts(on_replication("otter", network, "dc3")) == ["replication"]
    [advice] = on_replication("otter", {**network, "dc2": "2"}, "dc1")
    assert "2 replicas in dc2" in advice.text


def test_nodes_with_a_periodic_commitlog_and_those_that_do_not_tell_are_named():
    periodic, hidden = on_commitlog({"10.0.0.2": "periodic", "10.0.0.1": "periodic", "10.0.0.3": "batch", "h": None})
    assert "10.0.0.1, 10.0.0.2" in periodic.text
    assert "10.0.0.3" not in periodic.text + hidden.text
    assert " h: " in hidden.text
    assert abouts(on_commitlog({"a": "group", "b": "batch"})) == []


def test_nodes_with_another_clock_are_named():
    [advice] = on_clocks({"a": 0.0, "b": 0.4, "c": 12.34, "d": None})
    assert advice.text == "that of c differs from ours by 12.3 s or more"


def test_without_a_local_data_centre_that_is_told():
    assert abouts(on_data_centre("")) == ["local_dc"]
    assert abouts(on_data_centre("dc1")) == []
