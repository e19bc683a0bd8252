"""The tour leads to real places."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STOPS = sorted(set(re.findall(r"`([\w/]+\.py):([\w.]+)`", (ROOT / "docs" / "tour.md").read_text())))


def names_in(node, prefix=""):
    """Everything that a module defines, methods as Class.method and functions within functions by their own name too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + child.name
            yield from names_in(child, f"{prefix}{child.name}." if isinstance(child, ast.ClassDef) else "")
        elif isinstance(child, ast.Assign | ast.AnnAssign):
            targets = child.targets if isinstance(child, ast.Assign) else [child.target]
            yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))


def test_the_tour_has_stops():
    assert len(STOPS) > 10


@pytest.mark.parametrize(("file", "name"), STOPS)
def test_every_stop_exists(file, name):
    assert name in set(names_in(ast.parse((ROOT / file).read_text())))
