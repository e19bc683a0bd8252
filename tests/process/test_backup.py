"""``otter-store backup`` and ``restore``: a copy of one moment, while otter runs, and the way back, in which all is held."""

from concurrent.futures import ThreadPoolExecutor

from tests.process.lives import BIN, complaint, key_file, said
from tests.walks.api import Api, link
from tests.walks.documents import policy


def backup(source, target):
    return [str(BIN / "otter-store"), "backup", str(source), str(target)]


def restore(source, target):
    return [str(BIN / "otter-store"), "restore", str(source), str(target)]


def held(store):
    return said([str(BIN / "otter-store"), "held", "--store", str(store)])


def move_away(store, folder):
    """As an operator does before a restore."""
    folder.mkdir()
    for file in store.parent.glob("otter.sqlite*"):
        file.rename(folder / file.name)


def tenant_of(api):
    return api.root.rpartition("/")[2]


def test_a_copy_serves_the_same_groups_as_the_running_original(lives, otter, api, tmp_path):
    group = api.create_group(policy(), minEntities=2)
    [hook] = api.create(link(group["scalingPolicies"][0]) + "webhooks", {"name": "hook"})
    assert said(backup(otter.store, tmp_path / "copy"))[0] == 0
    copied = lives.otter(
        store={"path": str(tmp_path / "copy")},
        secrets={"key_file": str(key_file(otter))},
        url_root=otter.root.removesuffix("/v1.0"),
    ).start()
    there = Api(api.root.replace(otter.root, copied.root))("GET", f"/groups/{group['id']}?webhooks=true").document
    here = api("GET", link(group) + "?webhooks=true").document
    assert [each["group"]["state"].pop("held") for each in (here, there)] == [False, True]
    assert there == here
    assert there["group"]["scalingPolicies"][0]["webhooks"] == [hook]


def test_a_copy_made_in_the_middle_of_much_work_is_whole(lives, otter, api, tmp_path):
    group = api.create_group(policy(), maxEntities=1000)
    [up] = group["scalingPolicies"]
    with ThreadPoolExecutor(4) as crowd:
        working = [crowd.submit(api.execute, up) for _ in range(100)]
        assert said(backup(otter.store, tmp_path / "copy"))[0] == 0
        assert [each.result() for each in working] == [202] * 100
    assert api.desired(group) == 100
    copied = lives.otter(store={"path": str(tmp_path / "copy")}).start()
    assert 0 <= copied.groups(tenant_of(api))[0]["state"]["desiredCapacity"] <= 100


def test_a_stopped_store_can_be_copied(lives, otter, api, tmp_path):
    group = api.create_group()
    otter.stop()
    assert said(backup(otter.store, tmp_path / "copy"))[0] == 0
    copied = lives.otter(store={"path": str(tmp_path / "copy")}).start()
    assert [each["id"] for each in copied.groups(tenant_of(api))] == [group["id"]]


def test_nothing_is_overwritten(otter, tmp_path):
    target = tmp_path / "precious"
    target.write_text("mine")
    assert f"{target} exists already" in complaint(backup(otter.store, target))
    assert target.read_text() == "mine"


def test_a_store_that_is_not_there_is_named_and_not_made(tmp_path):
    assert f"there is no {tmp_path}/none" in complaint(backup(tmp_path / "none", tmp_path / "copy"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_store_is_refused(tmp_path):
    (tmp_path / "text").write_text("no database " * 1000)
    assert str(tmp_path / "text") in complaint(backup(tmp_path / "text", tmp_path / "copy"))


def test_a_target_without_a_folder_is_refused(otter, tmp_path):
    words = complaint(backup(otter.store, tmp_path / "nowhere" / "copy"))
    assert "could not be copied" in words


def test_everything_is_held_in_a_copy_and_nothing_in_the_original(otter, tmp_path):
    status, words = said(backup(otter.store, tmp_path / "copy"))
    assert (status, "everything is held" in words) == (0, True)
    assert held(tmp_path / "copy")[1].startswith("Everything is held")
    assert held(otter.store) == (0, "Nothing is held.\n")


def test_otter_is_what_it_was_on_a_restored_backup_and_everything_is_held(otter, api, tmp_path):
    group = api.create_group()
    assert said(backup(otter.store, tmp_path / "copy"))[0] == 0
    api.create_group()
    otter.stop()
    move_away(otter.store, tmp_path / "old")
    status, words = said(restore(tmp_path / "copy", otter.store))
    assert (status, "otter-store release" in words) == (0, True)
    otter.start()
    assert [each["id"] for each in otter.groups(tenant_of(api))] == [group["id"]]
    assert held(otter.store)[1].startswith("Everything is held")


def test_a_store_that_is_there_is_not_replaced(otter, api, tmp_path):
    group = api.create_group()
    assert said(backup(otter.store, tmp_path / "copy"))[0] == 0
    otter.stop()
    assert f"{otter.store} exists already" in complaint(restore(tmp_path / "copy", otter.store))
    otter.start()
    assert [each["id"] for each in otter.groups(tenant_of(api))] == [group["id"]]


def test_nothing_is_put_under_an_otter_that_still_runs(otter, tmp_path):
    assert said(backup(otter.store, tmp_path / "copy"))[0] == 0
    for file in otter.store.parent.glob("otter.sqlite*"):
        if file.suffix != ".lock":
            file.unlink()
    assert "in use by another otter process" in complaint(restore(tmp_path / "copy", otter.store))
    assert not otter.store.exists()


def test_what_is_no_backup_is_not_restored(tmp_path):
    (tmp_path / "text").write_text("no database " * 1000)
    assert str(tmp_path / "text") in complaint(restore(tmp_path / "text", tmp_path / "new" / "otter.sqlite"))
    assert f"there is no {tmp_path}/none" in complaint(restore(tmp_path / "none", tmp_path / "new" / "otter.sqlite"))
    assert [file.name for file in tmp_path.iterdir()] == ["text"]
