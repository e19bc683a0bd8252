"""Of two processes one is frozen in the middle of something, and goes on when the group is not its own any more."""

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from otter.domain.errors import OtterError
from otter.domain.group import Status
from otter.services.scheduler import Scheduler
from tests.services.miniature import ALL, CONVERGENCE
from tests.services.pair import WHEN, Pair, frozen

REQUESTS = st.sampled_from([("resize", 0), ("resize", 1), ("resize", 3), ("converge",), ("evict",), ("vanish",)])
EVENTS = st.lists(
    st.one_of(
        REQUESTS,
        st.tuples(st.just("freeze"), st.integers(1, 12), st.sampled_from(WHEN)),
        st.tuples(st.just("wait"), st.sampled_from([0.05, 0.3, 2.0, 15.0])),
        st.sampled_from([("thaw",), ("hand over",)]),
    ),
    max_size=12,
)


def shrinking(runs=CONVERGENCE):
    """The first process is to make one server of three."""
    pair = Pair(runs)
    pair.give(pair.first)
    pair.grown(3)
    pair.resize(1)
    return pair


class TakeoverTests(SynchronousTestCase):
    def assert_right(self, pair, size, why=""):
        group, servers = pair.known(), set(pair.cloud.servers)
        self.assertEqual((len(servers), pair.active()), (size, servers), why)
        self.assertEqual((pair.cloud.served(), len(pair.cloud.nodes)), (pair.cloud.addresses(), size), why)
        self.assertEqual((group.state.status, dict(group.roster.creates)), (Status.ACTIVE, {}), why)

    def test_who_goes_on_afterwards_changes_nothing_in_the_cloud_but_what_was_on_its_way(self):
        for runs in ALL:
            for pair, where in frozen(lambda runs=runs: shrinking(runs)):
                pair.run(20)
                pair.cloud.changes.clear()
                pair.first.ice.thaw()
                self.assertLessEqual(len(pair.cloud.changes), "on its way" in where, where)

    def test_who_goes_on_afterwards_changes_nothing_in_the_store(self):
        for runs in ALL:
            for pair, where in frozen(lambda runs=runs: shrinking(runs)):
                pair.run(20)
                group = pair.group()
                pair.first.ice.thaw()
                self.assertEqual(pair.group(), group, where)

    def test_what_was_not_written_down_before_the_takeover_does_not_happen(self):
        """The owner has changed his mind, and the successor does not know of the plan that was made before."""
        for runs in ALL:
            for pair, where in frozen(lambda runs=runs: shrinking(runs)):
                decided = bool(pair.known().roster.leaving)
                pair.resize(3)
                pair.run(20)
                pair.first.ice.thaw()
                pair.settle()
                self.assert_right(pair, 3, where)
                self.assertEqual({"s1", "s2", "s3"} <= pair.cloud.servers.keys(), not decided, where)

    def test_what_nobody_sent_is_withdrawn_if_nobody_else_has_begun(self):
        pair = Pair(CONVERGENCE)
        pair.give(pair.first)
        pair.create()
        pair.resize(2)
        pair.first.ice.at, pair.first.ice.frozen = (pair.first.ice.number + 5, "before"), pair.first.shares.lose
        self.assertTrue(pair.until_frozen(pair.first))
        self.assertEqual(len(pair.known().roster.creates), 2)
        pair.first.ice.thaw()
        group = pair.known()
        self.assertEqual((dict(group.roster.creates), list(group.state.reasons), pair.cloud.changes), ({}, [], []))
        pair.give(pair.second)
        pair.settle()
        self.assert_right(pair, 2)

    def test_who_has_nothing_to_do_makes_the_group_his_own_all_the_same(self):
        pair = Pair(CONVERGENCE)
        pair.give(pair.first)
        pair.grown(2)
        pair.give(pair.second)
        pair.run(31)
        self.assertEqual(pair.known().roster.fence, pair.second.shares.fence(0))
        self.assertEqual(pair.cloud.changes, [])

    def test_nobody_works_while_nobody_has_a_share_and_whoever_gets_it_goes_on_at_once(self):
        pair = Pair(CONVERGENCE)
        pair.create()
        pair.resize(2)
        pair.run(120)
        self.assertEqual(pair.cloud.changes, [])
        pair.give(pair.first)
        pair.run(1)
        self.assert_right(pair, 2)

    def test_each_event_of_a_schedule_happens_once_whenever_the_group_changes_hands(self):
        for handed_over_at in (0, 1, 2, 3):
            pair = Pair(CONVERGENCE)
            pair.give(pair.first)
            pair.create()
            document = {"name": "n", "type": "schedule", "cooldown": 0, "change": 1}
            at = {"at": "1970-01-12T13:47:00Z"}  # in 20 s
            group_id = pair.group_id
            pair.now(pair.operations.policies.create(group_id, [{**document, "args": at} for _ in range(3)]))
            fired = []

            def fire(process, pair=pair, fired=fired, when=handed_over_at):
                async def and_hand_over(*event):
                    if len(fired) == when:
                        pair.give(pair.second)
                    fired.append(process)
                    await process.operations.policies.fire(*event)

                return and_hand_over

            for process in (pair.first, pair.second):
                Scheduler(pair.store, process.ownership.owns, fire(process), pair.clock).startService()
            pair.run(40)
            pair.settle()
            self.assert_right(pair, 3, handed_over_at)

    @given(EVENTS)
    @settings(max_examples=60)
    def test_whatever_happens_the_group_is_right_in_the_end(self, events):
        pair = Pair(CONVERGENCE)
        pair.give(pair.first)
        pair.grown(2)
        for event in events:
            with contextlib.suppress(OtterError):
                self.happen(pair, *event)
        pair.second.ice.thaw()
        pair.first.ice.thaw()
        pair.give(pair.second)
        for _ in range(3):
            pair.settle()
            pair.run(150)
        self.assert_right(pair, pair.known().state.desired, events)

    def happen(self, pair, what, *details):
        match what:
            case "resize":
                pair.resize(*details)
            case "converge":
                pair.converge()
            case "evict" if pair.active():
                pair.evict(min(pair.active()))
            case "vanish" if pair.cloud.servers:
                del pair.cloud.servers[min(pair.cloud.servers)]
            case "freeze" if not pair.first.ice.is_frozen:
                pair.freeze(pair.first, *details)
            case "wait":
                pair.run(*details)
            case "thaw":
                pair.first.ice.thaw()
            case "hand over":
                pair.give(pair.first if pair.second.shares.held() else pair.second)
