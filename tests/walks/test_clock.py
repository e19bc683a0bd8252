"""Somebody sets the machine's clock while otter runs."""

import pytest

from tests.rig.otter import Otter
from tests.rig.processes import until
from tests.walks.api import Api
from tests.walks.documents import policy
from tests.walks.groups import LONG

SET = """
import time

ours, gmtime = time.time, time.gmtime


def theirs():
    with open({path!r}) as file:
        return ours() + float(file.read() or 0)


time.time = theirs
time.gmtime = lambda seconds=None: gmtime(theirs() if seconds is None else seconds)
"""
HOUR = 3600.0


@pytest.fixture
def clock(tmp_path):
    """A file that says by how many seconds otter's clock differs from ours."""
    path = tmp_path / "clock"
    path.write_text("0")
    (tmp_path / "sitecustomize.py").write_text(SET.format(path=str(path)))
    return path


@pytest.fixture
def otter(street, tmp_path, clock):
    otter = Otter(tmp_path / "otter", street.identity_url)
    otter.environment = {"PYTHONPATH": str(tmp_path)}
    otter.start()
    yield otter
    otter.kill()


@pytest.mark.parametrize("hours", [-1, 1])
def test_what_is_asked_for_happens_all_the_same(otter, cloud, clock, hours):
    api = Api(f"{otter.root}/{cloud.tenant}")
    group = api.create_group(policy(change=2), minEntities=1, maxEntities=5, cooldown=1)
    [up] = group["scalingPolicies"]
    clock.write_text(str(hours * HOUR))
    until(lambda: len(api.state(group)["active"]) == 1, LONG, saying="the first server is in service")
    until(lambda: api.execute(up) == 202, LONG)
    clock.write_text("0")
    until(lambda: len(api.state(group)["active"]) == 3, LONG, saying="two more are")
    until(lambda: api.execute(up) == 202, LONG, saying="no cooldown lasts until the clock has caught up")
    until(lambda: len(api.state(group)["active"]) == 5, LONG, saying="and two more")
