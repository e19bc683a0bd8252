"""
A store full of idle groups, written before otter starts: what would otherwise take minutes of requests.

They are what the API would have left behind: they want no servers and have none, each has a policy, and no pass is due.
"""

import asyncio
from pathlib import Path
from uuid import uuid4

from otter.domain.group import Group, GroupId, GroupState, config_of
from otter.domain.launch import launch_of
from otter.domain.policy import policy_of
from otter.store.sqlite.database import Inline, connect
from otter.store.sqlite.schema import private
from otter.store.sqlite.store import SQLiteStore
from tests.rig.otter import group_document

IDLE = GroupState(desired=0, generation=1, converged_generation=1)


def fill(path: Path, tenants: int, groups_of_each: int) -> None:
    """Make the store at ``path``, all in one transaction."""
    private(path)
    database = Inline(connect(str(path)))
    database.connection.execute("BEGIN")
    asyncio.run(write_groups(SQLiteStore(database), tenants, groups_of_each))
    database.connection.execute("COMMIT")
    database.close()


async def write_groups(store: SQLiteStore, tenants: int, groups_of_each: int) -> None:
    document = group_document(policies=[{"name": "up", "change": 1}])
    config, launch = config_of(document["groupConfiguration"]), launch_of(document["launchConfiguration"])
    [policy] = document["scalingPolicies"]
    for number in range(tenants * groups_of_each):
        group_id = GroupId(f"idle-{number % tenants}", str(uuid4()))
        group = Group(group_id, config, launch, IDLE)
        await store.create_group(group, [policy_of(str(uuid4()), policy)], groups_of_each)
