from itertools import product

from attrs import define, evolve, field
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from otter.cloud.errors import ApiError, NotSent
from otter.domain.errors import BelowMinEntities, NoSuchScalingGroup, NoSuchServer, UpstreamUnavailable
from otter.domain.group import GroupId, Status
from otter.domain.roster import Member, Place
from otter.operations.servers import Servers
from otter.store.sqlite.database import Inline
from otter.store.sqlite.store import SQLiteStore
from tests.contracts.store import ROSTER
from tests.worlds import GROUP_ID, HTTP_80, ToyCloud, a_group

OURS = {"rax:autoscale:group:id": GROUP_ID.group, "rax:autoscale:lb:CloudLoadBalancer:7": '[{"port": 80}]'}


@define
class Engine:
    told: list = field(factory=list)

    async def capacity_changed(self, group_id):
        self.told.append(group_id)


class EvictionTests(SynchronousTestCase):
    """The group of ROSTER: s1 is in service, s2 leaves, s3 and s4 were let go. It wants 3 servers, and at least 1."""

    def setUp(self):
        self.store, self.engine, self.cloud, self.clock = SQLiteStore(Inline()), Engine(), ToyCloud(), Clock()
        self.clock.advance(2000.0)
        for number in range(1, 7):
            self.cloud.create({"name": f"web-{number}", "metadata": OURS if number < 6 else {}})
        self.before = evolve(a_group(3, minEntities=1), roster=ROSTER)
        self.now(self.store.create_group(self.before, [], 10))
        self.servers = Servers(self.store, self.engine, self.cloud, self.clock)

    def now(self, coroutine):
        return self.successResultOf(ensureDeferred(coroutine))

    def evict(self, server_id, replace=True, purge=True):
        """The group afterwards."""
        self.now(self.servers.evict(GROUP_ID, server_id, replace, purge))
        self.assertEqual(self.engine.told.pop(), GROUP_ID)
        return self.now(self.store.get_group(GROUP_ID))

    def refused(self, error, server_id, replace=True, purge=True, group_id=GROUP_ID):
        before = self.now(self.store.get_group(GROUP_ID, even_deleting=True))
        self.failureResultOf(ensureDeferred(self.servers.evict(group_id, server_id, replace, purge)), error)
        self.assertEqual(self.now(self.store.get_group(GROUP_ID, even_deleting=True)), before)
        self.assertEqual(self.engine.told, [])

    def test_a_purged_server_is_on_its_way_out_and_known(self):
        roster = self.evict("s1").roster
        self.assertEqual(roster.leaving, ROSTER.leaving.set("s1", None))
        self.assertEqual(roster.known["s1"].address, "10.0.0.1")
        self.assertEqual((roster.active, roster.released), ([], ROSTER.released))

    def test_even_one_that_no_pass_has_seen_yet(self):
        roster = self.evict("s5").roster
        self.assertIn("s5", roster.leaving)
        self.assertEqual(roster.known["s5"], Place("10.0.0.5", {HTTP_80}, since=2000.0))
        self.assertEqual(roster.active, [Member("s1", ROSTER.active[0].links)])

    def test_one_that_is_let_go_is_not_the_groups_any_more(self):
        roster = self.evict("s1", purge=False).roster
        self.assertEqual(roster.released, ROSTER.released.add("s1"))
        self.assertEqual((roster.active, dict(roster.known)), ([], {"s2": Place()}))
        self.assertEqual(roster.leaving, ROSTER.leaving)

    def test_the_group_is_smaller_if_nobody_takes_its_place(self):
        for replace, purge, server_id in ((True, True, "s1"), (True, False, "s5")):
            self.assertEqual(self.evict(server_id, replace, purge).state.desired, 3)
        self.setUp()
        for replace, purge, server_id in ((False, True, "s1"), (False, False, "s5")):
            before = self.now(self.store.get_group(GROUP_ID)).state
            self.assertEqual(self.evict(server_id, replace, purge).state, before.asked(desired=before.desired - 1))

    def test_every_eviction_has_the_group_looked_at(self):
        for generation, server_id in enumerate(("s1", "s1", "s2"), start=2):
            self.assertEqual(self.evict(server_id).state.generation, generation)

    def test_one_that_leaves_already_does_not_count_twice(self):
        group = self.evict("s2", replace=False)
        self.assertEqual((group.state.desired, group.roster), (3, ROSTER))

    def test_nor_can_it_be_kept_alive(self):
        self.refused(NoSuchServer, "s2", purge=False)

    def test_one_that_was_let_go_is_not_there_any_more(self):
        for replace, purge in product([True, False], repeat=2):
            self.refused(NoSuchServer, "s3", replace, purge)

    def test_neither_is_one_that_never_was(self):
        self.refused(NoSuchServer, "s6")
        self.refused(NoSuchServer, "s99")
        self.refused(NoSuchScalingGroup, "s1", group_id=GroupId("111", "g2"))
        self.refused(NoSuchScalingGroup, "s1", group_id=GroupId("222", GROUP_ID.group))

    def test_a_group_that_is_being_deleted_has_none(self):
        self.now(self.store.change_group(GROUP_ID, lambda group: group.asked(desired=0, status=Status.DELETING)))
        self.refused(NoSuchScalingGroup, "s1")

    def test_a_group_does_not_get_smaller_than_it_may_be(self):
        self.now(self.store.change_group(GROUP_ID, lambda group: group.asked(desired=1)))
        for purge in (True, False):
            self.refused(BelowMinEntities, "s1", replace=False, purge=purge)
        self.assertEqual(self.evict("s1", replace=True).state.desired, 1)

    def test_what_nova_does_not_say_is_not_guessed(self):
        for error in (ApiError(500, "oops"), ApiError(404, "<h1>Not Found</h1>"), NotSent("no connection")):
            self.cloud.refuse = lambda request, error=error: error
            self.refused(UpstreamUnavailable, "s1")

    def test_nothing_is_changed_in_the_cloud_by_that_alone(self):
        self.evict("s1")
        self.evict("s5", purge=False)
        self.assertEqual(self.cloud.changes, [])
