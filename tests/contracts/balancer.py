"""
What every kind of load balancer must do. A kind inherits this and says how to make one, and what there really is on it.

The requests go over HTTP to the simulated cloud, by way of a proxy that can do what the simulation cannot.
"""

from typing import Any
from uuid import uuid4

import pytest
from attrs import define, evolve, field, frozen
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from otter.cloud.balancers.interface import BalancerGone
from otter.cloud.balancers.kinds import KINDS
from otter.cloud.errors import CloudError
from otter.cloud.http import Http, make_client
from otter.cloud.identity import Account, Identity, Impersonation, SingleTenant
from otter.cloud.perform import perform
from otter.cloud.performer import Cloud
from otter.cloud.throttle import Doors, Limit, Throttle, Traffic
from otter.domain.balancers import Access, BalancerId, Condition, Node, Target
from tests.rig.mimic import CLB, NOVA, RACKCONNECT, REGION
from tests.rig.mimic import Cloud as Behind
from tests.rig.proxying import cut, drop, drop_after, garbage, html, status

NAMES = {"nova": NOVA, "clb": CLB, "rackconnect": RACKCONNECT}
UNTHROTTLED = {Traffic.READS: Limit(1e6, 1000), Traffic.CHANGES: Limit(1e6, 1000)}
UNREADABLE = {
    "500": status(500),
    "404 of something in between": html(404),
    "502": html(),
    "cut": cut(),
    "drop": drop(),
    "garbage": garbage('{"nodes": [5]}'),
    "text": garbage('"text"'),
    "over limit": status(413, {"overLimit": {"code": 413, "message": "OverLimit Retry...", "details": ""}}),
}
UNHEARD = {"drop": drop_after(), "cut": cut(), "500": status(500, when="after"), "html": html(when="after")}


@frozen
class Hurry:
    """A clock on which every pause is over at once."""

    def seconds(self) -> float:
        return reactor.seconds()

    def callLater(self, _: float, *call: Any) -> Any:
        return reactor.callLater(0, *call)


@define
class Watched:
    """Knows which exchanges are under way: a look may be over before all that it asked was answered."""

    http: Http
    under_way: set[Deferred] = field(factory=set)

    def exchange(self, *args: Any, **kwargs: Any) -> Deferred:
        exchange = ensureDeferred(self.http.exchange(*args, **kwargs))
        self.under_way.add(exchange)

        def done(result: Any) -> Any:
            self.under_way.discard(exchange)
            return result

        return exchange.addBoth(done)

    async def quiet(self) -> None:
        """Return when nothing is under way, and nothing will be tried again."""
        idle = 0
        while idle < 3:
            idle = 0 if self.under_way else idle + 1
            await deferLater(reactor, 0.01)


class BalancerContract:
    """
    Mix into a ``TestCase`` that has what is declared here.

    :cvar kind: its name in ``KINDS``.
    :cvar service: our name of the service.
    :cvar listing: what the rig calls reading nodes; likewise ``adding`` and ``removing``.
    :cvar nowhere: the id of a load balancer that does not exist.
    :cvar impersonates: how otter gets its tokens.
    """

    kind: str
    service: str
    listing: str
    adding: str
    removing: str
    nowhere: str
    impersonates: bool

    def make_balancer(self) -> str:
        """The id of a new load balancer without nodes."""
        raise NotImplementedError

    def host(self, number: int) -> str:
        """What the load balancer would know a server by."""
        raise NotImplementedError

    def node(self, lb_id: str, host: str) -> Node:
        """A node that is still to be added."""
        raise NotImplementedError

    def meddle(self, lb_id: str, host: str) -> None:
        """Somebody else adds a node."""
        raise NotImplementedError

    def shown(self, lb_id: str) -> dict[str, Any]:
        """What there really is: host -> everything about its node."""
        raise NotImplementedError

    # The cloud

    @pytest.fixture(autouse=True)
    def _rig(self, mimic, proxy):
        self.mimic, self.proxy = mimic, proxy
        self.tenant = f"t{uuid4().hex[:12]}"
        self.behind = Behind(mimic.identity_url, self.tenant)
        proxy.register(mimic.identity_url, [self.tenant])
        yield
        proxy.clear(self.tenant)

    def setUp(self: TestCase):
        client, pool = make_client(reactor)
        self.addCleanup(pool.closeCachedConnections)
        http = Watched(Http(client, reactor, 5.0))
        self.addCleanup(http.quiet)
        account = Account(self.mimic.identity_url, self.mimic.identity_url, "otter", "secret")
        login = Impersonation(http, account) if self.impersonates else SingleTenant(http, account)
        throttle = Throttle(reactor, dict.fromkeys(NAMES, UNTHROTTLED))
        self.cloud = Cloud(http, Identity(login, reactor), throttle, Doors(reactor), Hurry(), REGION, NAMES)
        self.functions = KINDS[self.kind]
        self.traits = self.functions.traits

    def ask(self, effect) -> Deferred:
        return perform(self.cloud.dispatcher(self.tenant, "g"), effect)

    def look(self, lb_id: str) -> Deferred:
        return self.ask(self.functions.look(lb_id))

    async def add(self, lb_id: str, *hosts: str) -> None:
        present = len(self.shown(lb_id)) if lb_id != self.nowhere else 0
        await self.ask(self.functions.add(lb_id, [self.node(lb_id, host) for host in hosts], present))

    async def remove(self, lb_id: str, *hosts: str) -> None:
        nodes = (await self.look(lb_id)).nodes
        await self.ask(self.functions.remove(lb_id, [node for node in nodes if node.host in hosts]))

    async def hosts(self, lb_id: str) -> list[str]:
        return sorted(node.host for node in (await self.look(lb_id)).nodes)

    def fault(self, fault: dict, operation: str, **match: Any) -> int:
        return self.proxy.add(fault, tenant=self.tenant, service=self.service, operation=operation, **match)

    def made(self, count: int = 2) -> tuple[str, list[str]]:
        """A load balancer with a node of somebody else; hosts that are not on it."""
        lb_id = self.make_balancer()
        self.foreigner = self.host(100)
        self.meddle(lb_id, self.foreigner)
        self.foreign = self.shown(lb_id)
        return lb_id, [self.host(number) for number in range(1, count + 1)]

    def assert_there(self: TestCase, lb_id: str, *hosts: str):
        """These, each once, and what somebody else had there, unchanged."""
        shown = self.shown(lb_id)
        self.assertEqual(sorted(shown), sorted([*hosts, self.foreigner]))
        self.assertEqual(shown[self.foreigner], self.foreign[self.foreigner])

    # Reading

    async def test_what_is_there_is_read_whoever_put_it_there(self: TestCase):
        lb_id, [first, _] = self.made()
        self.meddle(lb_id, first)
        balancer = await self.look(lb_id)
        self.assertEqual((balancer.access, balancer.why, balancer.traits), (Access.OPEN, "", self.traits))
        self.assertEqual(sorted(node.host for node in balancer.nodes), sorted([first, self.foreigner]))
        self.assertEqual(len({node.id for node in balancer.nodes} - {""}), 2)
        self.assertEqual({node.target.balancer for node in balancer.nodes}, {BalancerId(self.kind, lb_id)})

    async def test_a_new_balancer_has_no_nodes(self: TestCase):
        balancer = await self.look(self.make_balancer())
        self.assertEqual((balancer.access, list(balancer.nodes)), (Access.OPEN, []))

    async def test_one_that_does_not_exist_is_closed(self: TestCase):
        balancer = await self.look(self.nowhere)
        self.assertEqual((balancer.access, list(balancer.nodes), balancer.traits), (Access.CLOSED, [], self.traits))
        self.assertIn(self.nowhere, balancer.why)

    async def test_one_that_does_not_answer_is_unreadable_whatever_comes_instead(self: TestCase):
        lb_id, _ = self.made()
        for fault in UNREADABLE.values():
            rule = self.fault(fault, self.listing)
            balancer = await self.look(lb_id)
            self.assertEqual((balancer.access, list(balancer.nodes)), (Access.UNREADABLE, []), fault)
            self.assertRegex(balancer.why, r"^[A-Z]\w+ .{10}", fault)
            self.proxy.remove(rule)

    async def test_an_account_without_the_service_has_closed_ones_only(self: TestCase):
        self.cloud = evolve(self.cloud, names={**NAMES, self.service: "cloudNonsense"})
        balancer = await self.look(self.nowhere)
        self.assertIs(balancer.access, Access.CLOSED)
        self.assertIn("cloudNonsense", balancer.why)

    # Adding

    async def test_what_is_missing_is_added(self: TestCase):
        lb_id, hosts = self.made(3)
        await self.add(lb_id, *hosts)
        self.assert_there(lb_id, *hosts)
        nodes = [node for node in (await self.look(lb_id)).nodes if node.host in hosts]
        self.assertTrue(all(node.as_wanted for node in nodes))
        self.assertEqual({evolve(node, id="") for node in nodes}, {self.node(lb_id, host) for host in hosts})

    async def test_what_is_there_already_is_neither_doubled_nor_lost(self: TestCase):
        lb_id, [first, second] = self.made()
        await self.add(lb_id, first)
        before = self.shown(lb_id)[first]
        try:
            await self.add(lb_id, first, second)
        except CloudError as error:
            self.assertFalse(error.terminal)
        self.assertEqual(self.shown(lb_id)[first], before)
        nodes = [node.host for node in (await self.look(lb_id)).nodes]
        self.assertEqual(nodes.count(first), 1)
        self.assertLessEqual(nodes.count(second), 1)

    async def test_nodes_that_were_added_without_an_answer_are_seen_once(self: TestCase):
        for fault in UNHEARD.values():
            lb_id, hosts = self.made()
            rule = self.fault(fault, self.adding)
            with self.assertRaises(CloudError) as caught:
                await self.add(lb_id, *hosts)
            self.assertFalse(caught.exception.terminal)
            self.assertEqual(await self.hosts(lb_id), sorted([*hosts, self.foreigner]))
            self.assertEqual(self.proxy.applied(rule), 1, "a change is sent once")
            self.proxy.remove(rule)

    async def test_adding_to_one_that_does_not_exist_is_hopeless(self: TestCase):
        with self.assertRaises(BalancerGone) as caught:
            await self.add(self.nowhere, self.host(1))
        self.assertTrue(caught.exception.terminal)
        self.assertIn(self.nowhere, caught.exception.user_message)

    async def test_adding_to_one_that_is_in_trouble_may_succeed_later(self: TestCase):
        lb_id, hosts = self.made()
        for fault in (status(503), html(404), drop(), UNREADABLE["over limit"]):
            rule = self.fault(fault, self.adding)
            with self.assertRaises(CloudError) as caught:
                await self.add(lb_id, *hosts)
            self.assertFalse(caught.exception.terminal, fault)
            self.proxy.remove(rule)
        self.assert_there(lb_id)

    # Removing

    async def test_what_is_to_go_goes_and_nothing_else(self: TestCase):
        lb_id, hosts = self.made(3)
        await self.add(lb_id, *hosts)
        await self.remove(lb_id, *hosts[:2])
        self.assert_there(lb_id, hosts[2])

    async def test_what_is_gone_already_does_not_keep_the_rest(self: TestCase):
        lb_id, hosts = self.made(3)
        await self.add(lb_id, *hosts)
        nodes = [node for node in (await self.look(lb_id)).nodes if node.host in hosts]
        await self.remove(lb_id, hosts[0])
        await self.ask(self.functions.remove(lb_id, nodes))
        self.assert_there(lb_id)
        await self.ask(self.functions.remove(lb_id, nodes))
        self.assert_there(lb_id)

    async def test_there_is_nothing_to_remove_from_one_that_does_not_exist(self: TestCase):
        await self.ask(self.functions.remove(self.nowhere, [evolve(self.node(self.nowhere, self.host(1)), id="1")]))

    async def test_nodes_that_were_removed_without_an_answer_are_gone(self: TestCase):
        for name, fault in UNHEARD.items():
            if name == "cut":  # there is nothing in the answer that could be
                continue
            lb_id, hosts = self.made()
            await self.add(lb_id, *hosts)
            nodes = [node for node in (await self.look(lb_id)).nodes if node.host in hosts]
            rule = self.fault(fault, self.removing)
            try:
                await self.ask(self.functions.remove(lb_id, nodes))
            except CloudError as error:
                self.assertFalse(error.terminal)
            self.assertEqual(self.proxy.applied(rule), 1, "a change is sent once")
            self.proxy.remove(rule)
            await self.ask(self.functions.remove(lb_id, nodes))
            self.assert_there(lb_id)

    async def test_removing_what_a_service_in_trouble_has_may_succeed_later(self: TestCase):
        lb_id, hosts = self.made()
        await self.add(lb_id, *hosts)
        for fault in (status(503), html(404), drop(), UNREADABLE["over limit"]):
            rule = self.fault(fault, self.removing)
            with self.assertRaises(CloudError) as caught:
                await self.remove(lb_id, *hosts)
            self.assertFalse(caught.exception.terminal, fault)
            self.proxy.remove(rule)
        self.assert_there(lb_id, *hosts)

    async def test_nothing_is_asked_for_if_there_is_nothing_to_do(self: TestCase):
        lb_id, _ = self.made()
        await self.look(lb_id)
        self.proxy.reset(self.tenant)
        await self.ask(self.functions.add(lb_id, [], 1))
        await self.ask(self.functions.remove(lb_id, []))
        self.assertEqual(self.proxy.log(self.tenant), [])

    # What the planner is told of the kind

    async def test_as_many_as_may_be_removed_at_once_are(self: TestCase):
        lb_id, hosts = self.made(self.traits.most_removals or 20)
        await self.add(lb_id, *hosts)
        self.proxy.reset(self.tenant)
        await self.remove(lb_id, *hosts)
        self.assertEqual(self.proxy.changes(self.tenant), 1)
        self.assert_there(lb_id)

    async def test_a_kind_that_drains_takes_every_condition_and_shows_it(self: TestCase):
        lb_id, [host, _] = self.made()
        await self.add(lb_id, host)
        if not self.traits.drains:
            self.assertTrue(all(node.as_wanted for node in (await self.look(lb_id)).nodes))
            return
        for condition in (*Condition, Condition.ENABLED):
            node = await self.one(lb_id, host)
            await self.ask(self.functions.change(lb_id, evolve(node, condition=condition)))
            self.assertEqual(await self.one(lb_id, host), evolve(node, condition=condition))
        self.assert_there(lb_id, host)

    async def test_a_change_to_a_node_that_is_gone_is_for_the_next_look(self: TestCase):
        if not self.traits.drains:
            return
        lb_id, [host, _] = self.made()
        await self.add(lb_id, host)
        node = await self.one(lb_id, host)
        await self.remove(lb_id, host)
        await self.ask(self.functions.change(lb_id, evolve(node, condition=Condition.DRAINING)))
        self.assert_there(lb_id)

    async def one(self, lb_id: str, host: str) -> Node:
        """The host's only node."""
        [node] = [node for node in (await self.look(lb_id)).nodes if node.host == host]
        return node


def place(kind: str, lb_id: str, port: int | None) -> Target:
    return Target(BalancerId(kind, lb_id), port)
