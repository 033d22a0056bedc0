"""The cases, grouped by what they are about; `RULES` is all of them in the order they are tried."""

from __future__ import annotations

from types import ModuleType

from backends.conformance.cases import (
    concurrency,
    creating,
    deleting,
    describing,
    faults,
    filtering,
    life,
    many,
    paging,
    powers,
    reading,
    references,
    refusing,
    sorting,
    updating,
    versions,
)
from backends.conformance.rules import Rule


def _rules(*modules: ModuleType) -> tuple[Rule, ...]:
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Rule)]
    names = [rule.name for rule in found]
    assert len(names) == len(set(names)), "two rules have the same name"
    return tuple(found)


RULES = _rules(
    life,
    describing,
    reading,
    paging,
    sorting,
    filtering,
    refusing,
    creating,
    updating,
    many,
    references,
    deleting,
    versions,
    concurrency,
    faults,
    powers,
)
