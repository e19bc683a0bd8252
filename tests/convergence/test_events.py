"""What an owner is told of passes, and that it is stored before anything is done."""

from attrs import evolve
from twisted.internet.defer import CancelledError

from otter.convergence.events import of_steps
from otter.domain.balancers import Condition, Node, Target
from otter.domain.events import LONGEST_MESSAGE
from otter.planning.steps import AddNodes, ChangeNodes, DeleteServer, MarkLeaving, ReleaseServer, RemoveNodes
from tests.convergence.passes import QUOTA, PassTestCase
from tests.worlds import HTTP_80, LB_7, POOL


def node(number, **more):
    return Node(HTTP_80, f"10.0.0.{number}", str(number), **more)


def member(number):
    return Node(Target(POOL), f"s{number}", f"n{number}")


def told(*steps):
    return [(notice.kind, notice.message) for notice in of_steps(steps)]


def test_each_step_is_told_in_the_words_that_clients_know():
    moved = [node(2, condition=Condition.DRAINING), node(1, condition=Condition.DRAINING), node(3, weight=5)]
    assert told(AddNodes(LB_7, [node(2), node(1)], 0)) == [
        ("convergence-add-clb-nodes", "Adding IPs to CLB 7: 10.0.0.1:80, 10.0.0.2:80")
    ]
    assert told(RemoveNodes(LB_7, [node(2), node(1)])) == [
        ("convergence-remove-clb-nodes", "Removing nodes from CLB 7: 1, 2")
    ]
    assert told(ChangeNodes(LB_7, moved)) == [
        (
            "convergence-change-clb-nodes",
            "Changing nodes on CLB 7: nodes=1, 2, type=PRIMARY, condition=DRAINING, weight=1",
        ),
        ("convergence-change-clb-nodes", "Changing nodes on CLB 7: nodes=3, type=PRIMARY, condition=ENABLED, weight=5"),
    ]
    assert told(AddNodes(POOL, [member(2), member(1)], 0)) == [
        ("convergence-add-rcv3-nodes", "Adding servers to RCv3 LB p: s1, s2")
    ]
    assert told(RemoveNodes(POOL, [member(1)])) == [
        ("convergence-remove-rcv3-nodes", "Removing servers from RCv3 LB p: s1")
    ]
    assert told(DeleteServer("s2"), MarkLeaving("s3"), DeleteServer("s1"), ReleaseServer("s4")) == [
        ("convergence-delete-servers", "Deleting server(s) s1, s2"),
        ("convergence-set-server-metadata", "Setting metadata of server(s) s3, s4"),
    ]


def test_what_is_too_long_for_one_message_is_told_in_several_and_nothing_is_left_out():
    ids = [f"{number:036d}" for number in range(50)]
    messages = [message for _, message in told(*map(DeleteServer, ids))]
    assert len(messages) > 8
    assert all(len(message) <= LONGEST_MESSAGE for message in messages)
    assert ", ".join(message.removeprefix("Deleting server(s) ") for message in messages) == ", ".join(ids)


class TellingTests(PassTestCase):
    def begin_process(self):
        super().begin_process()
        self.run_pass = evolve(self.run_pass, tells=True)

    def events(self):
        return self.group().outbox.events

    def messages(self):
        return [event.notice.message for event in self.events()]

    def sent(self):
        """The courier has been here."""
        self.change(lambda group: group.told([event.id for event in group.outbox.events], 0))

    def test_what_is_done_for_a_group_is_told_once_and_looks_that_find_nothing_tell_nothing(self):
        self.grown(2)
        wanted = ["Creating 2 servers.", "Adding IPs to CLB 7: 10.0.0.1:80, 10.0.0.2:80"]
        self.assertEqual(self.messages(), wanted)
        self.passes(3)
        self.assertEqual(self.messages(), wanted)
        self.assertEqual(len({event.id for event in self.events()}), 2)
        self.assertEqual([(event.desired, event.current) for event in self.events()], [(2, 0), (2, 0)])

    def test_an_error_is_told_when_it_begins_and_when_it_is_another_and_its_end_is_told(self):
        self.group_of(1)
        self.refusing("servers", QUOTA)
        self.passes(3)
        [*_, error] = self.events()
        self.assertTrue(error.notice.is_error)
        self.assertIn("changed to ERROR. Reasons: Servers cannot be created: Quota exceeded", error.notice.message)
        self.sent()
        self.cloud.refuse = lambda request: None
        self.change(lambda group: group.asked())
        self.one_pass()
        self.assertEqual(self.messages(), ["Creating 1 servers.", "Group's status is changed to ACTIVE"])
        self.assertFalse(self.events()[-1].notice.is_error)

    def test_what_a_process_was_about_to_do_is_told_though_it_died(self):
        self.group_of(1)
        self.refusing("servers", CancelledError())
        self.dying_pass()
        self.assertEqual(self.messages(), ["Creating 1 servers."])

    def test_a_deleted_group_stays_until_all_is_told_and_goes_then(self):
        self.grown(1)
        self.delete()
        self.converge()
        self.assertIn("Deleting server(s) s1", self.messages())
        self.one_pass()
        self.assertIsNone(self.state().due)
        self.sent()
        self.assertEqual(self.state().due, 0.0)
        self.assertIsNone(self.one_pass())

    def test_what_was_told_while_the_group_was_looked_at_does_not_keep_it(self):
        self.grown(1)
        self.delete()
        self.converge()
        change_group = self.store.change_group

        class Told:
            def __getattr__(_, name):
                return getattr(self.store, name)

            async def change_group(_, *arguments, **named):
                self.sent()
                return await change_group(*arguments, **named)

        self.now(evolve(self.run_pass, store=Told())(self.group().id))
        self.assertIsNone(self.one_pass())

    def test_an_owner_who_is_not_to_be_told_anything_is_not(self):
        self.run_pass = evolve(self.run_pass, tells=False)
        self.group_of(1)
        self.converge()
        self.assertEqual(self.messages(), [])
        self.delete()
        self.end()
