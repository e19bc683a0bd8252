"""One otter, one Mimic and one fault proxy for all walks and all workers of pytest-xdist; a fresh tenant for each test."""

import os
from pathlib import Path
from uuid import uuid4

import pytest

from tests.rig.mimic import Cloud
from tests.rig.otter import url_of
from tests.rig.processes import Process
from tests.rig.proxying import Proxy
from tests.walks.api import Api
from tests.walks.street import SharedOtter, shared_street


@pytest.fixture(scope="session")
def street(request, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        return shared_street(folder.parent, session_pid=os.getppid())
    return shared_street(folder, session_pid=os.getpid())


@pytest.fixture(scope="session")
def otter(street):
    """The otter of all walks: create_group(tenant, ...), state(url), hit(url), ... It is not to be stopped."""
    return SharedOtter(street)


@pytest.fixture
def tenant(otter):
    """A tenant that no other test has. What it leaves behind is deleted, so that otter need not look after it."""
    tenant = f"t{uuid4().hex[:12]}"
    yield tenant
    while groups := otter.groups(tenant):
        for group in groups:
            otter.delete(url_of(group))


@pytest.fixture
def cloud(street, tenant):
    """Mimic as this test's tenant sees it, past the proxy."""
    return Cloud(street.identity_url, tenant)


@pytest.fixture
def proxy(street, cloud, tenant):
    """The fault proxy, in this tenant's catalog before otter sees it. Its rules should name the tenant."""
    proxy = Proxy(Process((), street.proxy_url, Path(os.devnull)))
    proxy.register(street.identity_url, [tenant])
    yield proxy
    proxy.clear(tenant)


@pytest.fixture
def api(otter, tenant):
    """Every request as it is, every answer whole."""
    return Api(f"{otter.root}/{tenant}")


@pytest.fixture
def group(api):
    """A group without servers, as it was answered to its creation."""
    return api.create_group()
