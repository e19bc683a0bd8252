"""A pass and its fence, and what others do to the group at the same time."""

from attrs import evolve
from twisted.internet.defer import ensureDeferred

from otter.convergence.fence import FenceLost
from otter.domain.group import Status
from otter.domain.roster import Create
from tests.convergence.passes import PassTestCase
from tests.worlds import GROUP_ID

IN_FLIGHT = Create("late", "web-late", 1, 1, 1_000_030.0, 1_000_300.0)


class FenceTests(PassTestCase):
    def setUp(self):
        super().setUp()
        self.fences = {GROUP_ID: 2}
        self.run_pass = evolve(self.run_pass, fence=self.fences.get)

    def lost_pass(self):
        self.failureResultOf(ensureDeferred(self.run_pass(GROUP_ID)), FenceLost)

    def stored_by(self, fence):
        self.change(lambda group: evolve(group, roster=evolve(group.roster, fence=fence)))

    def losing(self, path):
        """The fence is gone when ``path`` is asked for."""

        def refuse(request):
            if request.path == path:
                self.fences.clear()

        self.cloud.refuse = refuse

    def test_a_pass_without_a_fence_does_not_begin(self):
        self.group_of(2)
        self.fences.clear()
        before = self.group()
        self.lost_pass()
        self.assertEqual((self.group(), self.cloud.changes), (before, []))

    def test_a_pass_stores_its_fence_even_if_there_is_nothing_to_do(self):
        self.grown(2)
        self.fences[GROUP_ID] = 3
        self.one_pass()
        self.assertEqual((self.group().roster.fence, self.cloud.changes), (3, []))

    def test_a_pass_whose_fence_is_there_already_and_that_has_nothing_to_do_writes_nothing(self):
        self.grown(2)
        writes = []
        self.run_pass = evolve(self.run_pass, store=Counted(self.store, writes))
        self.one_pass()
        self.assertEqual([changed for changed in writes if changed], [])

    def test_a_pass_is_refused_where_a_higher_fence_is_stored(self):
        self.group_of(2)
        self.stored_by(3)
        before = self.group()
        self.lost_pass()
        self.assertEqual((self.group(), self.cloud.changes), (before, []))

    def test_what_the_predecessor_stored_at_the_last_moment_is_seen(self):
        """It sent a create that is not to be seen in Nova yet."""
        self.group_of(1)

        def late(group):
            return evolve(group, roster=evolve(group.roster, creates=group.roster.creates.set("late", IN_FLIGHT)))

        self.run_pass = evolve(self.run_pass, store=Preceded(self.store, late))
        self.one_pass()
        self.assertEqual((set(self.group().roster.creates), self.cloud.changes), ({"late"}, []))

    def test_a_pass_that_loses_its_fence_while_it_looks_does_nothing(self):
        self.group_of(2)
        self.losing("servers/detail")
        self.lost_pass()
        self.assertEqual((self.cloud.changes, dict(self.group().roster.creates)), ([], {}))

    def test_a_fence_that_is_another_one_by_now_is_as_good_as_none(self):
        self.group_of(2)
        self.cloud.refuse = lambda request: self.fences.update({GROUP_ID: 3})
        self.lost_pass()
        self.assertEqual(self.cloud.changes, [])
        self.cloud.refuse = lambda request: None
        self.converge()
        self.assertEqual(len(self.cloud.servers), 2)

    def test_the_owner_is_told_nothing_of_what_was_not_sent_and_the_servers_that_were_made_are_known(self):
        self.group_of(3)

        def refuse(request):
            if len(self.cloud.servers) == 1:
                self.fences.clear()

        self.cloud.refuse = refuse
        self.one_pass()
        group = self.group()
        self.assertEqual((list(group.state.reasons), group.state.failing_since), ([], None))
        self.assertEqual({create.server_id for create in group.roster.creates.values()}, {"s1", "s2"})
        self.assertEqual(self.cloud.changes, ["POST servers"] * 2)

    def test_a_group_is_not_forgotten_by_who_does_not_work_on_it_any_more(self):
        self.group_of(0)
        self.delete()
        self.losing("servers/detail")
        self.lost_pass()
        self.assertEqual(self.group().state.status, Status.DELETING)


class Counted:
    """A store that notes of each change of a group whether anything was changed."""

    def __init__(self, store, changes):
        self.store, self.changes = store, changes

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def change_group(self, group_id, change, even_deleting=False):
        before = await self.store.get_group(group_id, even_deleting)
        after = await self.store.change_group(group_id, change, even_deleting)
        self.changes.append(after != before)
        return after


class Preceded(Counted):
    """A store to which somebody else's change comes right before the first one of ours."""

    def __init__(self, store, change):
        super().__init__(store, [])
        self.others = [change]

    async def change_group(self, group_id, change, even_deleting=False):
        while self.others:
            await self.store.change_group(group_id, self.others.pop(), even_deleting)
        return await self.store.change_group(group_id, change, even_deleting)
