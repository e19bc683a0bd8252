"""Who gets a turn when: nobody more often than the limits say, and nobody because of somebody else."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from otter.cloud.throttle import FEW, ROUNDING, Lane, Limit, Throttle, Traffic

CREATES = Lane("111", "nova", Traffic.CHANGES)
LISTINGS = Lane("111", "nova", Traffic.READS)
NODES = Lane("111", "clb", Traffic.CHANGES)
OTHER_TENANT = Lane("222", "nova", Traffic.CHANGES)


class ThrottleTests(SynchronousTestCase):
    """Changes of Nova: three at once, then two a second; everything else: fifty."""

    def setUp(self):
        self.clock = Clock()
        plenty = Limit(50.0, 50)
        limits = {
            "nova": {Traffic.READS: plenty, Traffic.CHANGES: Limit(2.0, 3)},
            "clb": {Traffic.READS: plenty, Traffic.CHANGES: plenty},
        }
        self.throttle = Throttle(self.clock, limits)

    def ask(self, count, lane=CREATES):
        return [ensureDeferred(self.throttle.turn(lane)) for _ in range(count)]

    def given(self, turns):
        return [turn.called for turn in turns]

    def test_a_burst_goes_at_once_and_the_rest_at_the_rate(self):
        turns = self.ask(5)
        self.assertEqual(self.given(turns), [True, True, True, False, False])
        self.clock.advance(0.5)
        self.assertEqual(self.given(turns), [True, True, True, True, False])
        self.clock.advance(0.5)
        self.assertEqual(self.given(turns), [True] * 5)

    def test_a_tenant_for_whom_several_processes_send_has_its_limits_divided(self):
        parts = {"111": 3}
        self.throttle.parts = lambda tenant: parts.get(tenant, 1)
        turns = self.ask(3)
        self.assertEqual(self.given(turns), [True, False, False])
        self.clock.advance(1.5)
        self.assertEqual(self.given(turns), [True, True, False])
        self.assertEqual(self.given(self.ask(4, OTHER_TENANT)), [True, True, True, False])

    def test_limits_are_whole_again_when_one_process_sends_for_the_tenant_again(self):
        self.throttle.parts = lambda tenant: 3
        self.ask(1)
        self.clock.advance(1.5)
        self.throttle.parts = lambda tenant: 1
        self.assertEqual(self.given(self.ask(4)), [True, True, True, False])

    def test_a_lane_that_was_quiet_has_its_burst_again_and_no_more(self):
        self.ask(3)
        self.clock.advance(1000.0)
        self.assertEqual(self.given(self.ask(4)), [True, True, True, False])

    def test_a_lane_that_is_worn_out_keeps_no_other_waiting(self):
        self.ask(10)
        for lane in (OTHER_TENANT, LISTINGS, NODES):
            self.assertEqual(self.given(self.ask(1, lane)), [True])

    def test_those_behind_one_that_gives_up_move_up(self):
        *_, first, second, third = self.ask(6)
        first.cancel()
        second.cancel()
        for given_up in (first, second):
            self.failureResultOf(given_up, CancelledError)
        self.clock.advance(0.5)
        self.assertTrue(third.called)

    def test_when_all_who_wait_give_up_nothing_is_left_behind(self):
        for turn in self.ask(6)[3:]:
            turn.cancel()
            self.failureResultOf(turn, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(0.5)
        self.assertEqual(self.given(self.ask(1)), [True])

    def test_whoever_asks_again_as_soon_as_it_has_its_turn_comes_behind_those_who_wait(self):
        order = []

        async def take(name):
            await self.throttle.turn(CREATES)
            order.append(name)

        async def twice():
            await take("a")
            await take("a again")

        self.ask(3)
        for going in (twice(), take("b")):
            ensureDeferred(going)
        self.clock.advance(10.0)
        self.assertEqual(order, ["a", "b", "a again"])

    def test_the_turns_that_are_to_be_had_are_what_is_left_and_what_will_grow(self):
        self.assertEqual(self.throttle.turns_within(CREATES, 0.0), 3)
        self.assertEqual(self.throttle.turns_within(CREATES, 30.0), 63)
        self.ask(2)
        self.assertEqual(self.throttle.turns_within(CREATES, 0.0), 1)
        self.assertEqual(self.throttle.turns_within(OTHER_TENANT, 0.0), 3)

    def test_those_who_wait_already_have_their_turns_first(self):
        waiting = self.ask(3 + 10)[3:]
        self.assertEqual(self.throttle.turns_within(CREATES, 4.0), 0)
        self.assertEqual(self.throttle.turns_within(CREATES, 30.0), 50)
        for turn in waiting:
            turn.cancel()
            self.failureResultOf(turn, CancelledError)
        self.assertEqual(self.throttle.turns_within(CREATES, 4.0), 8)

    def test_full_buckets_are_forgotten_and_others_are_not(self):
        self.ask(2)
        for number in range(100 * FEW):
            self.ask(1, Lane(f"other-{number}", "nova", Traffic.CHANGES))
            self.clock.advance(0.5)
            self.ask(1)
            self.assertEqual(self.throttle.turns_within(CREATES, 0.0), 1)
        self.assertLessEqual(len(self.throttle.buckets), FEW)


RATES, BURSTS = st.sampled_from([0.3, 1.0, 7.0, 50.0]), st.integers(1, 20)
STARTS = st.sampled_from([0.0, 1.8e9])


def pass_time(clock, seconds):
    """Every call at its own time, as with a reactor that is never late."""
    end = clock.seconds() + seconds
    while clock.getDelayedCalls() and (next_call := min(call.getTime() for call in clock.getDelayedCalls())) < end:
        clock.advance(max(0.0, next_call - clock.seconds()))
    clock.advance(end - clock.seconds())


def throttle_at(start, rate, burst):
    clock = Clock()
    clock.advance(start)
    return clock, Throttle(clock, {"nova": {Traffic.CHANGES: Limit(rate, burst)}})


@given(RATES, BURSTS, STARTS, st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.floats(0.0, 3.0))))
def test_no_stretch_of_time_has_more_turns_than_its_limit_and_nobody_is_passed_over(rate, burst, start, story):
    """A story is how many ask, how many of those who wait give up then, and how long it is quiet after that."""
    clock, throttle = throttle_at(start, rate, burst)
    times, waiting = [], []

    async def take():
        await throttle.turn(CREATES)
        times.append(clock.seconds())

    for asking, giving_up, seconds in story:
        waiting += [ensureDeferred(take()) for _ in range(asking)]
        for turn in [turn for turn in waiting if not turn.called][::2][:giving_up]:
            turn.addErrback(lambda failure: failure.trap(CancelledError)).cancel()
            waiting.remove(turn)
        pass_time(clock, seconds)
        in_order = [turn.called for turn in waiting]
        assert in_order == sorted(in_order, reverse=True)
    for earlier, later in combinations(range(len(times)), 2):
        assert later - earlier + 1 <= burst + (times[later] - times[earlier]) * rate + 0.01


@given(RATES, BURSTS, STARTS, st.integers(0, 30), st.integers(1, 200))
def test_as_many_turns_as_were_promised_are_to_be_had_in_that_time_and_no_more(rate, burst, start, before, tenths):
    clock, throttle = throttle_at(start, rate, burst)
    for _ in range(before):
        ensureDeferred(throttle.turn(CREATES))
    promised = throttle.turns_within(CREATES, tenths / 10)
    turns = [ensureDeferred(throttle.turn(CREATES)) for _ in range(promised + 1)]
    pass_time(clock, tenths / 10 + 2 * ROUNDING / rate)
    assert [turn.called for turn in turns] == [True] * promised + [False]
