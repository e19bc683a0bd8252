import pytest
from pyrsistent import pset

from otter.domain.errors import PreconditionFailed
from otter.domain.tags import ANYTHING, Expected, tag_of

ONE = {"name": "caf\u00e9", "args": {"a": [1, 2.5], "b": None}}


def test_a_tag_is_the_same_in_every_process_and_for_every_order_of_fields():
    assert tag_of(ONE) == tag_of(dict(reversed(ONE.items()))) == '"53e252ee0dbc5d08e9a56dd0edc397bb"'


@pytest.mark.parametrize("other", [{}, {**ONE, "name": "cafe"}, {**ONE, "args": {"a": [2.5, 1], "b": None}}])
def test_other_documents_have_other_tags(other):
    assert tag_of(other) != tag_of(ONE)


def test_what_is_expected_is_one_of_some_or_anything():
    Expected(pset(["x", tag_of(ONE)])).require(ONE)
    ANYTHING.require(ONE)
    for tags in (pset(), pset(["x", tag_of({})])):
        with pytest.raises(PreconditionFailed):
            Expected(tags).require(ONE)
