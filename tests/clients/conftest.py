"""Comparison of answers with what an exchange expects of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.demo_gateway import demo_databases, logged, serve

__all__ = ["demo_databases", "logged", "serve"]

MARK = re.compile(r"\$\{(\w+)\}")


class Names:
    """The values saved from earlier answers, and their use in later steps."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def fill(self, data: Any) -> Any:
        """Put saved values in the place of ``${name}``, at any depth."""
        if isinstance(data, str):
            return MARK.sub(lambda found: self.values[found[1]], data)
        if isinstance(data, list):
            return [self.fill(item) for item in data]
        if isinstance(data, dict):
            return {self.fill(key): self.fill(value) for key, value in data.items()}
        return data

    def save(self, wanted: Mapping[str, str], body: Any) -> None:
        """Keep values of `body`, each named by a dotted path."""
        for name, path in wanted.items():
            value = body
            for part in path.split("."):
                value = value[int(part)] if isinstance(value, list) else value[part]
            self.values[name] = value


def differences(expected: Any, actual: Any, where: str = "") -> list[str]:
    """Say where `actual` is not what `expected` describes; an empty list means it is."""
    if isinstance(expected, str) and expected.startswith("$"):
        return _check(expected, actual, where)
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            return [f"{where}: {actual!r} is not an object"]
        found: list[str] = []
        for name, value in expected.items():
            place = f"{where}.{name}" if where else name
            if value is None:
                found += [f"{place}: is there: {actual[name]!r}"] if name in actual else []
            elif name not in actual:
                found.append(f"{place}: is missing")
            else:
                found += differences(value, actual[name], place)
        return found
    if isinstance(expected, list):
        return _elements(expected, actual, where)
    return [] if expected == actual and type(expected) is type(actual) else [f"{where}: {actual!r} is not {expected!r}"]


def _elements(expected: list[Any], actual: Any, where: str) -> list[str]:
    if not isinstance(actual, list) or len(actual) != len(expected):
        return [f"{where}: {json.dumps(actual, ensure_ascii=False)} does not have {len(expected)} elements"]
    left = list(actual)
    for element in expected:
        match = next((candidate for candidate in left if not differences(element, candidate)), None)
        if match is None:
            return [f"{where}: nothing like {element!r} in {left!r}"]
        left.remove(match)
    return []


def _check(test: str, actual: Any, where: str) -> list[str]:
    name, _, argument = test[1:].partition(":")
    holds = {
        "any": lambda: actual not in (None, "", [], {}),
        "contains": lambda: isinstance(actual, str) and argument in actual,
        "not": lambda: actual is not None and actual != argument,
        "length": lambda: isinstance(actual, list) and len(actual) == int(argument),
    }
    return [] if holds[name]() else [f"{where}: {actual!r} does not pass {test}"]


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def compare() -> Any:
    return differences
