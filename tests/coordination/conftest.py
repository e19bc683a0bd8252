import pytest

from tests.rig.mimic import start_mimic


@pytest.fixture(scope="class")
def zookeeper_of_class(request, zookeeper_node):
    request.cls.node = zookeeper_node


@pytest.fixture(scope="session")
def mimic(tmp_path_factory):
    mimic = start_mimic(tmp_path_factory.mktemp("mimic"))
    yield mimic
    mimic.kill()
