import json

import pytest
from effect.testing import perform_sequence

from otter.cloud.balancers.interface import BalancerGone
from otter.cloud.balancers.rackconnect import (
    RACKCONNECT_V3,
    SERVICE,
    PoolInactive,
    ServersUnprocessable,
    add,
    change,
    read,
    remove,
)
from otter.cloud.errors import ApiError, Unreachable
from otter.cloud.request import CloudRequest
from otter.domain.balancers import Access, Balancer, Node, Target
from tests.worlds import POOL

LIST = CloudRequest(SERVICE, "list the nodes of p", "GET", "load_balancer_pools/p/nodes")
ALREADY, NO_MEMBER = "is already a member of Load Balancer Pool p", "is not a member of Load Balancer Pool p"
UNKNOWN, UNPROCESSABLE = "does not exist", "is unprocessable"


def node(server_id):
    return Node(Target(POOL), server_id)


def bulk(method, *server_ids):
    what, success = {"POST": ("add nodes to p", (201,)), "DELETE": ("remove nodes from p", (204,))}[method]
    pairs = [{"cloud_server": {"id": id}, "load_balancer_pool": {"id": "p"}} for id in server_ids]
    return CloudRequest(SERVICE, what, method, "load_balancer_pools/nodes", json=pairs, success=success)


def saying(answer):
    return lambda _: answer


def raising(status, body):
    def performer(intent):
        raise ApiError(status, body)

    return performer


def refusing(*sentences):
    return raising(409, json.dumps({"errors": list(sentences)}))


def about(server_id, words):
    return f"Cloud Server {server_id} {words}"


def added(sequence, *server_ids):
    return perform_sequence(sequence, add("p", list(map(node, server_ids)), 0))


def removed(sequence, *server_ids):
    return perform_sequence(sequence, remove("p", list(map(node, server_ids))))


# Reading


def test_members_are_nodes_of_servers():
    answer = [{"id": "n1", "status": "ACTIVE", "cloud_server": {"id": "s1"}, "load_balancer_pool": {"id": "p"}}]
    balancer = perform_sequence([(LIST, saying(answer))], read("p"))
    assert balancer == Balancer(RACKCONNECT_V3.traits, balancer.nodes)
    [member] = balancer.nodes
    assert (member, member.as_wanted) == (Node(Target(POOL), "s1", "n1"), True)


@pytest.mark.parametrize("status", [400, 404])
def test_a_pool_that_is_not_there_is_gone(status):
    with pytest.raises(BalancerGone, match="RackConnect load balancer pool does not exist: p"):
        perform_sequence([(LIST, raising(status, "Load Balancer Pool p does not exist"))], read("p"))


@pytest.mark.parametrize(("status", "body"), [(404, " <h1>Not Found</h1>"), (500, "oops"), (503, "")])
def test_a_pool_that_is_not_told_of_is_unreadable(status, body):
    balancer = perform_sequence([(LIST, raising(status, body))], RACKCONNECT_V3.look("p"))
    assert balancer.access is Access.UNREADABLE


@pytest.mark.parametrize("answer", [None, {}, "text", {"nodes": []}, [5], [{"id": "n1"}], [{"cloud_server": "s1"}]])
def test_members_that_make_no_sense_are_no_answer(answer):
    with pytest.raises(Unreachable, match="makes no sense"):
        perform_sequence([(LIST, saying(answer))], read("p"))


# Bulk requests


def test_members_are_asked_for_in_one_request_the_same_each_time():
    added([(bulk("POST", "s1", "s2", "s3"), saying([]))], "s3", "s1", "s2")
    removed([(bulk("DELETE", "s1", "s2"), saying(None))], "s2", "s1")


def test_nothing_is_asked_for_if_there_is_nothing_to_do():
    added([])
    removed([])


@pytest.mark.parametrize("about", [about, lambda id, words: about(id.upper(), words), lambda *it: about(*it).upper()])
def test_what_is_so_already_is_left_out_in_whatever_case_it_is_written(about):
    added([(bulk("POST", "sa", "sb"), refusing(about("sa", ALREADY))), (bulk("POST", "sb"), saying([]))], "sa", "sb")
    strangers = refusing(about("sa", NO_MEMBER), about("sc", UNKNOWN))
    removed([(bulk("DELETE", "sa", "sb", "sc"), strangers), (bulk("DELETE", "sb"), saying(None))], "sa", "sb", "sc")


def test_if_that_is_all_nothing_more_is_asked_for():
    added([(bulk("POST", "s1"), refusing(about("s1", ALREADY)))], "s1")
    removed([(bulk("DELETE", "s1"), refusing(about("s1", NO_MEMBER)))], "s1")


def test_what_becomes_so_between_two_requests_is_left_out_too():
    refusals = [refusing(about("s1", ALREADY)), refusing(about("s2", ALREADY)), saying([])]
    asked = [bulk("POST", "s1", "s2", "s3"), bulk("POST", "s2", "s3"), bulk("POST", "s3")]
    added(list(zip(asked, refusals, strict=True)), "s1", "s2", "s3")


def test_servers_that_cannot_be_members_yet_are_told_of_when_the_others_are():
    refusal = refusing(about("S2", UNPROCESSABLE), about("s1", ALREADY))
    with pytest.raises(ServersUnprocessable) as caught:
        added([(bulk("POST", "s1", "s2", "s3"), refusal), (bulk("POST", "s3"), saying([]))], "s1", "s2", "s3")
    assert not caught.value.terminal
    assert "s2" not in caught.value.user_message, "one cause is one sentence, however many servers suffer from it"
    with pytest.raises(ServersUnprocessable):
        added([(bulk("POST", "s1"), refusing(about("s1", UNPROCESSABLE)))], "s1")


def test_a_server_that_rackconnect_does_not_know_is_not_added_and_that_is_told():
    with pytest.raises((ServersUnprocessable, ApiError)) as caught:
        added([(bulk("POST", "s1"), refusing(about("s1", UNKNOWN)))], "s1")
    assert not caught.value.terminal


def test_a_pool_that_is_gone_cannot_be_added_to_and_needs_no_removals():
    gone = refusing("Load Balancer Pool p does not exist")
    with pytest.raises(BalancerGone, match="p$") as caught:
        added([(bulk("POST", "s1"), gone)], "s1")
    assert caught.value.terminal
    removed([(bulk("DELETE", "s1"), gone)], "s1")


def test_an_inactive_pool_changes_nothing_for_now():
    inactive = refusing("Load Balancer Pool P is not in an ACTIVE state", about("s1", ALREADY))
    with pytest.raises(PoolInactive, match="p is not active") as caught:
        added([(bulk("POST", "s1", "s2"), inactive)], "s1", "s2")
    assert not caught.value.terminal
    with pytest.raises(PoolInactive):
        removed([(bulk("DELETE", "s1"), inactive)], "s1")


@pytest.mark.parametrize(
    "body",
    [
        '{"errors": []}',
        '{"errors": ["The moon is full"]}',
        json.dumps({"errors": [about("s1", ALREADY), "The moon is full"]}),
        json.dumps({"errors": [about("s9", ALREADY)]}),
        '{"errors": null}',
        '{"message": "conflict"}',
        "[]",
        "Conflict",
    ],
)
def test_a_refusal_that_nobody_understands_is_told_and_tried_again_later(body):
    for perform, method in ((added, "POST"), (removed, "DELETE")):
        with pytest.raises(ApiError) as caught:
            perform([(bulk(method, "s1", "s2"), raising(409, body))], "s1", "s2")
        assert (caught.value.status, caught.value.terminal) == (409, False)


def test_words_about_the_opposite_are_no_yes():
    for perform, method, words in ((added, "POST", NO_MEMBER), (removed, "DELETE", ALREADY)):
        with pytest.raises(ApiError):
            perform([(bulk(method, "s1"), refusing(about("s1", words)))], "s1")


def test_known_words_with_another_status_are_no_refusal_of_theirs():
    body = json.dumps({"errors": [about("s1", ALREADY)]})
    with pytest.raises(ApiError):
        added([(bulk("POST", "s1"), raising(500, body))], "s1")


def test_members_cannot_be_changed():
    with pytest.raises(NotImplementedError):
        change("p", node("s1"))
