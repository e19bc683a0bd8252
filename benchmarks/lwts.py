"""
What otter is measured against on Cassandra: ``python -m benchmarks.lwts HOST PORT KEYSPACE SECONDS PARTITIONS``.

The driver alone makes conditional writes, as otter makes them: the same batch of the same statement on the same table, with the
state of an idle group and the ids of as many writes before it as otter keeps. Each partition is changed again as soon as it was
changed, one version after the other, so nobody is in anybody's way. Nothing is read, nothing is thought about, and no answer
leaves the driver's own thread. The partitions are new each time, and no index leads otter to them.

The output is an ``Lwts`` as JSON.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from threading import Semaphore
from time import perf_counter
from typing import Any
from uuid import uuid4

from attrs import asdict, define, field, frozen

from benchmarks.filler import IDLE
from otter.domain.group import Group, GroupId, config_of
from otter.domain.launch import launch_of
from otter.store.cassandra.changes import REMEMBERED
from otter.store.cassandra.client import Place
from otter.store.cassandra.partition import statics_of
from otter.store.cassandra.queries import UPDATE_STATICS
from tests.rig.otter import group_document
from tests.rig.processes import REPOSITORY

TENANT = "bare"
OPS = json.dumps([f"{number:016x}" for number in range(REMEMBERED)])
LONGEST = 30.0
"""Seconds for what is still under way when the time is over."""


@frozen
class Lwts:
    """:ivar rate: conditional writes a second. :ivar latencies: seconds that each took."""

    rate: float
    latencies: list[float]


@define(eq=False)
class Writer:
    """
    One partition; one write of it is on its way at any time.

    :ivar columns: what each write stores. :ivar until: when it stops, by ``perf_counter``. :ivar ended: released then.
    """

    session: Any
    statement: Any
    group: str
    columns: Mapping[str, str]
    until: float
    ended: Semaphore
    latencies: list[float] = field(factory=list)
    error: str = ""
    _version: int | None = None
    _sent: float = 0.0

    def write(self) -> None:
        new = (self._version or 0) + 1
        args = {"tenant": TENANT, "grp": self.group, "version": self._version, "new": new, "ops": OPS, **self.columns}
        batch = batch_of(self.statement, args)
        self._sent, self._version = perf_counter(), new
        self.session.execute_async(batch).add_callbacks(self._written, self._failed)

    def _written(self, rows: Any) -> None:
        now = perf_counter()
        if not rows[0]["[applied]"]:
            self._failed("somebody else has changed the partition")
        elif now >= self.until:
            self.ended.release()
        else:
            self.latencies.append(now - self._sent)
            self.write()

    def _failed(self, error: Any) -> None:
        self.error = str(error)
        self.ended.release()


def batch_of(statement: Any, args: Mapping[str, Any]) -> Any:
    """As ``Cassandra.change`` sends it."""
    from cassandra import ConsistencyLevel
    from cassandra.query import BatchStatement

    batch = BatchStatement(serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL)
    batch.consistency_level, batch.is_idempotent = ConsistencyLevel.LOCAL_QUORUM, False
    batch.add(statement, args)
    return batch


def write_all(place: Place, seconds: float, partitions: int) -> Lwts:
    """:raises AssertionError: a write failed, or was refused."""
    from otter.store.cassandra.driver import connect

    cluster, session = connect(place)
    statement, ended = session.prepare(UPDATE_STATICS.format(keyspace=place.keyspace)), Semaphore(0)
    groups = [new_group() for _ in range(partitions)]
    for group in groups:  # the first write of each, with everything that a group has
        args = {"tenant": TENANT, "grp": group.id.group, "version": None, "new": 1, "ops": OPS, **statics_of(group)}
        assert session.execute(batch_of(statement, args)).one()["[applied]"]
    until = perf_counter() + seconds
    state = {"state": statics_of(groups[0])["state"]}
    writers = [Writer(session, statement, group.id.group, state, until, ended, version=1) for group in groups]
    for writer in writers:
        writer.write()
    assert all(ended.acquire(timeout=seconds + LONGEST) for _ in writers), "writes that nobody answered"
    cluster.shutdown()
    assert not any(writer.error for writer in writers), {writer.error for writer in writers}
    latencies = [latency for writer in writers for latency in writer.latencies]
    return Lwts(len(latencies) / seconds, latencies)


def new_group() -> Group:
    document = group_document(most=1000)
    config, launch = config_of(document["groupConfiguration"]), launch_of(document["launchConfiguration"])
    return Group(GroupId(TENANT, str(uuid4())), config, launch, IDLE)


def lwts(place: Place, seconds: float, partitions: int) -> Lwts:
    """``write_all``, in another process."""
    words = [*place.hosts, place.port, place.keyspace, seconds, partitions]
    command = [sys.executable, "-m", "benchmarks.lwts", *map(str, words)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Lwts(**json.loads(done.stdout))


if __name__ == "__main__":
    host, port, keyspace, seconds, partitions = sys.argv[1:]
    print(json.dumps(asdict(write_all(Place((host,), int(port), keyspace), float(seconds), int(partitions)))))
