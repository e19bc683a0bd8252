"""What the fault-injecting proxy does to requests, and that it does nothing else."""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import IncompleteRead, RemoteDisconnected
from itertools import count

import pytest

from tests.rig import proxying
from tests.rig.mimic import Cloud
from tests.rig.processes import HERE, call, free_port, send, until
from tests.rig.toys import ODD, POOL_NODES, POOLS, SERVERS, ToyUpstream

tenants = map("tenant-{}".format, count())


@pytest.fixture(scope="module")
def upstream():
    upstream = ToyUpstream()
    yield upstream
    upstream.shutdown()
    upstream.server_close()


@pytest.fixture
def tenant(proxy):
    tenant = next(tenants)
    yield tenant
    proxy.clear()


@pytest.fixture
def nova(proxy, upstream, tenant):
    """Our tenant's Nova, through the proxy."""
    return f"{proxy.forward('nova-toy', 'nova', upstream.url)}/{tenant}"


@pytest.fixture
def clb(proxy, upstream, tenant):
    return f"{proxy.forward('clb-toy', 'clb', upstream.url)}/{tenant}"


@pytest.fixture
def rackconnect(proxy, upstream, tenant):
    return f"{proxy.forward('rackconnect-toy', 'rackconnect', upstream.url)}/{tenant}"


@pytest.fixture
def victim():
    """A process to kill."""
    child = subprocess.Popen(["sleep", "60"])
    yield child
    child.kill()
    child.wait()


def ids(answer):
    return [entry["id"] for entry in (answer[1].get("servers") or answer[1].get("nodes"))]


def test_an_answer_comes_through_byte_for_byte(nova):
    status, headers, body = send("GET", f"{nova}/odd")
    assert (status, headers.get_all("x-odd"), body) == (299, ["one", "two"], ODD)


def test_a_request_comes_through_byte_for_byte(nova, upstream, tenant):
    path = "servers/a%3Ab%2Fc//d?limit=1&x=%20"
    send("PUT", f"{nova}/{path}", ODD, headers={"x-auth-token": "t", "content-type": "text/odd"})
    method, seen, headers, body = upstream.seen[-1]
    assert (method, seen, body) == ("PUT", f"/v2/{tenant}/{path}", ODD)
    assert (headers["x-auth-token"], headers["content-type"]) == ("t", "text/odd")
    assert headers["host"] == f"{HERE}:{upstream.server_port}"


def test_an_answer_without_body_comes_through(nova):
    assert call("DELETE", f"{nova}/servers/s1") == (204, None)


def test_what_is_to_be_deleted_may_stand_in_the_body(rackconnect, upstream, tenant):
    assert send("DELETE", f"{rackconnect}/load_balancer_pools/nodes", ODD)[0] == 204
    method, seen, headers, body = upstream.seen[-1]
    assert (method, seen, body) == ("DELETE", f"/v2/{tenant}/load_balancer_pools/nodes", ODD)
    assert headers["content-length"] == str(len(ODD))


def test_many_requests_are_on_their_way_at_once(nova):
    start = time.monotonic()
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: call("GET", f"{nova}/slow"), range(40)))
    assert answers == [(200, SERVERS)] * 40
    assert time.monotonic() - start < 2


def test_a_cloud_that_is_not_there_closes_the_connection(proxy, tenant):
    url = proxy.forward("nobody", "nova", f"http://{HERE}:{free_port()}")
    with pytest.raises(RemoteDisconnected):
        call("GET", f"{url}/{tenant}/servers")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delayed_request_takes_longer(proxy, nova, tenant, upstream, when):
    proxy.add(proxying.delay(0.3, when), tenant=tenant)
    start = time.monotonic()
    assert call("GET", f"{nova}/servers") == (200, SERVERS)
    assert time.monotonic() - start > 0.3


def test_a_delayed_request_arrives_although_the_client_gave_up(proxy, nova, tenant, upstream):
    proxy.add(proxying.delay(0.3), tenant=tenant)
    with pytest.raises(TimeoutError):
        call("POST", f"{nova}/servers", {}, timeout=0.1)
    assert upstream.seen_by(tenant) == []
    until(lambda: upstream.seen_by(tenant) == ["POST servers"], 2)


def test_a_dropped_request_never_reaches_the_cloud(proxy, nova, tenant, upstream):
    proxy.add(proxying.drop(), tenant=tenant)
    with pytest.raises(RemoteDisconnected):
        call("POST", f"{nova}/servers", {})
    assert upstream.seen_by(tenant) == []


def test_a_request_dropped_afterwards_reaches_the_cloud(proxy, nova, tenant, upstream):
    proxy.add(proxying.drop_after(), tenant=tenant)
    with pytest.raises(RemoteDisconnected):
        call("POST", f"{nova}/servers", {})
    assert upstream.seen_by(tenant) == ["POST servers"]


def test_a_cut_answer_is_half_an_answer(proxy, nova, tenant):
    proxy.add(proxying.cut(), tenant=tenant)
    with pytest.raises(IncompleteRead) as caught:
        call("GET", f"{nova}/odd")
    assert caught.value.partial == ODD[: len(ODD) // 2]
    assert len(caught.value.partial) + caught.value.expected == len(ODD)


def test_somebody_else_answers(proxy, nova, tenant, upstream):
    body = {"overLimit": {"message": "OverLimit Retry..."}}
    proxy.add(proxying.status(413, body, {"Retry-After": "7"}), tenant=tenant)
    status, headers, _ = send("GET", f"{nova}/servers")
    assert (status, headers["retry-after"], headers["content-type"]) == (413, "7", "application/json")
    assert call("GET", f"{nova}/servers") == (413, body)
    assert upstream.seen_by(tenant) == []


def test_somebody_else_answers_after_the_cloud_did_it(proxy, nova, tenant, upstream):
    proxy.add(proxying.status(503, when="after"), tenant=tenant)
    assert call("POST", f"{nova}/servers", {}) == (503, None)
    assert upstream.seen_by(tenant) == ["POST servers"]


@pytest.mark.parametrize("code", [200, 502])
def test_a_page_for_people_comes_instead_of_json(proxy, nova, tenant, code):
    proxy.add(proxying.html(code), tenant=tenant)
    status, headers, body = send("GET", f"{nova}/servers")
    assert (status, headers["content-type"], body) == (code, "text/html", b"<h1>Bad Gateway</h1>")


@pytest.mark.parametrize("text", proxying.GARBAGE)
def test_garbage_comes_instead_of_what_was_asked_for(proxy, nova, tenant, text):
    proxy.add(proxying.garbage(text), tenant=tenant)
    status, headers, body = send("GET", f"{nova}/servers")
    assert (status, headers["content-type"], body.decode()) == (200, "application/json", text)


@pytest.mark.parametrize(("when", "seen"), [("before", []), ("after", ["POST servers"])])
def test_a_stalled_request_is_never_answered(proxy, nova, tenant, upstream, when, seen):
    proxy.add(proxying.stall(when), tenant=tenant)
    with pytest.raises(TimeoutError):
        call("POST", f"{nova}/servers", {}, timeout=0.3)
    assert upstream.seen_by(tenant) == seen


def test_servers_are_hidden_by_their_whole_id_or_name(proxy, nova, tenant):
    hiding = proxy.add(proxying.hide("s1"), tenant=tenant)
    answer = call("GET", f"{nova}/servers/detail")
    assert ids(answer) == ["s10"]
    assert answer[1]["servers_links"] == SERVERS["servers_links"]
    proxy.remove(hiding)
    proxy.add(proxying.hide("web-10"), tenant=tenant)
    assert ids(call("GET", f"{nova}/servers/detail")) == ["s1"]


def test_nodes_are_hidden_by_their_address(proxy, clb, tenant):
    proxy.add(proxying.hide(r"10\.0\.0\.1"), tenant=tenant)
    assert ids(call("GET", f"{clb}/loadbalancers/7/nodes")) == [2]


@pytest.mark.parametrize("entries", ["n1", "s1"])
def test_nodes_of_a_pool_are_hidden_by_their_own_id_or_their_servers(proxy, rackconnect, tenant, entries):
    proxy.add(proxying.hide(entries), tenant=tenant)
    assert call("GET", f"{rackconnect}/load_balancer_pools/p1/nodes") == (200, POOL_NODES[1:])


def test_bare_lists_have_entries_twice(proxy, rackconnect, tenant):
    proxy.add(proxying.duplicate("s2"), tenant=tenant, operation="list_pool_nodes")
    assert call("GET", f"{rackconnect}/load_balancer_pools/p1/nodes") == (200, [*POOL_NODES, POOL_NODES[1]])
    assert call("GET", f"{rackconnect}/load_balancer_pools") == (200, POOLS)


@pytest.mark.parametrize("text", ["[5, null, []]", '{"servers": [5]}', '"text"', "5"])
def test_a_lie_about_lists_leaves_what_is_no_entry_alone(proxy, nova, tenant, text):
    proxy.add(proxying.garbage(text, when="after"), tenant=tenant)
    proxy.add(proxying.duplicate(), tenant=tenant)
    assert send("GET", f"{nova}/servers")[2].decode() == text


def test_entries_appear_twice(proxy, nova, clb, tenant):
    proxy.add(proxying.duplicate(), tenant=tenant, service="nova")
    proxy.add(proxying.duplicate("2"), tenant=tenant, service="clb")
    assert ids(call("GET", f"{nova}/servers/detail")) == ["s1", "s1", "s10", "s10"]
    assert ids(call("GET", f"{clb}/loadbalancers/7/nodes")) == [1, 2, 2]


def test_servers_show_other_metadata_than_they_have(proxy, nova, tenant):
    proxy.add(proxying.edit("s1", set={"group": "g2"}, remove=["colour"]), tenant=tenant)
    _, answer = call("GET", f"{nova}/servers/detail")
    assert [server["metadata"] for server in answer["servers"]] == [{"group": "g2"}, {}]


def test_a_lie_about_lists_leaves_other_answers_alone(proxy, nova, tenant):
    proxy.add(proxying.duplicate(), tenant=tenant)
    assert send("GET", f"{nova}/odd")[2] == ODD


def test_faults_of_several_rules_come_together(proxy, nova, tenant):
    proxy.add(proxying.hide("s1"), tenant=tenant)
    proxy.add(proxying.duplicate(), tenant=tenant)
    assert ids(call("GET", f"{nova}/servers/detail")) == ["s10", "s10"]


@pytest.mark.parametrize(("when", "seen"), [("before", []), ("after", ["DELETE servers/s1"])])
def test_a_process_dies_at_the_nth_changing_request(proxy, nova, tenant, upstream, victim, when, seen):
    proxy.add(proxying.kill(victim.pid, when), tenant=tenant, nth=2)
    call("POST", f"{nova}/servers", {})
    call("GET", f"{nova}/servers")
    assert victim.poll() is None
    with pytest.raises(RemoteDisconnected):
        call("DELETE", f"{nova}/servers/s1")
    assert victim.wait(1) == -9
    assert upstream.seen_by(tenant)[2:] == seen


def test_death_comes_before_other_faults(proxy, nova, tenant, victim):
    proxy.add(proxying.status(503), tenant=tenant)
    proxy.add(proxying.kill(victim.pid), tenant=tenant)
    with pytest.raises(RemoteDisconnected):
        call("POST", f"{nova}/servers", {})
    assert victim.wait(1) == -9


def test_only_the_nth_request_meets_the_fault(proxy, nova, tenant):
    rule = proxy.add(proxying.status(500), tenant=tenant, nth=2)
    assert [call("GET", f"{nova}/servers")[0] for _ in range(4)] == [200, 500, 200, 200]
    assert proxy.applied(rule) == 1


def test_only_the_first_requests_meet_the_fault(proxy, nova, tenant):
    proxy.add(proxying.status(500), tenant=tenant, first=2)
    assert [call("GET", f"{nova}/servers")[0] for _ in range(4)] == [500, 500, 200, 200]


@pytest.mark.parametrize(
    "match",
    [
        {"service": "clb"},
        {"tenant": "somebody-else"},
        {"operation": "create_server"},
        {"methods": ["POST", "DELETE"]},
        {"methods": "POST"},
        {"path": r"^servers/[^/?]+\?limit=2"},
        {"service": "nova", "methods": ["PUT"], "operation": "list_servers"},
    ],
)
def test_a_request_that_does_not_match_is_left_alone(proxy, nova, match):
    proxy.add(proxying.status(500), **match)
    assert call("GET", f"{nova}/servers/detail?limit=1") == (200, SERVERS)


@pytest.mark.parametrize(
    "match",
    [
        {},
        {"service": "nova"},
        {"operation": "list_servers"},
        {"methods": "GET"},
        {"path": r"^servers/[^/?]+\?limit=1$"},
    ],
)
def test_a_request_that_matches_meets_the_fault(proxy, nova, match):
    proxy.add(proxying.status(500), **match)
    assert call("GET", f"{nova}/servers/detail?limit=1")[0] == 500


def test_a_removed_rule_has_no_effect(proxy, nova, tenant):
    proxy.remove(proxy.add(proxying.status(500), tenant=tenant))
    assert call("GET", f"{nova}/servers")[0] == 200


def test_the_rules_of_one_tenant_can_be_cleared(proxy, nova, tenant):
    proxy.add(proxying.status(500), tenant=tenant)
    other = proxy.add(proxying.status(500), tenant="somebody-else")
    proxy.clear(tenant)
    assert call("GET", f"{nova}/servers")[0] == 200
    assert [rule["id"] for rule in proxy.rules()] == [other]


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        ({"kind": "unheard of"}, {}),
        ({"kind": "delay"}, {}),
        ({"kind": "drop", "when": "sometimes"}, {}),
        ({"kind": "kill", "pid": -1}, {}),
        ({"kind": "drop"}, {"colour": "red"}),
        ({"kind": "drop"}, {"path": "("}),
    ],
)
def test_a_rule_that_means_nothing_is_refused(proxy, fault, match):
    assert call("POST", f"{proxy.url}/control/rules", {"fault": fault, "match": match})[0] == 400


def test_requests_are_counted_by_operation(proxy, nova, clb, rackconnect, tenant):
    for method, url in [
        ("GET", f"{nova}/servers/detail?limit=100"),
        ("GET", f"{nova}/servers/s1"),
        ("POST", f"{nova}/servers"),
        ("DELETE", f"{nova}/servers/s1"),
        ("PUT", f"{nova}/servers/s1/metadata/a%3Ab"),
        ("GET", f"{nova}/images/i"),
        ("GET", f"{clb}/loadbalancers/7/nodes"),
        ("POST", f"{clb}/loadbalancers/7/nodes"),
        ("DELETE", f"{clb}/loadbalancers/7/nodes?id=1&id=2"),
        ("DELETE", f"{clb}/loadbalancers/7/nodes/1"),
        ("PUT", f"{clb}/loadbalancers/7/nodes/1"),
        ("GET", f"{clb}/loadbalancers/7/healthmonitor"),
        ("GET", f"{rackconnect}/load_balancer_pools"),
        ("GET", f"{rackconnect}/load_balancer_pools/p1"),
        ("GET", f"{rackconnect}/load_balancer_pools/p1/nodes"),
        ("POST", f"{rackconnect}/load_balancer_pools/nodes"),
        ("DELETE", f"{rackconnect}/load_balancer_pools/nodes"),
    ]:
        call(method, url)
    nova_names = ["list_servers", "get_server", "create_server", "delete_server", "set_metadata", "other"]
    clb_counts = {"list_nodes": 1, "add_nodes": 1, "remove_nodes": 2, "change_node": 1, "health_monitor": 1}
    pool_names = ["list_pools", "get_pool", "list_pool_nodes", "add_pool_nodes", "remove_pool_nodes"]
    assert proxy.counts(tenant) == {
        "nova": dict.fromkeys(nova_names, 1),
        "clb": clb_counts,
        "rackconnect": dict.fromkeys(pool_names, 1),
    }
    assert proxy.changes(tenant) == 9


def test_a_request_that_failed_counts_too(proxy, nova, tenant):
    proxy.add(proxying.drop(), tenant=tenant)
    with pytest.raises(RemoteDisconnected):
        call("POST", f"{nova}/servers", {})
    assert proxy.changes(tenant) == 1
    [entry] = proxy.log(tenant)
    assert (entry["faults"], entry["forwarded"], entry["status"]) == (["drop"], False, None)


def test_the_log_tells_what_came_in_which_order(proxy, nova, tenant):
    call("GET", f"{nova}/servers/detail?limit=1")
    call("DELETE", f"{nova}/servers/s1")
    first, second = proxy.log(tenant)
    assert first["sequence"] < second["sequence"]
    assert [first[name] for name in ("tenant", "service", "method", "path", "status")] == [
        tenant,
        "nova",
        "GET",
        "servers/detail?limit=1",
        200,
    ]
    assert (second["operation"], second["status"], second["forwarded"]) == ("delete_server", 204, True)


def test_one_tenant_can_be_counted_anew(proxy, nova, tenant):
    call("POST", f"{nova}/servers", {})
    call("POST", f"{nova.replace(tenant, 'somebody-else')}/servers", {})
    proxy.reset(tenant)
    nothing = {"nova": {}, "clb": {}, "rackconnect": {}}
    assert (proxy.counts(tenant), proxy.changes(tenant), proxy.log(tenant)) == (nothing, 0, [])
    assert proxy.changes("somebody-else") == 1


def endpoints_of(identity_url, tenant):
    """Catalog name -> URLs in our region, in the order in which a service that impersonates the tenant gets them."""
    _, user = call("GET", f"{identity_url.replace('v2.0', 'v1.1')}/mosso/{tenant}")
    body = {"RAX-AUTH:impersonation": {"user": {"username": user["user"]["id"]}, "expire-in-seconds": 10800}}
    _, answer = call("POST", f"{identity_url}/RAX-AUTH/impersonation-tokens", body)
    _, answer = call("GET", f"{identity_url}/tokens/{answer['access']['token']['id']}/endpoints")
    urls = {}
    for endpoint in answer["endpoints"]:
        if endpoint["region"] == "ORD":
            urls.setdefault(endpoint["name"], []).append(endpoint["publicURL"])
    return urls


def test_the_catalog_leads_one_tenant_through_the_proxy(proxy, mimic, tenant):
    cloud, other = Cloud(mimic.identity_url, tenant), next(tenants)
    proxy.register(mimic.identity_url, [tenant])
    urls = endpoints_of(mimic.identity_url, tenant)
    for name in ("cloudServersOpenStack", "cloudLoadBalancers", "rackconnect"):
        assert [url.startswith(proxy.url) for url in urls[name]] == [True, False]
        assert [url.startswith(proxy.url) for url in endpoints_of(mimic.identity_url, other)[name]] == [False]

    lb_id, server_id = cloud.create_balancer(), cloud.create_server("web")
    assert ids(call("GET", f"{urls['cloudServersOpenStack'][0]}/servers/detail")) == [server_id]
    assert call("GET", f"{urls['cloudLoadBalancers'][0]}/loadbalancers/{lb_id}/nodes") == (200, {"nodes": []})
    assert call("GET", f"{urls['rackconnect'][0]}/load_balancer_pools/{cloud.pool_id()}/nodes") == (200, [])
    counts = {"nova": {"list_servers": 1}, "clb": {"list_nodes": 1}, "rackconnect": {"list_pool_nodes": 1}}
    assert proxy.counts(tenant) == counts


def test_a_pool_is_changed_through_the_proxy(proxy, mimic, tenant):
    cloud = Cloud(mimic.identity_url, tenant)
    proxy.register(mimic.identity_url, [tenant])
    url = f"{endpoints_of(mimic.identity_url, tenant)['rackconnect'][0]}/load_balancer_pools/nodes"
    pairs = [{"cloud_server": {"id": name}, "load_balancer_pool": {"id": cloud.pool_id()}} for name in ("s1", "s2")]
    assert call("POST", url, pairs)[0] == 201
    assert call("DELETE", url, pairs[:1]) == (204, None)
    assert cloud.pooled() == {"s2"}
    assert proxy.counts(tenant)["rackconnect"] == {"add_pool_nodes": 1, "remove_pool_nodes": 1}


def test_the_catalog_leads_everybody_through_the_proxy(proxy, mimic, tenant):
    proxy.register(mimic.identity_url, [next(tenants)])
    proxy.register(mimic.identity_url)
    [first, _] = endpoints_of(mimic.identity_url, tenant)["cloudLoadBalancers"]
    proxy.unregister(mimic.identity_url)
    assert first.startswith(proxy.url)
    assert len(endpoints_of(mimic.identity_url, tenant)["cloudLoadBalancers"]) == 1


def test_a_tenant_can_be_led_past_the_proxy_again(proxy, mimic, tenant):
    proxy.register(mimic.identity_url, [tenant])
    proxy.register(mimic.identity_url, [tenant])
    proxy.unregister(mimic.identity_url, [tenant])
    assert len(endpoints_of(mimic.identity_url, tenant)["cloudServersOpenStack"]) == 1


def test_the_cloud_of_a_test_is_seen_past_the_proxy(proxy, mimic, tenant):
    proxy.register(mimic.identity_url, [tenant])
    proxy.add(proxying.hide(), tenant=tenant)
    cloud = Cloud(mimic.identity_url, tenant)
    cloud.create_server("web")
    assert len(cloud.servers()) == 1
    assert proxy.log(tenant) == []


def test_identity_can_be_led_through_the_proxy(proxy, mimic, tenant):
    identity_url = proxy.forward_identity(mimic.identity_url)
    assert "cloudLoadBalancers" in endpoints_of(identity_url, tenant)
    proxy.add(proxying.status(503), service="identity", operation="mosso")
    assert call("GET", f"{identity_url.replace('v2.0', 'v1.1')}/mosso/{tenant}")[0] == 503
