"""
What groups at rest cost, and by what: the number of tenants, of groups, of servers, or of processes.

Each case is a fleet of its own, on one node of Cassandra and one of ZooKeeper; as shipped, but for the limit of groups. The groups
are made through the API, each with its servers, and nothing is asked for afterwards: what goes on is the self-heal sweep, which
gives each group a pass every 30 seconds, the sweep for what was forgotten, and holding the shares. After that has gone round
once, a minute is measured: what the processes' CPU clocks say, what they have resident, and what they asked of Cassandra and of Nova.

docs/scaling.md says what follows from it.
"""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from attrs import frozen

from benchmarks.figures import Figure
from benchmarks.hints import fleet_on, own_servers
from benchmarks.memory import resident
from benchmarks.servers import cheap_cloud, running, seen
from otter.config import SelfHealConfig
from tests.rig.cassandra import Net
from tests.rig.fleet import Member
from tests.rig.otter import group_document
from tests.rig.processes import Process, until

MEASURED = 60.0
SETTLED_WITHIN = 300.0


@frozen
class Case:
    """:ivar servers: of each group."""

    tenants: int
    groups: int
    servers: int
    processes: int

    def __str__(self) -> str:
        return f"{self.groups} groups of {self.servers}, {self.tenants} tenants, {self.processes} processes"


CASES = (
    Case(tenants=10, groups=50, servers=1, processes=1),
    Case(tenants=10, groups=200, servers=1, processes=1),
    Case(tenants=40, groups=200, servers=1, processes=1),
    Case(tenants=10, groups=200, servers=5, processes=1),
    Case(tenants=10, groups=200, servers=1, processes=2),
    Case(tenants=10, groups=200, servers=1, processes=3),
)


@frozen
class Cost:
    """Of all processes together, in a minute. :ivar cpu: seconds. :ivar megabytes: of each process."""

    cpu: float
    megabytes: Sequence[float]
    cassandra: int
    nova: int

    def __str__(self) -> str:
        memory = " + ".join(f"{each:.0f}" for each in self.megabytes)
        return f"{self.cpu:.1f} s of CPU, {memory} MB, {self.cassandra} Cassandra, {self.nova} Nova"


def measure(folder: Path) -> list[Figure]:
    print(f"growth: {len(CASES)} fleets at rest, a minute each")
    figures = []
    with own_servers() as net, running(cheap_cloud(folder / "cloud", 0.0)) as cloud:
        for number, case in enumerate(CASES):
            cost = cost_of(case, net, folder / str(number), cloud)
            print(f"  {case}: {cost}", flush=True)
            figures.append(Figure(f"a minute of {case}", str(cost)))
    return figures


def cost_of(case: Case, net: Net, folder: Path, cloud: Process) -> Cost:
    """:param cloud: tenants of other cases are in it, too."""
    with fleet_on(net, folder, cloud, case.processes) as fleet:
        fill(case, fleet.processes[0], folder.name)
        until(lambda: not creates(cloud), SETTLED_WITHIN, 10.0, "all servers are there")
        time.sleep(SelfHealConfig().interval)
        seen(cloud)
        before = [(busy(each), asked(each)) for each in fleet.processes]
        time.sleep(MEASURED)
        after = [(busy(each), asked(each)) for each in fleet.processes]
        nova = len(seen(cloud))
        return Cost(
            cpu=sum(busy for busy, _ in after) - sum(busy for busy, _ in before),
            megabytes=[resident(each) for each in fleet.processes],
            cassandra=sum(asked for _, asked in after) - sum(asked for _, asked in before),
            nova=nova,
        )


def fill(case: Case, otter: Member, name: str) -> None:
    """Groups of tenants that no other case has."""
    document = group_document(case.servers, 100)

    def make(number: int) -> None:
        otter.post_group(f"case-{name}-{number % case.tenants}", document)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(case.groups)))


def creates(cloud: Process) -> int:
    """Servers that were made since the last question."""
    return sum(method == "POST" for _, method, _, _ in seen(cloud))


def busy(process: Process) -> float:
    """Seconds of CPU since its start."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def asked(otter: Member) -> int:
    """Requests to Cassandra since its start."""
    return sum(value for name, value in otter.metrics().items() if name.startswith("cassandra."))
