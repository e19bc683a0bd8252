"""Suspended tenants, and what else operators ask. (Contract, 18.4 and 21.)"""

import pytest

from tests.rig.otter import Otter
from tests.rig.processes import HERE, free_port, until
from tests.walks.api import Api, link
from tests.walks.documents import config, launch, policy
from tests.walks.groups import grown, whole
from tests.walks.test_schedules import in_future


@pytest.fixture
def admin_port():
    return free_port()


@pytest.fixture
def governed(street, tmp_path, admin_port, own_store):
    """An otter with an admin listener."""
    admin = f"tcp:{admin_port}:interface={HERE}"
    otter = Otter(tmp_path / "governed", street.identity_url, admin=admin, **own_store)
    otter.start()
    yield otter
    otter.kill()


@pytest.fixture
def admin(governed, admin_port):
    return Api(f"http://{HERE}:{admin_port}")


@pytest.fixture
def api(governed, tenant):
    return Api(f"{governed.root}/{tenant}")


@pytest.fixture
def suspend(admin, tenant):
    def suspend():
        answer = admin("PUT", f"/suspended/{tenant}")
        assert (answer.status, answer.body) == (204, b"")

    return suspend


@pytest.fixture
def reinstate(admin, tenant):
    def reinstate():
        assert admin("DELETE", f"/suspended/{tenant}").status == 204

    return reinstate


SUSPENDED = (403, "TenantSuspendedError")


@pytest.mark.both_stores
def test_a_suspended_tenant_cannot_change_what_its_groups_cost(api, suspend, reinstate):
    group = api.create_group(policy(), minEntities=1, maxEntities=5)
    [up] = group["scalingPolicies"]
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    suspend()
    requests = [
        ("POST", link(up) + "execute", None),
        ("POST", link(group) + "converge", None),
        ("PUT", link(group) + "config", config(minEntities=2, maxEntities=3)),
        ("DELETE", link(group) + "servers/none", None),
    ]
    for request in requests:
        assert api(*request).refusal == SUSPENDED
    assert api("POST", link(hook, "capability")).status == 202
    assert api("GET", link(group) + "config").document["groupConfiguration"]["minEntities"] == 1
    assert api.desired(group) == 1
    reinstate()
    assert [api(*request).status for request in requests] == [202, 204, 204, 404]


def test_a_suspended_tenant_can_read_and_write_everything_else(api, suspend):
    group = api.create_group(policy(), minEntities=1)
    suspend()
    for path in ("", "state", "config", "launch", "policies"):
        assert api("GET", link(group) + path).status == 200
    assert api("PUT", link(group) + "launch", launch(name="other")).status == 204
    [up] = api.create(link(group) + "policies", policy())
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    assert api("DELETE", link(hook)).status == api("DELETE", link(up)).status == 204
    assert api("POST", link(group) + "pause").status == api("POST", link(group) + "resume").status == 204
    assert api("DELETE", link(group) + "?force=true").status == 204


def test_suspension_is_told_before_pause(api, group, suspend):
    assert api("POST", link(group) + "pause").status == 204
    suspend()
    assert api("POST", link(group) + "converge").refusal == SUSPENDED
    assert api("POST", link(group) + "policies/none/execute").refusal == SUSPENDED


@pytest.mark.healing
def test_a_suspended_tenants_servers_are_left_alone_until_it_is_reinstated(governed, cloud, suspend, reinstate):
    group = grown(governed, cloud, 2)
    suspend()
    late = governed.create_group(cloud.tenant, 1)
    victim, survivor = sorted(server["id"] for server in cloud.servers())
    cloud.delete_server(victim)
    other = governed.create_group(f"{cloud.tenant}-other", 1)  # who comes after has been looked at long before
    until(lambda: governed.state(other.url)["converged_generation"] == 1, seconds=30)
    assert [server["id"] for server in cloud.servers()] == [survivor]
    assert governed.state(late.url)["activeCapacity"] == 0
    governed.delete(other.url)
    governed.restart()
    reinstate()
    until(lambda: len(cloud.servers()) == 3, seconds=30)
    until(lambda: governed.state(late.url)["activeCapacity"] == 1, seconds=30)
    whole(governed, cloud, group, 2)


@pytest.mark.both_stores
def test_what_a_suspended_tenant_asked_for_comes_true_when_it_is_reinstated(governed, cloud, suspend, reinstate):
    suspend()
    group = governed.create_group(cloud.tenant, 2)
    other = governed.create_group(f"{cloud.tenant}-other")  # who comes after has been looked at long before
    until(lambda: governed.state(other.url)["converged_generation"] == 1, seconds=30)
    assert cloud.servers() == []
    governed.delete(other.url)
    reinstate()
    whole(governed, cloud, group, 2)


def test_a_suspended_tenants_deleted_group_is_still_cleared_away(governed, cloud, suspend):
    group = grown(governed, cloud, 2)
    suspend()
    governed.delete(group.url)
    until(lambda: not cloud.servers(), seconds=30)


def test_a_suspended_tenants_schedules_have_no_effect(governed, api, suspend):
    suspend()
    group = api.create_group(policy(type="schedule", args={"at": in_future(1)}))
    until(lambda: "schedule-not-executed" in governed.log.read_text(), seconds=30)
    assert api.desired(group) == 0


@pytest.mark.both_stores
def test_operators_see_who_is_suspended(admin, tenant, suspend, reinstate):
    assert admin("GET", "/suspended").document == {"suspended": []}
    suspend()
    suspend()
    assert admin("GET", "/suspended/").document == {"suspended": [tenant]}
    reinstate()
    reinstate()
    assert admin("GET", "/suspended").document == {"suspended": []}


@pytest.mark.both_stores
def test_operators_see_how_much_there_is(api, admin):
    group = api.create_group(policy(), policy())
    api.create(link(group["scalingPolicies"][0]) + "webhooks", *[{"name": "hook"}] * 3)
    for path in ("/metrics", "/metrics/"):
        listed = admin("GET", path).document["metrics"]
        counted = {each["id"]: each["value"] for each in listed}
        assert [counted[f"otter.metrics.{name}"] for name in ("groups", "policies", "webhooks")] == [1, 2, 3]
        assert all(isinstance(each["time"], int) for each in listed)


def test_the_admin_listener_is_alive_and_has_no_customers(admin, api, tenant):
    answer = admin("GET", "/")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["x-response-id"]
    assert admin("GET", f"/v1.0/{tenant}/groups").refusal == (404, "NotFound")
    assert admin("POST", "/suspended/x").refusal == (405, "MethodNotAllowed")
    assert Api(api.root.partition("/v1.0")[0])("GET", "/suspended").refusal == (404, "NotFound")
