"""What a pass writes into the history of its group, and that it writes nothing where there is nothing to say."""

from attrs import evolve
from twisted.internet.defer import CancelledError, ensureDeferred

from otter.cloud.errors import ApiError
from otter.domain.errors import NoSuchScalingGroup
from tests.convergence.passes import QUOTA, PassTestCase
from tests.worlds import GROUP_ID


class HistoryTests(PassTestCase):
    def history(self):
        return self.now(self.store.list_passes(GROUP_ID, 1000, None, 0.0))

    def plans(self):
        """The oldest first."""
        return [dict(entry.plan) for entry in reversed(self.history())]

    def rows_written(self):
        return self.store.database.connection.total_changes

    def test_what_was_done_for_a_new_group_is_told_step_by_step(self):
        self.group_of(2)
        self.converge()
        self.assertEqual(self.plans(), [{"CreateServer": 2}, {"AddNodes": 2}])
        added, created = self.history()
        self.assertEqual((created.observed, added.observed), ({}, {"ACTIVE": 2}))
        self.assertEqual({entry.desired for entry in (added, created)}, {2})
        self.assertEqual([entry.outcome for entry in (added, created)], ["AGAIN", "AGAIN"])
        self.assertEqual(created.at, self.clock.seconds())

    def test_a_look_that_finds_nothing_to_do_writes_nothing(self):
        self.grown(2)
        entries, written = self.history(), self.rows_written()
        self.passes(3)
        self.assertEqual((self.history(), self.rows_written()), (entries, written))

    def test_a_pass_that_only_waits_is_not_told(self):
        self.cloud.born = "BUILD"
        self.group_of(1)
        self.passes(4)
        self.assertEqual(self.plans(), [{"CreateServer": 1}])

    def test_creates_that_nothing_shows_are_counted(self):
        self.cloud.lagging = self.cloud.answers_get_lost = True
        self.group_of(2)
        self.one_pass()
        self.resize(3)
        self.one_pass()
        self.assertEqual(self.history()[0].observed, {"PENDING": 2})

    def test_an_error_is_told_with_its_reasons_and_so_is_its_end(self):
        self.group_of(1)
        self.refusing("servers", QUOTA)
        self.one_pass()
        [refused] = self.history()
        self.assertEqual((refused.status, refused.plan, refused.outcome), ("ERROR", {"CreateServer": 1}, "BLOCKED"))
        self.assertIn("Quota exceeded", refused.reasons[0])
        self.passes(3)
        self.assertEqual(self.history(), [refused])
        self.cloud.refuse = lambda request: None
        self.change(lambda group: group.asked())
        self.converge()
        self.assertEqual([entry.status for entry in self.history()], ["ACTIVE", "ACTIVE", "ERROR"])

    def test_what_could_not_be_seen_is_told_when_the_owner_is(self):
        self.grown(1)
        entries = self.history()
        self.unreadable("servers", error=ApiError(503, ""))
        self.one_pass()
        self.assertEqual(self.history(), entries)
        self.clock.advance(60)
        self.passes(2)
        [told, *earlier] = self.history()
        self.assertEqual((told.observed, told.plan, told.status, earlier), (None, {}, "ERROR", entries))

    def test_what_a_process_was_about_to_do_is_there_though_it_died(self):
        self.group_of(1)
        self.refusing("servers", CancelledError())
        self.dying_pass()
        [begun] = self.history()
        self.assertEqual((begun.plan, begun.outcome), ({"CreateServer": 1}, ""))
        self.clock.advance(1000.0)
        self.converge()
        self.assertEqual(self.history()[-1], begun)

    def test_a_pass_that_is_overtaken_by_a_pause_did_nothing(self):
        self.group_of(1)
        change_group = self.store.change_group

        class Pausing:
            def __getattr__(_, name):
                return getattr(self.store, name)

            async def change_group(_, *arguments, **named):
                await change_group(GROUP_ID, lambda group: evolve(group, state=evolve(group.state, paused=True)))
                return await change_group(*arguments, **named)

        self.now(evolve(self.run_pass, store=Pausing())(GROUP_ID))
        self.assertEqual(self.history(), [])

    def test_the_history_of_a_deleted_group_is_not_told_and_not_kept(self):
        self.grown(1)
        self.delete()
        self.end()
        self.failureResultOf(ensureDeferred(self.store.list_passes(GROUP_ID, 10, None, 0.0)), NoSuchScalingGroup)
        self.assertEqual(self.store.database.read("SELECT * FROM passes"), [])
