"""
How long it takes from a webhook hit until Nova is asked for the server that it wants, when another process works on the group.

Two processes of otter, one node of Cassandra and one of ZooKeeper, all on this machine, which has nothing else to do. Each group belongs
to a tenant of its own, and is hit at the process that does not have the tenant's share: it stores, leaves a hint in ZooKeeper and
answers; the other is told of the hint, makes a pass, and asks Nova. Otherwise this is ``benchmarks.reaction``: the hits come one after
the other, at random distances, and each is paired with one on a bare route.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attrs import frozen

from benchmarks.figures import Figure
from benchmarks.reaction import GROUPS, HITS, compared, new_group
from benchmarks.servers import AS_SHIPPED, bare, cheap_cloud, running
from otter.config import laid_over
from scripts.services.settings import settings_of
from tests.rig.cassandra import NETS, PORT, Net, claim_net
from tests.rig.claims import ROOT, Claims, open_claims
from tests.rig.fleet import Member
from tests.rig.keyspaces import a_keyspace
from tests.rig.otter import OwnedGroup
from tests.rig.processes import Process, free_port, until


@frozen
class Fleet:
    processes: Sequence[Member]
    claims: Claims

    def elsewhere(self, tenant: str) -> Member:
        """Of two processes, that which does not work for the tenant."""
        owner = until(lambda: [n for n in [self.claims.owner_of(tenant)] if n is not None], 30)[0]
        return self.processes[1 - owner]


def measure(folder: Path) -> list[Figure]:
    print(f"hints: {HITS} hits, one after the other, on {GROUPS} groups of another process")
    folder.mkdir(parents=True)
    with (
        own_servers() as net,
        running(cheap_cloud(folder, 0.0)) as cloud,
        running(bare(folder)) as route,
        fleet_on(net, folder, cloud, 2) as fleet,
    ):
        groups: list[tuple[Member, OwnedGroup]] = []
        for tenant in (f"t{number}" for number in range(GROUPS)):
            process = fleet.elsewhere(tenant)
            groups.append((process, new_group(process, tenant)))
        return compared("reaction of another process", route, groups, cloud)


@contextmanager
def own_servers() -> Iterator[Net]:
    """One Cassandra and one ZooKeeper, on a net of their own."""
    claim = claim_net(settings_of({}).cache / "tests", reversed(NETS))
    assert claim is not None, "no net on loopback is free for the servers"
    with claim.lock:
        try:
            claim.net.services("up")
            yield claim.net
        finally:
            claim.net.services("down", "--wipe")


@contextmanager
def fleet_on(net: Net, folder: Path, cloud: Process, count: int) -> Iterator[Fleet]:
    """So many processes, as shipped, each on a port of its own, with a new keyspace."""
    zookeeper_at = [f"{net.address}:2181"]
    with ExitStack() as at_the_end:
        keyspace = at_the_end.enter_context(a_keyspace((net.address,), PORT)).keyspace
        claims = at_the_end.enter_context(open_claims(zookeeper_at))
        own = {
            "identity": {"strategy": "single_tenant"},
            "store": {"backend": "cassandra", "hosts": [net.address], "port": PORT, "keyspace": keyspace},
            "coordination": {"backend": "zookeeper", "hosts": zookeeper_at, "root": ROOT},
            "secrets": {"key_file": str(folder / "keys.json")},
            "limits": {"absolute": {"maxGroups": 10_000}},
        }
        processes = []
        for number in range(count):
            identity_url = f"{cloud.url}/identity/v2.0"
            process = Member(folder / str(number), identity_url, free_port(), **laid_over(AS_SHIPPED, own))
            at_the_end.enter_context(running(process))
            claims.know(number)
            processes.append(process)
        yield Fleet(processes, claims)
