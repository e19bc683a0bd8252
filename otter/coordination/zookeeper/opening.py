"""Coordination by ZooKeeper, made of its parts."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from attrs import define, frozen
from kazoo.client import KazooClient
from twisted.application.service import Service
from twisted.internet.defer import Deferred

from otter.coordination.interface import Coordination
from otter.coordination.zookeeper.client import Asynchronous, IWay, ZooKeeper, options_of
from otter.coordination.zookeeper.marks import ZooKeeperMarks
from otter.coordination.zookeeper.shares import ZooKeeperShares
from otter.domain.group import GroupId


@frozen
class Place:
    """
    :ivar hosts: "address:port" of servers. :ivar root: the path of the node below which all is.
    :ivar session: seconds without a word from a process after which others take its shares.
    """

    hosts: Sequence[str]
    root: str
    session: float


@define(eq=False)
class Connected(Service):
    """Has shares as long as it runs."""

    zookeeper: ZooKeeper
    shares: ZooKeeperShares

    def startService(self) -> None:
        """It is not waited for ZooKeeper."""
        super().startService()
        self.shares.start()
        self.zookeeper.start()

    def stopService(self) -> Deferred:
        super().stopService()
        self.shares.stop()
        return self.zookeeper.stop()


def coordinate(
    reactor: Any,
    way: IWay,
    place: Place,
    name: str,
    number: Callable[[], Awaitable[int]],
    share_of: Callable[[GroupId], int],
) -> Coordination:
    """
    :param reactor: its time must be one that nobody can set. :param name: of this process, unlike that of any other.
    :param number: see ``ZooKeeperShares``. :param share_of: see ``ZooKeeperMarks``.
    """
    root = place.root.rstrip("/")
    zookeeper = ZooKeeper(reactor, way, place.session)
    shares = ZooKeeperShares(zookeeper, root, name, number, reactor)
    marks = ZooKeeperMarks(zookeeper, shares, root, share_of)
    return Coordination(marks, shares, shares, lambda: shares.trouble, (Connected(zookeeper, shares),))


def by_kazoo(reactor: Any, place: Place) -> IWay:
    return Asynchronous(reactor, KazooClient(**options_of(place.hosts, place.session)))


def by_txkazoo(reactor: Any, place: Place) -> IWay:
    from otter.coordination.zookeeper.threaded import Client, Threaded

    return Threaded(Client(reactor, **options_of(place.hosts, place.session)))
