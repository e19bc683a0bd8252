"""A service refuses, moves, wants to be left in peace, or is not there: otter finds its way, and asks no more than it may."""

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tests.rig.processes import until
from tests.rig.proxying import html, status
from tests.walks.groups import (
    LONG,
    born,
    figures,
    grown,
    is_readable,
    lost,
    others_are_served,
    served_alone,
    sick,
    stays,
    vanished,
    whole,
)

OVER_LIMIT = {"overLimit": {"message": "OverLimit Retry...", "code": 413}}
BUSY = [("list_servers", 413), ("list_servers", 503), ("create_server", 413), ("create_server", 429)]
BUSY += [("list_nodes", 429), ("add_nodes", 413), ("add_nodes", 503)]


def busy(code, seconds):
    return status(code, OVER_LIMIT, {"Retry-After": str(seconds)})


def requests(proxy, tenant, operation):
    return [entry for entry in proxy.log(tenant) if entry["operation"] == operation]


def pauses(proxy, tenant, operation):
    """Seconds between the requests."""
    times = [entry["at"] for entry in requests(proxy, tenant, operation)]
    return [later - earlier for earlier, later in pairwise(times)]


@pytest.mark.parametrize("operation", ["list_servers", "create_server", "list_nodes", "add_nodes"])
def test_a_token_refused_once_is_renewed_and_nobody_notices(otter, cloud, proxy, operation):
    proxy.add(status(401), tenant=cloud.tenant, operation=operation, first=1)
    group = otter.create_group(cloud.tenant, 2, lb_ids=[cloud.create_balancer()])
    whole(otter, cloud, group, 2)
    assert len(born(cloud, group)) == 2


@pytest.mark.parametrize("operation", ["remove_nodes", "delete_server"])
def test_a_token_refused_once_on_the_way_down_is_renewed_too(otter, cloud, proxy, operation):
    group = grown(otter, cloud, 2, lb_ids=[cloud.create_balancer()])
    proxy.add(status(401), tenant=cloud.tenant, operation=operation, first=1)
    otter.resize(group.url, 0, 0)
    vanished(cloud, group)


@pytest.mark.parametrize("operation", ["list_servers", "create_server"])
def test_tokens_that_are_always_refused_are_reported_and_outlived(otter, cloud, proxy, operation):
    trouble = proxy.add(status(401), tenant=cloud.tenant, operation=operation)
    group = otter.create_group(cloud.tenant, 2)
    [message] = sick(otter, group)
    assert is_readable(message)
    others_are_served(otter, cloud)
    proxy.remove(trouble)
    whole(otter, cloud, group, 2)
    assert len(born(cloud, group)) == 2


@pytest.mark.healing
def test_a_service_that_is_not_where_the_catalog_says_is_reported_and_outlived(otter, cloud, proxy):
    group = grown(otter, cloud, 2)
    trouble = proxy.add(html(404, "<h1>Not Found</h1>"), tenant=cloud.tenant)
    [message] = sick(otter, group)
    assert is_readable(message)
    others_are_served(otter, cloud)
    proxy.remove(trouble)
    whole(otter, cloud, group, 2)
    assert len(born(cloud, group)) == 2


def test_services_that_moved_are_found_again(otter, cloud, proxy, street):
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 2, lb_ids=[lb_id])
    proxy.unregister(street.identity_url, [cloud.tenant])
    proxy.add(html(404, "<h1>Not Found</h1>"), tenant=cloud.tenant)
    otter.resize(group.url, 3, 3)
    whole(otter, cloud, group, 3)
    assert cloud.served(lb_id) == cloud.addresses(group.id)


@pytest.mark.parametrize(("operation", "code"), BUSY)
def test_a_service_that_asks_for_time_gets_it(hasty, cloud, proxy, operation, code):
    proxy.add(busy(code, 2), tenant=cloud.tenant, operation=operation, first=1)
    group = hasty.create_group(cloud.tenant, 1, lb_ids=[cloud.create_balancer()])
    whole(hasty, cloud, group, 1)
    assert pauses(proxy, cloud.tenant, operation)[0] > 1.9
    assert len(born(cloud, group)) == 1


@pytest.mark.parametrize("operation", ["list_servers", "create_server", "list_nodes", "add_nodes"])
def test_a_service_that_keeps_asking_for_time_gets_it_each_time(hasty, cloud, proxy, operation):
    trouble = proxy.add(busy(429, 2), tenant=cloud.tenant, operation=operation)
    group = hasty.create_group(cloud.tenant, 1, lb_ids=[cloud.create_balancer()])
    until(lambda: proxy.applied(trouble) >= 5, LONG, saying="otter asked five times")
    assert min(pauses(proxy, cloud.tenant, operation)) > 1.9
    [message] = sick(hasty, group)
    assert is_readable(message)
    proxy.remove(trouble)
    whole(hasty, cloud, group, 1)


def test_a_balancer_that_asks_for_time_does_not_stop_servers_being_replaced(hasty, cloud, proxy):
    proxy.add(busy(429, 30), tenant=cloud.tenant, operation="add_nodes", first=1)
    group = hasty.create_group(cloud.tenant, 2, lb_ids=[cloud.create_balancer()])
    until(lambda: "add_nodes" in proxy.counts(cloud.tenant)["clb"], saying="otter wants the servers on the balancer")
    lost(cloud, group, 1)
    until(lambda: len(cloud.servers(group.id)) == 2, 15, saying="the server is replaced")


@pytest.mark.parametrize("code", [413, 429])
@pytest.mark.parametrize(
    "operation",
    ["remove_nodes", *(pytest.param(each, marks=pytest.mark.healing) for each in ("add_nodes", "change_node"))],
)
def test_a_balancer_that_says_when_it_has_time_is_not_asked_before(patient, cloud, proxy, operation, code):
    lb_id = cloud.create_balancer()
    group = grown(patient, cloud, 3, lb_ids=[lb_id])
    already = len(requests(proxy, cloud.tenant, operation))
    when = datetime.now(UTC) + timedelta(seconds=4)
    body = {"overLimit": {**OVER_LIMIT["overLimit"], "retryAfter": when.isoformat()}}
    trouble = proxy.add(status(code, body), tenant=cloud.tenant, operation=operation, first=1)
    node = cloud.nodes(lb_id)[0]
    match operation:
        case "add_nodes":
            cloud.remove_node(lb_id, node["id"])
        case "remove_nodes":
            patient.resize(group.url, 2, 2)
        case "change_node":
            cloud.change_node(lb_id, node["id"], weight=5)
    until(lambda: proxy.applied(trouble), LONG, saying="it is asked")
    stays(lambda: figures(patient, group)[0], when.timestamp() - time.time())
    until(lambda: len(requests(proxy, cloud.tenant, operation)) == already + 2, LONG, saying="it is asked again")
    served_alone(cloud, group, lb_id)
    whole(patient, cloud, group, 2 if operation == "remove_nodes" else 3, smoothly=True)
    refused, repeated = requests(proxy, cloud.tenant, operation)[already:]
    assert (refused["status"], repeated["status"]) == (code, 202)
    assert repeated["at"] >= when.timestamp() - 0.01


@pytest.mark.healing
def test_a_service_that_does_not_accept_connections_is_reported_and_outlived(otter, cloud, gateway, street, tmp_path):
    group = grown(otter, cloud, 2)
    gateway.process.stop()
    [message] = sick(otter, group)
    assert is_readable(message)
    otter.resize(group.url, 3, 3)
    others_are_served(otter, cloud)
    gateway.process.start()
    gateway.register(street.identity_url, [cloud.tenant])
    whole(otter, cloud, group, 3)
    assert len(born(cloud, group)) == 3
