"""Processes and a real ZooKeeper that die, freeze and forget."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest
from attrs import define, field
from kazoo.client import KazooClient

from otter.domain.shares import SHARES
from tests.rig.otter import Otter
from tests.rig.processes import REPOSITORY, call, until

pytestmark = pytest.mark.alone

SESSION = 2.0
ALL = {str(share) for share in range(SHARES)}
SOON = 60.0
"""Seconds that anything may take on a machine that has other things to do."""


@define
class Holder:
    """A process of ``tests.coordination.holder``."""

    command: list[str]
    output: Path
    child: subprocess.Popen = field(init=False)

    def start(self):
        with self.output.open("wb") as output:
            self.child = subprocess.Popen(self.command, stdout=output, cwd=REPOSITORY)
        return self

    @property
    def views(self):
        return [json.loads(line) for line in self.output.read_text().splitlines() if line.endswith("}")]

    @property
    def held(self):
        """What it has written down last. It says nothing while it is stopped."""
        views = self.views
        return views[-1]["held"] if views else {}

    def signal(self, number):
        self.child.send_signal(number)

    def freeze(self, seconds):
        """Its view in its first line of work after that."""
        self.signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.signal(signal.SIGCONT)
        return until(lambda: [view for view in self.views if view.get("woke")], SOON)[-1]["held"]


@pytest.fixture
def make_holder(tmp_path):
    holders, root = [], f"/otter-{uuid4().hex}"

    def make(node):
        words = [",".join(node.hosts), root, str(SESSION), str(tmp_path / "numbers")]
        command = [sys.executable, "-m", "tests.coordination.holder", *words]
        holders.append(Holder(command, tmp_path / f"views-{len(holders)}").start())
        return holders[-1]

    make.root = root
    yield make
    for holder in holders:
        holder.child.kill()
        holder.child.wait()


def settled(*holders):
    """They have all shares, evenly."""

    def even():
        held = [holder.held.keys() for holder in holders]
        most = -(-SHARES // len(holders))
        return sum(map(len, held)) == SHARES and set().union(*held) == ALL and max(map(len, held)) <= most

    until(even, SOON, saying="all shares are divided evenly")


def has_all(holder):
    until(lambda: holder.held.keys() == ALL, SOON, saying="one has everything")
    return holder.held


def beginning_of(views, belief):
    """When it was first that (``belief``: what is had -> bool)."""
    return next(view["at"] for view in views if belief(view["held"]))


def test_the_shares_of_a_process_that_is_killed_go_to_the_others(zookeeper_node, make_holder):
    first, second = make_holder(zookeeper_node), make_holder(zookeeper_node)
    settled(first, second)
    theirs = second.held
    second.child.kill()
    held = has_all(first)
    assert all(held[share] > fence for share, fence in theirs.items())


def test_a_clean_stop_hands_over_at_once(zookeeper_node, make_holder):
    first, second = make_holder(zookeeper_node), make_holder(zookeeper_node)
    settled(first, second)
    stopped = time.monotonic()
    second.signal(signal.SIGTERM)
    has_all(first)
    assert beginning_of(first.views, lambda held: held.keys() == ALL) - stopped < SESSION
    assert second.child.wait(10) == 0


def test_whoever_was_frozen_believes_in_nothing_when_it_wakes_and_gets_its_part_again(zookeeper_node, make_holder):
    first, second = make_holder(zookeeper_node), make_holder(zookeeper_node)
    settled(first, second)
    before = second.held
    assert second.freeze(SESSION + 4) == {}
    taken = beginning_of(first.views, lambda held: held.keys() == ALL)
    settled(first, second)
    assert next(view["at"] for view in second.views if view.get("woke")) > taken
    assert all(fence > before.get(share, 0) for share, fence in second.held.items())


def test_it_believes_in_nothing_even_if_nobody_took_anything(zookeeper_node, make_holder):
    alone = make_holder(zookeeper_node)
    before = has_all(alone)
    assert alone.freeze(SESSION * 0.8) == {}
    after = has_all(alone)
    assert all(after[share] >= fence for share, fence in before.items())


def test_a_short_pause_changes_nothing(zookeeper_node, make_holder):
    alone = make_holder(zookeeper_node)
    before = has_all(alone)
    assert {share: fence for share, fence in alone.freeze(0.05).items() if fence != before[share]} == {}
    assert has_all(alone) == before


def test_it_starts_without_zookeeper_and_works_once_it_is_there(own_zookeeper, make_holder):
    own_zookeeper.do("kill")
    alone = make_holder(own_zookeeper)
    until(lambda: alone.views, SOON, saying="it runs")
    time.sleep(1)
    assert alone.held == {}
    own_zookeeper.do("start")
    has_all(alone)


def test_while_zookeeper_is_silent_nothing_is_believed_after_the_lease_and_then_everything_is_back(
    own_zookeeper, make_holder
):
    first, second = make_holder(own_zookeeper), make_holder(own_zookeeper)
    settled(first, second)
    own_zookeeper.do("pause")
    paused = time.monotonic()
    until(lambda: first.held == second.held == {}, SOON, saying="nothing is believed")
    ends = [next(view["at"] for view in holder.views[::-1] if not view["held"]) for holder in (first, second)]
    assert max(ends) - paused < SESSION
    time.sleep(SESSION)
    own_zookeeper.do("resume")
    settled(first, second)


def test_after_zookeeper_was_killed_and_started_everything_is_back(own_zookeeper, make_holder):
    first, second = make_holder(own_zookeeper), make_holder(own_zookeeper)
    settled(first, second)
    before = first.held | second.held
    own_zookeeper.do("kill")
    until(lambda: first.held == second.held == {}, SOON, saying="nothing is believed")
    own_zookeeper.do("start")
    settled(first, second)
    assert all(fence >= before[share] for share, fence in (first.held | second.held).items())


def test_after_zookeeper_lost_its_data_everything_is_back_under_higher_fences(own_zookeeper, make_holder):
    first, second = make_holder(own_zookeeper), make_holder(own_zookeeper)
    settled(first, second)
    before = first.held | second.held
    own_zookeeper.forget()
    until(lambda: (first.held | second.held).keys() == ALL and newer(first.held | second.held, before), SOON)
    settled(first, second)


def test_nodes_that_are_deleted_under_it_are_made_again_under_higher_fences(zookeeper_node, make_holder):
    alone = make_holder(zookeeper_node)
    before = has_all(alone)
    client = KazooClient(",".join(zookeeper_node.hosts))
    client.start()
    client.delete(f"{make_holder.root}/shares/7")
    until(lambda: alone.held.get("7", 0) > before["7"], SOON)
    for node in ("shares", "members"):
        for name in client.get_children(f"{make_holder.root}/{node}"):
            client.delete(f"{make_holder.root}/{node}/{name}")
    until(lambda: alone.held.keys() == ALL and newer(alone.held, before), SOON)
    client.stop()


def newer(held, before):
    return all(fence > before[share] for share, fence in held.items())


@pytest.mark.parametrize("client", ["kazoo", "txkazoo"])
def test_without_zookeeper_the_api_goes_on_degraded_and_everything_resumes_by_itself(
    own_zookeeper, mimic, tmp_path, client
):
    coordination = {"backend": "zookeeper", "hosts": list(own_zookeeper.hosts), "session": SESSION, "client": client}
    otter = Otter(tmp_path, mimic.identity_url, coordination=coordination)
    otter.start()
    try:
        tenant = f"t{uuid4().hex[:12]}"
        group = otter.create_group(tenant, least=1)
        until(lambda: otter.state(group.url)["activeCapacity"] == 1, SOON)
        own_zookeeper.do("pause")
        until(lambda: health(otter)["degraded"], SOON)
        otter.resize(group.url, 2, 10)
        time.sleep(SESSION)
        assert (health(otter)["healthy"], otter.state(group.url)["activeCapacity"]) == (True, 1)
        own_zookeeper.do("resume")
        until(lambda: otter.state(group.url)["activeCapacity"] == 2, SOON)
        assert not health(otter)["degraded"]
        otter.delete(group.url)
    finally:
        otter.stop()


def health(otter):
    status, document = call("GET", otter.url)
    assert status == 200
    return document


def test_otter_stops_in_time_though_zookeeper_is_silent(own_zookeeper, mimic, tmp_path):
    coordination = {"backend": "zookeeper", "hosts": list(own_zookeeper.hosts), "session": 10}
    otter = Otter(tmp_path, mimic.identity_url, coordination=coordination)
    otter.start()
    until(lambda: not health(otter)["degraded"], SOON)
    own_zookeeper.do("pause")
    otter.stop(within=15)
