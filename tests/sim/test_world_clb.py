"""The simulated Cloud Load Balancers, asked by hand and by otter's own functions."""

import json
from random import Random

import pytest
from attrs import define, field
from effect import ComposedDispatcher, ParallelEffects, TypeDispatcher, base_dispatcher, sync_perform, sync_performer
from effect.parallel_async import perform_parallel_async
from twisted.internet.task import Clock

from otter.cloud.balancers.clb import CLOUD_LOAD_BALANCER
from otter.cloud.balancers.interface import BalancerFull, BalancerGone
from otter.cloud.errors import ApiError
from otter.cloud.request import CloudRequest
from otter.domain.balancers import Access, BalancerId, Condition, Node, Target
from tests.sim.world.answers import Answer, Ask, Nature
from tests.sim.world.clb import CloudLoadBalancers

TENANT = "111"


@define
class Rig:
    """The service, its clock, and what its listeners were told."""

    service: CloudLoadBalancers
    clock: Clock
    told: list[tuple] = field(factory=list)

    def ask(self, method: str, path: str, json=None, tenant: str = TENANT, **params) -> Answer:
        return self.service.answer(Ask(tenant, method, path, params, json))

    def nodes(self, lb_id: str) -> list[dict]:
        return self.ask("GET", f"loadbalancers/{lb_id}/nodes").document["nodes"]

    def status(self, lb_id: str) -> str:
        return self.ask("GET", f"loadbalancers/{lb_id}").document["loadBalancer"]["status"]

    def post(self, lb_id: str, *hosts: str, **settings) -> Answer:
        body = {"nodes": [{"address": host, "port": 80, "condition": "ENABLED", **settings} for host in hosts]}
        return self.ask("POST", f"loadbalancers/{lb_id}/nodes", body)

    def put(self, lb_id: str, node_id: int, **settings) -> Answer:
        return self.ask("PUT", f"loadbalancers/{lb_id}/nodes/{node_id}", {"node": settings})

    def delete(self, lb_id: str, *ids: int) -> Answer:
        return self.ask("DELETE", f"loadbalancers/{lb_id}/nodes", id=[str(id) for id in ids])

    def perform(self, effect):
        performers = TypeDispatcher(
            {CloudRequest: sync_performer(self._request), ParallelEffects: perform_parallel_async}
        )
        return sync_perform(ComposedDispatcher([performers, base_dispatcher]), effect)

    def _request(self, _, request: CloudRequest):
        params = {key: [str(value) for value in values] for key, values in (request.params or {}).items()}
        answer = self.service.answer(Ask(TENANT, request.method, request.path, params, request.json))
        if answer.status not in request.success:
            raise ApiError(answer.status, json.dumps(answer.document))
        return answer.document


def rig(**knobs) -> Rig:
    clock = Clock()
    made = Rig(CloudLoadBalancers(Nature(clock.seconds, clock.callLater, Random(1)), **knobs), clock)
    for event in ("on_add", "on_change", "on_remove"):
        listeners = getattr(made.service, event)
        listeners.append(
            lambda ask, balancer, nodes, event=event: made.told.append((event, balancer.id, [n.address for n in nodes]))
        )
    return made


def message(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.document["message"]


def hosts(nodes: list[dict]) -> list[str]:
    return [node["address"] for node in nodes]


def wanted(lb_id: str, host: str) -> Node:
    return Node(Target(BalancerId("CloudLoadBalancer", lb_id), 80), host)


# Nodes


def test_nodes_are_added_changed_removed_and_told_of():
    cloud = rig()
    lb_id = cloud.service.create(TENANT)
    added = cloud.post(lb_id, "a", "b", weight=3, type="SECONDARY")
    assert (added.status, hosts(added.document["nodes"])) == (202, ["a", "b"])
    first, second = cloud.nodes(lb_id)
    assert cloud.put(lb_id, first["id"], condition="DRAINING", weight=2) == Answer(202)
    assert cloud.delete(lb_id, second["id"]) == Answer(202)
    assert cloud.nodes(lb_id) == [{**first, "condition": "DRAINING", "weight": 2}]
    assert first == {
        "id": first["id"],
        "address": "a",
        "port": 80,
        "condition": "ENABLED",
        "status": "ONLINE",
        "type": "SECONDARY",
        "weight": 3,
    }
    assert cloud.told == [("on_add", lb_id, ["a", "b"]), ("on_change", lb_id, ["a"]), ("on_remove", lb_id, ["b"])]
    [truth] = cloud.service.nodes(lb_id)
    assert (truth.id, truth.condition, truth.weight, truth.type) == (first["id"], "DRAINING", 2, "SECONDARY")


def test_an_answer_stays_as_it_was():
    cloud = rig()
    lb_id = cloud.service.create(TENANT)
    cloud.post(lb_id, "a")
    before = cloud.nodes(lb_id)
    cloud.put(lb_id, before[0]["id"], condition="DISABLED")
    assert before[0]["condition"] == "ENABLED"
    assert cloud.nodes(lb_id)[0]["condition"] == "DISABLED"


def test_what_other_people_do_is_seen_but_not_told_of():
    cloud = rig()
    lb_id = cloud.service.create(TENANT, 7)
    node = cloud.service.add_node(lb_id, "x", 8080, condition="DISABLED")
    assert cloud.service.edit_node(lb_id, node.id, weight=9)
    assert [(shown["port"], shown["condition"], shown["weight"]) for shown in cloud.nodes("7")] == [
        (8080, "DISABLED", 9)
    ]
    with pytest.raises(ValueError, match="Duplicate"):
        cloud.service.add_node(lb_id, "x", 8080)
    assert cloud.service.remove_node(lb_id, node.id)
    assert not cloud.service.remove_node(lb_id, node.id)
    assert (cloud.nodes("7"), cloud.told) == ([], [])


def test_one_that_is_full_refuses_all():
    cloud = rig()
    lb_id = cloud.service.create(TENANT)
    cloud.service.limit(lb_id, 2)
    assert message(cloud.post(lb_id, "a", "b", "c")) == (413, "Nodes must not exceed 2 per load balancer.")
    assert cloud.nodes(lb_id) == []
    assert cloud.post(lb_id, "a", "b").status == 202


def test_the_usual_limit_is_25():
    cloud = rig()
    lb_id = cloud.service.create(TENANT)
    assert cloud.post(lb_id, *(str(number) for number in range(25))).status == 202
    assert message(cloud.post(lb_id, "one more")) == (413, "Nodes must not exceed 25 per load balancer.")


@pytest.mark.parametrize("again", [("a",), ("b", "a"), ("b", "b")])
def test_duplicates_are_refused(again):
    cloud = rig(duplicate=422)
    lb_id = cloud.service.create(TENANT)
    cloud.post(lb_id, "a")
    status, text = message(cloud.post(lb_id, *again))
    assert (status, text[:24]) == (422, "Duplicate nodes detected")
    assert hosts(cloud.nodes(lb_id)) == ["a"]


def test_strangers_in_a_removal_keep_all():
    cloud = rig()
    lb_id, other = cloud.service.create(TENANT), cloud.service.create(TENANT)
    cloud.post(lb_id, "a")
    [mine], foreign = cloud.nodes(lb_id), cloud.service.add_node(other, "a", 80)
    answer = cloud.delete(lb_id, mine["id"], foreign.id, 99)
    [text] = answer.document["validationErrors"]["messages"]
    assert (answer.status, text) == (400, f"Node ids {foreign.id},99 are not a part of your loadbalancer")
    assert cloud.nodes(lb_id) == [mine]


def test_ten_nodes_go_at_once_and_no_more():
    cloud = rig()
    lb_id = cloud.service.create(TENANT)
    cloud.post(lb_id, *(str(number) for number in range(11)))
    ids = [node["id"] for node in cloud.nodes(lb_id)]
    assert cloud.delete(lb_id, *ids).status == 400
    assert len(cloud.nodes(lb_id)) == 11
    assert cloud.delete(lb_id, *ids[:10]).status == 202
    assert len(cloud.nodes(lb_id)) == 1


@pytest.mark.parametrize("settings", [{"condition": "OFF"}, {"weight": 0}, {"type": "X"}, {"address": "b"}])
def test_nonsense_is_refused(settings):
    cloud = rig()
    lb_id = cloud.service.create(TENANT)
    cloud.post(lb_id, "a")
    before = cloud.nodes(lb_id)
    assert cloud.put(lb_id, before[0]["id"], **settings).status == 400
    assert cloud.nodes(lb_id) == before


def test_a_change_to_a_node_that_is_gone_is_refused():
    cloud = rig()
    lb_id = cloud.service.create(TENANT)
    answer = cloud.put(lb_id, 5, condition="ENABLED")
    assert message(answer) == (404, f"Node with id #5 not found for loadbalancer #{lb_id}")


# Statuses


@pytest.mark.parametrize("code", [409, 422])
def test_after_a_change_it_is_busy_for_a_moment(code):
    cloud = rig(settle=lambda random: 3.0, immutable=code)
    lb_id = cloud.service.create(TENANT)
    assert cloud.post(lb_id, "a").status == 202
    [node] = cloud.nodes(lb_id)
    text = f"Load Balancer '{lb_id}' has a status of 'PENDING_UPDATE' and is considered immutable."
    for change in (cloud.post(lb_id, "b"), cloud.put(lb_id, node["id"], weight=2), cloud.delete(lb_id, node["id"])):
        assert message(change) == (code, text)
    assert (cloud.status(lb_id), cloud.nodes(lb_id)) == ("PENDING_UPDATE", [node])
    cloud.clock.advance(3)
    assert (cloud.status(lb_id), cloud.post(lb_id, "b").status) == ("ACTIVE", 202)


@pytest.mark.parametrize("status", ["ERROR", "SUSPENDED", "PENDING_DELETE", "BUILD"])
def test_it_can_be_read_whatever_its_status(status):
    cloud = rig()
    lb_id = cloud.service.create(TENANT)
    cloud.post(lb_id, "a")
    cloud.service.set_status(lb_id, status)
    text = f"Load Balancer '{lb_id}' has a status of '{status}' and is considered immutable."
    assert message(cloud.post(lb_id, "b")) == (422, text)
    assert (cloud.status(lb_id), hosts(cloud.nodes(lb_id))) == (status, ["a"])


def test_one_that_is_deleted_goes_by_and_by():
    cloud = rig()
    lb_id = cloud.service.create(TENANT)
    cloud.post(lb_id, "a")
    cloud.service.delete(lb_id, pending=5, marked=10)
    assert (cloud.status(lb_id), len(cloud.service.nodes(lb_id))) == ("PENDING_DELETE", 1)
    cloud.clock.advance(5)
    assert (cloud.status(lb_id), cloud.service.nodes(lb_id)) == ("DELETED", ())
    assert message(cloud.post(lb_id, "b")) == (422, "The load balancer is deleted and considered immutable")
    assert message(cloud.ask("GET", f"loadbalancers/{lb_id}/nodes"))[0] == 410
    cloud.clock.advance(10)
    assert message(cloud.post(lb_id, "b")) == (404, "Load balancer not found")
    assert cloud.service.status(lb_id) == ""


def test_one_that_is_made_anew_is_not_deleted_with_its_predecessor():
    cloud = rig()
    lb_id = cloud.service.create(TENANT)
    cloud.service.delete(lb_id, pending=5, marked=10)
    cloud.service.delete(lb_id)
    cloud.service.create(TENANT, lb_id)
    cloud.clock.pump([5, 10])
    assert cloud.status(lb_id) == "ACTIVE"


def test_what_other_people_do_makes_it_busy_too():
    cloud = rig(settle=lambda random: 3.0)
    lb_id = cloud.service.create(TENANT)
    for _ in range(2):
        cloud.service.add_node(lb_id, str(cloud.clock.seconds()), 80)
        cloud.clock.advance(2)
    assert (cloud.status(lb_id), cloud.post(lb_id, "b").status) == ("PENDING_UPDATE", 422)


def test_balancers_of_others_are_unknown():
    cloud = rig()
    lb_id = cloud.service.create("222")
    for path in ("", "/nodes", "/healthmonitor"):
        assert cloud.ask("GET", f"loadbalancers/{lb_id}{path}").status == 404
    assert cloud.post(lb_id, "a").status == 404
    assert cloud.ask("GET", f"loadbalancers/{lb_id}", tenant="222").status == 200


# Time


def test_lists_may_lag_and_never_go_back():
    lags = iter([10.0, 1.0, 20.0])
    cloud = rig(lag=lambda random: next(lags))
    lb_id = cloud.service.create(TENANT)
    seen = []
    for host in "abc":
        cloud.post(lb_id, host)
        seen.append("".join(hosts(cloud.nodes(lb_id))))
        cloud.clock.advance(1)
    assert "".join(node.address for node in cloud.service.nodes(lb_id)) == "abc"
    for _ in range(20):
        seen.append("".join(hosts(cloud.nodes(lb_id))))
        cloud.clock.advance(1)
    assert seen == ["", "", "", *[""] * 7, *["ab"] * 12, "abc"]


def test_new_nodes_are_offline_until_the_monitor_has_seen_them_work():
    works = {"a": True, "b": False}
    cloud = rig(works=works.__getitem__, probing=30)
    lb_id = cloud.service.create(TENANT)
    assert cloud.ask("GET", f"loadbalancers/{lb_id}/healthmonitor").document == {"healthMonitor": {}}
    cloud.service.set_monitor(lb_id, True)
    assert cloud.ask("GET", f"loadbalancers/{lb_id}/healthmonitor").document["healthMonitor"]["type"] == "CONNECT"
    cloud.post(lb_id, "a", "b")

    def statuses() -> list[str]:
        shown = [node["status"] for node in cloud.nodes(lb_id)]
        assert shown == [node.status for node in cloud.service.nodes(lb_id)]
        return shown

    assert statuses() == ["OFFLINE", "OFFLINE"]
    cloud.clock.advance(30)
    assert statuses() == ["ONLINE", "OFFLINE"]
    works["a"] = False
    assert statuses() == ["OFFLINE", "OFFLINE"]
    cloud.service.set_monitor(lb_id, False)
    assert statuses() == ["ONLINE", "ONLINE"]


def test_nodes_that_drain_lose_their_connections():
    cloud = rig(draining=lambda random: 40.0, traffic=4, shows_connections=True)
    lb_id = cloud.service.create(TENANT)
    cloud.post(lb_id, "a")
    cloud.post(lb_id, "idle", condition="DRAINING")
    [node, _] = cloud.nodes(lb_id)
    cloud.put(lb_id, node["id"], condition="DRAINING")
    seen = []
    for _ in range(5):
        seen.append([node["connections"] for node in cloud.nodes(lb_id)])
        cloud.clock.advance(10)
    assert seen == [[4, 0], [3, 0], [2, 0], [1, 0], [0, 0]]
    cloud.put(lb_id, node["id"], condition="ENABLED")
    assert cloud.nodes(lb_id)[0]["connections"] == 4


def test_most_clouds_show_neither_connections_nor_weights_that_do_not_matter():
    cloud = rig()
    lb_id = cloud.service.create(TENANT, weighted=False)
    cloud.post(lb_id, "a", weight=5)
    assert cloud.nodes(lb_id)[0].keys().isdisjoint({"connections", "weight"})
    assert cloud.service.nodes(lb_id)[0].weight == 5


def test_the_same_seed_and_requests_give_the_same_answers():
    def story() -> list:
        cloud = rig(settle=Random.random, lag=lambda random: random.uniform(0, 2))
        lb_id, answers = cloud.service.create(TENANT), []
        for host in "abcdefgh":
            answers.append((cloud.post(lb_id, host), cloud.nodes(lb_id)))
            cloud.clock.advance(0.5)
        return answers

    statuses = {answer.status for answer, _ in story()}
    assert (story(), statuses) == (story(), {202, 422})


# As otter sees it


def test_otter_adds_drains_and_removes():
    cloud = rig()
    lb_id = cloud.service.create(TENANT)
    cloud.service.add_node(lb_id, "x", 80)
    cloud.perform(CLOUD_LOAD_BALANCER.add(lb_id, [wanted(lb_id, "a"), wanted(lb_id, "b")], 1))
    nodes = {node.host: node for node in cloud.perform(CLOUD_LOAD_BALANCER.look(lb_id)).nodes}
    assert sorted(nodes) == ["a", "b", "x"]
    cloud.perform(CLOUD_LOAD_BALANCER.change(lb_id, Node(nodes["a"].target, "a", nodes["a"].id, Condition.DRAINING)))
    assert [node.condition for node in cloud.service.nodes(lb_id)] == ["ENABLED", "DRAINING", "ENABLED"]
    cloud.service.remove_node(lb_id, int(nodes["a"].id))
    cloud.perform(CLOUD_LOAD_BALANCER.change(lb_id, nodes["a"]))
    cloud.perform(CLOUD_LOAD_BALANCER.remove(lb_id, [nodes["a"], nodes["b"]]))
    assert [node.address for node in cloud.service.nodes(lb_id)] == ["x"]


def test_otter_fills_one_up_and_says_that_it_is_full():
    cloud = rig()
    lb_id = cloud.service.create(TENANT, limit=3)
    cloud.service.add_node(lb_id, "x", 80)
    with pytest.raises(BalancerFull):
        cloud.perform(CLOUD_LOAD_BALANCER.add(lb_id, [wanted(lb_id, host) for host in "abc"], 1))
    assert [node.address for node in cloud.service.nodes(lb_id)] == ["x", "a", "b"]


def test_otter_adds_nodes_that_drain_where_there_is_a_monitor():
    cloud = rig()
    lb_id = cloud.service.create(TENANT)
    cloud.service.set_monitor(lb_id, True)
    cloud.perform(CLOUD_LOAD_BALANCER.add(lb_id, [wanted(lb_id, "a")], 0))
    balancer = cloud.perform(CLOUD_LOAD_BALANCER.look(lb_id))
    assert balancer.monitored
    assert [(node.condition, node.online) for node in balancer.nodes] == [(Condition.DRAINING, False)]


def test_otter_knows_one_that_is_busy():
    cloud = rig(settle=lambda random: 5.0)
    lb_id = cloud.service.create(TENANT)
    cloud.service.add_node(lb_id, "x", 80)
    assert cloud.perform(CLOUD_LOAD_BALANCER.look(lb_id)).access is Access.BUSY
    with pytest.raises(ApiError) as caught:
        cloud.perform(CLOUD_LOAD_BALANCER.add(lb_id, [wanted(lb_id, "a")], 1))
    assert not caught.value.terminal


@pytest.mark.parametrize("deleted", [404, 410, 422])
@pytest.mark.parametrize("gone", ["PENDING_DELETE", "PENDING-DELETE", "DELETED", None])
def test_otter_knows_one_that_is_gone(gone, deleted):
    cloud = rig(deleted=deleted)
    lb_id = cloud.service.create(TENANT)
    cloud.service.set_status(lb_id, gone) if gone else cloud.service.delete(lb_id)
    assert cloud.perform(CLOUD_LOAD_BALANCER.look(lb_id)).access is Access.CLOSED
    # Whether there is a monitor cannot be read where it is unknown or DELETED; both mean the same.
    with pytest.raises(BalancerGone):
        cloud.perform(CLOUD_LOAD_BALANCER.add(lb_id, [wanted(lb_id, "a")], 0))
