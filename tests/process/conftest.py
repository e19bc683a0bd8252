"""An otter of its own for each test, most of them without a usable cloud: what they are about happens on this side of it."""

from uuid import uuid4

import pytest

from tests.process.lives import Lives
from tests.walks.api import Api


@pytest.fixture
def lives(tmp_path):
    """Makes otters and runs commands; whatever still lives at the end is killed."""
    lives = Lives(tmp_path)
    yield lives
    lives.end()


@pytest.fixture(scope="module")
def lasting_lives(tmp_path_factory):
    """``lives`` for a whole module, of tests that do their otter no harm."""
    lives = Lives(tmp_path_factory.mktemp("lives"))
    yield lives
    lives.end()


@pytest.fixture
def otter(lives):
    """A running otter whose cloud has nothing but a flavor."""
    return lives.otter().start()


@pytest.fixture
def api(otter):
    """As a tenant that no other test has."""
    return Api(f"{otter.root}/t{uuid4().hex[:12]}")
