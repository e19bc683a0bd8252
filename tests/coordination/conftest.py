import pytest


@pytest.fixture(scope="class")
def zookeeper_of_class(request, zookeeper_node):
    request.cls.node = zookeeper_node
