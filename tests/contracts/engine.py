"""What is true whichever engine runs. A test case inherits this and says which one does."""

from collections.abc import Callable, Iterator
from itertools import count

from twisted.trial.unittest import SynchronousTestCase

from otter.cloud.errors import ApiError
from otter.cloud.nova import GROUP_KEY
from otter.config import Config
from otter.domain.errors import GroupPaused, TenantSuspended
from otter.domain.group import Status
from tests.services.miniature import ALL, TENANT, Miniature
from tests.services.pair import Pair, frozen
from tests.worlds import a_group

QUOTA = ApiError(403, '{"forbidden": {"message": "Quota exceeded for ram: Requested 1"}}')
POOL = {"loadBalancers": [{"loadBalancerId": "p", "type": "RackConnectV3"}]}
STACK = {"type": "launch_stack", "args": {"stack": {"template": "{}"}}}


def dying(begin: Callable[[], Miniature]) -> Iterator[tuple[Miniature, str]]:
    """
    Worlds whose process died of each changing request in turn, and of which it was.

    :param begin: makes one that dies of nothing yet, with something to do.
    """
    for number, when in ((number, when) for number in count(1) for when in ("before", "after")):
        otter = begin()
        otter.cloud.fate = (otter.cloud._number + number, when)
        otter.settle()
        if not otter.cloud.dead:
            return
        yield otter, f"{when} request {number}"


class EngineContract:
    """Mix into a ``SynchronousTestCase`` that says which configuration ``runs``."""

    runs: Config

    def setUp(self):
        self.otter = Miniature(self.runs)
        self.cloud = self.otter.cloud

    def assert_right(self, size, otter=None, why=""):
        """So many servers, all of them in service, and nothing else anywhere."""
        otter = otter or self.otter
        group, servers = otter.known(), set(otter.cloud.servers)
        self.assertEqual((group.state.status, list(group.state.reasons)), (Status.ACTIVE, []), why)
        self.assertEqual((len(servers), otter.active()), (size, servers), why)
        self.assertEqual((otter.cloud.served(), len(otter.cloud.nodes)), (otter.cloud.addresses(), size), why)
        roster = group.roster
        self.assertEqual(set(roster.known) - set(roster.gone), servers, why)
        self.assertLessEqual(set(roster.leaving), set(roster.gone), why)
        self.assertEqual((dict(roster.creates), otter.jobs()), ({}, set()), why)

    def assert_settles(self: SynchronousTestCase, size, otter=None, why=""):
        (otter or self.otter).settle()
        self.assert_right(size, otter, why)

    def refusing(self, path, error):
        self.cloud.refuse = lambda request: error if request.path == path and request.method != "GET" else None

    def requests(self, beginning):
        """The numbers, among all changes, of those that begin like this."""
        return [number for number, change in enumerate(self.cloud.changes) if change.startswith(beginning)]

    # Sizes

    def test_a_new_group_gets_its_least_size(self):
        self.otter.create(2)
        self.assert_settles(2)

    def test_a_group_gets_the_size_that_was_asked_for(self):
        self.otter.create()
        for size in (3, 1, 4, 0):
            self.otter.resize(size)
            self.assert_settles(size)

    def test_every_request_that_was_acknowledged_counts(self):
        self.otter.create()
        for change in (2, 2, -1):
            self.otter.execute(change=change)
        self.assert_settles(3)

    def test_no_more_servers_are_made_than_were_asked_for(self: SynchronousTestCase):
        self.otter.create()
        self.otter.resize(4)
        self.assert_settles(4)
        self.assertEqual(len(self.requests("POST servers")), 4)

    def test_a_request_of_which_the_engine_was_not_told_is_found(self):
        self.otter.create()
        self.otter.now(self.otter.store.change_group(self.otter.group_id, lambda group: group.asked(desired=2)))
        self.assert_settles(2)

    def test_the_oldest_servers_go_first(self: SynchronousTestCase):
        self.otter.grown(4)
        oldest = sorted(self.cloud.servers)[:2]
        self.otter.resize(2)
        self.assert_settles(2)
        self.assertTrue(self.cloud.servers.keys().isdisjoint(oldest))

    def test_servers_that_build_go_before_those_that_serve(self: SynchronousTestCase):
        self.otter.grown(2)
        serving, self.cloud.born = set(self.cloud.servers), "BUILD"
        self.otter.resize(4)
        self.otter.run(5)
        self.otter.resize(2)
        self.assert_settles(2)
        self.assertEqual(set(self.cloud.servers), serving)

    def test_more_servers_asked_for_while_others_build_are_added_to_them(self: SynchronousTestCase):
        self.otter.create()
        self.cloud.born = "BUILD"
        self.otter.resize(2)
        self.otter.run(5)
        self.otter.resize(4)
        self.otter.run(5)
        self.otter.becoming("ACTIVE")
        self.assert_settles(4)
        self.assertEqual(len(self.requests("POST servers")), 4)

    def test_new_servers_are_made_from_the_new_launch_configuration_and_the_old_ones_stay(self: SynchronousTestCase):
        self.otter.grown(1)
        launch = a_group(args={"server": {"flavorRef": "3", "imageRef": ""}}).launch.document
        self.otter.now(self.otter.operations.groups.replace_launch(self.otter.group_id, launch))
        self.otter.resize(2)
        self.assert_settles(2)
        self.assertEqual([server["flavorRef"] for server in self.cloud.servers.values()], ["2", "3"])

    # Load balancers

    def test_a_server_gets_traffic_when_it_is_active_and_not_before(self: SynchronousTestCase):
        self.otter.create()
        self.cloud.born = "BUILD"
        self.otter.resize(2)
        self.otter.run(30)
        self.assertEqual((self.cloud.nodes, self.otter.active()), ({}, set()))
        self.otter.becoming("ACTIVE")
        self.assert_settles(2)

    def test_a_server_is_off_its_load_balancer_before_it_is_deleted(self: SynchronousTestCase):
        self.otter.grown(3)
        self.otter.resize(1)
        self.assert_settles(1)
        [removal], deletes = self.requests("DELETE loadbalancers/7/nodes"), self.requests("DELETE servers/")
        self.assertEqual(len(deletes), 2)
        self.assertLess(removal, min(deletes))

    def test_connections_are_given_time_to_end(self: SynchronousTestCase):
        self.otter.grown(2, draining_timeout=30)
        self.otter.resize(1)
        self.otter.run(25)
        self.assertEqual({node["condition"] for node in self.cloud.nodes.values()}, {"ENABLED", "DRAINING"})
        self.assertEqual(len(self.cloud.servers), 2)
        self.assert_settles(1)

    def test_a_load_balancer_that_takes_no_changes_for_now_is_waited_for(self: SynchronousTestCase):
        self.cloud.status = "PENDING_UPDATE"
        self.otter.create()
        self.otter.resize(2)
        self.otter.run(60)
        self.assertEqual((len(self.cloud.servers), self.otter.active()), (2, set()))
        self.cloud.status = "ACTIVE"
        self.assert_settles(2)

    def test_a_server_waits_on_its_way_out_for_a_load_balancer_but_not_for_ever(self: SynchronousTestCase):
        self.otter.grown(2)
        self.cloud.status = "ERROR"
        self.otter.resize(1)
        self.otter.run(300)
        self.assertEqual(len(self.cloud.servers), 2)
        self.otter.run(600)
        self.assertEqual(len(self.cloud.servers), 1)
        self.cloud.status = "ACTIVE"
        self.assert_settles(1)

    def test_servers_of_a_rackconnect_pool_join_it_and_leave_it(self: SynchronousTestCase):
        self.otter.grown(3, **POOL)
        self.assertEqual((set(self.cloud.members), self.otter.active()), (set(self.cloud.servers),) * 2)
        self.otter.resize(1)
        self.otter.settle()
        self.assertEqual((set(self.cloud.members), len(self.cloud.members)), (set(self.cloud.servers), 1))

    # Deaths, and lost answers

    def growing(self, size=3):
        otter = Miniature(self.runs)
        otter.create()
        otter.resize(size)
        return otter

    def shrinking(self):
        otter = Miniature(self.runs)
        otter.grown(3)
        otter.resize(1)
        return otter

    def ending(self):
        otter = Miniature(self.runs)
        otter.grown(2)
        otter.delete()
        return otter

    def test_a_process_that_dies_while_a_group_grows_leaves_it_right_whatever_runs_next(self: SynchronousTestCase):
        for successor in ALL:
            died = 0
            for died, (otter, where) in enumerate(dying(self.growing), start=1):
                otter.restart(successor)
                self.assert_settles(3, otter, f"{where}, then {successor.engine.value}")
            self.assertEqual(died, 8)

    def test_a_process_that_dies_while_a_group_shrinks_leaves_it_right_whatever_runs_next(self: SynchronousTestCase):
        for successor in ALL:
            died = 0
            for died, (otter, where) in enumerate(dying(self.shrinking), start=1):
                otter.restart(successor)
                self.assert_settles(1, otter, f"{where}, then {successor.engine.value}")
            self.assertEqual(died, 10)

    def test_a_process_that_dies_while_a_group_is_deleted_leaves_nothing_whatever_runs_next(self: SynchronousTestCase):
        for successor in ALL:
            died = 0
            for died, (otter, where) in enumerate(dying(self.ending), start=1):
                otter.restart(successor)
                otter.settle()
                left = (otter.group(), otter.cloud.servers, otter.cloud.nodes)
                self.assertEqual(left, (None, {}, {}), f"{where}, then {successor.engine.value}")
            self.assertEqual(died, 10)

    def test_a_process_that_dies_again_and_again_gets_on(self: SynchronousTestCase):
        otter = self.growing()
        for number in count(1):
            otter.cloud.fate = (otter.cloud._number + 1, "after")
            otter.settle()
            if not otter.cloud.dead:
                break
            otter.restart((self.runs, *ALL)[number % 4])
        self.assertEqual(number, 7)
        self.assert_right(3, otter)

    def test_a_create_whose_answer_is_lost_is_not_made_twice(self: SynchronousTestCase):
        self.otter.create()
        self.cloud.answers_get_lost = True
        self.otter.resize(3)
        self.otter.run(20)
        self.cloud.answers_get_lost = False
        self.assert_settles(3)
        self.assertEqual(len(self.requests("POST servers")), 3)

    def test_a_create_whose_answer_is_lost_is_not_made_twice_though_the_list_lags(self: SynchronousTestCase):
        self.otter.create()
        self.cloud.answers_get_lost = self.cloud.lagging = True
        self.otter.resize(3)
        self.otter.run(20)
        self.cloud.answers_get_lost = self.cloud.lagging = False
        self.assert_settles(3)
        self.assertEqual(len(self.requests("POST servers")), 3)

    def test_a_create_that_never_arrived_is_made_after_all(self: SynchronousTestCase):
        self.refusing("servers", ApiError(500, "something went wrong"))
        self.otter.create()
        self.otter.resize(2)
        self.otter.run(20)
        self.refusing("", None)
        self.assert_settles(2)

    def test_what_was_stored_and_not_begun_is_done_after_a_start_whatever_it_starts_as(self: SynchronousTestCase):
        for successor in ALL:
            otter = self.growing()
            otter.restart(successor)
            self.assert_settles(3, otter, successor.engine.value)

    def test_what_another_engine_began_is_finished(self: SynchronousTestCase):
        for predecessor in ALL:
            otter = Miniature(predecessor)
            otter.create()
            otter.cloud.born = "BUILD"
            otter.resize(3)
            otter.run(5)
            otter.restart(self.runs)
            otter.run(5)
            otter.becoming("ACTIVE")
            self.assert_settles(3, otter, predecessor.engine.value)
            self.assertEqual(otter.cloud.changes.count("POST servers"), 3)

    def test_what_another_engine_began_can_be_changed(self: SynchronousTestCase):
        for predecessor in ALL:
            otter = Miniature(predecessor)
            otter.grown(4, draining_timeout=30)
            otter.resize(2)
            otter.run(5)
            otter.restart(self.runs)
            otter.resize(3)
            otter.settle()
            self.assert_right(3, otter, predecessor.engine.value)
            self.assertEqual(otter.cloud.changes.count("POST servers"), 1)

    # Takeovers

    def assert_taken_over(self: SynchronousTestCase, size, begin, seconds):
        """Whichever engine was frozen, at whichever moment, and went on after ``seconds``."""
        for predecessor in ALL:
            times = 0
            for times, (pair, where) in enumerate(frozen(lambda runs=predecessor: begin(Pair(runs, self.runs))), 1):
                pair.run(seconds)
                pair.first.ice.thaw()
                self.assert_settles(size, pair, f"{predecessor.engine.value}, {where}")
                yield pair
            self.assertGreater(times, 40)

    def test_another_process_takes_over_while_a_group_grows_and_no_server_is_made_twice(self: SynchronousTestCase):
        def begin(pair):
            pair.give(pair.first)
            pair.create()
            pair.resize(2)
            return pair

        for pair in self.assert_taken_over(2, begin, 20):
            self.assertEqual(pair.cloud.changes.count("POST servers"), 2)

    def test_another_process_takes_over_while_a_group_shrinks_and_no_server_is_lost(self: SynchronousTestCase):
        def begin(pair):
            pair.give(pair.first)
            pair.grown(3)
            pair.resize(1)
            return pair

        for pair in self.assert_taken_over(1, begin, 0):
            self.assertNotIn("POST servers", pair.cloud.changes)

    # Pause and suspension

    def test_pausing_stops_before_the_next_step_and_resuming_goes_on(self: SynchronousTestCase):
        self.otter.create()
        self.cloud.born = "BUILD"
        self.otter.resize(2)
        self.otter.run(5)
        self.otter.pause()
        self.otter.becoming("ACTIVE")
        self.cloud.changes.clear()
        self.otter.run(120)
        self.assertEqual(self.cloud.changes, [])
        self.otter.resume()
        self.assert_settles(2)

    def test_a_paused_group_is_left_alone_also_after_a_restart(self: SynchronousTestCase):
        self.otter.grown(2)
        self.otter.pause()
        del self.cloud.servers[min(self.cloud.servers)]
        with self.assertRaises(GroupPaused):
            self.otter.converge()
        for runs in (self.runs, *ALL):
            self.otter.restart(runs)
            self.otter.run(120)
        self.assertEqual(self.cloud.changes, [])
        self.otter.restart(self.runs)
        self.otter.resume()
        self.assert_settles(2)

    def test_a_suspended_tenants_group_is_left_alone_until_it_is_reinstated(self: SynchronousTestCase):
        self.otter.create()
        self.otter.resize(2)
        self.otter.now(self.otter.store.suspend(TENANT))
        with self.assertRaises(TenantSuspended):
            self.otter.converge()
        self.otter.run(120)
        self.assertEqual(self.cloud.changes, [])
        self.otter.now(self.otter.store.reinstate(TENANT))
        self.assert_settles(2)

    def test_a_paused_group_is_deleted_all_the_same(self: SynchronousTestCase):
        self.otter.grown(2)
        self.otter.pause()
        self.otter.delete()
        self.otter.settle()
        self.assertEqual((self.otter.group(), self.cloud.servers, self.cloud.nodes), (None, {}, {}))

    # Taking servers out

    def test_a_server_that_is_taken_out_goes_and_another_takes_its_place(self: SynchronousTestCase):
        self.otter.grown(2)
        self.otter.evict("s1")
        self.assert_settles(2)
        self.assertNotIn("s1", self.cloud.servers)
        self.assertEqual(len(self.requests("POST servers")), 1)

    def test_a_server_that_is_taken_out_and_not_replaced_leaves_a_smaller_group(self: SynchronousTestCase):
        self.otter.grown(3)
        self.otter.evict("s2", replace=False)
        self.assert_settles(2)
        self.assertNotIn("s2", self.cloud.servers)
        self.assertEqual(self.requests("POST servers"), [])

    def test_a_server_that_is_let_go_lives_on_with_its_traffic(self: SynchronousTestCase):
        self.otter.grown(2)
        self.otter.evict("s1", purge=False)
        self.otter.settle()
        self.assertNotIn(GROUP_KEY, self.cloud.servers["s1"]["metadata"])
        self.assertEqual(self.otter.active(), self.cloud.servers.keys() - {"s1"})
        self.assertEqual((len(self.cloud.servers), self.cloud.served()), (3, self.cloud.addresses()))

    def test_a_server_that_builds_can_be_taken_out_too(self: SynchronousTestCase):
        self.otter.create()
        self.cloud.born = "BUILD"
        self.otter.resize(2)
        self.otter.run(5)
        evicted = min(self.cloud.servers)
        self.otter.evict(evicted)
        self.otter.run(5)
        self.otter.becoming("ACTIVE")
        self.assert_settles(2)
        self.assertNotIn(evicted, self.cloud.servers)

    # Deletion

    def test_a_deleted_group_leaves_nothing_and_its_record_goes_last(self: SynchronousTestCase):
        self.otter.grown(2)
        self.cloud.lingers = True
        self.otter.delete()
        self.otter.run(60)
        self.assertEqual(self.cloud.nodes, {})
        self.assertIsNotNone(self.otter.group())
        self.cloud.servers.clear()
        self.otter.settle()
        self.assertIsNone(self.otter.group())

    def test_a_group_that_is_deleted_while_it_grows_leaves_nothing(self: SynchronousTestCase):
        self.otter.create()
        self.cloud.born = "BUILD"
        self.otter.resize(3)
        self.otter.run(5)
        self.otter.delete()
        self.otter.settle()
        self.assertEqual((self.otter.group(), self.cloud.servers, self.cloud.nodes), (None, {}, {}))

    # What goes wrong

    def test_an_owner_is_told_why_nothing_can_be_made_and_a_new_request_tries_again(self: SynchronousTestCase):
        self.otter.create()
        self.refusing("servers", QUOTA)
        self.otter.resize(2)
        self.otter.run(10)
        state = self.otter.known().state
        self.assertEqual(state.status, Status.ERROR)
        self.assertRegex(" ".join(state.reasons), "Quota exceeded")
        self.refusing("", None)
        self.otter.converge()
        self.assert_settles(2)

    def test_one_more_server_is_made_though_an_earlier_request_came_to_nothing(self: SynchronousTestCase):
        self.otter.grown(1)
        self.refusing("servers", QUOTA)
        self.otter.resize(4)
        self.otter.run(10)
        self.refusing("", None)
        self.otter.resize(2)
        self.assert_settles(2)

    def test_converging_heals(self: SynchronousTestCase):
        harm = {
            "vanished": lambda: self.cloud.servers.pop("s1"),
            "broken": lambda: self.cloud.set_status("s2", "ERROR"),
            "without a node": lambda: self.cloud.nodes.pop(min(self.cloud.nodes)),
            "an edited node": lambda: self.cloud.nodes[max(self.cloud.nodes)].update(weight=5, condition="DISABLED"),
        }
        self.otter.grown(4)
        for what, happen in harm.items():
            happen()
            self.otter.converge()
            self.assert_settles(4, why=what)

    def test_a_server_that_breaks_while_it_is_made_is_replaced(self: SynchronousTestCase):
        self.otter.create()
        self.cloud.born = "BUILD"
        self.otter.resize(2)
        self.otter.run(5)
        self.cloud.born = "ACTIVE"
        first, second = sorted(self.cloud.servers)
        self.otter.becoming("ERROR", [first])
        self.otter.becoming("ACTIVE", [second])
        self.assert_settles(2)
        self.assertNotIn(first, self.cloud.servers)

    def test_a_server_that_vanishes_while_it_is_made_is_replaced(self: SynchronousTestCase):
        self.otter.create()
        self.cloud.born = "BUILD"
        self.otter.resize(2)
        self.otter.run(5)
        del self.cloud.servers[min(self.cloud.servers)]
        self.cloud.born = "ACTIVE"
        self.otter.becoming("ACTIVE")
        self.assert_settles(2)

    def test_a_group_of_stacks_says_that_there_will_be_none(self: SynchronousTestCase):
        document = a_group(minEntities=1).config.document
        creating = self.otter.operations.groups.create(TENANT, document, STACK, [])
        self.otter.group_id = self.otter.now(creating)[0].id
        self.otter.run(10)
        state = self.otter.known().state
        self.assertEqual(state.status, Status.ERROR)
        self.assertEqual(list(state.reasons), ["Groups of stacks are kept, but this version of otter makes no stacks"])
        self.otter.delete()
        self.otter.settle()
        self.assertIsNone(self.otter.group())

    # Holding

    def hold(self, tenant):
        self.otter.now(self.otter.store.hold(tenant))
        self.otter.run(2)

    def release(self, tenant):
        self.otter.now(self.otter.store.release(tenant))
        self.otter.run(2)

    def test_nothing_is_changed_while_otter_is_held_and_what_was_asked_comes_true_afterwards(
        self: SynchronousTestCase,
    ):
        for tenant in (TENANT, None):
            self.hold(tenant)
            self.otter.create()
            self.cloud.changes.clear()
            self.otter.resize(2)
            self.otter.execute(change=1)
            self.otter.run(120)
            self.assertEqual((self.cloud.changes, self.otter.known().state.desired), ([], 3))
            self.release(tenant)
            self.assert_settles(3)
            self.otter.delete()
            self.otter.settle()

    def test_work_that_was_begun_rests_while_otter_is_held(self: SynchronousTestCase):
        self.otter.create()
        self.cloud.born = "BUILD"
        self.otter.resize(2)
        self.otter.run(5)
        self.hold(None)
        self.otter.becoming("ACTIVE")
        self.cloud.changes.clear()
        self.otter.run(120)
        self.assertEqual(self.cloud.changes, [])
        self.release(None)
        self.assert_settles(2)

    def test_a_hold_outlives_the_process(self: SynchronousTestCase):
        self.otter.grown(2)
        self.hold(None)
        self.otter.resize(0)
        self.otter.restart(self.runs)
        self.otter.run(120)
        self.assertEqual(self.cloud.changes, [])
        self.release(None)
        self.assert_settles(0)

    def test_who_is_taken_out_while_otter_is_held_gets_its_time_for_connections_afterwards(self: SynchronousTestCase):
        self.otter.grown(2, draining_timeout=30)
        self.hold(None)
        self.otter.evict("s1")
        self.otter.run(2000)
        self.release(None)
        self.otter.run(20)
        self.assertIn("s1", self.cloud.servers)
        self.assertIn("DRAINING", {node["condition"] for node in self.cloud.nodes.values()})
        self.assert_settles(2)
        self.assertNotIn("s1", self.cloud.servers)
