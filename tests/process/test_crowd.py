"""Many at once."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.rig.processes import HERE
from tests.walks.api import link
from tests.walks.documents import config, policy

MANY = 200


@pytest.fixture(scope="module")
def otter(lasting_lives):
    return lasting_lives.otter().start()


def answers_to_all_at_once(port, request):
    """Connect MANY times, then send on all of these connections; all that came back on each."""
    answers = {}
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection((HERE, port), timeout=30)) for _ in range(MANY)]
        for each in sockets:
            each.sendall(request)
        for each in sockets:
            answers[each] = b""
            while some := each.recv(65536):
                answers[each] += some
    return list(answers.values())


def test_200_hits_on_200_connections_all_count(otter, api):
    group = api.create_group(policy(), maxEntities=1000)
    [hook] = api.create(link(group["scalingPolicies"][0]) + "webhooks", {"name": "hook"})
    path = urlsplit(link(hook, "capability")).path
    request = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    answers = answers_to_all_at_once(otter.port, request)
    assert [answer.split(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 202 Accepted"] * MANY
    assert api.desired(group) == MANY


def test_200_pipelined_hits_on_one_connection_all_count(otter, api):
    group = api.create_group(policy(), maxEntities=1000)
    [hook] = api.create(link(group["scalingPolicies"][0]) + "webhooks", {"name": "hook"})
    path = urlsplit(link(hook, "capability")).path
    one = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    last = one.replace("Content-Length: 0", "Content-Length: 0\r\nConnection: close")
    with socket.create_connection((HERE, otter.port), timeout=30) as connection:
        connection.sendall((one * (MANY - 1) + last).encode())
        answer = b""
        while some := connection.recv(65536):
            answer += some
    assert answer.count(b"HTTP/1.1 202 Accepted") == MANY
    assert api.desired(group) == MANY


def test_the_cooldown_lets_one_of_200_through(otter, api):
    group = api.create_group(policy(), maxEntities=1000, cooldown=3600)
    [up] = group["scalingPolicies"]
    path = urlsplit(link(up)).path
    request = f"POST {path}execute HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    statuses = [answer.split(b" ")[1] for answer in answers_to_all_at_once(otter.port, request)]
    assert (statuses.count(b"202"), statuses.count(b"403")) == (1, MANY - 1)
    assert api.desired(group) == 1


def test_executions_and_new_configurations_at_the_same_time_all_count(api):
    group = api.create_group(policy(), maxEntities=1000)
    [up] = group["scalingPolicies"]

    def change(number):
        if number % 2:
            return api("PUT", link(group) + "config", config(name=f"n{number}", maxEntities=1000)).status
        return api.execute(up)

    with ThreadPoolExecutor(16) as crowd:
        assert list(crowd.map(change, range(100))) == [202, 204] * 50
    assert api.desired(group) == 50


def test_quotas_hold_for_a_crowd(lives):
    otter = lives.otter(limits={"absolute": {"maxGroups": 3}}).start()
    body = b'{"groupConfiguration": {"name": "a", "cooldown": 0, "minEntities": 0}, "launchConfiguration": {"type":'
    body += b'"launch_server", "args": {"server": {"flavorRef": "2", "block_device_mapping": []}}}}'
    head = f"POST /v1.0/t1/groups HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    statuses = [answer.split(b" ")[1] for answer in answers_to_all_at_once(otter.port, head.encode() + body)]
    assert (statuses.count(b"201"), statuses.count(b"422")) == (3, MANY - 3)
    assert len(otter.groups("t1")) == 3


def test_who_hangs_up_does_not_disturb_the_others(otter, api):
    group = api.create_group(policy(), maxEntities=1000)
    [hook] = api.create(link(group["scalingPolicies"][0]) + "webhooks", {"name": "hook"})
    path = urlsplit(link(hook, "capability")).path
    for _ in range(20):
        with socket.create_connection((HERE, otter.port), timeout=30) as connection:
            connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert api("POST", link(hook, "capability")).status == 202
    assert 1 <= api.desired(group) <= 21
    assert "Traceback" not in otter.last_words(1000)
