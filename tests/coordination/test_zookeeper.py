"""Coordination by a real ZooKeeper."""

from itertools import count
from uuid import uuid4

import pytest
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from otter.coordination.zookeeper.marks import EVERYTHING, MOST
from otter.coordination.zookeeper.opening import Place, by_kazoo, by_txkazoo, coordinate
from otter.domain.group import GroupId
from otter.domain.shares import share_of
from tests.contracts.coordination import SharingContract, sleep, tenants_of, until

pytestmark = pytest.mark.alone

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

    async def test_hints_that_nobody_takes_are_bounded_in_number(self):
        first, second = await self.start_fleet(2)
        tenant = tenants_of(second)[0]
        second.shares.stop()  # Its claims stay, and so does whatever is hinted.
        sent = first.marks.zookeeper
        for number in range(5000):
            await first.marks.mark(GroupId(tenant, f"g{number}"))
            if number % 10 == 0:
                await sleep(0)
        path = f"{self.place.root}/hints/{share_of(tenant)}"
        await until(lambda: not first.marks._sending)
        names = await sent.children(path)
        self.assertIn(EVERYTHING, names)
        self.assertLessEqual(len(names), MOST + 1)


class TxKazooTests(KazooTests):
    way = staticmethod(by_txkazoo)
