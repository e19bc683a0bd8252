"""All mutants that the operators can make of otter's code, and a fair share of them, drawn with a seed."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from itertools import islice
from pathlib import Path
from random import Random

from attrs import field, frozen
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

from tests.mutants.operators import Span, family_of, operators

ROOMS = ("planning", "convergence", "domain", "store")


@frozen
class Mutant:
    """
    :ivar file: below the root of the tree. :ivar line: where it differs first.
    :ivar text: the whole file, mutated. :ivar meaning: what it would mean; "" if nobody wrote that down.
    """

    id: str
    file: str
    line: int
    original: str = field(repr=False)
    text: str = field(repr=False)
    meaning: str = ""

    @property
    def room(self) -> str:
        return self.file.split("/")[1]

    def diff(self) -> str:
        lines = unified_diff(self.original.splitlines(), self.text.splitlines(), lineterm="", n=0)
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


@frozen
class Site:
    """A place where operators of one family can do something, and the (operator, occurrence) that do it there."""

    file: str
    span: Span
    family: str
    variants: Sequence[tuple[str, int]] = field(factory=list)


def files_of(root: Path) -> list[str]:
    return [
        path.relative_to(root).as_posix()
        for room in ROOMS
        for path in sorted((root / "otter" / room).rglob("*.py"))
        if path.name != "interface.py"
    ]


def sites_of(root: Path, file: str) -> list[Site]:
    source = (root / file).read_text()
    tree, spared = get_ast(source), list(spared_spans(ast.parse(source)))
    sites: dict[tuple[Span, str], Site] = {}
    for name, operator in operators().items():
        occurrence = 0
        for node in ast_nodes(tree):
            for span in operator.mutation_positions(node):
                if not any(start <= span[0] < end for start, end in spared):
                    key = span, family_of(name)
                    sites.setdefault(key, Site(file, *key)).variants.append((name, occurrence))
                occurrence += 1
    return sorted(sites.values(), key=lambda site: (site.span, site.family))


def spared_spans(tree: ast.Module) -> Iterator[Span]:
    """Docstrings, types, imports, decorators, log lines, and what is said to users in words only."""
    for node in ast.walk(tree):
        match node:
            case ast.arg(annotation=ast.expr() as annotation) | ast.AnnAssign(annotation=annotation):
                yield span_of(annotation)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield from map(span_of, node.decorator_list)
                if getattr(node, "returns", None):
                    yield span_of(node.returns)
            case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
                yield span_of(node)
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="log")))):
                yield span_of(node)
            case ast.keyword(arg="repr"):
                yield span_of(node)
    for node in tree.body:
        if isinstance(node, ast.Assign) and (is_type(node.value) or getattr(node.targets[0], "id", "") == "__all__"):
            yield span_of(node)


def is_type(value: ast.expr) -> bool:
    """Whether it is a name for a choice of types."""
    if isinstance(value, ast.BinOp):
        return isinstance(value.op, ast.BitOr)
    return isinstance(value, ast.Subscript)


def span_of(node: ast.AST) -> Span:
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def mutant_of(root: Path, site: Site, variant: tuple[str, int]) -> Mutant:
    name, occurrence = variant
    original = (root / site.file).read_text()
    text = mutate_code(original, operators()[name], occurrence) or original
    return Mutant(id_of(site, variant), site.file, site.span[0][0], original, text)


def id_of(site: Site, variant: tuple[str, int]) -> str:
    name, occurrence = variant
    earlier = [at for operator, at in site.variants if operator == name].index(occurrence)
    line, column = site.span[0]
    return f"{site.file.removeprefix('otter/')}:{line}:{column}:{name}:{earlier}"


def draw(root: Path, number: int, seed: int) -> list[Mutant]:
    """``number`` mutants, spread over the files by their numbers of sites. Of each site there is one at most. In no order."""
    random = Random(f"mutants {seed}")
    sites = {file: sites_of(root, file) for file in files_of(root)}
    drawn: list[Mutant] = []
    for file, share in shares({file: len(of_file) for file, of_file in sites.items()}, number).items():
        shuffled = random.sample(sites[file], len(sites[file]))
        possible = (mutant_of(root, site, random.choice(site.variants)) for site in shuffled)
        drawn += islice(filter(is_code, possible), share)
    return random.sample(drawn, len(drawn))


def is_code(mutant: Mutant) -> bool:
    """Whether it is Python at all, and says something else than the original."""
    try:
        return ast.dump(ast.parse(mutant.text)) != ast.dump(ast.parse(mutant.original))
    except SyntaxError:
        return False


def shares(sizes: Mapping[str, int], number: int) -> dict[str, int]:
    """``number`` divided in proportion to ``sizes``; what is left of the division goes to the largest remainders."""
    total = sum(sizes.values())
    exact = {name: size * min(number, total) / total for name, size in sizes.items()}
    whole = {name: int(share) for name, share in exact.items()}
    left = min(number, total) - sum(whole.values())
    for name in sorted(exact, key=lambda name: whole[name] - exact[name])[:left]:
        whole[name] += 1
    return whole


def find(root: Path, id: str) -> Mutant | None:
    """The mutant that was once drawn under that id, as long as its file is the same."""
    for file in files_of(root):
        if not id.startswith(f"{file.removeprefix('otter/')}:"):
            continue
        for site in sites_of(root, file):
            for variant in site.variants:
                if id_of(site, variant) == id:
                    return mutant_of(root, site, variant)
    return None
