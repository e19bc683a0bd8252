"""What is asked of a real ZooKeeper, and the sessions in which it is asked."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kazoo.exceptions import ConnectionLoss, NoNodeError
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from otter.coordination.zookeeper.client import ZooKeeper
from otter.coordination.zookeeper.marks import EVERYTHING, group_of, name_of
from otter.coordination.zookeeper.opening import Place, by_kazoo, by_txkazoo
from otter.domain.group import GroupId
from tests.contracts.coordination import until

pytestmark = pytest.mark.alone

words = st.text(alphabet=st.characters(), max_size=40)


@given(words, words)
def test_a_group_can_be_read_from_its_hint(tenant, group):
    name = name_of(GroupId(tenant, group))
    assert group_of(name) == GroupId(tenant, group)
    assert name.isascii() and name.isprintable() and "/" not in name and name not in (".", "..", EVERYTHING)


@pytest.mark.parametrize("name", [EVERYTHING, "", "a", "a,b,c"])
def test_what_is_no_hint_names_no_group(name):
    assert group_of(name) is None


@pytest.mark.usefixtures("zookeeper_of_class")
class KazooClientTests(TestCase):
    way = staticmethod(by_kazoo)
    timeout = 60

    async def connected(self, session=2.0):
        place = Place(self.node.hosts, "/unused", session)
        client = ZooKeeper(reactor, self.way(reactor, place), 5.0)
        self.addCleanup(client.stop)
        client.start()
        await until(lambda: client.session)
        return client

    async def test_the_session_lasts_as_long_as_the_server_says(self):
        shortest, longest = await self.connected(0.2), await self.connected(3600.0)
        self.assertEqual((shortest.session.timeout, longest.session.timeout), (1.0, 60.0))

    async def test_nothing_is_deleted_once_the_proof_is_gone(self):
        client, root = await self.connected(), f"/otter-{uuid4().hex}"
        await client.create(f"{root}/claim")
        with self.assertRaises(NoNodeError):
            await client.delete_while(f"{root}/proof", f"{root}/claim")
        self.assertIsNotNone(await client.exists(f"{root}/claim"))
        await client.create(f"{root}/proof")
        await client.delete_while(f"{root}/proof", f"{root}/claim")
        self.assertIsNone(await client.exists(f"{root}/claim"))

    async def test_a_watch_is_called_once_in_the_reactor(self):
        client, path, seen = await self.connected(), f"/otter-{uuid4().hex}", []
        await client.exists(path, lambda: seen.append(True))
        await client.create(path)
        await until(lambda: seen == [True])
        await client.delete(path)
        await client.sync(path)
        self.assertEqual(seen, [True])

    async def test_nothing_is_asked_without_a_session(self):
        client = ZooKeeper(reactor, self.way(reactor, Place(self.node.hosts, "/unused", 2.0)), 5.0)
        self.addCleanup(client.stop)
        with self.assertRaises(ConnectionLoss):
            await client.exists("/")

    async def test_a_client_that_ended_by_itself_is_started_again(self):
        client = await self.connected()
        before = client.session
        reactor.callInThread(client.way.kazoo.stop)
        await until(lambda: client.session not in (None, before))
        self.assertEqual(await client.children("/zookeeper"), ["config", "quota"])


class TxKazooClientTests(KazooClientTests):
    way = staticmethod(by_txkazoo)
