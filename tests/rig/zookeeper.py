"""
One real ZooKeeper for a whole run of pytest, on the net and in the way of ``tests/rig/cassandra.py``; and others for
single tests that disturb theirs. A plugin, registered by ``tests/conftest.py``.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from scripts.services.settings import settings_of
from tests.rig.cassandra import CLAIM, CLAIM_PORT, NETS, Net, bound, claim_net

NODE = "zookeeper-1"
FIXTURES = {"zookeeper_node", "own_zookeeper"}


@frozen
class ZooKeeperNode:
    net: Net

    @property
    def hosts(self) -> tuple[str, ...]:
        return (f"{self.net.address}:2181",)

    def do(self, command: str) -> None:
        """``kill``, ``pause``, ``resume``, ``stop``, ``start``: see ``scripts.services``."""
        self.net.services(command, NODE)

    def forget(self) -> None:
        """Kill it, and start one without its data in its place."""
        self.do("kill")
        shutil.rmtree(self.net.folder / "data" / NODE)
        self.do("start")


def beside(net: Net) -> Net:
    """The same addresses; what runs there has a folder of its own, for it is no part of Cassandra's layout."""
    return Net(net.prefix, net.folder / "zookeeper")


def started(net: Net) -> ZooKeeperNode:
    net.folder.mkdir(parents=True, exist_ok=True)
    with (net.folder / "start").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        net.services("up", "--only", "zookeeper")
    return ZooKeeperNode(net)


def clear(net: Net) -> None:
    """Without what a run that died has left there, unless somebody uses it."""
    lock = bound(net.address, CLAIM_PORT) if beside(net).used() else None
    if lock is not None:
        with lock:
            beside(net).services("down", "--wipe")


@pytest.fixture(scope="session")
def zookeeper_node(services_net: Net) -> ZooKeeperNode:
    return started(beside(services_net))


@pytest.fixture
def own_zookeeper(tmp_path: Path) -> Iterator[ZooKeeperNode]:
    """Nobody else's."""
    claim = claim_net(tmp_path)
    assert claim is not None, "no net on loopback is free for a ZooKeeper"
    with claim.lock:
        try:
            yield started(claim.net)
        finally:
            claim.net.services("down", "--wipe")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        for prefix in NETS:
            clear(Net(prefix, settings_of(os.environ).cache / "tests" / prefix))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("services")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """While the net is still claimed."""
    claim = session.config.stash.get(CLAIM, None)
    if claim is not None and beside(claim.net).used():
        beside(claim.net).services("down", *(["--wipe"] if exitstatus == pytest.ExitCode.OK else []))
