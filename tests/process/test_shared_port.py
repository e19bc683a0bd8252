"""Several processes may listen on one port."""

from http.client import HTTPException

import pytest

from tests.process.lives import HASTY, complaint, in_the_foreground
from tests.rig.fleet import make_fleet
from tests.rig.processes import call

LOOKS = 60


@pytest.fixture
def fleet(lives, tmp_path):
    fleet = make_fleet(tmp_path / "fleet", lives.cloud.identity_url, 2, **HASTY)
    yield [otter.start() for otter in fleet]
    for otter in fleet:
        otter.kill()


def requests_in(otter):
    return otter.log.read_text().count('"event": "request"')


def look(otter):
    return call("GET", f"{otter.root}/t1/groups")[0]


def patient_look(otter):
    """What a client does whose connection is broken off."""
    try:
        return look(otter)
    except (OSError, HTTPException):
        return look(otter)


def test_all_of_them_answer(fleet):
    before = [requests_in(otter) for otter in fleet]
    assert {look(fleet[0]) for _ in range(LOOKS)} == {200}
    answered = [requests_in(otter) - seen for otter, seen in zip(fleet, before, strict=True)]
    assert sum(answered) == LOOKS and min(answered) > 0, answered


def test_when_one_dies_the_others_answer_everything(fleet):
    first, second = fleet
    first.kill()
    before = requests_in(second)
    assert {patient_look(second) for _ in range(LOOKS)} == {200}
    assert requests_in(second) - before >= LOOKS


def test_one_that_was_dead_gets_its_part_again(fleet):
    first, _ = fleet
    first.kill()
    first.start()
    before = requests_in(first)
    assert {look(first) for _ in range(LOOKS)} == {200}
    assert requests_in(first) > before


def test_whoever_does_not_share_has_the_port_alone(lives, fleet):
    alone = lives.otter(listen=f"tcp:{fleet[0].shared_port}:interface=127.0.0.1")
    assert "cannot-listen" in complaint(in_the_foreground(alone))


def test_only_tcp_ports_can_be_shared(lives, tmp_path):
    otter = lives.otter(listen=f"unix:{tmp_path}/socket", http={"share_port": True})
    assert "http.share_port: only what listens at tcp:" in complaint(in_the_foreground(otter))
