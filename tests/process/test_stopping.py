"""SIGTERM and SIGINT end otter soon, and in peace, whatever it waits for."""

import json
import signal
import socket
import time

import pytest

from tests.process.lives import in_the_foreground
from tests.process.words import HALF, LIST, SILENCE
from tests.rig.processes import HERE, until
from tests.walks.api import Api, link
from tests.walks.documents import policy

SOON = 10.0


@pytest.fixture
def silence(lives):
    """The cloud never says anything when it is asked for servers."""
    lives.cloud.words[LIST] = SILENCE


def ended_in_peace(otter):
    lines = [json.loads(line) for line in otter.log.read_text().splitlines()]
    assert not [line for line in lines if line["level"] in ("error", "critical")]
    return "otter-stopped" in [line["event"] for line in lines]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_soon(otter, how):
    Api(f"{otter.root}/t1").create_group()
    otter.stop(how, within=SOON)
    assert "otter-stopped" in otter.last_words()
    assert "Traceback" not in otter.last_words()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_well_without_twistd(lives, how):
    otter = lives.otter()
    otter.command = in_the_foreground(otter)
    otter.start()
    Api(f"{otter.root}/t1").create_group()
    assert otter.stop(how, within=SOON) in (0, -how)
    assert "otter-stopped" in otter.last_words()
    assert "Traceback" not in otter.last_words()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.usefixtures("silence")
def test_it_ends_soon_while_the_cloud_is_silent(lives, how):
    otter = lives.otter(cloud={"timeout": 60}, converger={"resolve_timeout": 120, "stop_grace": 5}).start()
    api = Api(f"{otter.root}/t1")
    for _ in range(20):
        api.create_group(minEntities=1)
    time.sleep(0.5)
    otter.stop(how, within=SOON)
    assert ended_in_peace(otter)


def test_it_ends_soon_in_the_middle_of_an_answer(lives):
    lives.cloud.words[LIST] = HALF
    otter = lives.otter(cloud={"timeout": 60}, converger={"resolve_timeout": 120}).start()
    Api(f"{otter.root}/t1").create_group(minEntities=1)
    time.sleep(0.5)
    otter.stop(within=SOON)
    assert ended_in_peace(otter)


def test_it_ends_soon_while_requests_wait_for_their_turn(lives):
    slow = {"nova": {"reads": {"rate": 0.01, "burst": 2}}}
    otter = lives.otter(cloud={"throttle": slow}).start()
    Api(f"{otter.root}/t1").create_group(minEntities=1)
    until(lambda: "cloud-request-repeated" in otter.last_words(), saying="the third request has to wait")
    time.sleep(1)
    otter.stop(within=SOON)
    assert ended_in_peace(otter)


@pytest.mark.usefixtures("silence")
def test_what_was_answered_before_it_ends_is_kept(lives):
    otter = lives.otter(cloud={"timeout": 60}, converger={"resolve_timeout": 120}).start()
    api = Api(f"{otter.root}/t1")
    group = api.create_group(policy())
    assert api.execute(group["scalingPolicies"][0]) == 202
    otter.stop(within=SOON)
    otter.start()
    assert api.desired(group) == 1


def test_a_client_that_keeps_its_connection_open_does_not_keep_otter(otter):
    with socket.create_connection((HERE, otter.port)) as idle, socket.create_connection((HERE, otter.port)) as half:
        half.sendall(b"POST /v1.0/t1/groups HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(1000)
        otter.stop(within=SOON)
    assert "otter-stopped" in otter.last_words()


@pytest.mark.usefixtures("silence")
def test_impatience_does_not_keep_it_from_ending_well(lives):
    otter = lives.otter(cloud={"timeout": 60}, converger={"resolve_timeout": 120, "stop_grace": 1}).start()
    Api(f"{otter.root}/t1").create_group(minEntities=1)
    for _ in range(3):
        otter.child.send_signal(signal.SIGTERM)
        time.sleep(0.2)
    until(lambda: not otter.running(), SOON)
    assert "otter-stopped" in otter.last_words()


def test_a_fresh_otter_starts_where_the_last_one_stopped(otter):
    api = Api(f"{otter.root}/t1")
    group = api.create_group(policy())
    for _ in range(2):
        otter.restart()
        assert api("GET", link(group)).document["group"]["scalingPolicies"] == group["scalingPolicies"]
