"""
One real node of Cassandra for a whole run of pytest, whose workers share it. A plugin, registered by ``tests/conftest.py``.

The process that runs pytest claims a net of its own on loopback (:func:`claim_net`) and tells it to its workers; the
first of them that needs Cassandra starts it there, and the end of the run takes it down. A claim is a listening socket,
so it ends with the process, however that ends; whoever claims the net next kills and wipes what was left.

Where Java is missing, the tests that need a server are skipped, and the end of the run says what to install. With
``CI=true`` they fail instead. They are those that use ``cassandra_node``, or are marked with ``pytest.mark.services``.
"""

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from scripts.services.jars import how_to_get, missing_packages
from scripts.services.settings import settings_of
from tests.rig.processes import REPOSITORY

NETS = tuple(f"127.0.{number}" for number in range(77, 109))
PORT = 9042
PORTS = (PORT, 7000, 2181)
CLAIM_PORT = 2180
MISSING = "missing packages"
"""The user property of a test that could not run without them."""


@frozen
class CassandraNode:
    """Where it answers. :ivar log: what it logs itself."""

    hosts: tuple[str, ...]
    port: int
    log: Path


@frozen
class Net:
    """Addresses for the servers of one run. :ivar folder: their data and logs."""

    prefix: str
    folder: Path

    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "OTTER_SERVICES_NET": self.prefix, "OTTER_SERVICES_DATA": str(self.folder / "data")}

    def services(self, *words: str) -> str:
        """What ``python -m scripts.services`` says. :raises AssertionError: it failed."""
        done = subprocess.run(
            [sys.executable, "-m", "scripts.services", *words],
            check=False,
            cwd=REPOSITORY,
            env=self.environment(),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    @property
    def address(self) -> str:
        """That of the first node."""
        return f"{self.prefix}.1"

    @property
    def failure(self) -> Path:
        """Exists if Cassandra did not start, and says why."""
        return self.folder / "failure"

    def used(self) -> bool:
        """Something was started there and not wiped."""
        return (self.folder / "data" / "layout").exists()

    def free(self) -> bool:
        """Nobody listens there, not even a stranger."""
        return all(can_listen(self.address, port) for port in PORTS)


@frozen
class Claim:
    """:ivar lock: bound to an address of the net, so that nobody else on this machine claims it meanwhile."""

    net: Net
    lock: socket.socket


CLAIM = pytest.StashKey[Claim | None]()


def claim_net(folder: Path, nets: Iterable[str] = NETS) -> Claim | None:
    """The first net that is nobody's, without what a run before may have left there; None if there is none."""
    return next((claim for net in nets if (claim := claimed(Net(net, folder / net)))), None)


def claimed(net: Net) -> Claim | None:
    lock = bound(net.address, CLAIM_PORT)
    if lock is None:
        return None
    try:
        net.folder.mkdir(parents=True, exist_ok=True)
        net.failure.unlink(missing_ok=True)
        if net.used():
            net.services("down", "--wipe")
    except (OSError, AssertionError):
        lock.close()
        return None
    if net.free():
        return Claim(net, lock)
    lock.close()
    return None


def bound(address: str, port: int) -> socket.socket | None:
    """None if somebody else is, or listens there."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that lately ended do not count
    try:
        found.bind((address, port))
        found.listen()
    except OSError:
        found.close()
        return None
    return found


def can_listen(address: str, port: int) -> bool:
    found = bound(address, port)
    if found is not None:
        found.close()
    return found is not None


def started(net: Net) -> CassandraNode:
    """Its Cassandra, started if it does not run. One failure is enough: other workers need not wait for theirs."""
    with (net.folder / "start").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not net.failure.exists(), net.failure.read_text()
        try:
            net.services("up", "--only", "cassandra")
        except AssertionError as error:
            net.failure.write_text(str(error))
            raise
    return CassandraNode((net.address,), PORT, net.folder / "data" / "cassandra-1.log")


@pytest.fixture(scope="session")
def services_net(pytestconfig: pytest.Config) -> Net:
    """The net of this run."""
    told = getattr(pytestconfig, "workerinput", {}).get("services_net")
    if told is not None:
        prefix, folder = told
        return Net(prefix, Path(folder))
    claim = pytestconfig.stash[CLAIM]
    assert claim is not None, "no net on loopback is free for the servers of this run"
    return claim.net


@pytest.fixture(scope="session")
def cassandra_node(services_net: Net) -> CassandraNode:
    return started(services_net)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "services: needs Java and Maven, for real servers")
    if not hasattr(config, "workerinput"):
        config.stash[CLAIM] = claim_net(settings_of(os.environ).cache / "tests")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Of pytest-xdist: what a worker is told."""
    claim = node.config.stash[CLAIM]
    node.workerinput["services_net"] = (claim.net.prefix, str(claim.net.folder)) if claim else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "cassandra_node" in getattr(item, "fixturenames", ()):
            item.add_marker("services")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("services") is None:
        return
    packages = missing_packages(settings_of(os.environ))
    if packages:
        item.user_properties.append((MISSING, how_to_get(packages)))
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse(f"it needs a real server, which needs Java and Maven: {how_to_get(packages)}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """After the workers have ended. A run that failed leaves logs and data to look at, until the next one."""
    claim = session.config.stash.get(CLAIM, None)
    if claim is None:
        return
    with claim.lock:
        if claim.net.used():
            claim.net.services("down", *(["--wipe"] if exitstatus == pytest.ExitCode.OK else []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Also into the file OTTER_NOT_RUN, if there is one: ``make test`` ends with these lines."""
    lines = not_run(report for reports in terminalreporter.stats.values() for report in reports)
    for line in lines:
        terminalreporter.write_line(line)
    if lines and "OTTER_NOT_RUN" in os.environ:
        Path(os.environ["OTTER_NOT_RUN"]).write_text("\n".join([*lines, ""]))


def not_run(reports: Iterable[Any]) -> list[str]:
    """Which suites, and how to have them run."""
    wanting = {report.nodeid: how for report in reports if (how := wanted_by(report))}
    if not wanting:
        return []
    suites = sorted({test.partition("::")[0] for test in wanting})
    return [
        f"NOT RUN: {len(wanting)} tests in {', '.join(suites)}. They need a real server, which needs Java 17 and Maven.",
        f"To run them, on Debian: {next(iter(wanting.values()))}",
    ]


def wanted_by(report: Any) -> str | None:
    """What the test lacked; None if it lacked nothing, or is no report of a test."""
    return next((how for name, how in getattr(report, "user_properties", ()) if name == MISSING), None)
