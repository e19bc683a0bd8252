"""Single tenants on the worker, in an otter whose other tenants' groups heal by themselves."""

from uuid import uuid4

import pytest

from tests.rig.mimic import Cloud
from tests.rig.otter import Otter
from tests.walks.groups import converge, grown, ids, lost, whole


@pytest.fixture
def otter(street, tmp_path, cloud):
    """An otter with the tenant of ``cloud`` on the worker. Each group is looked at every second, if nobody asks for it."""
    config = {"worker_tenants": [cloud.tenant], "selfheal": {"interval": 1}}
    otter = Otter(tmp_path / "otter", street.identity_url, **config)
    otter.start()
    yield otter
    otter.kill()


@pytest.mark.healing
def test_the_groups_of_a_tenant_on_the_worker_do_not_heal_and_those_of_others_do(otter, cloud):
    others_cloud = Cloud(cloud.identity_url, f"t{uuid4().hex[:12]}")
    group, others = grown(otter, cloud, 2), grown(otter, others_cloud, 2)
    gone = lost(cloud, group, 1)
    for _ in range(2):  # the second sweep began after the first server was lost
        lost(others_cloud, others, 1)
        whole(otter, others_cloud, others, 2)
    assert len(cloud.servers(group.id)) == 1
    converge(otter, group)
    assert not gone & whole(otter, cloud, group, 2)
    assert ids(cloud.servers()) == ids(cloud.servers(group.id))
    otter.delete(others.url)
