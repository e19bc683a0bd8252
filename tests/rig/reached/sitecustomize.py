"""
Which functions of otter are reached? Python imports a ``sitecustomize`` before anything else, if it finds one on its path.

With this folder in ``PYTHONPATH`` and another in ``REACHED``, a process puts a line at the beginning of each function of otter
while it imports it. The first call of each appends the function's name to a file in ``REACHED``, so a process that is killed
loses nothing. Nothing else is slower or different. ``tests.rig.otter.watched`` makes such an environment.
"""

import ast
import builtins
import os
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from uuid import uuid4

ROOT = Path(__file__).resolve().parent.parent.parent.parent
OTTER = ROOT / "otter"
PROBE = "__reached__"
"""What instrumented code calls, a builtin."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions_in(tree: ast.AST, within: str = "") -> Iterator[tuple[str, Function]]:
    """Each function with something to do, and its name: ``function.inner``, ``Class.method``. A docstring does nothing."""
    for node in ast.iter_child_nodes(tree):
        named = isinstance(node, ast.ClassDef | Function)
        name = f"{within}.{own_name(node)}".lstrip(".") if named else within
        if isinstance(node, Function) and not all(map(is_idle, node.body)):
            yield name, node
        yield from functions_in(node, name)


def own_name(node: ast.ClassDef | Function) -> str:
    """What is called ``_`` goes by what it is for, such as ``_port.default``."""
    return ast.unparse(node.decorator_list[0]) if node.name == "_" and node.decorator_list else node.name


def is_idle(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass)


def key_of(path: Path, name: str) -> str:
    """Such as ``otter/config.py::laid_over``."""
    return f"{path.relative_to(ROOT).as_posix()}::{name}"


def instrumented(path: Path) -> ast.Module:
    """The module, telling ``PROBE`` of each call. Its lines keep their numbers."""
    tree = ast.parse(path.read_bytes(), str(path))
    for name, function in list(functions_in(tree)):
        call = ast.Call(ast.Name(PROBE, ast.Load()), [ast.Constant(key_of(path, name))], [])
        first = next(index for index, statement in enumerate(function.body) if not is_docstring(index, statement))
        function.body.insert(first, ast.copy_location(ast.Expr(call), function.body[first]))
    return ast.fix_missing_locations(tree)


def is_docstring(index: int, statement: ast.stmt) -> bool:
    return index == 0 and is_idle(statement) and isinstance(statement, ast.Expr)


def watch(folder: Path) -> None:
    """From now on: modules of otter are instrumented when they are imported, past the cache of compiled ones."""
    file = os.open(
        folder / f"{os.getpid()}-{uuid4().hex}", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
    )
    seen: set[str] = set()

    def reached(key: str) -> None:
        if key not in seen:
            seen.add(key)
            os.write(file, f"{key}\n".encode())

    plain = SourceFileLoader.get_code

    def get_code(loader: SourceFileLoader, fullname: str) -> object:
        path = Path(loader.get_filename(fullname))
        if not path.is_relative_to(OTTER):
            return plain(loader, fullname)
        return compile(instrumented(path), str(path), "exec", dont_inherit=True)

    setattr(builtins, PROBE, reached)
    SourceFileLoader.get_code = get_code  # type: ignore[method-assign]


def import_next() -> None:
    """The ``sitecustomize`` that this one hides, if there is one."""
    here = Path(__file__).resolve().parent
    spec = PathFinder.find_spec(__name__, [folder for folder in sys.path if Path(folder).resolve() != here])
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


if __name__ == "sitecustomize":
    watch(Path(os.environ["REACHED"]))
    import_next()
