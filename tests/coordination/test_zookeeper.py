"""Coordination by a real ZooKeeper."""

from itertools import count
from uuid import uuid4

import pytest
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from otter.coordination.zookeeper.opening import Place, by_kazoo, by_txkazoo, coordinate
from otter.domain.shares import share_of
from tests.contracts.coordination import SharingContract

SESSION = 2.0


@pytest.mark.usefixtures("zookeeper_of_class")
class KazooTests(SharingContract, TestCase):
    session = SESSION
    way = staticmethod(by_kazoo)
    timeout = 120

    def setUp(self):
        super().setUp()
        self.place = Place(self.node.hosts, f"/otter-{uuid4().hex}", SESSION)
        self.numbers = count(1)

    async def number(self):
        return next(self.numbers)

    async def make_process(self):
        return coordinate(
            reactor, self.way(reactor, self.place), self.place, uuid4().hex, self.number, lambda id: share_of(id.tenant)
        )


class TxKazooTests(KazooTests):
    way = staticmethod(by_txkazoo)
