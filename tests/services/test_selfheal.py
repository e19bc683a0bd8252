from attrs import evolve
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from otter.coordination.local import LocalMarks, LocalShares
from otter.domain.group import GroupId
from otter.domain.shares import share_of
from otter.services.ownership import Ownership
from otter.services.selfheal import SelfHeal
from otter.store.sqlite.database import Inline
from otter.store.sqlite.store import SQLiteStore
from tests.shares import GivenShares
from tests.worlds import a_group


class SilentStore:
    async def settled_groups(self, shares=None):
        await Deferred()


class SelfHealTests(SynchronousTestCase):
    def setUp(self):
        self.clock, self.marks, self.store = Clock(), LocalMarks(), SQLiteStore(Inline())
        self.looks = []
        self.marks.subscribe(lambda group_id: self.looks.append((self.clock.seconds(), group_id.group)))
        self.service = self.healing(LocalShares(1))

    def healing(self, shares):
        return SelfHeal(self.store, self.marks, Ownership(shares), self.clock, interval=30.0)

    def settled_group(self, name, tenant="111", **state):
        group = a_group(group_id=GroupId(tenant, name))
        settled = evolve(group, state=evolve(group.state, converged_generation=1, **state))
        self.successResultOf(ensureDeferred(self.store.create_group(settled, [], 100)))

    def run_for(self, seconds):
        self.service.startService()
        self.clock.pump([1.0] * seconds)
        self.successResultOf(self.service.stopService())

    def test_every_group_gets_one_look_in_each_interval_and_they_are_spread(self):
        for name in "abc":
            self.settled_group(name)
        self.run_for(59)
        self.assertEqual([when for when, _ in self.looks], [0.0, 10.0, 20.0, 30.0, 40.0, 50.0])
        self.assertEqual([name for _, name in self.looks], ["a", "b", "c"] * 2)

    def test_groups_that_are_paused_or_being_worked_on_are_left_alone(self):
        self.settled_group("paused", paused=True)
        self.settled_group("waiting", look_at=1000.0)
        self.run_for(59)
        self.assertEqual(self.looks, [])

    def test_a_group_that_is_new_is_found_by_the_next_sweep(self):
        self.service.startService()
        self.settled_group("late")
        self.clock.advance(30.0)
        self.assertEqual(self.looks, [(30.0, "late")])
        self.successResultOf(self.service.stopService())

    def test_a_stop_waits_for_no_store_that_does_not_answer(self):
        self.service.store = SilentStore()
        self.service.startService()
        self.successResultOf(self.service.stopService())

    def test_tenants_whose_engine_does_not_heal_are_left_alone_and_take_no_time(self):
        self.service.others = frozenset(["111"])
        self.settled_group("a")
        for name in "bc":
            self.settled_group(name, tenant="222")
        self.run_for(59)
        self.assertEqual(self.looks, [(0.0, "b"), (15.0, "c"), (30.0, "b"), (45.0, "c")])

    def test_groups_that_others_work_on_are_left_alone_and_take_no_time(self):
        shares = GivenShares()
        self.service = self.healing(shares)
        self.settled_group("a")
        for name in "bc":
            self.settled_group(name, tenant="222")
        shares.take(1, {share_of("222")})
        self.run_for(29)
        self.assertEqual(self.looks, [(0.0, "b"), (15.0, "c")])

    def test_a_group_that_is_lost_before_its_turn_gets_no_look(self):
        shares = GivenShares()
        self.service = self.healing(shares)
        for name in "ab":
            self.settled_group(name)
        shares.take(1)
        self.service.startService()
        self.clock.advance(1.0)
        shares.lose()
        self.clock.pump([1.0] * 60)
        self.assertEqual(self.looks, [(0.0, "a")])
        self.successResultOf(self.service.stopService())
