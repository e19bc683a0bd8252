"""``otter-schema`` as operators use it: they look at what it would do, it makes the tables, and otter stores in them."""

import subprocess
from uuid import uuid4

import pytest

from otter.store.cassandra import driver
from otter.store.cassandra.client import Place
from tests.process.lives import BIN, config_file
from tests.rig.keyspaces import stored_in
from tests.rig.otter import watched
from tests.rig.processes import REPOSITORY
from tests.walks.api import Api
from tests.walks.documents import group_body

REPLICATION = '{"class": "SimpleStrategy", "replication_factor": 1}'


@pytest.fixture
def place(cassandra_node):
    """Where a keyspace may be made."""
    place = Place(cassandra_node.hosts, cassandra_node.port, f"otter_{uuid4().hex[:12]}", timeout=20.0)
    yield place
    cluster, session = driver.connect(place)
    session.execute(f"DROP KEYSPACE IF EXISTS {place.keyspace}", timeout=60)
    cluster.shutdown()


def otter_schema(otter, *words):
    """What the command says, which does what it is told."""
    command = [str(BIN / "otter-schema"), "--config", str(config_file(otter)), "--replication", REPLICATION, *words]
    environment = {"PATH": "/usr/bin:/bin", **watched({"PYTHONPATH": str(REPOSITORY)})}
    ended = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_otter_stores_and_keeps_its_limits_in_the_tables_that_were_made(lives, place):
    otter = lives.otter(**stored_in(place), limits={"absolute": {"maxGroups": 1}})
    assert f"CREATE TABLE IF NOT EXISTS {place.keyspace}.groups" in otter_schema(otter, "--dry-run")
    otter_schema(otter)
    otter.start()
    api = Api(f"{otter.root}/111")
    api.create_group()
    assert api("POST", "/groups", group_body()).refusal == (422, "ScalingGroupOverLimitError")
