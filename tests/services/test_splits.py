"""Tenants whose groups are shared by several processes."""

from attrs import define, evolve, field
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from otter.domain.errors import StoreUnavailable
from otter.domain.group import GroupId
from otter.domain.shares import PAUSE, SHARES, Parts, Split, parts_wanted, share_of, share_of_group
from otter.services.ownership import Ownership
from otter.services.splits import BELIEVED, NOTICE, Splits, Splitter
from otter.store.sqlite.database import Inline
from otter.store.sqlite.store import SQLiteStore
from tests.shares import GivenShares
from tests.worlds import a_group

NOW = 1_000_000.0
GROUPS = [GroupId("111", f"g{number}") for number in range(8)]
HOME = share_of("111")
LATER = (HOME + 1) % SHARES


def test_a_tenant_gets_as_many_parts_as_its_groups_need():
    wanted = [parts_wanted(groups, 1000, 1) for groups in (0, 1000, 1001, 2000, 2001, 4001, 10**6)]
    assert wanted == [1, 1, 2, 2, 4, 8, 64]


def test_parts_are_joined_only_when_many_of_the_groups_are_gone():
    assert [parts_wanted(groups, 1000, 4) for groups in (4000, 2000, 1001, 1000, 0)] == [4, 4, 4, 1, 1]


def test_a_group_keeps_its_share_as_long_as_its_tenant_is_not_split():
    assert {share_of_group(group_id) for group_id in GROUPS} == {HOME}
    assert {share_of_group(group_id, 2) for group_id in GROUPS} == {HOME, LATER}


@define(eq=False)
class Fragile:
    """A store that sometimes does not answer."""

    store: SQLiteStore = field(factory=lambda: SQLiteStore(Inline()))
    works: bool = True

    def __getattr__(self, name):
        if not self.works:
            raise StoreUnavailable("nobody answers")
        return getattr(self.store, name)


class SplitsTestCase(SynchronousTestCase):
    def setUp(self):
        self.clock, self.store, self.leads = Clock(), Fragile(), True
        self.clock.advance(NOW)
        for group_id in GROUPS:
            self.now(self.store.create_group(a_group(group_id=group_id), [], 100))

    def now(self, coroutine):
        return self.successResultOf(ensureDeferred(coroutine))

    def process(self, ahead=0.0):
        """What one process believes. :param ahead: seconds by which its clock differs."""
        clock = Clock()
        clock.rightNow = self.clock.seconds() + ahead
        splits = Splits(self.store, clock, self.clock)
        splits.startService()
        self.addCleanup(splits.stopService)
        return splits

    def splitter(self, splits, most=4):
        splitter = Splitter(self.store, splits, lambda: self.leads, most)
        splitter.startService()
        self.addCleanup(splitter.stopService)
        return splitter

    def pass_time(self, seconds, *processes):
        for _ in range(int(seconds * 2)):
            for splits in processes:
                splits.clock.advance(0.5)
            self.clock.advance(0.5)


class SplitsTests(SplitsTestCase):
    def parts(self, splits):
        return splits.parts("111")

    def test_nothing_is_believed_before_the_store_has_answered_and_some_time_after_it_has_not(self):
        self.store.works = False
        splits = self.process()
        self.assertIsNone(self.parts(splits))
        self.store.works = True
        self.pass_time(1, splits)
        self.assertEqual(self.parts(splits), Parts())
        self.store.works = False
        self.pass_time(BELIEVED - 1, splits)
        self.assertEqual(self.parts(splits), Parts())
        self.pass_time(2, splits)
        self.assertIsNone(self.parts(splits))

    def test_nobody_works_from_shortly_before_a_split_until_there_is_a_number_for_it(self):
        splits = self.process()
        announced = Split(Parts(2, 3), 4, NOW + NOTICE)
        self.now(self.store.replace_split("111", None, announced))
        self.pass_time(NOTICE - PAUSE - 1, splits)
        self.assertEqual(self.parts(splits), Parts(2, 3))
        for seconds in (2, PAUSE, 60):
            self.pass_time(seconds, splits)
            self.assertIsNone(self.parts(splits))
        self.now(self.store.replace_split("111", announced, evolve(announced, number=9)))
        self.pass_time(1, splits)
        self.assertEqual(self.parts(splits), Parts(4, 9))
        self.assertEqual(splits.parts("222"), Parts())

    def test_who_leads_splits_a_tenant_with_many_groups_and_nobody_else_does(self):
        splits = self.process()
        self.leads = False
        self.splitter(splits)
        self.pass_time(60, splits)
        self.assertEqual(self.now(self.store.splits()), {})
        self.leads = True
        self.pass_time(NOTICE + 3, splits)
        self.assertEqual(self.parts(splits).count, 2)
        self.assertGreater(self.parts(splits).number, self.store.epoch)

    def test_a_leader_finishes_what_another_has_begun(self):
        splits = self.process()
        self.now(self.store.replace_split("111", None, Split(Parts(), 2, NOW + NOTICE)))
        self.pass_time(NOTICE + 60, splits)
        self.splitter(splits)
        self.pass_time(2, splits)
        self.assertEqual(self.parts(splits).count, 2)

    def test_parts_are_joined_when_there_are_few_groups_left(self):
        splits = self.process()
        self.splitter(splits, most=1)
        self.pass_time(NOTICE + 3, splits)
        self.assertEqual(self.parts(splits).count, 8)
        number = self.parts(splits).number
        for group_id in GROUPS[1:]:
            self.now(self.store.delete_group(group_id))
        self.pass_time(300 + NOTICE + 3, splits)
        self.assertEqual(self.parts(splits).count, 1)
        self.assertGreater(self.parts(splits).number, number)

    def test_a_store_that_fails_delays_a_split_and_no_more(self):
        splits = self.process()
        self.splitter(splits)
        self.pass_time(1, splits)
        self.store.works = False
        self.pass_time(30, splits)
        self.store.works = True
        self.assertTrue(self.flushLoggedErrors(StoreUnavailable))
        self.pass_time(3, splits)
        self.assertEqual(self.parts(splits).count, 2)


class OwnershipTests(SplitsTestCase):
    def test_who_has_a_part_finds_its_groups_where_the_tenant_is_listed(self):
        splits, shares = self.process(), GivenShares({LATER: 5})
        ownership = Ownership(shares, splits)
        self.now(self.store.replace_split("111", None, Split(Parts(), 2, NOW, number=7)))
        self.pass_time(1, splits)
        listed = ownership.listed_in(shares.held())
        found = [id for id, _ in self.now(self.store.divergent_groups(1.0, listed)) if ownership.owns(id)]
        self.assertEqual(found, [id for id in GROUPS if share_of_group(id, 2) == LATER])
        self.assertEqual({ownership.fence(id) for id in found}, {7})

    def test_a_fence_is_never_below_the_number_of_the_split_nor_below_that_of_the_share(self):
        splits, shares = self.process(), GivenShares({HOME: 5, LATER: 9})
        self.now(self.store.replace_split("111", None, Split(Parts(), 2, NOW, number=7)))
        self.pass_time(1, splits)
        self.assertEqual({Ownership(shares, splits).fence(id) for id in GROUPS}, {7, 9})

    @given(st.data())
    @settings(max_examples=40, phases=[Phase.generate])
    def test_no_group_has_two_owners_nor_one_with_a_lower_fence_than_there_was(self, data):
        """Two processes whose clocks differ, shares that change hands, a tenant that is split and joined."""
        self.setUp()
        ahead = data.draw(st.floats(-PAUSE / 2 + 0.6, PAUSE / 2 - 0.6))
        both = [self.process(), self.process(ahead)]
        owners = [Ownership(GivenShares(), splits) for splits in both]
        for share in (HOME, LATER):
            owners[0].shares.take(self.now(self.store.next_epoch()), {share})
        splitter = self.splitter(both[0])
        splitter.review = 20.0
        highest = dict.fromkeys(GROUPS, 0)
        for _ in range(120):
            match data.draw(st.sampled_from(["nothing"] * 8 + ["move", "break", "grow", "shrink"])):
                case "move":
                    share = data.draw(st.sampled_from([HOME, LATER]))
                    new = owners[data.draw(st.integers(0, 1))]
                    for ownership in owners:
                        ownership.shares.lose({share})
                    new.shares.take(self.now(self.store.store.next_epoch()), {share})
                case "break":
                    self.store.works = not self.store.works
                case "grow":
                    splitter.most = 4
                case "shrink":
                    splitter.most = 40
            self.store.works = self.store.works or data.draw(st.booleans())
            self.pass_time(0.5, *both)
            for group_id in GROUPS:
                fences = [fence for fence in (ownership.fence(group_id) for ownership in owners) if fence is not None]
                self.assertLessEqual(len(fences), 1)
                self.assertGreaterEqual(min(fences, default=highest[group_id]), highest[group_id])
                highest[group_id] = max([highest[group_id], *fences])
        self.flushLoggedErrors(StoreUnavailable)
        self.store.works = True
        self.pass_time(2 * NOTICE, *both)
        self.assertTrue(all(any(ownership.owns(id) for ownership in owners) for id in GROUPS))
