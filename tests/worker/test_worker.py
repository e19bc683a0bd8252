"""What only the worker does: it keeps to its jobs, and gives up."""

from twisted.trial.unittest import SynchronousTestCase

from otter.domain.group import Status
from otter.worker.jobs import MOST_ATTEMPTS
from tests.services.miniature import CONVERGENCE, WORKER, Miniature


class WorkerTests(SynchronousTestCase):
    def setUp(self):
        self.otter = Miniature(WORKER)
        self.cloud = self.otter.cloud

    def building(self, size):
        """A group whose servers have been asked for."""
        self.otter.create()
        self.cloud.born = "BUILD"
        self.otter.resize(size)
        self.otter.run(5)

    def assert_told(self, sentence):
        state = self.otter.known().state
        self.assertEqual(state.status, Status.ERROR)
        self.assertRegex(" ".join(state.reasons), sentence)

    def jobs(self):
        return self.otter.known().roster.jobs.by_key.values()

    def test_a_server_that_keeps_breaking_is_replaced_some_times_and_then_the_owner_is_told(self):
        self.otter.create()
        self.cloud.born = "ERROR"
        self.otter.resize(1)
        self.otter.settle()
        self.assert_told(f"went into the state ERROR while it was made, {MOST_ATTEMPTS} times")
        self.assertEqual(self.cloud.changes.count("POST servers"), MOST_ATTEMPTS)
        self.assertEqual(self.cloud.servers, {})

    def test_another_request_tries_again_as_often(self):
        self.otter.create()
        self.cloud.born = "ERROR"
        self.otter.resize(1)
        self.otter.settle()
        self.otter.converge()
        self.otter.settle()
        self.assertEqual(self.cloud.changes.count("POST servers"), 2 * MOST_ATTEMPTS)
        self.cloud.born = "ACTIVE"
        self.otter.converge()
        self.otter.settle()
        self.assertEqual((len(self.otter.active()), self.otter.known().state.status), (1, Status.ACTIVE))

    def test_one_server_that_keeps_breaking_does_not_keep_the_others_from_being_made(self):
        self.building(3)
        self.cloud.born = "ERROR"
        first, *others = sorted(self.cloud.servers)
        self.otter.becoming("ERROR", [first])
        self.otter.becoming("ACTIVE", others)
        self.otter.settle()
        self.assert_told(f"{MOST_ATTEMPTS} times")
        self.assertEqual((self.otter.active(), set(self.cloud.servers)), (set(others), set(others)))

    def test_a_launch_whose_load_balancer_is_gone_is_undone(self):
        self.cloud.status = "DELETED"
        self.otter.create()
        self.otter.resize(2)
        self.otter.settle()
        self.assert_told("Cloud Load Balancer does not exist: 7")
        self.assertEqual((self.cloud.changes.count("POST servers"), self.cloud.servers), (2, {}))

    def test_no_request_deletes_servers_that_were_there_before_their_load_balancer_went(self):
        self.otter.grown(2)
        before, self.cloud.status, self.cloud.nodes = set(self.cloud.servers), "DELETED", {}
        for ask in (self.otter.converge, lambda: self.otter.resize(3), self.otter.converge):
            ask()
            self.otter.settle()
            self.assertEqual(set(self.cloud.servers), before)
        self.assert_told("Cloud Load Balancer does not exist: 7")

    def test_servers_that_no_request_was_about_are_left_alone_while_others_are_worked_on(self):
        self.otter.grown(3, draining_timeout=30)
        self.otter.resize(2)
        self.otter.run(5)
        _, broken, edited = sorted(self.cloud.servers)
        self.cloud.set_status(broken, "ERROR")
        [node] = [node for node in self.cloud.nodes.values() if node["address"] == f"10.0.0.{edited[1:]}"]
        node["weight"] = 5
        self.otter.settle()
        self.assertEqual((set(self.cloud.servers), node["weight"]), ({broken, edited}, 5))
        self.assertNotIn("POST servers", self.cloud.changes)

    def test_a_launch_that_takes_too_long_is_undone(self):
        self.building(1)
        self.otter.run(3700)
        self.assertEqual(self.cloud.servers, {})
        self.assert_told("not in service in time")
        self.assertEqual(self.cloud.changes.count("POST servers"), 1)

    def test_time_for_which_otter_was_held_or_did_not_run_does_not_count_for_a_launch(self):
        self.building(2)
        self.otter.now(self.otter.store.hold(None))
        self.otter.run(4000)
        self.otter.becoming("ACTIVE")
        self.otter.now(self.otter.store.release(None))
        self.otter.settle()
        self.assertEqual((len(self.otter.active()), self.cloud.changes.count("POST servers")), (2, 2))

    def test_jobs_are_stored_before_the_first_create_is_sent(self):
        self.otter.create()
        self.cloud.fate = (1, "before")
        self.otter.resize(3)
        self.otter.settle()
        self.assertEqual((self.cloud.dead, self.cloud.servers), (True, {}))
        self.assertEqual([job.kind.value for job in self.jobs()], ["LAUNCH"] * 3)
        self.assertEqual({job.id for job in self.jobs()}, set(self.otter.known().roster.creates))

    def test_jobs_are_stored_before_anything_is_taken_away(self):
        self.otter.grown(3)
        self.cloud.fate = (self.cloud._number + 1, "before")
        self.otter.resize(1)
        self.otter.settle()
        self.assertEqual(self.otter.jobs(), {"DELETE s1", "DELETE s2"})

    def test_a_process_that_begins_goes_on_with_the_jobs_that_are_there_as_its_own(self):
        self.building(2)
        before = {(job.key, job.deadline) for job in self.jobs()}
        self.assertEqual({job.owner for job in self.jobs()}, {self.otter.store.epoch})
        self.otter.restart(WORKER)
        self.otter.run(5)
        self.assertEqual({job.owner for job in self.jobs()}, {self.otter.store.epoch})
        self.assertEqual({(job.key, job.deadline) for job in self.jobs()}, before)

    def test_no_jobs_are_left_when_all_is_done(self):
        self.building(2)
        self.assertEqual(len(self.jobs()), 2)
        self.otter.becoming("ACTIVE")
        self.otter.settle()
        self.assertEqual((self.otter.jobs(), len(self.otter.active())), (set(), 2))

    def test_jobs_are_forgotten_by_an_engine_that_has_none(self):
        self.building(2)
        self.otter.restart(CONVERGENCE)
        self.otter.run(5)
        self.assertEqual(self.otter.jobs(), set())
