import re

from attrs import define, field
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from otter.cloud.errors import ApiError, Nonsense, NotSent
from otter.domain.errors import (
    CannotExecutePolicy,
    GroupNotEmpty,
    GroupPaused,
    InvalidLaunchConfiguration,
    NoSuchCapability,
    NoSuchScalingGroup,
    UpstreamUnavailable,
)
from otter.domain.group import GroupId, Status
from otter.domain.limits import Limits, Page
from otter.domain.webhook import ServiceKeys
from otter.operations.groups import Groups
from otter.operations.launches import Launches
from otter.operations.policies import Policies
from otter.operations.webhooks import Webhooks
from otter.store.sqlite.database import Inline
from otter.store.sqlite.store import SQLiteStore
from tests.worlds import GROUP_ID, ToyCloud, a_group, a_policy

KEYS = ServiceKeys({"k1": b"1" * 32, "k2": b"2" * 32}, "k1")


@define
class Engine:
    told: list = field(factory=list)

    async def capacity_changed(self, group_id):
        self.told.append(group_id)


class OperationTests(SynchronousTestCase):
    def setUp(self):
        self.store, self.engine = SQLiteStore(Inline()), Engine()
        ids = (f"id{number}" for number in range(100))
        shared = (Limits(), lambda: next(ids))
        self.cloud, self.clock = ToyCloud(), Clock()
        self.groups = Groups(self.store, self.engine, Clock(), *shared, Launches(self.cloud, self.clock))
        self.policies = Policies(self.store, self.engine, Clock(), *shared, latest=3600.0)
        self.webhooks = Webhooks(self.store, KEYS, *shared)
        self.now(self.store.create_group(a_group(5, minEntities=1, maxEntities=6), [a_policy("p1", change=1)], 10))

    def now(self, coroutine):
        return self.successResultOf(ensureDeferred(coroutine))

    def refused(self, coroutine, kind):
        self.failureResultOf(ensureDeferred(coroutine), kind)

    def state(self):
        return self.now(self.store.get_group(GROUP_ID, even_deleting=True)).state

    # Executing

    def test_whoever_has_the_capability_may_execute(self):
        [webhook] = self.now(self.webhooks.create(GROUP_ID, "p1", [{"name": "hook"}]))
        self.now(self.policies.execute_capability(self.webhooks.capability_of(webhook)))
        self.assertEqual((self.state().desired, self.engine.told), (6, [GROUP_ID]))

    def test_a_refused_execution_has_the_group_looked_at_all_the_same(self):
        before = self.state()
        self.refused(self.policies.execute(GROUP_ID, a_policy("p1", desiredCapacity=5)), CannotExecutePolicy)
        self.assertEqual((self.state(), self.engine.told), (before.asked(), [GROUP_ID]))

    def test_a_paused_group_is_not_looked_at(self):
        self.now(self.groups.pause(GROUP_ID))
        self.refused(self.policies.execute_by_id(GROUP_ID, "p1"), GroupPaused)
        self.refused(self.groups.converge(GROUP_ID), GroupPaused)
        self.assertEqual(self.engine.told, [])

    def test_an_execution_with_a_key_happens_once_and_is_answered_alike(self):
        for _ in range(2):
            self.now(self.policies.execute_by_id(GROUP_ID, "p1", "a"))
            self.refused(self.policies.execute_by_id(GROUP_ID, "p1", "b"), CannotExecutePolicy)
        self.assertEqual((self.state().desired, self.state().generation), (6, 3))

    def test_a_repeat_wakes_the_engine_in_case_the_first_died_before_it_did(self):
        for _ in range(2):
            self.now(self.policies.execute_by_id(GROUP_ID, "p1", "a"))
        self.assertEqual(self.engine.told, [GROUP_ID] * 2)

    def test_a_pause_is_remembered_for_a_key_and_the_group_is_not_looked_at(self):
        self.now(self.groups.pause(GROUP_ID))
        self.refused(self.policies.execute_by_id(GROUP_ID, "p1", "a"), GroupPaused)
        self.now(self.groups.resume(GROUP_ID))
        self.engine.told.clear()
        self.refused(self.policies.execute_by_id(GROUP_ID, "p1", "a"), GroupPaused)
        self.assertEqual((self.state().desired, self.engine.told), (5, []))

    # Capabilities

    def test_a_capability_can_be_shown_again_and_survives_a_change_of_its_webhook(self):
        [webhook] = self.now(self.webhooks.create(GROUP_ID, "p1", [{"name": "hook"}]))
        capability = self.webhooks.capability_of(webhook)
        self.now(self.webhooks.replace(GROUP_ID, "p1", webhook.id, {"name": "new", "metadata": {}}))
        again = self.now(self.webhooks.get(GROUP_ID, "p1", webhook.id))
        self.assertEqual((again.document["name"], self.webhooks.capability_of(again)), ("new", capability))
        self.now(self.policies.execute_capability(capability))

    def test_capabilities_differ_by_webhook_and_by_key(self):
        two = self.now(self.webhooks.create(GROUP_ID, "p1", [{"name": "hook"}] * 2))
        newer = Webhooks(self.store, ServiceKeys(KEYS.keys, "k2"), Limits(), lambda: two[0].id + "x")
        [third] = self.now(newer.create(GROUP_ID, "p1", [{"name": "hook"}]))
        capabilities = {newer.capability_of(webhook) for webhook in (*two, third)}
        self.assertEqual({len(capability) for capability in capabilities}, {64})
        self.assertEqual((len(capabilities), third.key_id), (3, "k2"))

    def rotate(self, webhook, keys=KEYS):
        webhooks = Webhooks(self.store, keys, Limits(), str)
        return webhooks.capability_of(self.now(webhooks.rotate(GROUP_ID, "p1", webhook.id)))

    def test_a_rotated_webhooks_old_capability_is_worth_nothing(self):
        [webhook] = self.now(self.webhooks.create(GROUP_ID, "p1", [{"name": "hook"}]))
        old, new = self.webhooks.capability_of(webhook), self.rotate(webhook)
        self.refused(self.policies.execute_capability(old), NoSuchCapability)
        self.now(self.policies.execute_capability(new))
        self.assertEqual(len({old, new, self.rotate(webhook)}), 3)

    def test_rotation_leaves_an_old_service_key_behind(self):
        [webhook] = self.now(self.webhooks.create(GROUP_ID, "p1", [{"name": "hook"}]))
        self.now(self.policies.execute_capability(self.rotate(webhook, ServiceKeys(KEYS.keys, "k2"))))
        self.assertEqual(self.now(self.store.capability_key_ids()), ["k2"])

    def test_an_unknown_capability_costs_the_reads_of_a_known_one(self):
        [webhook] = self.now(self.webhooks.create(GROUP_ID, "p1", [{"name": "hook"}]))
        known = self.webhooks.capability_of(webhook)
        for key in (None, "a key"):
            with self.subTest(key=key):
                expected = self.reads(known, key)
                self.assertEqual(len(expected), 2 if key is None else 4)
                self.assertEqual(self.reads("0" * 64, key), expected)

    def reads(self, capability, key):
        """What is read from the store, but for the values that it is looked up by."""
        statements: list[str] = []
        self.store.database.connection.set_trace_callback(statements.append)
        executing = ensureDeferred(self.policies.execute_capability(capability, key))
        self.successResultOf(executing.addErrback(lambda failure: failure.trap(NoSuchCapability, CannotExecutePolicy)))
        self.store.database.connection.set_trace_callback(None)
        return [re.sub(r"'[^']*'|\b[0-9.]+\b", "?", sql) for sql in statements if sql.startswith("SELECT")]

    def test_a_deleted_policys_capabilities_lead_nowhere(self):
        [webhook] = self.now(self.webhooks.create(GROUP_ID, "p1", [{"name": "hook"}]))
        self.now(self.policies.delete(GROUP_ID, "p1"))
        self.refused(self.policies.execute_capability(self.webhooks.capability_of(webhook)), NoSuchCapability)

    # Groups

    def test_new_bounds_are_enforced_at_once(self):
        document = {**a_group().config.document, "maxEntities": 3}
        self.now(self.groups.replace_config(GROUP_ID, document))
        self.assertEqual((self.state().desired, self.engine.told), (3, [GROUP_ID]))

    def test_every_request_raises_the_generation(self):
        config, launch = a_group().config.document, a_group().launch.document
        for number, request in enumerate(
            (
                self.groups.replace_config(GROUP_ID, config),
                self.groups.replace_launch(GROUP_ID, launch),
                self.groups.converge(GROUP_ID),
                self.groups.resume(GROUP_ID),
                self.policies.execute_by_id(GROUP_ID, "p1"),
                self.groups.delete(GROUP_ID, force=True),
            ),
            start=2,
        ):
            self.now(request)
            self.assertEqual(self.state().generation, number)
        self.assertEqual(len(self.engine.told), 6)

    def test_a_group_that_should_have_servers_is_only_deleted_by_force(self):
        self.refused(self.groups.delete(GROUP_ID, force=False), GroupNotEmpty)
        self.now(self.groups.delete(GROUP_ID, force=True))
        self.assertEqual((self.state().status, self.state().desired), (Status.DELETING, 0))
        self.refused(self.groups.delete(GROUP_ID, force=True), NoSuchScalingGroup)

    # Launch configurations

    def launch(self, **server):
        return {"type": "launch_server", "args": {"server": {"flavorRef": "2", "imageRef": "i", **server}}}

    def create(self, **server):
        return self.groups.create("111", a_group().config.document, self.launch(**server), [])

    def wait_for(self, coroutine):
        """Its Deferred, after more time than any check takes."""
        result = ensureDeferred(coroutine)
        self.clock.pump([1.0] * 30)
        return result

    def assertNothingHappened(self):
        self.assertEqual(len(self.now(self.store.list_groups("111", Page(10)))), 1)
        self.assertEqual((self.state().generation, self.engine.told), (1, []))

    def test_what_the_cloud_has_is_taken(self):
        group, _ = self.now(self.create(personality=[{"path": "/a", "contents": "YQ=="}]))
        self.assertEqual(self.engine.told, [group.id])

    def test_a_launch_configuration_that_the_cloud_cannot_fulfil_is_refused_as_a_whole(self):
        self.cloud.images["i"] = "SAVING"
        problems = {"flavorRef": "none", "personality": [{"path": "/a", "contents": "?"}]}
        for request in (self.create(**problems), self.groups.replace_launch(GROUP_ID, self.launch(**problems))):
            error = self.failureResultOf(ensureDeferred(request), InvalidLaunchConfiguration).value
            self.assertEqual([line.split()[:2] for line in str(error).splitlines()[1:]], [
                ["Inactive", "imageRef"], ["Invalid", "flavorRef"], ["Invalid", "personality"]
            ])  # fmt: skip
        self.assertNothingHappened()

    def test_a_server_that_boots_from_a_volume_needs_no_image(self):
        for image in ("", None):
            self.now(self.create(imageRef=image))

    def test_nobody_is_blamed_for_what_the_cloud_does_not_say(self):
        for trouble in (NotSent("no"), ApiError(500, ""), ApiError(403, "no"), Nonsense("what?")):
            self.cloud.refuse = lambda request, trouble=trouble: trouble
            self.failureResultOf(self.wait_for(self.create()), UpstreamUnavailable)
        self.assertNothingHappened()

    def test_an_answer_that_makes_no_sense_is_asked_for_again(self):
        self.cloud.images["i"] = None
        creating = ensureDeferred(self.create())
        self.cloud.images["i"] = "ACTIVE"
        self.clock.advance(1.0)
        self.successResultOf(creating)

    def test_a_mistake_is_told_even_if_the_rest_could_not_be_checked(self):
        self.cloud.refuse = lambda request: ApiError(500, "") if "images" in request.path else None
        self.failureResultOf(self.wait_for(self.create(flavorRef="none")), InvalidLaunchConfiguration)

    def test_limits_that_cannot_be_had_limit_nothing(self):
        self.cloud.refuse = lambda request: ApiError(500, "") if request.path == "limits" else None
        self.successResultOf(self.wait_for(self.create(personality=[{"path": "/a", "contents": "YQ=="}] * 6)))

    def test_a_mistake_is_told_before_a_missing_group(self):
        missing = GroupId("111", "none")
        self.refused(self.groups.replace_launch(missing, self.launch(imageRef="none")), InvalidLaunchConfiguration)
        self.refused(self.groups.replace_launch(missing, self.launch()), NoSuchScalingGroup)
