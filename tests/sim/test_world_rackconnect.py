"""The simulated RackConnect, asked by hand and by otter's own functions."""

import json
from random import Random

import pytest
from attrs import define, field
from effect import ComposedDispatcher, TypeDispatcher, base_dispatcher, sync_perform, sync_performer
from twisted.internet.task import Clock

from otter.cloud.balancers.interface import BalancerGone
from otter.cloud.balancers.rackconnect import RACKCONNECT_V3, PoolInactive, ServersUnprocessable
from otter.cloud.errors import ApiError
from otter.cloud.request import CloudRequest
from otter.domain.balancers import Access, BalancerId, Node, Target
from tests.sim.world.answers import Answer, Ask, Nature
from tests.sim.world.rackconnect import RackConnect

TENANT = "111"
NOWHERE = "0a1b2c3d-0000-4000-8000-00000000dead"


@define
class Rig:
    """The service, its clock, the tenant's servers, and what the listeners were told."""

    service: RackConnect
    clock: Clock
    servers: set[str]
    told: list[tuple] = field(factory=list)

    def ask(self, method: str, path: str, json=None, tenant: str = TENANT) -> Answer:
        return self.service.answer(Ask(tenant, method, path, json=json))

    def bulk(self, method: str, *pairs: tuple[str, str], tenant: str = TENANT) -> Answer:
        body = [{"cloud_server": {"id": server}, "load_balancer_pool": {"id": pool}} for pool, server in pairs]
        return self.ask(method, "load_balancer_pools/nodes", body, tenant)

    def listed(self, pool_id: str) -> list[str]:
        answer = self.ask("GET", f"load_balancer_pools/{pool_id}/nodes")
        return [member["cloud_server"]["id"] for member in answer.document]

    def perform(self, effect):
        requests = TypeDispatcher({CloudRequest: sync_performer(self._request)})
        return sync_perform(ComposedDispatcher([requests, base_dispatcher]), effect)

    def _request(self, _, request: CloudRequest):
        answer = self.ask(request.method, request.path, request.json)
        if answer.status not in request.success:
            raise ApiError(answer.status, json.dumps(answer.document))
        return answer.document


def rig(**knobs) -> Rig:
    clock, servers = Clock(), {"s1", "s2", "s3"}
    nature = Nature(clock.seconds, clock.callLater, Random(1))
    service = RackConnect(nature, lambda tenant, server: tenant == TENANT and server in servers, **knobs)
    made = Rig(service, clock, servers)
    service.on_add.append(lambda ask, pool, hosts: made.told.append(("on_add", pool.id, hosts)))
    service.on_remove.append(lambda ask, pool, hosts: made.told.append(("on_remove", pool.id, hosts)))
    return made


def wanted(pool_id: str, *servers: str) -> list[Node]:
    return [Node(Target(BalancerId("RackConnectV3", pool_id)), server) for server in servers]


def test_servers_become_members_and_cease_to_be():
    cloud = rig()
    pool_id = cloud.service.create_pool(TENANT)
    added = cloud.bulk("POST", (pool_id.upper(), "s1"), (pool_id, "s1"), (pool_id, "s2"))
    assert (added.status, [made["cloud_server"]["id"] for made in added.document]) == (201, ["s1", "s2"])
    assert cloud.listed(pool_id) == ["s1", "s2"] == list(cloud.service.members(pool_id))
    assert cloud.bulk("DELETE", (pool_id, "s1")) == Answer(204)
    assert cloud.listed(pool_id) == ["s2"] == list(cloud.service.members(pool_id))
    assert cloud.told == [("on_add", pool_id, ["s1", "s2"]), ("on_remove", pool_id, ["s1"])]


def test_what_other_people_do_is_seen_but_not_told_of():
    cloud = rig()
    pool_id = cloud.service.create_pool(TENANT)
    for server in ("s1", "s1", "unknown"):
        cloud.service.add_member(pool_id, server)
    assert cloud.listed(pool_id) == ["s1", "unknown"]
    cloud.service.remove_member(pool_id, "unknown")
    assert (cloud.listed(pool_id), cloud.told) == (["s1"], [])


def test_several_pools_take_all_or_nothing():
    cloud = rig()
    one, two, asleep = [cloud.service.create_pool(TENANT) for _ in range(3)]
    cloud.service.add_member(one, "s1")
    cloud.service.set_status(asleep, "UPDATING")
    answer = cloud.bulk("POST", (one, "s1"), (one, "s2"), (two, "s9"), (asleep, "s2"), (NOWHERE, "s1"), (NOWHERE, "s2"))
    assert (answer.status, sorted(answer.document["errors"])) == (
        409,
        sorted(
            [
                f"Cloud Server s1 is already a member of Load Balancer Pool {one}",
                "Cloud Server s9 does not exist",
                f"Load Balancer Pool {asleep} is not in an ACTIVE state",
                f"Load Balancer Pool {NOWHERE} does not exist",
            ]
        ),
    )
    assert [cloud.service.members(pool_id) for pool_id in (one, two, asleep)] == [("s1",), (), ()]
    assert cloud.bulk("POST", (one, "s2"), (two, "s2")).status == 201
    assert cloud.told == [("on_add", one, ["s2"]), ("on_add", two, ["s2"])]


def test_a_removal_is_refused_for_those_who_are_no_members():
    cloud = rig()
    pool_id = cloud.service.create_pool(TENANT)
    for server in ("s1", "dead"):
        cloud.service.add_member(pool_id, server)
    answer = cloud.bulk("DELETE", (pool_id, "s1"), (pool_id, "s2"), (pool_id, "s9"))
    assert answer == Answer(
        409,
        {
            "errors": [
                f"Cloud Server s2 is not a member of Load Balancer Pool {pool_id}",
                "Cloud Server s9 does not exist",
            ]
        },
    )
    assert cloud.listed(pool_id) == ["s1", "dead"]
    assert cloud.bulk("DELETE", (pool_id, "s1"), (pool_id, "dead")).status == 204
    assert cloud.listed(pool_id) == []


@pytest.mark.parametrize("made", [None, lambda tenant, server: 0.0])
def test_new_servers_are_unprocessable_at_first(made):
    cloud = rig(unprocessable=30, made=made)
    pool_id = cloud.service.create_pool(TENANT)
    assert cloud.bulk("POST", (pool_id, "s1")) == Answer(409, {"errors": ["Cloud Server s1 is unprocessable"]})
    cloud.clock.advance(30)
    assert cloud.bulk("POST", (pool_id, "s1")).status == 201


def test_pools_vanish_and_what_is_no_id_is_refused():
    cloud = rig()
    pool_id = cloud.service.create_pool(TENANT)
    assert cloud.ask("GET", f"load_balancer_pools/{pool_id}").document["status"] == "ACTIVE"
    cloud.service.delete_pool(pool_id)
    for path in ("", "/nodes"):
        assert cloud.ask("GET", f"load_balancer_pools/{pool_id}{path}").status == 404
        assert cloud.ask("GET", f"load_balancer_pools/7{path}").status == 400
    assert cloud.bulk("POST", ("7", "s1")).status == 400
    assert cloud.ask("GET", "load_balancer_pools").document == []


def test_pools_of_others_are_unknown():
    cloud = rig()
    pool_id = cloud.service.create_pool("222")
    assert cloud.ask("GET", f"load_balancer_pools/{pool_id}/nodes").status == 404
    assert cloud.bulk("POST", (pool_id, "s1")).document == {"errors": [f"Load Balancer Pool {pool_id} does not exist"]}
    assert cloud.bulk("DELETE", (pool_id, "s1")).status == 409


# As otter sees it


def test_otter_adds_and_removes_what_is_missing():
    cloud = rig()
    pool_id = cloud.service.create_pool(TENANT)
    cloud.service.add_member(pool_id, "s1")
    cloud.perform(RACKCONNECT_V3.add(pool_id, wanted(pool_id, "s1", "s2"), 1))
    assert sorted(node.host for node in cloud.perform(RACKCONNECT_V3.look(pool_id)).nodes) == ["s1", "s2"]
    cloud.service.remove_member(pool_id, "s1")
    cloud.perform(RACKCONNECT_V3.remove(pool_id, wanted(pool_id, "s1", "s2", "s9")))
    assert cloud.service.members(pool_id) == ()


def test_otter_leaves_out_what_is_not_possible_yet():
    cloud = rig(unprocessable=30, made=lambda tenant, server: 0.0 if server == "s1" else -100.0)
    pool_id = cloud.service.create_pool(TENANT)
    with pytest.raises(ServersUnprocessable):
        cloud.perform(RACKCONNECT_V3.add(pool_id, wanted(pool_id, "s1", "s2", "s9"), 0))
    assert cloud.service.members(pool_id) == ("s2",)


def test_otter_knows_a_pool_that_is_not_active():
    cloud = rig()
    pool_id = cloud.service.create_pool(TENANT)
    cloud.service.set_status(pool_id, "UPDATING")
    with pytest.raises(PoolInactive):
        cloud.perform(RACKCONNECT_V3.add(pool_id, wanted(pool_id, "s1"), 0))
    assert cloud.service.members(pool_id) == ()


def test_otter_knows_a_pool_that_is_gone():
    cloud = rig()
    assert cloud.perform(RACKCONNECT_V3.look(NOWHERE)).access is Access.CLOSED
    assert cloud.perform(RACKCONNECT_V3.look("7")).access is Access.CLOSED
    with pytest.raises(BalancerGone):
        cloud.perform(RACKCONNECT_V3.add(NOWHERE, wanted(NOWHERE, "s1"), 0))
    cloud.perform(RACKCONNECT_V3.remove(NOWHERE, wanted(NOWHERE, "s1")))
