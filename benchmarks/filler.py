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
    groups = [GroupId(f"{tenant}-{number % tenants}", str(uuid4())) for number in range(tenants * groups_of_each)]
    asyncio.run(write_groups(SQLiteStore(database), groups, policies, alike))
    database.connection.execute("COMMIT")
    database.close()


async def write_groups(
    store: SQLiteStore, group_ids: Sequence[GroupId], policies: Sequence[Mapping], alike: bool
) -> None:
    now = time.time()
    for number, group_id in enumerate(group_ids):
        document = group_document(most=1000, name="web" if alike else f"web-{number}")
        config, launch = config_of(document["groupConfiguration"]), launch_of(document["launchConfiguration"])
        made = [new_policy(str(uuid4()), policy, now) for policy in policies]
        await store.create_group(Group(group_id, config, launch, IDLE), made, len(group_ids))
