"""
Some otters, one Mimic and one fault proxy for all walks and all workers of pytest-xdist; a fresh tenant for each test.

A walk that is marked ``both_stores`` is taken twice, the second time on a street of its own whose otter stores in Cassandra.
"""

import os
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from tests.rig.keyspaces import a_keyspace, stored_in
from tests.rig.mimic import Cloud
from tests.rig.otter import Otter, url_of
from tests.rig.processes import Process
from tests.rig.proxying import Proxy, start_proxy
from tests.rig.tokens import Tokens
from tests.walks.api import Api
from tests.walks.street import SharedOtter, shared_street
from tests.walks.weather import begin_storm


def pytest_configure(config):
    config.addinivalue_line("markers", "both_stores: taken with otter on SQLite, and again on Cassandra")


def pytest_generate_tests(metafunc):
    if metafunc.definition.get_closest_marker("both_stores"):
        cassandra = pytest.param("cassandra", marks=pytest.mark.services)
        metafunc.parametrize("node", ["sqlite", cassandra], indirect=True, scope="session")


@pytest.fixture(scope="session")
def node(request):
    """The Cassandra in which this walk's otters store; None: they store in SQLite."""
    return request.getfixturevalue("cassandra_node") if getattr(request, "param", "") == "cassandra" else None


@pytest.fixture(scope="session")
def street(request, tmp_path_factory, node):
    folder, session_pid = tmp_path_factory.getbasetemp(), os.getpid()
    if hasattr(request.config, "workerinput"):
        folder, session_pid = folder.parent, os.getppid()
    return shared_street(folder / ("on-cassandra" if node else "on-sqlite"), session_pid, node)


@pytest.fixture(scope="session")
def otter(street):
    """The otter of most walks: create_group(tenant, ...), state(url), hit(url), ... It is not to be stopped."""
    return SharedOtter(street.otters["otter"])


@pytest.fixture(scope="session")
def hasty(street):
    """An otter that gives up early, and looks at a group only if it is asked to, or has unfinished work."""
    return SharedOtter(street.otters["hasty"])


@pytest.fixture(scope="session")
def patient(street):
    """An otter that tells of a trouble only after 20 s, and asks again for what was refused only after a minute."""
    return SharedOtter(street.otters["patient"])


@pytest.fixture
def tenant(street):
    """A tenant that no other test has. What it leaves behind is deleted, so that no otter need look after it."""
    tenant = f"t{uuid4().hex[:12]}"
    yield tenant
    for otter in map(SharedOtter, street.otters.values()):
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


@pytest.fixture(params=["calm", "stormy"])
def storm(request):
    """Called by a test when its group is up: from then on all goes well, or much goes wrong. See ``weather.STORM``."""
    if request.param == "calm":
        return lambda: None
    proxy, cloud = request.getfixturevalue("proxy"), request.getfixturevalue("cloud")
    return partial(begin_storm, proxy, cloud.tenant)


@pytest.fixture
def own_store(node):
    """What an otter of this test's own is to be configured with, to store where the walk wants it, and alone."""
    if node is None:
        yield {}
    else:
        with a_keyspace(node.hosts, node.port) as place:
            yield stored_in(place)


@pytest.fixture
def mortal(street, tmp_path, own_store):
    """An otter that is this test's own, and may be killed."""
    otter = Otter(tmp_path / "mortal", street.identity_url, **own_store)
    otter.start()
    yield otter
    otter.kill()


@pytest.fixture
def gateway(street, tmp_path, cloud):
    """A fault proxy that is this test's own, and may be stopped; it is in the tenant's catalog."""
    gateway = start_proxy(tmp_path)
    gateway.register(street.identity_url, [cloud.tenant])
    yield gateway
    gateway.stop()


@pytest.fixture
def soon_fed_up(street, tmp_path):
    """An otter that waits only three seconds for servers to get off balancers that cannot be read or changed."""
    otter = Otter(tmp_path / "fed-up", street.identity_url, converger={"detach_timeout": 3})
    otter.start()
    yield otter
    otter.kill()


@pytest.fixture
def behind(street, tmp_path, gateway):
    """An otter that is this test's own, and that sees Identity through the gateway."""
    otter = Otter(tmp_path / "behind", gateway.forward_identity(street.identity_url), converger={"patience": 20})
    otter.start()
    yield otter
    otter.kill()


@pytest.fixture
def api(otter, tenant):
    """Every request as it is, every answer whole."""
    return Api(f"{otter.root}/{tenant}")


@pytest.fixture
def group(api):
    """A group without servers, as it was answered to its creation."""
    return api.create_group()


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    """Issues and revokes tokens, at the Identity that ``guarded`` sees."""
    proxy = start_proxy(tmp_path_factory.mktemp("tokens"))
    yield Tokens(proxy)
    proxy.stop()


@pytest.fixture(scope="module")
def guarded(street, tokens, tmp_path_factory):
    """An otter that looks at tokens itself, and remembers for two seconds what Identity said of them."""
    identity_url = tokens.proxy.forward_identity(street.identity_url)
    auth = {"mode": "identity", "cache_ttl": 2}
    otter = Otter(tmp_path_factory.mktemp("guarded"), identity_url, auth=auth)
    otter.start()
    yield otter
    otter.kill()


@pytest.fixture
def guard(street, tmp_path):
    """Starts an otter of this test's own that looks at tokens, with this in ``auth``: it, and the tokens that it sees."""
    started = []

    def start(**auth):
        gateway = start_proxy(tmp_path)
        started.append(gateway.process)
        identity_url = gateway.forward_identity(street.identity_url)
        otter = Otter(tmp_path / "guard", identity_url, auth={"mode": "identity", **auth})
        started.append(otter)
        return otter.start(), Tokens(gateway)

    yield start
    for process in reversed(started):
        process.kill()
