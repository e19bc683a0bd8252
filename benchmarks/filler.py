"""
A store full of idle groups, written before otter starts: what would otherwise take minutes of requests.

They are what the API would have left behind: they want no servers and have none, and no pass is due.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from otter.domain.group import Group, GroupId, GroupState, config_of
from otter.domain.launch import launch_of
from otter.domain.policy import new_policy
from otter.store.sqlite.database import Inline, connect
from otter.store.sqlite.schema import private
from otter.store.sqlite.store import SQLiteStore
from tests.rig.otter import group_document

IDLE = GroupState(desired=0, generation=1, converged_generation=1)


UP = {"name": "up", "type": "webhook", "cooldown": 0, "change": 1}


def fill(
    path: Path, tenants: int, groups_of_each: int, policies: Sequence[Mapping] = (UP,), tenant: str = "idle"
) -> None:
    """Make the store at ``path``, or more in it, all in one transaction. :param tenant: what the names of the tenants begin with."""
    private(path)
    database = Inline(connect(str(path)))
    database.connection.execute("BEGIN")
    groups = [GroupId(f"{tenant}-{number % tenants}", str(uuid4())) for number in range(tenants * groups_of_each)]
    asyncio.run(write_groups(SQLiteStore(database), groups, policies))
    database.connection.execute("COMMIT")
    database.close()


async def write_groups(store: SQLiteStore, group_ids: Sequence[GroupId], policies: Sequence[Mapping]) -> None:
    document = group_document(most=1000)
    config, launch = config_of(document["groupConfiguration"]), launch_of(document["launchConfiguration"])
    now = time.time()
    for group_id in group_ids:
        made = [new_policy(str(uuid4()), policy, now) for policy in policies]
        await store.create_group(Group(group_id, config, launch, IDLE), made, len(group_ids))
