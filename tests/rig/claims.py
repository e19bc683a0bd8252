"""Which of several otters works on what, as ZooKeeper knows it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from attrs import define, field
from kazoo.client import KazooClient

from otter.domain.shares import share_of
from tests.rig.processes import until

ROOT = "/otter"


@define(eq=False)
class Claims:
    """:ivar names: what the otters call themselves, in the order in which they were started."""

    zookeeper: KazooClient
    names: list[str] = field(init=False, factory=list)

    def know(self) -> None:
        """There is one otter more than before: remember its name."""
        self.names.append(until(self._new_name, 30, 0.2, "it is a member"))

    def owner_of(self, tenant: str) -> int | None:
        """The number of the otter, from 0, that has the tenant's share; None if none of those that are known has it."""
        claim = self.zookeeper.exists(f"{ROOT}/shares/{share_of(tenant)}")
        names = {session: name for name, session in self._members()}
        name = names.get(f"{claim.ephemeralOwner:x}") if claim else None
        return self.names.index(name) if name in self.names else None

    def _new_name(self) -> str | None:
        return next((name for name, _ in self._members() if name not in self.names), None)

    def _members(self) -> list[tuple[str, str]]:
        """Name and session of each."""
        if self.zookeeper.exists(f"{ROOT}/members") is None:
            return []
        found: list[tuple[str, str]] = []
        for member in self.zookeeper.get_children(f"{ROOT}/members"):
            name, _, session = member.partition(".")
            found.append((name, session))
        return found


@contextmanager
def open_claims(hosts: Sequence[str]) -> Iterator[Claims]:
    client = KazooClient(",".join(hosts))
    client.start()
    try:
        yield Claims(client)
    finally:
        client.stop()
        client.close()
