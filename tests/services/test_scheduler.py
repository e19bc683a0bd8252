from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from otter.coordination.local import LocalMarks
from otter.domain.errors import Invalid, StoreUnavailable
from otter.domain.group import GroupId, Status
from otter.domain.limits import Limits
from otter.operations.policies import Policies
from otter.services.scheduler import Scheduler
from otter.store.sqlite.database import Inline
from otter.store.sqlite.store import SQLiteStore
from tests.operations.test_operations import Engine
from tests.worlds import GROUP_ID, a_group

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
IN_A_MINUTE = "2027-01-15T08:01:00Z"


class SilentStore:
    async def due_policies(self, until, most, mine):
        await Deferred()


class SchedulerTests(SynchronousTestCase):
    def setUp(self):
        self.clock, self.store, self.marks = Clock(), SQLiteStore(Inline()), LocalMarks()
        self.clock.advance(NOW)
        ids = (f"id{number}" for number in range(2000))
        self.policies = Policies(self.store, Engine(), self.clock, Limits(), lambda: next(ids), latest=3600.0)
        self.now(self.store.create_group(a_group(0, maxEntities=1000), [], 10))
        self.scheduler = self.started()

    def started(self, mine=lambda group_id: True):
        scheduler = Scheduler(self.store, mine, self.policies.fire, self.clock, interval=0.5, batch=3)
        scheduler.startService()
        self.addCleanup(lambda: scheduler.running and scheduler.stopService())
        return scheduler

    def now(self, coroutine):
        return self.successResultOf(ensureDeferred(coroutine))

    def scheduled(self, cooldown=0, rule=("change", 1), **args):
        kind, value = rule
        document = {"name": "n", "type": "schedule", "cooldown": cooldown, kind: value, "args": args}
        [policy] = self.now(self.policies.create(GROUP_ID, [document]))
        return policy

    def desired(self):
        return self.now(self.store.get_group(GROUP_ID)).state.desired

    def passing(self, seconds):
        self.clock.pump([0.5] * int(seconds * 2))

    def change_state(self, **changes):
        self.now(self.store.change_group(GROUP_ID, lambda group: evolve(group, state=evolve(group.state, **changes))))

    def test_a_moment_fires_once_and_within_a_second(self):
        self.scheduled(at=IN_A_MINUTE)
        self.passing(59)
        self.assertEqual(self.desired(), 0)
        self.passing(1.5)
        self.assertEqual(self.desired(), 1)
        self.passing(600)
        self.assertEqual(self.desired(), 1)

    def test_a_calendar_rule_fires_again_and_again(self):
        self.scheduled(cron="*/2 * * * *")
        self.passing(601)
        self.assertEqual(self.desired(), 5)

    def test_all_that_are_due_together_take_effect(self):
        for change in range(1, 11):
            self.scheduled(rule=("change", change), at=IN_A_MINUTE)
        self.passing(61)
        self.assertEqual(self.desired(), 55)

    def test_what_was_missed_is_made_up_for_once(self):
        self.scheduled(cron="* * * * *")
        self.successResultOf(self.scheduler.stopService())
        self.clock.advance(1800)
        self.started()
        self.assertEqual(self.desired(), 1)
        self.passing(60.5)
        self.assertEqual(self.desired(), 2)

    def test_what_was_missed_for_too_long_is_not_but_the_next_event_is(self):
        self.scheduled(cron="0 * * * *")
        self.scheduled(at=IN_A_MINUTE)
        self.successResultOf(self.scheduler.stopService())
        self.clock.advance(3600 * 2 + 61)
        self.started()
        self.assertEqual(self.desired(), 0)
        self.passing(3600)
        self.assertEqual(self.desired(), 1)

    def test_a_policy_that_was_changed_or_deleted_does_not_fire_its_old_event(self):
        changed, deleted = self.scheduled(at=IN_A_MINUTE), self.scheduled(at=IN_A_MINUTE)
        document = {**changed.document, "change": 100, "args": {"at": "2027-01-15T08:02:00Z"}}
        self.now(self.policies.replace(GROUP_ID, changed.id, document))
        self.now(self.policies.delete(GROUP_ID, deleted.id))
        self.passing(61)
        self.assertEqual(self.desired(), 0)
        self.passing(60)
        self.assertEqual(self.desired(), 100)

    def test_an_event_found_before_a_change_and_fired_after_it_does_nothing(self):
        old = self.scheduled(at=IN_A_MINUTE)
        self.now(self.policies.replace(GROUP_ID, old.id, {**old.document, "change": 100}))
        self.clock.advance(60)
        self.now(self.policies.fire(GROUP_ID, old))
        self.assertEqual(self.desired(), 100)  # the clock's own look fired the new one

    def test_two_who_find_the_same_event_fire_it_once(self):
        self.started()
        policy = self.scheduled(at=IN_A_MINUTE)
        self.passing(61)
        self.now(self.policies.fire(GROUP_ID, policy))
        self.assertEqual(self.desired(), 1)

    def test_a_paused_group_skips_and_a_deleted_one_is_not_even_asked(self):
        self.scheduled(cron="* * * * *")
        self.change_state(paused=True)
        self.passing(61)
        self.change_state(paused=False)
        self.assertEqual(self.desired(), 0)
        self.passing(60)
        self.assertEqual(self.desired(), 1)
        self.change_state(status=Status.DELETING)
        self.passing(120)
        self.assertEqual(self.now(self.store.get_group(GROUP_ID, even_deleting=True)).state.desired, 1)

    def test_a_refused_attempt_uses_up_the_event_and_starts_no_cooldown(self):
        self.scheduled(cooldown=70, cron="* * * * *")
        self.passing(4 * 60 + 1)
        self.assertEqual(self.desired(), 2)

    def test_a_store_that_fails_delays_and_loses_nothing(self):
        policy = self.scheduled(at=IN_A_MINUTE)
        failing = Scheduler(self.store, lambda id: True, lambda *_: fail(StoreUnavailable("full")), self.clock)
        self.successResultOf(self.scheduler.stopService())
        self.clock.advance(61)
        failing.startService()
        self.successResultOf(failing.stopService())
        self.assertEqual(len(self.flushLoggedErrors(StoreUnavailable)), 1)
        self.assertEqual([found for _, found in self.now(self.store.due_policies(NOW + 61, 10))], [policy])
        self.started()
        self.assertEqual(self.desired(), 1)

    def told(self):
        return [(event.notice.kind, event.notice) for event in self.now(self.store.get_group(GROUP_ID)).outbox.events]

    def telling(self):
        self.policies = evolve(self.policies, tells=True, new_id=lambda: "6f0d1b5e-8c1a-4b0e-9d53-0c6a4a4a7f2d")
        self.successResultOf(self.scheduler.stopService())
        self.started()

    def test_a_scheduled_execution_is_told(self):
        policy = self.scheduled(at=IN_A_MINUTE)
        self.telling()
        self.passing(61)
        [(kind, notice)] = self.told()
        self.assertEqual((kind, notice.message), ("sch-exec-pol", f"Executing scheduled policy {policy.id}"))
        self.assertEqual((notice.policy_id, notice.scheduled, notice.is_error), (policy.id, NOW + 60, False))

    def test_a_scheduled_execution_that_comes_to_nothing_is_told_with_the_reason(self):
        self.scheduled(rule=("desiredCapacity", 0), at=IN_A_MINUTE)
        self.telling()
        self.passing(61)
        [(begun, _), (failed, notice)] = self.told()
        self.assertEqual((begun, failed, notice.is_error), ("sch-exec-pol", "sch-cannot-exec", False))
        self.assertIn("was not executed: ", notice.message)

    def test_a_scheduled_execution_of_a_paused_group_is_told_as_an_error(self):
        self.scheduled(at=IN_A_MINUTE)
        self.change_state(paused=True)
        self.telling()
        self.passing(61)
        [_, (failed, notice)] = self.told()
        self.assertEqual((failed, notice.is_error), ("sch-exec-pol-err", True))
        self.assertIn("paused", notice.message)

    def test_nobody_is_told_of_scheduled_executions_who_is_not_to_be(self):
        self.scheduled(at=IN_A_MINUTE)
        self.passing(61)
        self.assertEqual((self.desired(), self.told()), (1, []))

    def test_a_stop_waits_no_longer_than_it_may_for_a_store_that_does_not_answer(self):
        self.successResultOf(self.scheduler.stopService())
        scheduler = Scheduler(SilentStore(), lambda group_id: True, self.policies.fire, self.clock)
        scheduler.startService()
        stopping = scheduler.stopService()
        self.assertNoResult(stopping)
        self.clock.advance(scheduler.grace)
        self.successResultOf(stopping)
        self.flushLoggedErrors(CancelledError)

    def test_nobody_fires_what_others_are_to_fire(self):
        self.successResultOf(self.scheduler.stopService())
        self.started(lambda group_id: False)
        self.scheduled(at=IN_A_MINUTE)
        self.passing(61)
        self.assertEqual(self.desired(), 0)

    def test_many_events_of_others_hold_up_nobody(self):
        self.successResultOf(self.scheduler.stopService())
        for _ in range(20):
            self.scheduled(at="2027-01-15T08:00:30Z")
        other = GroupId("111", "other")
        self.now(self.store.create_group(a_group(0, group_id=other), [], 10))
        document = {"name": "n", "type": "schedule", "cooldown": 0, "change": 1, "args": {"at": IN_A_MINUTE}}
        self.now(self.policies.create(other, [document]))
        self.started(lambda group_id: group_id == other)
        self.passing(61)
        self.assertEqual((self.desired(), self.now(self.store.get_group(other)).state.desired), (0, 1))

    def test_each_event_happens_once_though_two_processes_take_it_for_theirs(self):
        self.started()
        for _ in range(20):
            self.scheduled(at=IN_A_MINUTE)
        self.passing(61)
        self.assertEqual(self.desired(), 20)

    def test_the_type_of_a_policy_stays(self):
        policy = self.scheduled(at=IN_A_MINUTE)
        webhook = {"name": "n", "type": "webhook", "cooldown": 0, "change": 1}
        self.failureResultOf(ensureDeferred(self.policies.replace(GROUP_ID, policy.id, webhook)), Invalid)

    def test_other_groups_events_are_not_held_up_by_one_that_is_gone(self):
        other = GroupId("111", "other")
        self.now(self.store.create_group(a_group(0, group_id=other), [], 10))
        self.scheduled(at=IN_A_MINUTE)
        self.now(self.store.delete_group(other))
        self.passing(61)
        self.assertEqual(self.desired(), 1)
