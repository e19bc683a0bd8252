"""``otter-store hold``, ``release`` and ``held``, while otter runs and while it does not."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.process.lives import BIN, complaint, config_file, said
from tests.rig.processes import answers
from tests.walks.documents import policy


def command(*arguments):
    return [str(BIN / "otter-store"), *map(str, arguments)]


@pytest.fixture(params=["running", "stopped"])
def store(request, otter):
    """The file of an otter that has been started, and may have been stopped again."""
    if request.param == "stopped":
        otter.stop()
    return otter.store


def test_everything_is_held_and_released(store):
    assert said(command("held", "--store", store)) == (0, "Nothing is held.\n")
    holding = said(command("hold", "--store", store))
    assert holding == (0, "Everything is held: nothing is changed in the cloud until it is released.\n")
    assert said(command("hold", "--store", store)) == said(command("held", "--store", store)) == holding
    for _ in range(2):
        assert said(command("release", "--store", store)) == (0, "Nothing is held.\n")


def test_a_tenant_is_held_and_released(store):
    assert said(command("hold", "b", "--store", store)) == (0, "These tenants are held, and nobody else: b.\n")
    assert said(command("hold", "a", "--store", store)) == (0, "These tenants are held, and nobody else: a, b.\n")
    assert said(command("release", "b", "--store", store)) == (0, "These tenants are held, and nobody else: a.\n")
    assert said(command("release", "b", "--store", store)) == (0, "These tenants are held, and nobody else: a.\n")


def test_who_releases_one_is_told_that_everything_is_held_and_the_other_way_round(store):
    said(command("hold", "a", "--store", store))
    said(command("hold", "--store", store))
    status, words = said(command("release", "b", "--store", store))
    assert (status, words.startswith("Everything is held."), "afterwards: a." in words) == (0, True, True)
    assert said(command("release", "--store", store)) == (0, "These tenants are held, and nobody else: a.\n")


def test_the_store_is_found_by_the_configuration_as_otter_finds_it(otter, tmp_path):
    layer = tmp_path / "layer.json"
    layer.write_text(json.dumps({"store": {"path": str(tmp_path / "elsewhere")}}))
    assert said(command("hold", "a", "--config", config_file(otter)))[0] == 0
    assert said(command("held", "--store", otter.store)) == (0, "These tenants are held, and nobody else: a.\n")
    words = complaint(command("hold", "--config", config_file(otter), "-c", layer))
    assert f"there is no {tmp_path}/elsewhere" in words


def test_a_configuration_that_is_wrong_or_not_there_is_named(lives, tmp_path):
    assert "regoin" in complaint(command("held", "--config", config_file(lives.otter(regoin="ORD"))))
    assert "nowhere.json" in complaint(command("hold", "--config", tmp_path / "nowhere.json"))
    assert "config.json" in complaint(command("hold"))


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    for name in ("hold", "release", "held"):
        assert f"there is no {tmp_path}/none" in complaint(command(name, "--store", tmp_path / "none"))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_store_is_left_alone(tmp_path):
    (tmp_path / "text").write_text("no database " * 1000)
    (tmp_path / "empty").touch()
    with closing(sqlite3.connect(tmp_path / "other")) as other:
        other.executescript("CREATE TABLE a (x); PRAGMA user_version = 6;")
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    for file in before:
        assert str(file) in complaint(command("hold", "--store", file))
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    assert str(tmp_path) in complaint(command("hold", "--store", tmp_path))


@pytest.mark.parametrize(("version", "words"), [(5, "it brings this one there"), (99, "newer otter")])
def test_a_store_of_another_version_is_left_alone(otter, version, words):
    otter.stop()
    with closing(sqlite3.connect(otter.store)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    before = otter.store.read_bytes()
    for name in ("hold", "release", "held"):
        assert words in complaint(command(name, "--store", otter.store))
    assert otter.store.read_bytes() == before


@pytest.mark.parametrize("tenant", ["", b"\xff"])
def test_a_tenant_without_a_name_is_a_mistake_and_not_everybody(otter, tenant):
    for name in ("hold", "release"):
        assert "no tenant's id" in complaint([*command(name, "--store", otter.store), tenant])
    assert said(command("held", "--store", otter.store)) == (0, "Nothing is held.\n")


def test_tenants_may_have_any_name(otter):
    for tenant in ("everything", "*", "ä b"):
        assert said(command("hold", tenant, "--store", otter.store), LC_ALL="C")[0] == 0
    held = said(command("held", "--store", otter.store))
    assert held == (0, "These tenants are held, and nobody else: *, everything, ä b.\n")


def test_whoever_must_wait_for_too_long_is_told_so_in_a_sentence(otter):
    otter.stop()
    with closing(sqlite3.connect(otter.store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "database is locked" in complaint(command("hold", "--store", otter.store))


def test_otter_goes_on_while_others_hold_and_release(otter, api):
    group = api.create_group(policy(), maxEntities=1000)
    [up] = group["scalingPolicies"]
    with ThreadPoolExecutor(3) as crowd:
        working = [crowd.submit(api.execute, up) for _ in range(100)]
        for name in ("hold", "release", "hold"):
            assert said(command(name, "--store", otter.store))[0] == 0
        assert [each.result() for each in working] == [202] * 100
    assert api.desired(group) == 100
    otter.restart()
    assert answers(otter.url)
    assert said(command("held", "--store", otter.store))[1].startswith("Everything is held")
