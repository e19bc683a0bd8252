"""The written mistakes can still be made."""

import ast
from pathlib import Path

import pytest

from tests.mutants.realistic import MISTAKES, original_of

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_can_be_made_in_one_place_and_is_python(mistake):
    original = original_of(ROOT, mistake)
    assert ast.dump(ast.parse(mistake.made_in(original))) != ast.dump(ast.parse(original))


def test_mistakes_have_names_of_their_own_and_a_meaning():
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 40
    assert all(mistake.meaning.endswith(".") for mistake in MISTAKES)
