"""Owners are told everything at least once, whatever the feed does, and nobody waits for it."""

from attrs import define, evolve, field
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from otter.domain.errors import StoreUnavailable
from otter.domain.events import MOST, CannotBeSent, Notice
from otter.domain.group import GroupId, Status
from otter.services.courier import BATCH, Courier
from otter.store.sqlite.database import Inline
from otter.store.sqlite.store import SQLiteStore
from tests.worlds import GROUP_ID, a_group

OTHER = GroupId("222", "g2")
BASE = "6f0d1b5e-8c1a-4b0e-9d53-0c6a4a4a7f2d"


@define
class ToyFeed:
    """:ivar refuse: what it says to a message. :ivar took: (group, id, message) of all that it took. :ivar gate: it waits for that."""

    refuse: dict[str, CannotBeSent] = field(factory=dict)
    asked: list[str] = field(factory=list)
    took: list[tuple] = field(factory=list)
    gate: Deferred | None = None

    async def send(self, group_id, event):
        message = event.notice.message
        self.asked.append(message)
        if self.gate is not None:
            await self.gate
        if error := self.refuse.get(message) or self.refuse.get("everything"):
            raise error
        self.took.append((group_id, event.id, message))

    def messages(self):
        return [message for *_, message in self.took]


class CourierTests(SynchronousTestCase):
    def setUp(self):
        self.clock, self.feed, self.store = Clock(), ToyFeed(), SQLiteStore(Inline())
        self.clock.advance(1_000_000.0)
        for group_id in (GROUP_ID, OTHER):
            self.now(self.store.create_group(a_group(group_id=group_id), [], 10))
        self.begin()

    def begin(self, store=None, mine=lambda group_id: True, **more):
        self.courier = Courier(store or self.store, mine, self.feed.send, self.clock, **more)
        self.courier.startService()
        self.addCleanup(lambda: self.courier.running and self.courier.stopService())

    def now(self, coroutine):
        return self.successResultOf(ensureDeferred(coroutine))

    def tell(self, *messages, group_id=GROUP_ID):
        notices = [Notice("group-status-active", message) for message in messages]
        told = len(self.outbox(group_id).events)
        base = f"{told:08x}{BASE[8:]}"
        self.change(lambda group: group.telling(notices, base, self.clock.seconds()), group_id)

    def change(self, change, group_id=GROUP_ID):
        self.now(self.store.change_group(group_id, change, even_deleting=True))

    def outbox(self, group_id=GROUP_ID):
        return self.now(self.store.get_group(group_id, even_deleting=True)).outbox

    def wait(self, seconds, step=5.0):
        for _ in range(int(seconds / step)):
            self.clock.advance(step)

    def test_what_is_to_be_told_is_sent_in_its_order_and_forgotten(self):
        self.tell("a", "b")
        self.tell("c")
        self.wait(5)
        self.assertEqual(self.feed.messages(), ["a", "b", "c"])
        self.assertEqual(len({id for _, id, _ in self.feed.took}), 3)
        self.wait(60)
        self.assertEqual((len(self.feed.asked), self.outbox().events), (3, a_group().outbox.events))

    def test_what_others_are_to_send_is_left_to_them(self):
        self.successResultOf(self.courier.stopService())
        self.begin(mine=lambda group_id: group_id == OTHER)
        self.tell("a")
        self.tell("b", group_id=OTHER)
        self.wait(60)
        self.assertEqual((self.feed.messages(), len(self.outbox().events)), (["b"], 1))

    def test_many_events_are_sent_in_some_looks(self):
        self.tell(*map(str, range(BATCH + 10)))
        self.wait(10)
        self.assertEqual(self.feed.messages(), [str(number) for number in range(BATCH + 10)])

    def test_while_the_feed_is_down_the_pauses_grow_and_then_everything_is_sent(self):
        self.feed.refuse["everything"] = CannotBeSent("no connection")
        self.tell("a", "b")
        self.wait(3600)
        tries = len(self.feed.asked)
        self.assertEqual(set(self.feed.asked), {"a"})
        self.assertTrue(12 <= tries <= 24, tries)
        self.feed.refuse.clear()
        self.wait(300)
        self.assertEqual(self.feed.messages(), ["a", "b"])

    def test_a_feed_that_says_for_how_long_is_left_alone_for_so_long(self):
        self.feed.refuse["a"] = CannotBeSent("not now", wait=100.0)
        self.tell("a")
        self.wait(100)
        self.assertEqual(self.feed.asked, ["a"])
        self.wait(10)
        self.assertEqual(self.feed.asked, ["a", "a"])

    def test_what_is_refused_for_good_is_dropped_and_logged_and_what_is_behind_it_is_sent(self):
        self.feed.refuse["a"] = CannotBeSent("the answer was 400", is_final=True)
        with capturedLogs() as logs:
            self.tell("a", "b")
            self.wait(5)
        self.assertEqual(self.feed.messages(), ["b"])
        [dropped] = [event for event in logs if event["log_format"] == "event-dropped"]
        self.assertEqual(
            (dropped["why"], dropped["group"], dropped["log_level"].name), ("the answer was 400", "g1", "warn")
        )

    def test_one_groups_event_that_cannot_be_sent_holds_up_no_other_group(self):
        self.feed.refuse["a"] = CannotBeSent("the answer was 500")
        self.tell("a", "b")
        self.tell("c", group_id=OTHER)
        self.wait(60)
        self.assertEqual(self.feed.messages(), ["c"])

    def test_what_could_not_be_sent_for_too_long_is_dropped_and_logged(self):
        self.courier.keep = 100.0
        self.feed.refuse["everything"] = CannotBeSent("no connection")
        self.tell("a")
        self.wait(90)
        self.tell("b")
        with capturedLogs() as logs:
            self.wait(80)
        self.assertIn("event-dropped", [event["log_format"] for event in logs])
        self.assertEqual([event.notice.message for event in self.outbox().events], ["b"])

    def test_what_had_to_make_room_is_logged_once(self):
        self.tell(*map(str, range(MOST)))
        self.tell("one more")
        with capturedLogs() as logs:
            self.wait(30)
        dropped = [event["count"] for event in logs if event["log_format"] == "events-dropped"]
        self.assertEqual((dropped, len(self.feed.took), self.outbox().dropped), ([1], MOST, 0))

    def test_what_was_sent_and_not_written_down_is_sent_again_with_the_same_id(self):
        class Forgetful:
            def __getattr__(_, name):
                return getattr(self.store, name)

            async def change_group(_, *arguments, **named):
                raise StoreUnavailable("the disk is full")

        self.courier.stopService()
        self.begin(Forgetful())
        self.tell("a")
        self.wait(5)
        self.assertEqual(len(self.flushLoggedErrors(StoreUnavailable)), 1)
        self.courier.stopService()
        self.begin()
        self.wait(5)
        first, second = self.feed.took
        self.assertEqual(first, second)

    def test_a_group_that_is_to_be_deleted_and_waited_only_for_this_wants_a_look(self):
        self.tell("gone")
        self.change(lambda group: group.asked(status=Status.DELETING))
        self.change(converged)
        self.assertEqual(self.now(self.store.divergent_groups(1e12)), [(OTHER, 0.0)])
        self.wait(5)
        self.assertEqual(self.feed.messages(), ["gone"])
        self.assertIn((GROUP_ID, 0.0), self.now(self.store.divergent_groups(1e12)))

    def test_a_group_that_is_gone_meanwhile_is_nobodys_trouble(self):
        self.feed.gate = Deferred()
        self.tell("a")
        self.wait(5)
        self.now(self.store.delete_group(GROUP_ID))
        self.feed.gate.callback(None)
        self.assertEqual((self.feed.messages(), self.flushLoggedErrors()), (["a"], []))

    def test_a_feed_that_does_not_answer_is_not_waited_for_at_the_end(self):
        self.feed.gate = Deferred()
        self.tell("a")
        self.wait(5)
        stopped = self.courier.stopService()
        self.assertNoResult(stopped)
        self.wait(5)
        self.successResultOf(stopped)
        self.flushLoggedErrors(CancelledError)
        self.assertEqual(len(self.outbox().events), 1)


def converged(group):
    return evolve(group, state=evolve(group.state, converged_generation=group.state.generation, look_at=None))
