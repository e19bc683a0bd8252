"""
A store full of idle groups, written past otter: what would otherwise take minutes of requests.

They are what the API would have left behind: they want no servers and have none, and no pass is due. A keyspace is filled by
a process of its own: ``python -m benchmarks.filler HOST PORT KEYSPACE TENANTS GROUPS_OF_EACH TENANT < policies.json``.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import react

from otter.domain.group import Group, GroupId, GroupState, config_of
from otter.domain.launch import launch_of
from otter.domain.policy import new_policy
from otter.store.cassandra import queries
from otter.store.cassandra.client import Cassandra, Place
from otter.store.cassandra.store import CassandraStore, together
from otter.store.interface import IStore
from otter.store.sqlite.database import Inline, connect
from otter.store.sqlite.schema import private
from otter.store.sqlite.store import SQLiteStore
from tests.rig.otter import group_document
from tests.rig.processes import REPOSITORY

IDLE = GroupState(desired=0, generation=1, converged_generation=1)
MOST = 1_000_000
"""Groups that a tenant may have."""
BEFORE = 0.0
"""When the policies were made: before all of their events, also of those that are due at this moment."""
UP = {"name": "up", "type": "webhook", "cooldown": 0, "change": 1}


def fill(
    path: Path,
    tenants: int,
    groups_of_each: int,
    policies: Sequence[Mapping] = (UP,),
    tenant: str = "idle",
    alike: bool = True,
) -> None:
    """
    Make the store at ``path``, or more in it, all in one transaction.

    :param tenant: what the names of the tenants begin with.
    :param alike: whether the groups share one configuration; otherwise each has a name of its own.
    """
    private(path)
    database = Inline(connect(str(path)))
    database.connection.execute("PRAGMA cache_size = -200000")
    database.connection.execute("BEGIN")
    group_ids = new_ids(tenants, groups_of_each, tenant)
    asyncio.run(write_groups(SQLiteStore(database), group_ids, policies, alike))
    database.connection.execute("COMMIT")
    database.close()


def new_ids(tenants: int, groups_of_each: int, tenant: str) -> Sequence[GroupId]:
    return [GroupId(f"{tenant}-{number % tenants}", str(uuid4())) for number in range(tenants * groups_of_each)]


async def write_groups(
    store: SQLiteStore, group_ids: Sequence[GroupId], policies: Sequence[Mapping], alike: bool
) -> None:
    for number, group_id in enumerate(group_ids):
        await write_group(store, group_id, "web" if alike else f"web-{number}", policies)


async def write_group(store: IStore, group_id: GroupId, name: str, policies: Sequence[Mapping]) -> None:
    document = group_document(most=1000, name=name)
    config, launch = config_of(document["groupConfiguration"]), launch_of(document["launchConfiguration"])
    made = [new_policy(str(uuid4()), policy, BEFORE) for policy in policies]
    await store.create_group(Group(group_id, config, launch, IDLE), made, MOST)


def fill_keyspace(place: Place, tenants: int, groups_of_each: int, policies: Sequence[Mapping], tenant: str) -> None:
    """``fill``, for Cassandra."""
    words = [*place.hosts, place.port, place.keyspace, tenants, groups_of_each, tenant]
    command = [sys.executable, "-m", "benchmarks.filler", *map(str, words)]
    text = json.dumps(policies)
    done = subprocess.run(command, input=text, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def main(reactor: Any, host: str, port: str, keyspace: str, tenants: str, groups_of_each: str, tenant: str) -> Deferred:
    client = Cassandra(reactor, Place((host,), int(port), keyspace, timeout=20.0), queries.ALL)
    client.prepare()
    group_ids = new_ids(int(tenants), int(groups_of_each), tenant)
    return ensureDeferred(write_at_once(CassandraStore(client, reactor, 0), group_ids, json.load(sys.stdin)))


async def write_at_once(store: CassandraStore, group_ids: Sequence[GroupId], policies: Sequence[Mapping]) -> None:
    await together(write_group(store, group_id, "web", policies) for group_id in group_ids)
    await store.close()


if __name__ == "__main__":
    react(main, sys.argv[1:])
