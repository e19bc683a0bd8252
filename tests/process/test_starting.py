"""What keeps otter from starting, and whether it says so in a sentence. Both ways to run it are tried."""

import json
import sqlite3
import sys

import pytest

from tests.process.lives import complaint, config_file, in_the_foreground, key_file, said
from tests.rig.processes import answers
from tests.walks.api import link
from tests.walks.documents import policy

CHECK = [sys.executable, "-m", "otter", "config", "check"]


@pytest.fixture(params=["twistd", "python -m otter"])
def command(request):
    """An otter's command, in each of the two ways to run it."""
    return (lambda otter: otter.command) if request.param == "twistd" else in_the_foreground


def test_a_second_process_on_the_same_store_is_told_so(lives, otter, command):
    words = complaint(command(lives.on_the_data_of(otter)))
    assert f"{otter.store} is in use by another otter process" in words
    assert answers(otter.url)


def test_a_port_that_is_taken_is_named(lives, otter, command):
    words = complaint(command(lives.otter(listen=f"tcp:{otter.port}:interface=127.0.0.1")))
    assert "Address already in use" in words
    assert str(otter.port) in words


@pytest.mark.parametrize("listen", ["9000", "tcp:99999", "tcp:x", "nonsense:1", "", "tcp:0:interface=192.0.2.1"])
def test_a_place_where_nobody_can_listen_is_named(lives, listen):
    assert "listen" in complaint(in_the_foreground(lives.otter(listen=listen)))


def test_a_store_of_a_newer_version_is_left_alone(lives, otter, command):
    otter.stop()
    connection = sqlite3.connect(otter.store)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    words = complaint(command(otter))
    assert "99" in words
    assert "newer" in words


@pytest.mark.parametrize("content", [b"this is no database" * 500, b"\x00" * 8192])
def test_a_store_that_is_none_is_refused(lives, content):
    otter = lives.otter()
    otter.store.write_bytes(content)
    assert str(otter.store) in complaint(in_the_foreground(otter))
    assert otter.store.read_bytes() == content


def test_a_store_in_a_place_that_is_no_folder_is_refused(lives):
    otter = lives.otter(store={"path": "/dev/null/otter.sqlite"})
    assert "/dev/null/otter.sqlite" in complaint(in_the_foreground(otter))


@pytest.fixture
def keyless(otter, api):
    """An otter that stopped, in whose store a capability is left, and the id of the key that it needs."""
    [up] = api.create_group(policy())["scalingPolicies"]
    api.create(link(up) + "webhooks", {"name": "hook"})
    otter.stop()
    [key] = json.loads(key_file(otter).read_text())["keys"]
    return otter, key["id"]


def test_a_missing_key_is_named_when_capabilities_were_made_with_it(keyless):
    otter, key_id = keyless
    key_file(otter).write_text(json.dumps({"keys": [{"id": "other", "key": "ab" * 32}]}))
    words = complaint(in_the_foreground(otter))
    assert key_id in words
    assert "secrets.key_file" in words


def test_a_missing_key_file_is_named_and_not_made_anew_when_capabilities_need_it(keyless):
    otter, _ = keyless
    key_file(otter).unlink()
    assert str(key_file(otter)) in complaint(in_the_foreground(otter))
    assert not key_file(otter).exists()


@pytest.mark.parametrize("content", ["", "{}", '{"keys": []}', '{"keys": [{"id": "a", "key": "00"}]}', "[1]"])
def test_a_key_file_that_is_none_is_refused(lives, content):
    otter = lives.otter()
    key_file(otter).write_text(content)
    assert str(key_file(otter)) in complaint(in_the_foreground(otter))
    assert key_file(otter).read_text() == content


BAD = [
    ({"regoin": "ORD"}, "regoin"),
    ({"converger": {"tick": 1}}, "converger.tick"),
    ({"cassandra": {}}, "store"),
    ({"converger": {"step_limits": {}}}, "converger.creates_per_pass"),
    ({"bobby_url": "x"}, "bobby_url"),
    ({"converger": {"interval": "soon"}}, "converger.interval"),
    ({"converger": {"interval": 0}}, "converger.interval"),
    ({"converger": {"resolve_timeout": 1}}, "converger.resolve_timeout"),
    ({"limits": {"absolute": {"maxGroups": 0}}}, "maxGroups"),
    ({"store": {"backend": "oracle"}}, "store.backend"),
    ({"store": {"backend": "cassandra"}}, "store.hosts"),
    ({"store": {"keyspace": "Otter; DROP"}}, "store.keyspace"),
    ({"identity": {"password_env": "BOTH"}}, "password"),
    ({"identity": {"password_file": "/nowhere"}}, "/nowhere"),
    ({"listen": "9000"}, "listen"),
    ({"listen": "tcp:99999"}, "listen"),
    ({"url_root": 5}, "url_root"),
]


@pytest.mark.parametrize(("config", "named"), BAD, ids=lambda value: json.dumps(value)[:50])
def test_what_is_wrong_with_a_configuration_is_named(lives, config, named):
    otter = lives.otter(**config)
    assert named in complaint([*CHECK, str(config_file(otter))])


def test_otter_does_not_start_with_a_wrong_configuration(lives, command):
    assert "regoin" in complaint(command(lives.otter(regoin="ORD")))


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_configuration_that_is_no_object_is_refused_with_its_name(tmp_path, content):
    file = tmp_path / "config.json"
    file.write_text(content)
    assert str(file) in complaint([*CHECK, str(file)])


def test_a_configuration_that_is_not_there_is_refused_with_its_name(tmp_path):
    assert "nowhere.json" in complaint([*CHECK, str(tmp_path / "nowhere.json")])


def test_an_engine_that_does_not_exist_is_refused_with_those_that_do(lives):
    words = complaint([*CHECK, str(config_file(lives.otter()))], OTTER_ENGINE="steam")
    assert "steam" in words
    assert "convergence" in words


def test_a_good_configuration_is_called_good_and_nothing_is_made(lives):
    otter = lives.otter()
    assert said([*CHECK, str(config_file(otter))])[0] == 0
    assert said([*CHECK, str(config_file(otter))], OTTER_ENGINE="convergence")[0] == 0
    assert not otter.store.exists()
    assert not key_file(otter).exists()


def test_files_are_laid_over_each_other(lives, tmp_path):
    good, more = config_file(lives.otter()), tmp_path / "more.json"
    more.write_text('{"converger": {"interval": "soon"}}')
    assert "converger.interval" in complaint([*CHECK, str(good), str(more)])
    assert said([*CHECK, str(more), str(good)])[0] == 0
