"""Passes over load balancers that are gone, busy, full, watchful or silent, and over connections that take time to end."""

import json

from twisted.internet.defer import CancelledError, ensureDeferred

from otter.cloud.errors import ApiError
from otter.domain.errors import NoSuchScalingGroup
from otter.domain.group import Status
from tests.convergence.passes import PassTestCase
from tests.worlds import GROUP_ID

POOL = {"loadBalancerId": "P", "type": "RackConnectV3"}
SEVEN = {"loadBalancerId": 7, "port": 80}
NOWHERE = {"loadBalancerId": 99, "port": 80}


class BalancerTests(PassTestCase):
    def conditions(self):
        return {node["condition"] for node in self.cloud.nodes.values()}

    # Gone

    def test_a_group_blocked_by_a_balancer_that_is_gone_is_looked_at_now_and_then(self):
        self.group_of(1, loadBalancers=[SEVEN, NOWHERE])
        self.passes(4)
        for _ in range(3):
            self.assertEqual(list(self.state().reasons), ["Cloud Load Balancer does not exist: 99"])
            self.assertEqual(self.state().due, self.clock.seconds() + self.run_pass.pace.heal)
            self.wait_for_look()
            self.one_pass()

    def test_and_healed_meanwhile(self):
        self.group_of(2, loadBalancers=[SEVEN, NOWHERE])
        self.passes(4)
        del self.cloud.servers["s1"]
        self.passes(4)
        self.assertEqual(len(self.cloud.servers), 2)
        self.assertEqual(self.cloud.served(), self.cloud.addresses())
        self.assertEqual(self.active(), set())

    # Silent

    def test_where_nodes_cannot_be_seen_what_was_in_service_is_believed_to_be(self):
        self.grown(2)
        self.resize(3)
        self.unreadable("loadbalancers/7/nodes")
        self.passes(3)
        self.assertEqual(len(self.cloud.servers), 3)
        self.assertEqual(self.active(), {"s1", "s2"})
        del self.cloud.servers["s1"]
        self.passes(3)
        self.assertEqual(self.active(), {"s2"})

    def test_a_server_that_nova_says_nothing_definite_about_is_neither_replaced_nor_in_the_way(self):
        self.grown(2)
        vanished = self.cloud.servers.pop("s1")
        self.cloud.nodes.clear()
        self.unreadable("servers/s1", error=ApiError(500, "oops"))
        self.passes(3)
        self.assertEqual(self.creates(), 0)
        self.assertEqual(self.cloud.served(), {"10.0.0.2"})
        self.clock.advance(self.run_pass.rules.patience)
        self.one_pass()
        self.assertEqual(self.state().status, Status.ERROR)
        self.assertIn("500", self.state().reasons[0])
        self.cloud.servers["s1"] = vanished
        self.converge()
        self.assertEqual((self.creates(), self.cloud.served()), (0, self.cloud.addresses()))

    def test_a_deleted_groups_servers_do_not_outlive_a_balancer_that_is_silent_for_too_long(self):
        self.grown(2)
        self.delete()
        self.unreadable("loadbalancers/7")
        self.passes(3)
        self.assertEqual(len(self.cloud.servers), 2)
        self.clock.advance(self.run_pass.rules.timeouts.detach)
        self.passes(3)
        self.assertEqual((self.cloud.servers, len(self.cloud.nodes)), ({}, 2))
        self.assertIs(self.state().status, Status.DELETING)
        self.cloud.refuse = lambda request: None
        self.end()
        self.assertEqual(self.cloud.nodes, {})
        gone = ensureDeferred(self.store.get_group(GROUP_ID, even_deleting=True))
        self.failureResultOf(gone, NoSuchScalingGroup)

    def test_and_its_record_does_not_outlive_one_that_is_silent_for_ever(self):
        self.grown(1)
        self.delete()
        self.unreadable("loadbalancers/7")
        self.one_pass()
        self.clock.advance(self.run_pass.rules.timeouts.forget)
        self.end()
        self.assertEqual(self.cloud.servers, {})

    def test_a_node_that_a_dying_pass_added_goes_with_its_server(self):
        self.group_of(1)
        self.one_pass()

        def obey_and_die(request):
            if request.path == "loadbalancers/7/nodes" and request.method == "POST":
                self.cloud.add_node(**request.json["nodes"][0])
                return CancelledError()
            return None

        self.cloud.refuse = obey_and_die
        self.dying_pass()
        del self.cloud.servers["s1"]
        self.converge()
        self.assertEqual(self.cloud.served(), self.cloud.addresses())

    # Busy and full

    def test_nothing_is_asked_of_a_busy_balancer_and_its_owner_is_told_if_that_lasts(self):
        self.grown(1)
        self.cloud.status = "PENDING_UPDATE"
        self.resize(2)
        self.passes(3)
        self.assertNotIn("POST loadbalancers/7/nodes", self.cloud.changes)
        self.clock.advance(self.run_pass.rules.patience)
        self.one_pass()
        self.assertIn("PENDING_UPDATE", self.state().reasons[0])
        self.cloud.status = "ACTIVE"
        self.converge()
        self.assertEqual((len(self.active()), self.state().status), (2, Status.ACTIVE))

    def test_a_full_balancer_takes_what_it_has_room_for_and_the_rest_when_there_is_room(self):
        self.cloud.add_node(address="10.9.9.9")
        self.cloud.most_nodes = 3
        self.group_of(4)
        self.passes(4)
        self.assertEqual((len(self.cloud.nodes), len(self.active())), (3, 2))
        self.assertEqual(list(self.state().reasons), ["Cannot create more than 3 nodes in Cloud Load Balancer 7"])
        self.assertEqual(self.state().due, self.clock.seconds() + self.run_pass.pace.heal)
        self.cloud.most_nodes = 25
        self.converge()
        self.assertEqual((len(self.active()), self.state().status), (4, Status.ACTIVE))

    # Watchful

    def test_new_nodes_get_traffic_when_their_health_monitor_finds_them_working(self):
        self.cloud.monitored = True
        self.group_of(1)
        self.passes(4)
        self.assertEqual((self.conditions(), self.state().status), ({"DRAINING"}, Status.ACTIVE))
        [node] = self.cloud.nodes.values()
        node["status"] = "ONLINE"
        self.converge()
        self.assertEqual(self.conditions(), {"ENABLED"})

    def test_nodes_that_stay_offline_are_told_of_and_survive_a_restart(self):
        self.cloud.monitored = True
        self.group_of(1)
        self.passes(3)
        self.begin_process()
        self.clock.advance(self.run_pass.rules.timeouts.online)
        self.one_pass()
        self.assertIn("OFFLINE", self.state().reasons[0])
        self.assertEqual(self.conditions(), {"DRAINING"})

    # Taking leave

    def drained(self, seconds):
        """A group that grew by one again, ``seconds`` after a server of its began to leave."""
        self.grown(2, draining_timeout=30, loadBalancers=[SEVEN, POOL])
        self.resize(1)
        self.passes(2)
        self.resize(2)
        self.clock.advance(seconds)
        self.begin_process()
        self.passes(4)

    def test_connections_get_their_time_and_the_server_stays_as_long(self):
        self.drained(20)
        nodes = {node["address"]: node["condition"] for node in self.cloud.nodes.values()}
        self.assertEqual(nodes.pop("10.0.0.1"), "DRAINING")
        self.assertEqual(set(nodes.values()), {"ENABLED"})
        self.assertEqual((len(self.cloud.servers), len(self.active())), (3, 2))
        self.assertEqual(self.cloud.servers["s1"]["metadata"]["rax:autoscale:server:state"], "DRAINING")
        self.assertNotIn("s1", self.cloud.members)

    def test_and_no_more_than_that_whatever_process_counts_it(self):
        self.drained(30)
        self.converge()
        self.assertNotIn("s1", self.cloud.servers)
        self.assertEqual((self.conditions(), self.cloud.served()), ({"ENABLED"}, self.cloud.addresses()))
        self.assertEqual(set(self.cloud.members), set(self.cloud.servers))

    # RackConnect

    def answering(self, *sentences):
        """RackConnect's answer to every bulk request from now on."""
        refusal = ApiError(409, json.dumps({"errors": list(sentences)}))
        self.cloud.refuse = lambda request: refusal if request.path == "load_balancer_pools/nodes" else None

    def assert_told_if_it_lasts(self, words):
        self.group_of(1, loadBalancers=[POOL])
        self.answering(f"Cloud Server s1 {words}")
        self.passes(3)
        self.assertEqual(self.state().status, Status.ACTIVE)
        self.clock.advance(self.run_pass.rules.patience)
        self.one_pass()
        self.assertEqual((self.state().status, self.active()), (Status.ERROR, set()))
        self.cloud.refuse = lambda request: None
        self.converge()
        self.assertEqual((self.state().status, self.cloud.members), (Status.ACTIVE, ["s1"]))

    def test_servers_that_a_pool_cannot_reach_are_told_of_if_that_lasts(self):
        self.assert_told_if_it_lasts("is unprocessable")

    def test_and_so_are_those_that_it_does_not_know(self):
        self.assert_told_if_it_lasts("does not exist")

    def test_members_of_an_inactive_pool_stay_until_it_is_active_again(self):
        self.grown(1, loadBalancers=[POOL])
        self.resize(0)
        self.answering("Load Balancer Pool p is not in an ACTIVE state")
        self.passes(3)
        self.assertEqual((list(self.cloud.servers), self.cloud.members), (["s1"], ["s1"]))
        self.cloud.refuse = lambda request: None
        self.converge()
        self.assertEqual((self.cloud.servers, self.cloud.members), ({}, []))
