"""Every engine keeps the same promises; and what is different among them."""

from twisted.trial.unittest import SynchronousTestCase

from otter.config import EngineName
from otter.domain.group import Status
from tests.contracts.engine import QUOTA, EngineContract
from tests.services.miniature import CONVERGENCE, CYCLE, NEIGHBOUR, TENANT, WORKER, Miniature, running


class ConvergenceTests(EngineContract, SynchronousTestCase):
    runs = CONVERGENCE


class CycleTests(EngineContract, SynchronousTestCase):
    runs = CYCLE


class WorkerTests(EngineContract, SynchronousTestCase):
    runs = WORKER


class OnTheWorkerTests(EngineContract, SynchronousTestCase):
    """The tenant is, and its neighbour is not."""

    runs = running(EngineName.CONVERGENCE, TENANT)


class BesideTheWorkerTests(EngineContract, SynchronousTestCase):
    """The tenant is not, and its neighbour is."""

    runs = running(EngineName.CONVERGENCE, NEIGHBOUR)


class HealingTests(SynchronousTestCase):
    """Only convergence does anything that nobody asked for."""

    def grown(self, runs):
        otter = Miniature(runs)
        otter.grown(2)
        return otter

    def test_only_convergence_heals_by_itself(self):
        for runs, healed in ((CONVERGENCE, 2), (CYCLE, 1), (WORKER, 1)):
            otter = self.grown(runs)
            del otter.cloud.servers["s1"]
            otter.run(300)
            self.assertEqual(len(otter.cloud.servers), healed, runs.engine)
            self.assertEqual(bool(otter.cloud.changes), healed == 2, runs.engine)

    def test_a_tenant_on_the_worker_is_not_healed_and_its_neighbour_is(self):
        otter = self.grown(running(EngineName.CONVERGENCE, TENANT))
        otter.create(2, tenant=NEIGHBOUR)
        otter.settle()
        for cloud in otter.clouds.by_tenant.values():
            del cloud.servers[min(cloud.servers)]
        otter.run(300)
        sizes = {tenant: len(cloud.servers) for tenant, cloud in otter.clouds.by_tenant.items()}
        self.assertEqual(sizes, {TENANT: 1, NEIGHBOUR: 2})

    def test_only_convergence_tries_again_after_a_definite_no(self):
        for runs, made in ((CONVERGENCE, 2), (CYCLE, 0), (WORKER, 0)):
            otter = Miniature(runs)
            otter.create()
            otter.cloud.refuse = lambda request: QUOTA if request.method == "POST" else None
            otter.resize(2)
            otter.run(10)
            self.assertEqual(otter.known().state.status, Status.ERROR)
            otter.cloud.refuse = lambda request: None
            otter.run(300)
            self.assertEqual(len(otter.cloud.servers), made, runs.engine)

    def test_an_owner_goes_on_being_told_until_there_is_another_request(self):
        for runs in (CYCLE, WORKER):
            otter = Miniature(runs)
            otter.create()
            otter.cloud.refuse = lambda request: QUOTA if request.method == "POST" else None
            otter.resize(2)
            otter.run(600)
            self.assertRegex(" ".join(otter.known().state.reasons), "Quota exceeded")
            otter.restart(runs)
            otter.run(60)
            self.assertRegex(" ".join(otter.known().state.reasons), "Quota exceeded")
            self.assertEqual(len(otter.cloud.changes), 0)

    def test_who_is_found_working_only_after_a_long_time_is_not_waited_for_by_engines_that_do_not_heal(self):
        ends = {}
        for runs in (CONVERGENCE, CYCLE, WORKER):
            otter = Miniature(runs)
            otter.cloud.monitored = True
            otter.create()
            otter.resize(1)
            otter.run(900)
            self.assertEqual(otter.known().state.status, Status.ERROR, runs.engine)
            for node in otter.cloud.nodes.values():
                node["status"] = "ONLINE"
            otter.run(120)
            ends[runs.engine.value] = [node["condition"] for node in otter.cloud.nodes.values()]
        self.assertEqual(ends, {"convergence": ["ENABLED"], "cycle": ["DRAINING"], "worker": []})
