"""Which request meets which fault."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from attrs import define, field, frozen
from attrs.converters import optional

from tests.rig.calls import CHANGING, Call
from tests.rig.faults import Fault, Freeze, Kill, fault_of


def words(given: str | Iterable[str]) -> frozenset[str]:
    """One word, or several of them."""
    return frozenset([given] if isinstance(given, str) else given)


@frozen
class Match:
    """
    The requests that a rule is about; what is not said does not matter.

    :ivar path: regular expression, searched in what follows the tenant in the URL, query included.
    :ivar nth: only the n-th of them (from 1), counted for each tenant, since the rule is there.
    :ivar first: only the first so many of them, counted likewise.
    """

    service: str | None = None
    methods: frozenset[str] | None = field(default=None, converter=optional(words))
    path: re.Pattern | None = field(default=None, converter=optional(re.compile))
    tenant: str | None = None
    operation: str | None = None
    nth: int | None = None
    first: int | None = None

    def fits(self, call: Call) -> bool:
        return (
            self.service in (None, call.service)
            and self.tenant in (None, call.tenant)
            and self.operation in (None, call.operation)
            and (self.methods is None or call.method in self.methods)
            and (self.path is None or self.path.search(call.path) is not None)
        )

    def due(self, number: int) -> bool:
        """The request that is the ``number``-th one to fit shall meet the fault."""
        return self.nth in (None, number) and (self.first is None or number <= self.first)


@define(eq=False)
class Rule:
    """
    :ivar document: the rule as it was given.
    :ivar fitted: tenant -> how many requests fitted so far.
    :ivar applied: how many of them met the fault.
    """

    rule_id: int
    match: Match
    fault: Fault
    document: Mapping[str, Any]
    fitted: Counter[str] = field(init=False, factory=Counter)
    applied: int = field(init=False, default=0)

    def applies(self, call: Call) -> bool:
        """Counts the request, too."""
        if not self.match.fits(call):
            return False
        self.fitted[call.tenant] += 1
        due = self.match.due(self.fitted[call.tenant])
        self.applied += due
        return due

    def described(self) -> dict[str, Any]:
        return {"id": self.rule_id, **self.document, "fitted": self.fitted.total(), "applied": self.applied}


def rule_of(rule_id: int, document: Mapping[str, Any]) -> Rule:
    """
    :raises TypeError: an unknown word in it, or one missing.
    :raises ValueError: an impossible value.
    """
    fault, match = fault_of(document["fault"]), dict(document.get("match", {}))
    if isinstance(fault, Kill | Freeze):
        match.setdefault("methods", CHANGING)
    return Rule(rule_id, Match(**match), fault, document)


@define(eq=False)
class Rulebook:
    """The rules in force, in the order in which they came."""

    _rules: dict[int, Rule] = field(init=False, factory=dict)
    _ids: count = field(init=False, factory=lambda: count(1))

    def add(self, document: Mapping[str, Any]) -> int:
        rule = rule_of(next(self._ids), document)
        self._rules[rule.rule_id] = rule
        return rule.rule_id

    def remove(self, rule_id: int) -> bool:
        """Whether it was there."""
        return self._rules.pop(rule_id, None) is not None

    def clear(self, tenant: str | None = None) -> None:
        """Drops all rules, or those about this tenant only."""
        self._rules = {i: rule for i, rule in self._rules.items() if tenant not in (None, rule.match.tenant)}

    def faults_for(self, call: Call) -> list[Fault]:
        """What the request meets: death before everything else, the rest in the order of the rules."""
        faults = [rule.fault for rule in list(self._rules.values()) if rule.applies(call)]
        return sorted(faults, key=lambda fault: not isinstance(fault, Kill))

    def described(self) -> list[dict[str, Any]]:
        return [rule.described() for rule in self._rules.values()]
