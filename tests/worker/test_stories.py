"""The same stories as convergence is tested with: whatever the cloud does, the last request comes true."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otter.convergence.scope import PerRequest
from otter.worker.jobs import JobsOnly
from tests.convergence.stories import LAUNCHES, tell_story
from tests.convergence.test_faults import some, stories_of

ENGINES = {"cycle": lambda epoch: PerRequest(), "worker": JobsOnly}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("launch", sorted(LAUNCHES))
@settings(max_examples=40)
@given(desired=st.integers(0, 4), story=some.flatmap(stories_of))
def test_whatever_happens_the_group_becomes_what_was_asked_for(engine, launch, desired, story):
    tell_story(launch, desired, story, ENGINES[engine])
