"""otter on a Cassandra that speaks TLS, and asks who is there. The node is these tests' own."""

import json
import os
import subprocess
import sys

import pytest
from attrs import frozen

from otter.store.cassandra import driver
from otter.store.cassandra.client import Place
from scripts.services.cassandra import ADMINISTRATOR, KEYSTORE_PASSWORD
from scripts.services.settings import settings_of
from tests.process.certificates import a_signer
from tests.process.lives import complaint, in_the_foreground
from tests.rig.cassandra import NETS, PORT, Net, claim_net
from tests.rig.processes import REPOSITORY, send, until

pytestmark = pytest.mark.services
REPLICATION = '{"class": "NetworkTopologyStrategy", "replication_factor": 1}'
KEYSPACE = "otter"
ELSEWHERE = "192.0.2.1"
"""What the node's certificate is for: names are not compared."""
SCHEMA = "from otter.__main__ import schema; schema()"


@frozen
class SecuredNet(Net):
    """:ivar keystore: of its node."""

    keystore: str

    def environment(self):
        return {**super().environment(), "OTTER_SERVICES_KEYSTORE": self.keystore}


@frozen
class Secured:
    """
    A node where nobody may do anything without a password.

    :ivar folder: of files with passwords, named as the accounts are; ``ca.pem`` has who signed the node's certificate.
    """

    net: Net
    folder: object

    def store(self, account, **more):
        """How otter is configured that has this account."""
        place = {"hosts": [self.net.address], "port": PORT, "keyspace": KEYSPACE}
        known = {
            "username": account,
            "password_file": str(self.folder / account),
            "ca_file": str(self.folder / "ca.pem"),
        }
        return {"backend": "cassandra", **place, **known, **more}

    def otter(self, lives):
        """All have the same keys."""
        return lives.otter(store=self.store("otter"), secrets={"key_file": str(self.folder / "keys.json")}).start()

    def let_in(self, account, *rights):
        """An account that may do just that."""
        (self.folder / account).write_text(f"password of {account}\n")
        words = [f"CREATE ROLE IF NOT EXISTS {account} WITH PASSWORD = 'password of {account}' AND LOGIN = true"]
        self.do(*words, *(f"GRANT {right} TO {account}" for right in rights))

    def do(self, *statements):
        known = self.store(ADMINISTRATOR)
        files = (known["username"], known["password_file"], known["ca_file"])
        cluster, session = driver.connect(Place((self.net.address,), PORT, KEYSPACE, "", *files, timeout=30.0))
        try:
            for statement in statements:
                session.execute(statement, timeout=60)
        finally:
            cluster.shutdown()


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secured")
    claim = claim_net(settings_of(os.environ).cache / "tests", reversed(NETS))
    assert claim is not None, "no net on loopback is free for the node"
    signer = a_signer("who signs the nodes' certificates")
    signer.write(folder / "ca.pem")
    keystore = signer.write_keystore(folder / "node.p12", ELSEWHERE, KEYSTORE_PASSWORD)
    (folder / ADMINISTRATOR).write_text(ADMINISTRATOR)
    net = SecuredNet(claim.net.prefix, claim.net.folder, str(keystore))
    with claim.lock:
        try:
            net.services("up", "--only", "cassandra")
            secured = Secured(net, folder)
            make_tables(secured)
            yield secured
        finally:
            net.services("down", "--wipe")


def make_tables(secured):
    """By ``otter-schema``; each account has the rights that docs/cassandra.md names, and no others."""
    secured.let_in("architect", "CREATE ON ALL KEYSPACES")
    config = secured.folder / "schema.json"
    config.write_text(json.dumps({"store": secured.store("architect")}))
    command = [sys.executable, "-c", SCHEMA, "--config", str(config), "--replication", REPLICATION]
    ended = subprocess.run(command, check=False, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    secured.let_in("otter", f"SELECT ON KEYSPACE {KEYSPACE}", f"MODIFY ON KEYSPACE {KEYSPACE}")


def advice_in(otter):
    """about -> advice, of what otter has said at its start."""
    lines = [json.loads(line) for line in otter.log.read_text().splitlines() if line.startswith("{")]
    return {line["about"]: line["advice"] for line in lines if line.get("event") == "cassandra-advice"}


def test_with_the_rights_that_docs_name_a_policy_is_executed_and_kept(lives, secured):
    otter = secured.otter(lives)
    group = otter.create_group("111", least=0, most=5, policies=[{"name": "up", "change": 2}])
    assert otter.hit(group.webhooks["up"]) == 202
    otter.restart()
    assert otter.state(group.url)["desiredCapacity"] == 2
    assert "not to be seen" in advice_in(otter)["commitlog_sync"]


def refusal(otter):
    """The sentence with which it does not start."""
    words = complaint(in_the_foreground(otter), PYTHONPATH=str(REPOSITORY)).strip().splitlines()
    assert len(words) == 1, words
    return words[0]


def test_a_wrong_password_is_named(lives, secured):
    (secured.folder / "wrong").write_text("wrong")
    sentence = refusal(lives.otter(store=secured.store("otter", password_file=str(secured.folder / "wrong"))))
    assert f"otter: Cassandra at {secured.net.address} cannot be used: no node can be used" in sentence
    assert "incorrect" in sentence
    assert "see store.username and store.password_file" in sentence


def test_that_a_password_is_needed_is_said(lives, secured):
    sentence = refusal(lives.otter(store=secured.store("", password_file="")))
    assert "requires authentication; see store.username and store.password_file" in sentence


def test_nodes_whose_certificate_somebody_else_signed_are_not_spoken_to(lives, secured):
    stranger = a_signer("a stranger").write(secured.folder / "stranger.pem")
    sentence = refusal(lives.otter(store=secured.store("otter", ca_file=str(stranger))))
    assert "certificate verify failed" in sentence
    assert "see store.ca_file" in sentence


@pytest.mark.parametrize("key", ["password_file", "ca_file"])
def test_a_file_that_is_missing_is_named(lives, secured, key):
    missing = str(secured.folder / "missing")
    sentence = refusal(lives.otter(store=secured.store("otter", **{key: missing})))
    assert f"otter: store.{key}: " in sentence
    assert missing in sentence


def test_a_right_that_is_missing_is_a_sentence(lives, secured):
    secured.let_in("reader", f"SELECT ON KEYSPACE {KEYSPACE}")
    assert "has no MODIFY permission" in refusal(lives.otter(store=secured.store("reader")))


def test_while_the_node_is_silent_otter_says_so_in_time_then_at_once_and_goes_on_by_itself(lives, secured):
    otter = secured.otter(lives)
    group = otter.create_group("222", least=0, most=50, policies=[{"name": "up", "change": 1}])
    execute = f"{group.policies['up']}/execute"
    secured.net.services("pause", "cassandra-1")
    try:
        status, headers, _ = send("POST", execute, timeout=20)
        assert (status, headers["retry-after"]) == (503, "5")
        until(lambda: b"it is tried again each second" in send("POST", execute, timeout=20)[2], 30)
        assert send("GET", otter.url, timeout=20)[0] == 503
    finally:
        secured.net.services("resume", "cassandra-1")
    until(lambda: send("GET", otter.url, timeout=20)[0] == 200, 30)
    before = otter.state(group.url)["desiredCapacity"]
    assert send("POST", execute, timeout=20)[0] == 202
    assert otter.state(group.url)["desiredCapacity"] == before + 1
