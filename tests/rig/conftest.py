import pytest

from tests.rig.mimic import start_mimic
from tests.rig.proxying import start_proxy


@pytest.fixture(scope="session")
def mimic(tmp_path_factory):
    mimic = start_mimic(tmp_path_factory.mktemp("mimic"))
    yield mimic
    mimic.kill()


@pytest.fixture(scope="session")
def proxy(tmp_path_factory):
    proxy = start_proxy(tmp_path_factory.mktemp("proxy"))
    yield proxy
    proxy.stop()
