"""Taking one server out of a group. (Contract, 16; appendix A.4.)"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.rig.mimic import GROUP_KEY, address_of
from tests.rig.processes import call, until
from tests.rig.proxying import delay, edit, status
from tests.walks.groups import (
    born,
    clb,
    comes_to,
    converge,
    figures,
    first,
    grown,
    ids,
    in_service,
    in_time,
    placed,
    served_alone,
    stays,
    vanished,
    whole,
)

BAD = ["0", "1", "yes", "bad", "truee", "", "%20true", "null", "$%25%5E%23"]
OURS = ("rax:autoscale:", "rax:auto_scaling")


def member(group, server_id, **query):
    words = "&".join(f"{name}={value}" for name, value in query.items())
    return f"{group.url}/servers/{server_id}" + (f"?{words}" if words else "")


def some_member(cloud, group):
    return cloud.servers(group.id)[-1]


def evict(api, group, server_id, **query):
    answer = api("DELETE", member(group, server_id, **query))
    assert (answer.status, answer.body, answer.headers["content-type"]) == (202, b"", "application/json"), answer


def is_released(cloud, server):
    """Whether it lives on, with what its owner wrote on it, and nothing else."""
    kept = {key: value for key, value in server["metadata"].items() if not key.startswith(OURS)}
    now = next(each for each in cloud.servers() if each["id"] == server["id"])
    return now["status"] == "ACTIVE" and now["metadata"] == kept


@pytest.mark.parametrize("path", ["servers", "servers/any", "servers?limit=5"])
def test_servers_are_not_listed(api, group, path):
    assert api("GET", f"/groups/{group['id']}/{path}").refusal == (501, "NotImplementedError")
    assert api("GET", f"/groups/none/{path}").refusal == (501, "NotImplementedError")
    assert api("GET", f"/groups/none/{path.partition('?')[0]}?limit=x").refusal == (400, "InvalidQueryArgument")


@pytest.mark.parametrize(
    ("query", "which"), [({}, -1), ({"replace": "True", "purge": "TRUE"}, 0), ({"replace": "true"}, 1)]
)
def test_row_57_any_server_is_deleted_and_replaced_even_at_minimum_size(otter, cloud, api, storm, query, which):
    lb_id = cloud.create_balancer()
    group = grown(otter, cloud, 2, most=2, lb_ids=[lb_id])
    storm()
    server = sorted(cloud.servers(group.id), key=lambda each: each["created"])[which]
    evict(api, group, server["id"], **query)
    assert server["id"] not in whole(otter, cloud, group, 2)
    served_alone(cloud, group, lb_id)
    assert server["id"] not in ids(cloud.servers())
    assert len(born(cloud, group)) == 3


def test_a_server_is_deleted_and_not_replaced(otter, cloud, api, storm):
    lb_id = cloud.create_balancer()
    group = placed(otter, cloud, 3, clb(lb_id))
    whole(otter, cloud, group, 3)
    otter.resize(group.url, 1, 10)
    storm()
    server = some_member(cloud, group)
    evict(api, group, server["id"], replace="false")
    assert otter.state(group.url)["desiredCapacity"] == 2
    assert server["id"] not in whole(otter, cloud, group, 2)
    served_alone(cloud, group, lb_id)
    assert len(born(cloud, group)) == 3


def test_a_server_is_let_go_and_replaced(otter, cloud, api, storm):
    lb_id = cloud.create_balancer()
    group = placed(otter, cloud, 2, clb(lb_id), metadata={"colour": "red"})
    whole(otter, cloud, group, 2)
    storm()
    server = some_member(cloud, group)
    evict(api, group, server["id"], purge="false")
    assert server["id"] not in in_service(otter, group)
    assert server["id"] not in whole(otter, cloud, group, 2)
    until(lambda: is_released(cloud, server), 20, saying="it is its owner's alone")
    served_alone(cloud, group, lb_id, [address_of(server)])
    assert len(cloud.servers()) == 3


def test_row_58_a_server_is_let_go_and_not_replaced(otter, cloud, api, storm):
    lb_id = cloud.create_balancer()
    group = placed(otter, cloud, 2, clb(lb_id), metadata={"colour": "red"})
    whole(otter, cloud, group, 2)
    otter.resize(group.url, 0, 10)
    storm()
    server = some_member(cloud, group)
    evict(api, group, server["id"], purge="False", replace="False")
    assert figures(otter, group)[1] == 1
    assert server["id"] not in whole(otter, cloud, group, 1)
    until(lambda: is_released(cloud, server), 20, saying="it is its owner's alone")
    otter.delete(group.url)
    vanished(cloud, group)
    assert ids(cloud.servers()) == {server["id"]}
    assert cloud.served(lb_id) == {address_of(server)}


@pytest.mark.parametrize("name", ["replace", "purge"])
@pytest.mark.parametrize("value", BAD)
def test_row_56_other_words_are_refused_before_anything_is_looked_at(api, name, value):
    refusal = api("DELETE", f"/groups/none/servers/any?{name}={value}").refusal
    assert refusal == (400, "InvalidQueryArgument")


def test_row_56_the_minimum_is_kept(otter, cloud, api):
    group = grown(otter, cloud, 2)
    server_id = some_member(cloud, group)["id"]
    for purge in ("true", "false"):
        refusal = api("DELETE", member(group, server_id, replace="false", purge=purge)).refusal
        assert refusal == (403, "CannotDeleteServerBelowMinError")
    converge(otter, group)
    assert server_id in whole(otter, cloud, group, 2)


@pytest.mark.parametrize("query", [{}, {"replace": "false"}, {"purge": "false"}], ids=str)
def test_row_55_what_is_no_member_is_not_found_also_at_minimum_size(otter, cloud, api, query):
    group, sibling = grown(otter, cloud, 1), grown(otter, cloud, 1)
    foreign = cloud.create_server("somebody's")
    theirs = some_member(cloud, sibling)["id"]
    for server_id in ("junk", theirs, foreign, "%00", "a%20b", "%2E%2E", "%3F"):
        assert api("DELETE", member(group, server_id, **query)).refusal == (404, "ServerNotFoundError"), server_id
    assert api("DELETE", f"/groups/none/servers/{theirs}").refusal == (404, "NoSuchScalingGroupError")
    assert len(cloud.servers()) == 3
    whole(otter, cloud, sibling, 1)


def test_a_word_that_nova_knows_is_no_member_either(api, group):
    assert api("DELETE", f"/groups/{group['id']}/servers/detail").refusal == (404, "ServerNotFoundError")


def test_a_server_that_was_let_go_is_no_member_even_if_nova_still_says_so(otter, cloud, api, proxy):
    group = grown(otter, cloud, 2)
    server = some_member(cloud, group)
    stuck = proxy.add(status(500), tenant=cloud.tenant, operation="set_metadata")
    evict(api, group, server["id"], purge="false")
    for query in ({}, {"replace": "false"}, {"purge": "false"}):
        assert api("DELETE", member(group, server["id"], **query)).refusal == (404, "ServerNotFoundError")
    in_time(lambda: len(cloud.servers()) == 3, "it is replaced", cloud.servers)
    assert cloud.metadata(server["id"])[GROUP_KEY] == group.id
    proxy.remove(stuck)
    until(lambda: is_released(cloud, server), 20, saying="it is its owner's alone")
    assert server["id"] not in whole(otter, cloud, group, 2)


def test_a_server_that_was_let_go_and_comes_back_stays_its_owners(otter, cloud, api, proxy):
    group = grown(otter, cloud, 1)
    server = some_member(cloud, group)
    evict(api, group, server["id"], purge="false")
    whole(otter, cloud, group, 1)
    until(lambda: is_released(cloud, server), 20, saying="it is its owner's alone")
    proxy.add(edit(server["id"], server["metadata"]), tenant=cloud.tenant, operation="list_servers")
    otter.resize(group.url, 0, 0)
    in_time(lambda: len(cloud.servers()) == 1, "the other one is gone", cloud.servers)
    stays(lambda: (ids(cloud.servers()), is_released(cloud, server)), 3)


def test_a_server_is_evicted_once_however_often_that_is_asked_for(otter, cloud, api, proxy):
    group = grown(otter, cloud, 4)
    otter.resize(group.url, 0, 10)
    stuck = proxy.add(status(500), tenant=cloud.tenant, operation="delete_server")
    one, other = sorted(ids(cloud.servers(group.id)))[:2]
    for query in ({"replace": "false"}, {"replace": "false"}, {}, {"replace": "false"}):
        evict(api, group, one, **query)
        assert figures(otter, group)[1] == 3
    evict(api, group, other, replace="false")
    assert api("DELETE", member(group, one, purge="false")).refusal == (404, "ServerNotFoundError")
    assert figures(otter, group)[1] == 2
    proxy.remove(stuck)
    assert not {one, other} & whole(otter, cloud, group, 2)
    assert len(born(cloud, group)) == 4
    assert api("DELETE", member(group, one)).refusal == (404, "ServerNotFoundError")


def test_a_victim_of_a_policy_is_not_counted_again(otter, cloud, api, proxy):
    group = grown(otter, cloud, 3)
    stuck = proxy.add(status(500), tenant=cloud.tenant, operation="delete_server")
    otter.resize(group.url, 2, 10)
    otter.execute(otter.add_policy(group.url, name="down", change=-1))
    until(lambda: proxy.applied(stuck), 20, saying="otter deletes a server")
    [victim] = ids(cloud.servers(group.id)) - in_service(otter, group)
    evict(api, group, victim, replace="false")
    proxy.remove(stuck)
    assert victim not in whole(otter, cloud, group, 2)


@pytest.mark.parametrize("state", ["BUILD", "ERROR"])
def test_a_server_that_is_not_in_service_can_be_evicted(hasty, cloud, state):
    first(cloud, *{"BUILD": ("build", {"duration": 3600.0}), "ERROR": ("active-then-error", {"duration": 2.0})}[state])
    group = hasty.create_group(cloud.tenant, 1)
    [server] = in_time(lambda: [s for s in cloud.servers(group.id) if s["status"] == state], state, cloud.servers)
    hasty.ask("DELETE", member(group, server["id"]))
    assert server["id"] not in whole(hasty, cloud, group, 1)
    assert len(born(cloud, group)) == 2


@pytest.mark.parametrize("query", [{}, {"purge": "false"}, {"replace": "false"}], ids=str)
def test_an_eviction_from_a_paused_group_happens_after_it_is_resumed(otter, cloud, api, query):
    group = grown(otter, cloud, 2)
    otter.resize(group.url, 0, 10)
    whole(otter, cloud, group, 2)
    otter.ask("POST", f"{group.url}/pause")
    server = some_member(cloud, group)
    evict(api, group, server["id"], **query)
    stays(lambda: cloud.servers(), 3)
    assert server["id"] not in in_service(otter, group)
    otter.ask("POST", f"{group.url}/resume")
    assert server["id"] not in whole(otter, cloud, group, 1 if "replace" in query else 2)
    assert (server["id"] in ids(cloud.servers())) == ("purge" in query)


@pytest.mark.parametrize("query", [{}, {"purge": "false", "replace": "false"}], ids=str)
def test_an_eviction_outlives_otter(mortal, cloud, query):
    lb_id = cloud.create_balancer()
    group = placed(mortal, cloud, 2, clb(lb_id))
    whole(mortal, cloud, group, 2)
    mortal.resize(group.url, 1, 5)
    server = some_member(cloud, group)
    mortal.ask("DELETE", member(group, server["id"], **query), expected=[202])
    mortal.kill()
    mortal.start()
    assert server["id"] not in whole(mortal, cloud, group, 1 if query else 2)
    served_alone(cloud, group, lb_id, [address_of(server)] if query else [])
    assert not query or until(lambda: is_released(cloud, server), 20)


def test_an_eviction_is_refused_while_nova_does_not_say_who_is_a_member(otter, cloud, api, proxy):
    group = grown(otter, cloud, 1)
    server = some_member(cloud, group)
    proxy.add(status(503), tenant=cloud.tenant, operation="get_server")
    answer = api("DELETE", member(group, server["id"]))
    assert answer.refusal == (503, "UpstreamUnavailable")
    assert int(answer.headers["retry-after"]) > 0
    proxy.clear(cloud.tenant)
    assert server["id"] in whole(otter, cloud, group, 1)
    evict(api, group, server["id"])
    assert server["id"] not in whole(otter, cloud, group, 1)


def test_servers_let_go_while_otter_looks_are_let_go_indeed(patient, cloud, proxy):
    lb_id = cloud.create_balancer()
    group = grown(patient, cloud, 3, lb_ids=[lb_id])
    before = cloud.nodes(lb_id)
    slow = proxy.add(delay(2, "after"), tenant=cloud.tenant, operation="list_servers", first=1)
    patient.resize(group.url, 2, 2)
    until(lambda: proxy.applied(slow), 20, saying="otter looks")
    mine = ids(cloud.servers(group.id))
    for server_id in mine:
        patient.ask("DELETE", member(group, server_id, purge="false"))
    assert not mine & whole(patient, cloud, group, 2)
    assert ids(cloud.servers()) > mine
    assert [node for node in cloud.nodes(lb_id) if node in before] == before


def test_evictions_at_the_same_time_keep_the_minimum(otter, cloud):
    group = grown(otter, cloud, 6)
    otter.resize(group.url, 2, 10)
    urls = [member(group, server_id, replace="false") for server_id in sorted(ids(cloud.servers(group.id)))]
    with ThreadPoolExecutor(8) as clients:
        statuses = list(clients.map(lambda url: call("DELETE", url)[0], urls))
    assert sorted(statuses) == [202] * 4 + [403] * 2
    whole(otter, cloud, group, 2)
    assert len(born(cloud, group)) == 6


def test_an_evicted_server_finishes_its_connections(otter, cloud, api):
    lb_id = cloud.create_balancer()
    group = placed(otter, cloud, 2, clb(lb_id), draining=30)
    whole(otter, cloud, group, 2)
    server = some_member(cloud, group)
    evict(api, group, server["id"])
    comes_to(otter, group, "ACTIVE", 2, 2, 0)
    conditions = {node["address"]: node["condition"] for node in cloud.nodes(lb_id)}
    assert conditions.pop(address_of(server)) == "DRAINING"
    assert set(conditions.values()) == {"ENABLED"}
    assert len(cloud.servers(group.id)) == 3


def test_evictions_do_not_care_for_cooldowns(otter, cloud, api):
    group = grown(otter, cloud, 2, policies=[{"name": "up", "change": 1, "cooldown": 3600}])
    assert otter.execute(group.policies["up"]) == 202
    whole(otter, cloud, group, 3)
    evict(api, group, some_member(cloud, group)["id"], replace="false")
    whole(otter, cloud, group, 2)
