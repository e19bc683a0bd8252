"""
How much memory otter needs for 10,000 groups, and whether executing policies makes it more.

The groups are in the store before otter starts; they want no servers and have none. Then the self-heal sweep, as shipped, goes
over all of them, which is a pass for each. What the kernel says is resident (VmRSS) after that is the first figure.

Then webhooks are executed as in ``benchmarks.webhooks``, one group's "up" and "down" in turn: first 1,000 of them, then another
9,000. The second figure is by how much the resident memory differs after those 9,000. The sweep goes on meanwhile. Each time,
otter is measured when its passes are done.
"""

import re
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.figures import Figure
from benchmarks.filler import fill
from benchmarks.load import generate
from benchmarks.servers import cheap_cloud, otter_on, running, seen, settle
from otter.config import SelfHealConfig
from tests.rig.otter import Otter, OwnedGroup
from tests.rig.processes import Process

AIM = 250.0
"""MB."""
GROWTH = 0.05
TENANTS, GROUPS_OF_EACH = 100, 100
GROUPS = TENANTS * GROUPS_OF_EACH
SWEEP = SelfHealConfig().interval
EXECUTED, MORE = 1000, 9000
CONNECTIONS = 20
POLICIES = ({"name": "up", "change": 1}, {"name": "down", "change": -1})
LONGEST = 60.0


def measure(folder: Path) -> list[Figure]:
    print(f"memory: {GROUPS} idle groups, a sweep of {SWEEP:.0f} s, then {EXECUTED} and {MORE} more executions")
    with running(cheap_cloud(folder, 0.0)) as cloud:
        service = otter_on(folder, cloud)
        fill(service.store, TENANTS, GROUPS_OF_EACH)
        with running(service):
            at_first = resident(service)
            time.sleep(SWEEP * 1.5)
            idle = resident(service)
            looks = len(seen(cloud))
            print(f"  {at_first:.0f} MB at the start, {idle:.0f} MB after a sweep of {looks} requests", flush=True)
            groups = [service.create_group("busy", 0, 1000, policies=POLICIES) for _ in range(4)]
            few = after(service, groups, EXECUTED)
            many = after(service, groups, MORE)
    growth = many / few - 1
    return [
        Figure(f"memory, {GROUPS} idle groups", f"{idle:.0f} MB", f"< {AIM:.0f} MB", idle < AIM),
        Figure(
            f"memory, after {EXECUTED + MORE} executions : {EXECUTED}",
            f"{growth:+.1%} ({few:.0f} to {many:.0f} MB)",
            f"< {GROWTH:+.0%}",
            growth < GROWTH,
        ),
    ]


def after(service: Otter, groups: list[OwnedGroup], executions: int) -> float:
    """The resident memory after so many executions, and after what they led to."""
    each = executions // CONNECTIONS
    hooks = [[urlsplit(group.webhooks[name]).path for name in ("up", "down")] for group in groups]
    lists = [(hooks[number % len(hooks)] * each)[:each] for number in range(CONNECTIONS)]
    done = generate(service.port, 0, lists)
    assert done.answers == {"202": executions}, done.answers
    settle(service, LONGEST)
    megabytes = resident(service)
    print(f"  {megabytes:.0f} MB after {executions} executions at {done.rate:.0f}/s", flush=True)
    return megabytes


def resident(process: Process) -> float:
    """MB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    [kilobytes] = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(kilobytes) / 1024
