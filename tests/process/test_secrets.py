"""Capabilities, passwords and what servers are told in confidence: in no log, and in no file but where they must be."""

import json
import stat

import pytest

from tests.process.lives import BIN, key_file, said
from tests.process.words import CREATE, LOGIN, Cloud
from tests.rig.processes import until
from tests.walks.api import Api, link
from tests.walks.documents import group_body, launch, policy

PASSWORD, USER_DATA, ADMIN_PASS = "passw0rd-of-otter", "c2VjcmV0IHVzZXIgZGF0YQ==", "adm1n-pass-of-a-server"


@pytest.fixture
def otter(lives):
    otter = lives.otter()
    otter.store.with_name("password").write_text(PASSWORD)
    return otter.start()


def capability_of(hook):
    return link(hook, "capability").rstrip("/").rpartition("/")[2]


@pytest.fixture
def hook(api):
    [up] = api.create_group(policy())["scalingPolicies"]
    return api.create(link(up) + "webhooks", {"name": "hook"})[0]


def test_using_a_webhook_in_every_way_leaves_no_capability_in_any_file(otter, api, hook):
    url = link(hook, "capability")
    assert api("GET", link(hook)).document == {"webhook": hook}
    assert api("PUT", link(hook), {"name": "other", "metadata": {}}).status == 204
    assert api("POST", url).status == api("POST", url.rstrip("/")).status == 202
    assert api("GET", "/groups").status == 200
    for stop in (lambda: None, otter.stop):
        stop()
        for file in otter.store.parent.iterdir():
            assert capability_of(hook).encode() not in file.read_bytes(), file
    assert {file.name for file in otter.store.parent.iterdir()} >= {"otter.sqlite", "otter.log", "keys.json"}


def test_what_is_kept_can_be_read_by_its_owner_alone(otter, api, hook, tmp_path):
    """Launch configurations are in the store, word by word."""
    assert said([str(BIN / "otter-store"), "backup", str(otter.store), str(tmp_path / "copy")])[0] == 0
    files = [*otter.store.parent.glob("otter.sqlite*"), tmp_path / "copy", key_file(otter)]
    assert len(files) >= 4
    assert [file for file in files if stat.S_IMODE(file.stat().st_mode) & 0o077 and file.stat().st_size] == []


def test_the_password_is_in_no_file_but_its_own(otter, api):
    api.create_group(minEntities=1)
    until(lambda: "cloud-request" in otter.log.read_text(), saying="Identity was asked for")
    otter.stop()
    files = [file for file in otter.store.parent.iterdir() if file.name != "password"]
    assert [file for file in files if PASSWORD.encode() in file.read_bytes()] == []


def test_what_servers_are_told_in_confidence_is_not_logged(otter, api):
    secret = launch(user_data=USER_DATA, adminPass=ADMIN_PASS)
    bodies = [secret, {**secret, "type": 5}, launch(user_data=USER_DATA, adminPass=ADMIN_PASS, flavorRef=5), [secret]]
    for body in bodies:
        api("POST", "/groups", group_body(minEntities=1) | {"launchConfiguration": body})
    api("POST", "/groups", json.dumps(secret).encode() + b"}")
    until(lambda: "cloud-request" in otter.log.read_text(), saying="Identity was asked for")
    log = otter.log.read_text()
    assert USER_DATA not in log
    assert ADMIN_PASS not in log


@pytest.fixture
def cloud():
    cloud = Cloud()
    yield cloud
    cloud.end()


@pytest.fixture
def tended(lives, cloud):
    """An otter that works for the cloud, and logs in with the password."""
    otter = lives.otter(cloud.identity_url, converger={"interval": 0.2})
    otter.store.with_name("password").write_text(PASSWORD)
    return otter.start()


def passed_on(otter, status=201):
    """
    The answer to the owner of a group that has secrets, and the log after the cloud was asked for something.

    :param status: of the answer.
    """
    body = group_body(minEntities=1) | {"launchConfiguration": launch(user_data=USER_DATA, adminPass=ADMIN_PASS)}
    answer = Api(f"{otter.root}/t1")("POST", "/groups", body)
    assert answer.status == status
    until(lambda: '"cloud-' in otter.log.read_text(), saying="the cloud was asked in vain, or changed")
    otter.stop()
    return answer.body.decode() + "\n" + otter.log.read_text()


def test_a_password_that_identity_repeats_is_not_passed_on(cloud, tended):
    cloud.words[LOGIN] = (401, {"unauthorized": {"code": 401, "message": "Unable to authenticate: HEARD"}})
    assert PASSWORD not in passed_on(tended, 503)


def test_a_token_in_an_answer_that_makes_no_sense_is_not_passed_on(cloud, tended):
    cloud.words[LOGIN] = (200, {"access": {"token": {"id": "precious-token"}}})
    assert "precious-token" not in passed_on(tended, 503)


def test_the_password_of_a_new_server_is_not_passed_on(cloud, tended):
    cloud.words[CREATE] = (202, {"server": {"adminPass": "from-nova", "id": "s1", "links": []}})
    assert "from-nova" not in passed_on(tended)


def test_the_password_of_a_server_in_an_answer_that_makes_no_sense_is_not_passed_on(cloud, tended):
    cloud.words[CREATE] = (202, {"server": {"adminPass": "from-nova"}})
    assert "from-nova" not in passed_on(tended)


@pytest.mark.parametrize("status", [400, 403, 500])
def test_what_nova_repeats_of_a_server_is_not_logged(cloud, tended, status):
    """Nova does: "Invalid input for field/attribute user_data. Value: ..."."""
    message = f"Invalid input for field/attribute user_data. Value: {USER_DATA}. Invalid adminPass {ADMIN_PASS}."
    cloud.words[CREATE] = (status, {"badRequest": {"code": status, "message": message}})
    log = passed_on(tended).partition("\n")[2]
    assert USER_DATA not in log
    assert ADMIN_PASS not in log
