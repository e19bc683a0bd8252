"""
Ways of making code wrong: those of cosmic-ray that fit typed code, and some that it lacks.

Needs cosmic-ray, so it can be imported in ``.venv-mutants`` only. (docs/decisions/0022-mutants-are-drawn-with-cosmic-ray.md)
"""

from collections.abc import Iterator, Sequence
from functools import cache

import parso
from cosmic_ray.operators.operator import Operator
from cosmic_ray.operators.provider import OperatorProvider
from parso.tree import NodeOrLeaf

Span = tuple[tuple[int, int], tuple[int, int]]
ARITHMETIC = {"Add", "Sub", "Mul", "Div", "BitOr", "BitAnd"}
ORDER = {"Eq", "NotEq", "Lt", "LtE", "Gt", "GtE"}
IDENTITY = {"Is", "IsNot"}
UNUSED = {"RemoveDecorator", "VariableReplacer", "VariableInserter", "ExceptionReplacer"}
"""The first breaks every record at its import; the next two have to be told names; the last knows no dotted names."""
QUERY_WORDS = (
    (" AND NOT deleting", ""),
    (" NOT ", " "),
    (" AND ", " OR "),
    (" OR ", " AND "),
    (" <= ", " < "),
    (" < ", " <= "),
    (" > ", " >= "),
    ("tenant = ? AND ", ""),
    ("group_id = ? AND ", ""),
    (" ORDER BY id", ""),
    (" ORDER BY due", ""),
    ("ORDER BY p.due, p.id ", ""),
    ("DISTINCT ", ""),
    ("OR REPLACE ", ""),
    ("OR IGNORE ", ""),
)
"""What a query may say, and what it says instead."""


@cache
def operators() -> dict[str, Operator]:
    """Name -> operator, of all that are used."""
    provider = OperatorProvider()
    theirs = {name: provider[name]() for name in provider if fits(name)}
    ours = [
        DropStatement(),
        ReturnNone(),
        DropKeyword(),
        SwapArguments(),
        NegateMembership(),
        NegateFilter(),
        LetThrough(),
        EditQuery(),
    ]
    return theirs | {type(operator).__name__: operator for operator in ours}


def fits(name: str) -> bool:
    """Whether what cosmic-ray's operator makes of typed code is more than a TypeError."""
    family, _, pair = name.partition("_")
    ends = set(pair.split("_"))
    match family:
        case "ReplaceBinaryOperator":
            return ends <= ARITHMETIC
        case "ReplaceComparisonOperator":
            return ends <= ORDER or ends <= IDENTITY
        case "ReplaceUnaryOperator":
            return ends in ({"Delete", "Not"}, {"Delete", "USub"})
    return name not in UNUSED


def family_of(name: str) -> str:
    return name.partition("_")[0]


class Rewriting(Operator):
    """An operator that gives the texts which a node may be replaced by."""

    def texts(self, node: NodeOrLeaf) -> Sequence[str]:
        raise NotImplementedError

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Span]:
        for _ in self.texts(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        return parso.parse(node.get_first_leaf().prefix + self.texts(node)[index])

    @classmethod
    def examples(cls):
        return ()


def text_of(node: NodeOrLeaf) -> str:
    return node.get_code(include_prefix=False)


class DropStatement(Rewriting):
    """A statement that only does something, is not there."""

    def texts(self, node: NodeOrLeaf) -> Sequence[str]:
        if node.type != "simple_stmt":
            return ()
        statement = node.children[0]
        does = statement.type in ("atom_expr", "power", "await", "yield_expr", "raise_stmt")
        augments = statement.type == "expr_stmt" and text_of(statement.children[1]) in ("+=", "|=", "-=")
        return ["pass\n"] if does or augments else ()


class ReturnNone(Rewriting):
    """A function's result is forgotten."""

    def texts(self, node: NodeOrLeaf) -> Sequence[str]:
        if node.type != "return_stmt" or text_of(node) == "return None":
            return ()
        return ["return None"]


class DropKeyword(Rewriting):
    """One ``name=value`` of a call is left out."""

    def texts(self, node: NodeOrLeaf) -> Sequence[str]:
        if node.type != "arglist":
            return ()
        parts = [child for child in node.children if child.type != "operator"]
        return [
            ", ".join(text_of(part) for part in parts if part is not gone)
            for gone in parts
            if gone.type == "argument" and text_of(gone.children[1]) == "=" and text_of(gone.children[0]) != "repr"
        ]


class SwapArguments(Rewriting):
    """Two neighbours among the arguments of a call have changed places."""

    def texts(self, node: NodeOrLeaf) -> Sequence[str]:
        if node.type != "arglist" or text_of(node.parent.get_previous_sibling()) in ("min", "max"):
            return ()
        parts = [child for child in node.children if child.type != "operator"]
        plain = [part.type != "argument" for part in parts]
        texts = [text_of(part) for part in parts]
        return [
            ", ".join((*texts[:at], texts[at + 1], texts[at], *texts[at + 2 :]))
            for at in range(len(parts) - 1)
            if plain[at] and plain[at + 1] and texts[at] != texts[at + 1]
        ]


class NegateMembership(Rewriting):
    """``in`` for ``not in``, and the other way round."""

    def texts(self, node: NodeOrLeaf) -> Sequence[str]:
        if node.type == "comp_op" and text_of(node) == "not in":
            return ["in"]
        if node.type == "keyword" and node.value == "in" and node.parent.type == "comparison":
            return ["not in"]
        return ()


class NegateFilter(Rewriting):
    """A comprehension keeps what it was to leave out."""

    def texts(self, node: NodeOrLeaf) -> Sequence[str]:
        if node.type not in ("comp_if", "sync_comp_if"):
            return ()
        _, condition, *rest = node.children
        return [f"if not ({text_of(condition)}) {' '.join(map(text_of, rest))}"]


class LetThrough(Rewriting):
    """An error is not caught."""

    def texts(self, node: NodeOrLeaf) -> Sequence[str]:
        return ["except ()"] if node.type == "except_clause" else ()


class EditQuery(Rewriting):
    """One word of an SQL query is another one."""

    def texts(self, node: NodeOrLeaf) -> Sequence[str]:
        if node.type not in ("string", "fstring_string") or not is_query(text_of(node)):
            return ()
        text = text_of(node)
        return [text.replace(old, new, 1) for old, new in QUERY_WORDS if old in text]


def is_query(text: str) -> bool:
    words = {word.strip("\"'()") for word in text.split()}
    return bool(words & {"SELECT", "UPDATE", "DELETE", "INSERT", "WHERE", "ON"}) and "CREATE" not in words
