"""Nova's definite no: servers are not asked for again and again, and everything else goes on."""

from otter.cloud.errors import ApiError
from otter.domain.group import Group, Status
from tests.convergence.passes import QUOTA, PassTestCase

SENTENCE = "Servers cannot be created: Quota exceeded for ram: Requested 1"


class RefusalTests(PassTestCase):
    def refused(self, desired, *, grown=0):
        """A group whose owner wants more servers than there may be, after the pass that was told so."""
        self.grown(grown)
        self.resize(desired)
        self.refusing("servers", QUOTA)
        self.one_pass()
        self.refusals = 0

        def refuse(request):
            self.refusals += request.path == "servers"
            return QUOTA if request.path == "servers" else None

        self.cloud.refuse = refuse

    def wait_until_asked_again(self):
        self.clock.advance(self.state().refusal.until - self.clock.seconds())

    def room_for(self, count):
        """The quota has room for so many servers more."""
        most = self.creates() + count
        self.cloud.refuse = lambda request: QUOTA if request.path == "servers" and self.creates() >= most else None

    def test_no_servers_are_asked_for_until_the_time_has_come(self):
        self.refused(3)
        until = self.state().refusal.until
        while self.clock.seconds() < until - 20:
            self.clock.advance(10)
            self.one_pass()
            self.assertEqual((self.state().status, list(self.state().reasons)), (Status.ERROR, [SENTENCE]))
        self.assertEqual(self.refusals, 0)
        self.wait_until_asked_again()
        self.one_pass()
        self.assertEqual(self.refusals, 1, "one server is enough to see")
        self.assertGreater(self.state().refusal.until - self.clock.seconds(), 1.5 * (until - 1_000_000))

    def test_or_until_somebody_asks(self):
        self.refused(3)
        for request in (Group.asked, lambda group: group.asked(desired=4)):
            self.change(request)
            self.assertIsNone(self.state().refusal)
            before = self.refusals
            self.one_pass()
            self.assertGreater(self.refusals, before)

    def test_a_clock_that_was_ahead_does_not_make_it_last_for_longer(self):
        self.refused(1)
        self.clock.rightNow -= 500_000.0
        self.refusing("servers", None)
        self.one_pass()
        self.clock.advance(1.25 * self.run_pass.pace.longest_probe)
        self.converge()
        self.assertEqual(len(self.cloud.servers), 1)

    def test_a_group_is_looked_at_meanwhile(self):
        self.refused(1)
        for _ in range(3):
            self.wait_for_look()
            self.one_pass()
            self.assertLessEqual(self.state().due - self.clock.seconds(), self.run_pass.pace.heal)

    def test_what_is_there_is_kept_healthy_meanwhile(self):
        self.refused(5, grown=3)
        del self.cloud.servers["s1"]
        [edited, removed] = [id for id, node in self.cloud.nodes.items() if node["address"] != "10.0.0.1"]
        self.cloud.nodes[edited]["condition"] = "DISABLED"
        del self.cloud.nodes[removed]
        self.passes(5)
        self.assertEqual(self.cloud.served(), self.cloud.addresses())
        self.assertEqual({node["condition"] for node in self.cloud.nodes.values()}, {"ENABLED"})
        self.assertEqual((self.refusals, len(self.active())), (0, 2))
        self.assertEqual(list(self.state().reasons), [SENTENCE])

    def test_the_first_success_is_followed_by_the_rest_at_once(self):
        self.refused(5)
        self.wait_until_asked_again()
        self.room_for(5)
        self.one_pass()
        self.assertEqual((self.creates(), self.state().refusal), (1, None))
        self.assertLessEqual(self.state().due, self.clock.seconds())
        self.one_pass()
        self.assertEqual(self.creates(), 5)
        self.converge()
        self.assertEqual((len(self.active()), self.state().status), (5, Status.ACTIVE))

    def test_an_answer_that_gets_lost_is_no_success(self):
        self.refused(5)
        self.wait_until_asked_again()
        self.refusing("servers", ApiError(500, ""))
        asked = []
        for _ in range(3):
            before = len(self.group().roster.creates)
            self.one_pass()
            asked.append(len(self.group().roster.creates) - before)
        self.assertLessEqual(max(asked), 1, "one server is enough to see")

    def test_as_many_servers_are_made_as_the_quota_has_room_for(self):
        self.grown(0)
        self.resize(5)
        self.room_for(2)
        self.passes(4)
        self.assertEqual((self.creates(), len(self.active())), (2, 2))
        self.assertEqual(dict(self.group().roster.creates), {})
        self.assertEqual((self.state().status, list(self.state().reasons)), (Status.ERROR, [SENTENCE]))
        self.wait_until_asked_again()
        self.room_for(3)
        self.converge()
        self.assertEqual((len(self.active()), self.state().status), (5, Status.ACTIVE))

    def test_a_group_that_needs_no_more_servers_is_not_in_error_any_more(self):
        self.refused(3, grown=1)
        self.resize(1)
        self.converge()
        self.assertEqual((self.state().status, list(self.state().reasons)), (Status.ACTIVE, []))

    def test_a_refusal_stands_while_nobody_can_look(self):
        self.refused(1)
        until = self.state().refusal.until
        self.unreadable("servers", error=ApiError(500, ""))
        self.one_pass()
        self.assertEqual((self.state().refusal.until, list(self.state().reasons)), (until, [SENTENCE]))

    def test_a_deleted_group_waits_for_no_quota(self):
        self.refused(3, grown=1)
        self.delete()
        self.end()
        self.assertEqual(self.cloud.servers, {})
