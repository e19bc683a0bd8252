"""Every kind of load balancer keeps the contract, against the simulated cloud; and what only some of them can do."""

from attrs import evolve
from twisted.trial.unittest import TestCase

from otter.cloud.balancers.interface import BalancerFull, BalancerGone
from otter.cloud.balancers.kinds import KINDS
from otter.cloud.balancers.rackconnect import PoolInactive, ServersUnprocessable
from otter.cloud.errors import ApiError, CloudError
from otter.domain.balancers import Access, Condition, Node
from tests.contracts.balancer import BalancerContract, place
from tests.rig.mimic import RACKCONNECT, ask
from tests.rig.proxying import status


def test_every_kind_is_held_to_the_contract():
    assert {suite.kind for suite in (CloudLoadBalancerTests, RackConnectTests)} == set(KINDS)


class CloudLoadBalancerTests(BalancerContract, TestCase):
    kind, service, impersonates = "CloudLoadBalancer", "clb", False
    listing, adding, removing = "list_nodes", "add_nodes", "remove_nodes"
    nowhere = "99999"

    def make_balancer(self):
        return str(self.behind.create_balancer())

    def host(self, number):
        return f"10.0.0.{number}"

    def node(self, lb_id, host):
        return Node(place(self.kind, lb_id, 80), host)

    def meddle(self, lb_id, host):
        self.behind.add_node(lb_id, host, 80, condition="DRAINING", weight=3, type="SECONDARY")

    def shown(self, lb_id):
        return {node["address"]: node for node in self.behind.nodes(lb_id)}

    async def test_a_balancer_with_room_for_some_takes_those_and_tells_of_the_rest(self):
        lb_id, hosts = self.made(27)
        await self.add(lb_id, *hosts[:22])
        with self.assertRaisesRegex(BalancerFull, f"more than 25 nodes .* {lb_id}"):
            await self.add(lb_id, *hosts[22:])
        self.assertEqual(len(self.shown(lb_id)), 25)
        with self.assertRaises(BalancerFull):
            await self.add(lb_id, *set(hosts) - set(self.shown(lb_id)))
        self.assertEqual(len(self.shown(lb_id)), 25)
        self.assertLessEqual(set(hosts[:22]), set(self.shown(lb_id)))

    async def test_one_server_may_have_nodes_on_two_ports(self):
        lb_id, [host, _] = self.made()
        nodes = [Node(place(self.kind, lb_id, port), host) for port in (80, 8080)]
        await self.ask(self.functions.add(lb_id, nodes, 1))
        seen = [evolve(node, id="") for node in (await self.look(lb_id)).nodes if node.host == host]
        self.assertEqual(set(seen), set(nodes))

    async def test_what_others_gave_their_nodes_is_read(self):
        lb_id, _ = self.made()
        [node] = (await self.look(lb_id)).nodes
        self.assertEqual((node.condition, node.weight, node.type), (Condition.DRAINING, 3, "SECONDARY"))

    async def test_weight_and_type_are_set_right(self):
        lb_id, [host, _] = self.made()
        self.meddle(lb_id, host)
        node = await self.one(lb_id, host)
        await self.ask(
            self.functions.change(lb_id, evolve(node, condition=Condition.ENABLED, weight=1, type="PRIMARY"))
        )
        self.assertTrue((await self.one(lb_id, host)).as_wanted)

    async def test_new_nodes_have_to_show_that_they_work_if_there_is_a_health_monitor(self):
        lb_id, [host, _] = self.made()
        self.behind.set_health_monitor(lb_id)
        await self.add(lb_id, host)
        node = await self.one(lb_id, host)
        self.assertEqual((node.condition, node.online), (Condition.DRAINING, False))
        self.assertTrue((await self.look(lb_id)).monitored)
        self.behind.node_status(lb_id, node.id, "ONLINE")
        self.assertTrue((await self.one(lb_id, host)).online)

    async def test_a_locked_balancer_is_busy_and_refuses_changes_for_now(self):
        lb_id, [first, second] = self.made()
        await self.add(lb_id, first)
        for lock in ("PENDING_UPDATE", "ERROR"):
            self.behind.balancer_status(lb_id, lock)
            seen = await self.look(lb_id)
            self.assertEqual((seen.access, len(seen.nodes)), (Access.BUSY, 2))
            self.assertIn(lock, seen.why)
            [node] = [node for node in seen.nodes if node.host == first]
            for change in (
                self.functions.add(lb_id, [self.node(lb_id, second)], 2),
                self.functions.change(lb_id, evolve(node, weight=7)),
                self.functions.remove(lb_id, [node]),
            ):
                with self.assertRaises(CloudError) as caught:
                    await self.ask(change)
                self.assertFalse(caught.exception.terminal)
        self.assert_there(lb_id, first)

    async def test_a_balancer_that_is_being_deleted_is_closed_and_takes_no_nodes(self):
        lb_id, hosts = self.made()
        self.behind.balancer_status(lb_id, "PENDING_DELETE")
        seen = await self.look(lb_id)
        self.assertEqual((seen.access, len(seen.nodes)), (Access.CLOSED, 1))
        self.assertIn(lb_id, seen.why)
        with self.assertRaisesRegex(BalancerGone, lb_id):
            await self.add(lb_id, *hosts)

    async def test_a_deleted_one_is_closed_whether_or_not_it_is_still_shown(self):
        metadata = [{"key": "lb_pending_delete", "value": 1}]
        for lb_id in (self.make_balancer(), str(self.behind.create_balancer(metadata=metadata))):
            self.behind.delete_balancer(lb_id)
            seen = await self.look(lb_id)
            self.assertIs(seen.access, Access.CLOSED)
            self.assertIn(lb_id, seen.why)

    async def test_which_ids_are_strangers_is_learned_in_the_services_own_words(self):
        lb_id, hosts = self.made(4)
        await self.add(lb_id, *hosts)
        nodes = [node for node in (await self.look(lb_id)).nodes if node.host in hosts]
        strangers = [evolve(nodes[0], id=id) for id in ("1000001", "1000002")]
        await self.ask(self.functions.remove(lb_id, [*nodes[:2], *strangers]))
        self.assert_there(lb_id, *(node.host for node in nodes[2:]))


class RackConnectTests(BalancerContract, TestCase):
    kind, service, impersonates = "RackConnectV3", "rackconnect", True
    listing, adding, removing = "list_pool_nodes", "add_pool_nodes", "remove_pool_nodes"
    nowhere = "0a1b2c3d-0000-4000-8000-000000000000"

    def make_balancer(self):
        """There is only one, and it is emptied."""
        if left := self.behind.pooled():
            self.behind.remove_from_pool(*left)
        return self.behind.pool_id()

    def host(self, number):
        return f"5e7e7000-0000-4000-8000-{number:012}"

    def node(self, lb_id, host):
        return Node(place(self.kind, lb_id, None), host)

    def meddle(self, lb_id, host):
        self.behind.add_to_pool(host)

    def shown(self, lb_id):
        nodes = ask("GET", f"{self.behind.urls[RACKCONNECT]}/load_balancer_pools/{lb_id}/nodes")
        by_server = {node["cloud_server"]["id"]: node for node in nodes}
        self.assertEqual(len(by_server), len(nodes), "nobody is in it twice")
        return by_server

    def refuse(self, operation, *sentences, nth=1):
        """The next request of that kind is refused with these words, or the ``nth`` from now."""
        self.fault(status(409, {"errors": list(sentences)}), operation, nth=nth)

    def words(self, words, host, lb_id):
        return f"Cloud Server {host} {words.replace('POOL', f'Load Balancer Pool {lb_id}')}"

    async def test_servers_that_are_members_already_do_not_keep_the_others(self):
        lb_id, hosts = self.made(3)
        self.meddle(lb_id, hosts[1])
        await self.add(lb_id, *hosts)
        self.assert_there(lb_id, *hosts)

    async def test_servers_that_cannot_be_reached_yet_are_told_of_and_the_others_are_added(self):
        lb_id, hosts = self.made(4)
        self.meddle(lb_id, hosts[0])
        self.refuse(
            self.adding,
            self.words("is already a member of POOL", hosts[0], lb_id),
            self.words("is unprocessable", hosts[1].upper(), lb_id),
        )
        with self.assertRaisesRegex(ServersUnprocessable, lb_id) as caught:
            await self.add(lb_id, *hosts)
        self.assertFalse(caught.exception.terminal)
        self.assert_there(lb_id, hosts[0], hosts[2], hosts[3])

    async def test_servers_that_left_the_pool_or_the_world_do_not_keep_the_others_there(self):
        lb_id, hosts = self.made(4)
        await self.add(lb_id, *hosts)
        self.refuse(
            self.removing,
            self.words("is not a member of POOL", hosts[0], lb_id),
            self.words("does not exist", hosts[1], lb_id),
        )
        await self.remove(lb_id, *hosts)
        self.assert_there(lb_id, *hosts[:2])

    async def test_an_inactive_pool_changes_nothing_for_now(self):
        lb_id, hosts = self.made()
        await self.add(lb_id, hosts[0])
        for operation, change in ((self.adding, self.add), (self.removing, self.remove)):
            self.refuse(operation, f"Load Balancer Pool {lb_id} is not in an ACTIVE state")
            with self.assertRaisesRegex(PoolInactive, lb_id) as caught:
                await change(lb_id, hosts[0] if operation == self.removing else hosts[1])
            self.assertFalse(caught.exception.terminal)
        self.assert_there(lb_id, hosts[0])

    async def test_words_that_nobody_knows_are_no_reason_to_guess(self):
        lb_id, hosts = self.made()
        known = self.words("is already a member of POOL", hosts[0], lb_id)
        stranger = self.words("is already a member of POOL", self.host(77), lb_id)
        for sentences in (["The moon is full"], [], [known, "The moon is full"], [stranger]):
            self.refuse(self.adding, *sentences)
            self.proxy.reset(self.tenant)
            with self.assertRaises(ApiError) as caught:
                await self.add(lb_id, *hosts)
            self.assertFalse(caught.exception.terminal)
            self.assertEqual(self.proxy.changes(self.tenant), 1)
            self.proxy.clear(self.tenant)
        self.assert_there(lb_id)

    async def test_a_pool_that_vanishes_between_two_requests_is_gone(self):
        lb_id, hosts = self.made()
        await self.add(lb_id, hosts[0])
        self.refuse(self.adding, self.words("is already a member of POOL", hosts[0], lb_id))
        self.refuse(self.adding, f"Load Balancer Pool {lb_id} does not exist", nth=2)
        with self.assertRaisesRegex(BalancerGone, lb_id):
            await self.add(lb_id, *hosts)

    async def test_what_is_no_id_of_a_pool_is_a_pool_that_does_not_exist(self):
        self.assertIs((await self.look("default")).access, Access.CLOSED)
