from attrs import define
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from otter.domain.errors import StoreUnavailable
from otter.services.holds import Holds
from otter.store.sqlite.database import Inline
from otter.store.sqlite.store import SQLiteStore


@define(eq=False)
class Moody:
    """A store that says what is held only while it ``answers``."""

    store: SQLiteStore
    answers: bool = True

    async def held(self):
        if not self.answers:
            raise StoreUnavailable("the disk is gone")
        return await self.store.held()


class HoldsTests(SynchronousTestCase):
    def setUp(self):
        self.clock, self.store = Clock(), SQLiteStore(Inline())
        self.moody = Moody(self.store)
        self.holds = Holds(self.moody, self.clock)

    def start(self, **options):
        self.holds = Holds(self.moody, self.clock, **options)
        self.holds.startService()

    def now(self, coroutine):
        return self.successResultOf(ensureDeferred(coroutine))

    def covered(self):
        return {tenant for tenant in ("a", "b") if self.holds.covers(tenant)}

    def test_as_long_as_the_store_has_said_nothing_everything_is_held(self):
        self.assertEqual(self.covered(), {"a", "b"})
        self.start()
        self.assertEqual(self.covered(), set())

    def test_what_the_store_says_at_the_start_holds_at_once(self):
        self.now(self.store.hold("a"))
        self.start()
        self.assertEqual(self.covered(), {"a"})

    def test_what_operators_change_is_seen_within_the_interval(self):
        self.start()
        for change, tenant, covered in (
            (self.store.hold, "a", {"a"}),
            (self.store.hold, None, {"a", "b"}),
            (self.store.release, None, {"a"}),
            (self.store.release, "a", set()),
        ):
            self.now(change(tenant))
            self.clock.advance(self.holds.interval)
            self.assertEqual(self.covered(), covered)

    def test_a_hold_from_the_environment_outlasts_what_the_store_says(self):
        self.start(forced=True)
        self.assertEqual(self.covered(), {"a", "b"})
        self.now(self.store.hold("a"))
        self.now(self.store.release("a"))
        self.clock.pump([1.0] * 5)
        self.assertEqual((self.covered(), self.holds.now.everything), ({"a", "b"}, True))

    def test_while_the_store_does_not_answer_what_it_said_before_is_believed(self):
        self.now(self.store.hold("a"))
        self.start()
        self.moody.answers = False
        self.clock.pump([1.0] * 5)
        self.assertEqual(self.covered(), {"a"})
        self.assertEqual(len(self.flushLoggedErrors(StoreUnavailable)), 1)

    def test_a_store_that_answers_again_is_believed_again(self):
        self.moody.answers = False
        self.start()
        self.assertEqual(self.covered(), {"a", "b"})
        self.moody.answers = True
        self.clock.advance(self.holds.interval)
        self.assertEqual(self.covered(), set())
        self.flushLoggedErrors(StoreUnavailable)

    def test_it_stops(self):
        self.start()
        self.holds.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
