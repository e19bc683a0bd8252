"""
``python -m tests.crash_points``: the story of ``scripts/story.py``, with a death at each of its crash points.

A crash point is one request with which otter changes the cloud, and whether otter dies *before* the cloud hears of it, or
*after* the cloud did it and before otter knows. The story is told once undisturbed, to see which requests there are; then
once for every point, with an otter, a store and a tenant of its own. A proxy between otter and the cloud kills otter with
SIGKILL; it is started again at once, with the data that it left, and the story must come to its end. To make it harder, Nova
lists no servers at all for a moment after the death: what otter knows of them must do. Then we count:

leaked      servers of the tenant that are still there when otter says that the group is gone, and has stopped.
doubled     servers that Nova made for the tenant, less those that the story called for. It counts every create that went
            through to the cloud, so a server too many is seen even if otter deletes it at once; that there are never too
            few, and at rest never too many, is what the steps of the story wait for.
lost        requests that otter acknowledged, and that had not taken effect when it was asked next; nodes that are still on
            the load balancer at the end; the record of the group, if it is still in the store, for its deletion was
            acknowledged.

All of these must be 0. It is a failure too if the story does not reach its end, or if otter did not die exactly as planned.
"""

import argparse
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_hex
from threading import Event, Thread
from typing import Any, Self

from attrs import define, field, frozen

from scripts.story import STEPS, Elsewhere, Missed, Scene, tell
from tests.rig import proxying
from tests.rig.mimic import Cloud, Mimic, start_mimic
from tests.rig.otter import Otter
from tests.rig.processes import until
from tests.rig.proxying import Proxy, start_proxy

HASTY: dict[str, Any] = {
    "cloud": {"timeout": 2},
    "converger": {"interval": 0.5, "send_window": 1, "resolve_timeout": 4},
    "selfheal": {"interval": 1},
}
"""A create that died before it was sent is believed in for ``resolve_timeout``: that is what most of the time goes into."""
CALLED_FOR = sum(step.made for step in STEPS)
"""Servers that one telling of the story makes."""
BLIND_FOR = 2.5
"""Seconds from the death on, less than ``resolve_timeout``: later than that, a second server would be right."""
FORGOTTEN_WITHIN = 20.0
"""Seconds from the moment that nothing is left of the group in the cloud until its record is gone."""


@frozen
class Point:
    """:ivar number: which of the changing requests, from 1. :ivar when: "before" or "after"."""

    number: int
    when: str


@frozen
class Finding:
    """
    What one telling came to.

    :ivar changes: the requests with which otter changed, or wanted to change, the cloud: "nova create_server", ...
    :ivar request: the one of them at which otter died; "" if it did not.
    :ivar faults: sentences about everything else that was wrong.
    """

    changes: Sequence[str]
    request: str
    leaked: int
    doubled: int
    lost: int
    seconds: float
    faults: Sequence[str]

    @property
    def good(self) -> bool:
        return not (self.leaked or self.doubled or self.lost or self.faults)


@define(eq=False)
class Nurse:
    """
    Starts an otter again whenever it has died, and hides its tenant's servers from it for a moment.

    :ivar deaths: how it ended, each time (as ``Popen.returncode``).
    :ivar failure: why it could not be started again.
    """

    otter: Otter
    proxy: Proxy
    tenant: str
    closing: Event
    deaths: list[int] = field(init=False, factory=list)
    failure: str = field(init=False, default="")
    _off_duty: Event = field(init=False, factory=Event)
    _thread: Thread = field(init=False)

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._off_duty.set()
        self._thread.join()

    def _watch(self) -> None:
        while not (self._off_duty.wait(0.01) or self.closing.is_set() or self.failure):
            if not self.otter.running():
                try:
                    self._revive()
                except AssertionError as error:
                    self.failure = str(error)

    def _revive(self) -> None:
        died = time.monotonic()
        self.deaths.append(self.otter.child.returncode)
        blindness = self.proxy.add(proxying.hide(), tenant=self.tenant, operation="list_servers")
        self.otter.start()
        self._off_duty.wait(max(0.0, died + BLIND_FOR - time.monotonic()))
        self.proxy.remove(blindness)


@define(eq=False)
class Stage:
    """
    What all tellings share.

    :ivar otters: all that were ever started.
    :ivar closing: it is all over, and nothing is to be started again.
    """

    folder: Path
    cloud: Mimic
    proxy: Proxy
    otters: list[Otter] = field(init=False, factory=list)
    closing: Event = field(init=False, factory=Event)

    def play(self, point: Point | None) -> Finding:
        """Tell the story once, with a death at ``point``, or undisturbed."""
        began = time.monotonic()
        name = f"{point.number}-{point.when}" if point else "undisturbed"
        tenant = f"{name}-{token_hex(3)}"
        cloud = Cloud(self.cloud.identity_url, tenant)
        self.proxy.register(self.cloud.identity_url, [tenant])
        otter = Otter(self.folder / name, self.cloud.identity_url, **HASTY)
        self.otters.append(otter)
        otter.start()
        if point:
            self.proxy.add(proxying.kill(otter.pid, point.when), tenant=tenant, nth=point.number)
        scene = Scene(Elsewhere(otter.root), cloud, say=lambda line: None)
        faults: list[str] = []
        with Nurse(otter, self.proxy, tenant, self.closing) as nurse:
            try:
                tell(scene)
            except Missed as missed:
                faults.append(str(missed))
            forgotten = is_forgotten(otter.store)
        otter.stop()

        log = [entry for entry in self.proxy.log(tenant) if entry["method"] != "GET"]
        deadly = [entry for entry in log if "kill" in entry["faults"]]
        faults += wrong_deaths(point, deadly, nurse.deaths) + [nurse.failure] * bool(nurse.failure)
        return Finding(
            changes=[what(entry) for entry in log],
            request=what(deadly[0]) if deadly else "",
            leaked=len(cloud.servers()),
            doubled=max(0, sum(map(made_a_server, log)) - CALLED_FOR),
            lost=len(scene.lost) + len(cloud.nodes(scene.lb_id)) + (not forgotten),
            seconds=time.monotonic() - began,
            faults=faults,
        )

    def close(self) -> None:
        self.closing.set()
        time.sleep(0.1)  # a nurse that saw this too late is just about to start its otter
        for otter in self.otters:
            otter.kill()

    def abandon(self, *_: object) -> None:
        """The end, in the middle of everything: the other threads would go on with their stories for minutes."""
        self.close()
        self.proxy.process.kill()
        self.cloud.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        os._exit(130)


def wrong_deaths(point: Point | None, deadly: Sequence[dict], deaths: Sequence[int]) -> list[str]:
    """What is wrong with how otter died: it must be by that one request, neither less nor more."""
    planned = [] if point is None else [-signal.SIGKILL]
    reached = [entry["forwarded"] for entry in deadly]
    wanted = [] if point is None else [point.when == "after"]
    wrong = []
    if reached != wanted:
        wrong.append(f"the deadly requests reached the cloud: {reached}, but should have: {wanted}")
    if list(deaths) != planned:
        wrong.append(f"otter ended with {list(deaths)}, but should have ended with {planned}")
    return wrong


def what(entry: dict) -> str:
    return f"{entry['service']} {entry['operation']}"


def made_a_server(entry: dict) -> bool:
    """Nobody tells the status of a request that nobody was there to hear the answer to; Mimic refuses none."""
    obeyed = entry["status"] is None or entry["status"] < 300
    return entry["operation"] == "create_server" and entry["forwarded"] and obeyed


def is_forgotten(store: Path) -> bool:
    """Whether the store holds no group, soon. Only the store can tell: for its owner, a group is gone at once."""
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        until(lambda: connection.execute("SELECT count(*) FROM groups").fetchone() == (0,), FORGOTTEN_WITHIN)
    except AssertionError:
        return False
    finally:
        connection.close()
    return True


@contextmanager
def open_stage() -> Iterator[Stage]:
    folder = Path(tempfile.mkdtemp(prefix="crash-points-"))
    with ExitStack() as at_the_end:
        cloud = start_mimic(folder)
        at_the_end.callback(cloud.kill)
        proxy = start_proxy(folder)
        at_the_end.callback(proxy.process.kill)
        stage = Stage(folder, cloud, proxy)
        at_the_end.callback(stage.close)
        yield stage


LINE = "{:>3}  {:<7} {:<20} {:>7} {:>8} {:>5} {:>7}"


def line_of(point: Point, finding: Finding) -> str:
    counts = finding.leaked, finding.doubled, finding.lost, f"{finding.seconds:.1f}"
    lines = [LINE.format(point.number, point.when, finding.request or "-", *counts)]
    return "\n".join([*lines, *(f"     ! {fault}" for fault in finding.faults)])


def kill_everywhere(stage: Stage, numbers: Sequence[int], at_once: int) -> bool:
    """Plays all points, those with a number in ``numbers`` (none: all), and tells about it. Whether all is well."""
    began = time.monotonic()
    undisturbed = stage.play(None)
    print(f"Undisturbed, the story takes {len(undisturbed.changes)} changing requests, {undisturbed.seconds:.1f} s:")
    print(f"{', '.join(undisturbed.changes)}.")
    if not undisturbed.good:
        print(f"That went wrong even so: {undisturbed}")
        return False

    numbers = [n for n in range(1, len(undisturbed.changes) + 1) if n in numbers or not numbers]
    points = [Point(number, when) for number in numbers for when in ("before", "after")]
    print(f"Now otter dies at {len(points)} points, {at_once} at a time.\n")
    print(LINE.format("n", "killed", "at the request", "leaked", "doubled", "lost", "seconds"), flush=True)
    findings = []
    with ThreadPoolExecutor(at_once) as pool:
        for point, finding in zip(points, pool.map(stage.play, points), strict=True):
            findings.append(finding)
            print(line_of(point, finding), flush=True)
    kills = sum(bool(finding.request) for finding in findings)
    totals = [sum(getattr(finding, name) for finding in findings) for name in ("leaked", "doubled", "lost")]
    print(LINE.format("all", f"{kills}", "", *totals, f"{time.monotonic() - began:.1f}"))
    return bool(findings) and all(finding.good for finding in findings)


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.crash_points", description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", default="", metavar="N[,N]", help="die at these requests only")
    parser.add_argument("--at-once", type=int, default=4, metavar="K", help="tellings at the same time (default: 4)")
    arguments = parser.parse_args()
    numbers = [int(number) for number in arguments.only.split(",") if number]
    with open_stage() as stage:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, stage.abandon)
        good = kill_everywhere(stage, numbers, arguments.at_once)
    if not good:
        print(f"All numbers should be 0, and there should be no remarks. The logs are in {stage.folder}.")
        return 1
    shutil.rmtree(stage.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
