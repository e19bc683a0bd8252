"""Which of several otters works on what, as ZooKeeper knows it. To ask an otter for its metrics costs it a read for each group."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from attrs import define, field
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError

from otter.domain.shares import SHARES, share_of
from tests.rig.processes import until

ROOT = "/otter"


@define(eq=False)
class Claims:
    """:ivar names: number of an otter, from 0 -> what it calls itself since its last start."""

    zookeeper: KazooClient
    names: dict[int, str] = field(init=False, factory=dict)
    _known: set[str] = field(init=False, factory=set)

    def know(self, number: int, within: float = 30.0) -> None:
        """The otter of this number was started: remember its name. :raises AssertionError: it is no member."""
        name = until(self._new_name, within, 0.2, "it is a member")
        self._known.add(name)
        self.names[number] = name

    def owner_of(self, tenant: str) -> int | None:
        """Which otter has the tenant's share; None if none of those that are known has it."""
        return self.owners([share_of(tenant)]).get(share_of(tenant))

    def owners(self, shares: Sequence[int] = range(SHARES)) -> Mapping[int, int]:
        """Share -> the number of the otter that has it, for those that one has. Nothing while ZooKeeper does not answer."""
        numbers = {name: number for number, name in self.names.items()}
        try:
            sessions = {session: numbers[name] for name, session in self._members() if name in numbers}
            asked = {share: self.zookeeper.exists_async(f"{ROOT}/shares/{share}") for share in shares}
            claims = {share: answer.get(timeout=5) for share, answer in asked.items()}
        except (KazooException, KazooTimeoutError):
            return {}
        claimed = {share: f"{claim.ephemeralOwner:x}" for share, claim in claims.items() if claim}
        return {share: sessions[session] for share, session in claimed.items() if session in sessions}

    def _new_name(self) -> str | None:
        try:
            return next((name for name, _ in self._members() if name not in self._known), None)
        except KazooException:
            return None

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
    quiet, forever = logging.getLogger(__name__), {"max_tries": -1, "max_delay": 1}
    quiet.addHandler(logging.NullHandler())  # connections are broken off all the time: that is what tests do
    client = KazooClient(",".join(hosts), connection_retry=forever, logger=quiet)
    client.start(30)
    try:
        yield Claims(client)
    finally:
        client.stop()
        client.close()
