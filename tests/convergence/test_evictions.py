"""Servers that are taken out of their group one by one, and what it takes to forget none of them."""

from attrs import frozen
from twisted.internet.defer import CancelledError

from otter.operations.servers import Servers
from tests.convergence.passes import PassTestCase
from tests.worlds import GROUP_ID

MINE = {"role": "web"}


@frozen
class NobodyToTell:
    async def capacity_changed(self, group_id):
        """Nothing."""


class EvictionTests(PassTestCase):
    def evict(self, server_id, replace=True, purge=True):
        servers = Servers(self.store, NobodyToTell(), self.cloud, self.clock)
        self.now(servers.evict(GROUP_ID, server_id, replace, purge))

    def dying_at(self, method, beginning):
        """The process dies when it is about to ask for that."""

        def die(request):
            return CancelledError() if request.method == method and request.path.startswith(beginning) else None

        self.cloud.refuse = die

    def at_request(self, path, what):
        """``what`` happens just before a pass asks for ``path``."""

        def happen(request):
            if request.path == path:
                self.cloud.refuse = lambda request: None
                what()

        self.cloud.refuse = happen

    def test_a_purged_server_is_replaced_and_deleted(self):
        self.grown(2)
        self.evict("s1")
        self.assertEqual(self.active(), {"s2"})
        self.converge()
        self.assertEqual(sorted(self.cloud.servers), ["s2", "s5"])
        self.assertEqual(self.cloud.served(), self.cloud.addresses())

    def test_a_server_that_is_purged_while_nobody_works_gets_its_time_all_the_same(self):
        self.grown(1, draining_timeout=30)
        self.evict("s1")
        self.clock.advance(100_000.0)
        self.passes(2)
        self.assertIn("s1", self.cloud.servers)
        self.clock.advance(31.0)
        self.converge()
        self.assertNotIn("s1", self.cloud.servers)

    def test_without_replacement_the_group_is_smaller(self):
        self.grown(2)
        self.evict("s1", replace=False)
        self.converge()
        self.assertEqual((sorted(self.cloud.servers), self.state().desired), (["s2"], 1))

    def test_a_pass_that_makes_the_group_smaller_meanwhile_does_not_take_another_one_out_too(self):
        self.grown(2)
        self.resize(1)
        self.at_request("loadbalancers/7/nodes", lambda: self.evict("s2"))
        self.one_pass()
        self.assertEqual(set(self.group().roster.leaving), {"s2"})
        self.converge()
        self.assertEqual(sorted(self.cloud.servers), ["s1"])

    def test_a_server_that_is_let_go_lives_on_with_its_node_and_without_otters_metadata(self):
        self.grown(2, server={"flavorRef": "2", "metadata": MINE})
        self.evict("s1", purge=False)
        self.converge()
        self.assertEqual(sorted(self.cloud.servers), ["s1", "s2", "s5"])
        self.assertEqual(self.cloud.servers["s1"]["metadata"], MINE)
        self.assertEqual(self.cloud.served(), self.cloud.addresses())
        self.assertEqual(self.active(), {"s2", "s5"})

    def test_a_server_that_was_let_go_is_left_alone_for_good(self):
        self.grown(1)
        self.evict("s1", purge=False)
        self.converge()
        self.delete()
        self.end()
        self.assertEqual((list(self.cloud.servers), self.cloud.served()), (["s1"], self.cloud.addresses()))

    def test_a_purge_survives_a_death_before_anything_was_done_about_it(self):
        self.grown(1)
        self.evict("s1", replace=False)
        self.dying_at("PUT", "servers/s1/metadata")
        self.dying_pass()
        self.assertEqual(self.cloud.servers["s1"]["metadata"].get("rax:autoscale:server:state"), None)
        self.resize(1)
        self.converge()
        self.assertEqual(len(self.cloud.servers), 1)
        self.assertNotIn("s1", self.cloud.servers)

    def test_letting_go_survives_a_death_before_the_metadata_were_written(self):
        self.grown(1)
        self.evict("s1", replace=False, purge=False)
        self.dying_at("PUT", "servers/s1/metadata")
        self.dying_pass()
        self.assertEqual(self.cloud.servers["s1"]["metadata"]["rax:autoscale:group:id"], GROUP_ID.group)
        self.converge()
        self.assertEqual(self.cloud.servers["s1"]["metadata"], {})
        self.assertEqual(self.cloud.changes, ["PUT servers/s1/metadata"])

    def test_letting_go_is_tried_until_it_succeeds(self):
        self.grown(1)
        self.evict("s1", replace=False, purge=False)
        self.unreadable("servers/s1/metadata")
        self.passes(3)
        self.assertIsNotNone(self.state().due)
        self.cloud.refuse = lambda request: None
        self.converge()
        self.assertEqual(self.cloud.servers["s1"]["metadata"], {})

    def test_a_server_that_was_let_go_is_not_taken_back_by_a_list_that_lags(self):
        self.grown(1)
        before = [dict(server) for server in self.cloud.servers.values()]
        self.evict("s1", replace=False, purge=False)
        self.converge()
        self.cloud.stale = before
        self.resize(1)
        self.passes(3)
        self.assertEqual(self.creates(), 1)
        self.cloud.stale = None
        self.converge()
        self.assertEqual(len(self.active() - {"s1"}), 1)

    def test_a_server_that_is_let_go_while_a_pass_looks_is_not_deleted_by_it(self):
        self.grown(1)
        self.resize(0)
        self.at_request("loadbalancers/7/nodes", lambda: self.evict("s1", purge=False))
        self.one_pass()
        self.assertEqual(self.cloud.changes, [])
        self.converge()
        self.assertEqual((list(self.cloud.servers), self.cloud.served()), (["s1"], self.cloud.addresses()))
        self.assertEqual(self.cloud.servers["s1"]["metadata"], {})

    def test_a_server_that_is_purged_while_a_pass_looks_is_purged_by_the_next(self):
        self.grown(2)
        self.at_request("loadbalancers/7/nodes", lambda: self.evict("s1"))
        self.converge()
        self.assertNotIn("s1", self.cloud.servers)
        self.assertEqual(len(self.active()), 2)

    def test_a_server_that_is_purged_before_any_pass_saw_it_is_not_forgotten(self):
        self.group_of(1)
        self.one_pass()
        self.evict("s1", replace=False)
        self.cloud.lagging = True
        self.passes(2)
        self.cloud.lagging = False
        self.converge()
        self.assertEqual((self.cloud.servers, self.cloud.nodes), ({}, {}))

    def test_a_server_that_is_purged_while_the_pass_that_makes_it_is_still_at_work_is_not_forgotten(self):
        self.group_of(2)

        def evict_the_first(request):
            if request.method == "POST" and "s1" in self.cloud.servers:
                self.cloud.refuse = lambda request: None
                self.evict("s1")

        self.cloud.refuse = evict_the_first
        self.one_pass()
        self.assertEqual(list(self.group().roster.leaving), ["s1"])
        self.converge()
        self.assertNotIn("s1", self.cloud.servers)
        self.assertEqual(len(self.active()), 2)

    def test_metadata_of_the_owners_do_not_make_servers_leave(self):
        self.group_of(1, server={"flavorRef": "2", "metadata": {"rax:autoscale:server:state": "DRAINING"}})
        self.converge()
        self.assertEqual((self.creates(), len(self.cloud.servers)), (1, 1))
