from base64 import b64encode

import pytest

from otter.domain.balancers import BalancerId, Target
from otter.domain.errors import Invalid
from otter.domain.launch import (
    SERVICE_NET,
    FileLimits,
    encoding_problem,
    launch_of,
    require_room,
    require_service_net,
    size_problem,
)


def launch(balancers=0, **server):
    places = [{"loadBalancerId": number, "port": 80} for number in range(balancers)]
    return launch_of({"type": "launch_server", "args": {"server": server, "loadBalancers": places}})


def files(*sizes):
    return [{"path": "/etc/x", "contents": b64encode(b"x" * size).decode()} for size in sizes]


def items(number):
    return {f"k{item}": "" for item in range(number)}


@pytest.mark.parametrize("sound", [{}, {"name": None}, {"name": "n" * 244}, {"metadata": items(36)}])
def test_what_otter_adds_has_room(sound):
    require_room(launch(**sound))
    require_room(launch(balancers=5, metadata=items(31)))


@pytest.mark.parametrize("full", [launch(name="n" * 245), launch(metadata=items(37)), launch(5, metadata=items(32))])
def test_what_leaves_no_room_for_what_otter_adds_is_refused(full):
    with pytest.raises(Invalid):
        require_room(full)


def test_ports_of_one_balancer_are_one_item():
    places = [{"loadBalancerId": 7, "port": port} for port in (80, 81)]
    server = {"metadata": items(35)}
    require_room(launch_of({"type": "launch_server", "args": {"server": server, "loadBalancers": places}}))


@pytest.mark.parametrize("contents", ["", "abc", "YQ", "YQ=", "a b=", "YQ==\n", "_-_-", "YQ==YQ==", "é"])
def test_contents_that_are_not_base64_are_a_problem(contents):
    assert "base64" in encoding_problem([*files(1), {"path": "/etc/y", "contents": contents}])


def test_what_is_quoted_is_cut():
    [quoted] = encoding_problem([{"path": "p" * 255, "contents": ""}]).split('"')[1::2]
    assert quoted == "p" * 128


def test_files_within_the_limits_are_no_problem():
    assert encoding_problem(files(1000, 1)) is None
    assert size_problem(files(1000, 1), FileLimits(2, 1000)) is None
    assert size_problem(files(*[5000] * 9), FileLimits()) is None


@pytest.mark.parametrize(("sizes", "told"), [((1, 1, 1), "3 files"), ((1, 1001), "1001 bytes")])
def test_files_beyond_the_limits_are_a_problem(sizes, told):
    assert told in size_problem(files(*sizes), FileLimits(2, 1000))


def test_a_stack_is_no_server_and_is_on_no_balancer():
    document = {"type": "launch_stack", "args": {"stack": {"template_url": "http://x"}}}
    made = launch_of(document)
    assert (made.stack, made.document) == ({"template_url": "http://x"}, document)
    assert (dict(made.server), set(made.targets), made.draining_timeout) == ({}, set(), 0.0)


@pytest.mark.parametrize("networks", [None, [SERVICE_NET], [{"uuid": "other"}, SERVICE_NET]])
def test_a_server_without_networks_or_with_service_net_can_be_on_a_balancer(networks):
    require_service_net(launch(balancers=1, **({} if networks is None else {"networks": networks})))


@pytest.mark.parametrize("networks", [[], [{"uuid": "other"}], "auto"])
def test_one_that_wants_other_networks_cannot_but_may_be_on_none_or_in_a_pool(networks):
    with pytest.raises(Invalid, match="must contain ServiceNet"):
        require_service_net(launch(balancers=1, networks=networks))
    require_service_net(launch(networks=networks))
    pool = [{"loadBalancerId": "P", "type": "RackConnectV3"}]
    document = {"type": "launch_server", "args": {"server": {"networks": networks}, "loadBalancers": pool}}
    require_service_net(launch_of(document))
    assert launch_of(document).targets == {Target(BalancerId("RackConnectV3", "p"))}
