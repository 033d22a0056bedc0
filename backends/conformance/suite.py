"""The suite as tests: one class per backend, one test for every rule that applies to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from backends.conformance.cases import RULES
from backends.conformance.harness import Harness
from backends.conformance.rules import Facts, Rule
from backends.conformance.trial import trial


class ConformanceSuite:
    """Derive a class from this one, give it a `harness`, and pytest finds the rules as its tests::

        class TestPhonebook(ConformanceSuite):
            harness = Phonebook()

    Which rules there are depends on what the backend declares; `inapplicable` holds the others with the reason.
    Override the fixture `place` to give each test an empty native system. Each test has an event loop of its own.
    """

    harness: ClassVar[Harness]
    inapplicable: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "harness" not in cls.__dict__:
            return
        facts = Facts.of(cls.harness)
        cls.inapplicable = {}
        for rule in RULES:
            reason = rule.missing(facts)
            if reason is None:
                setattr(cls, f"test_{rule.name}", _test(rule))
            else:
                cls.inapplicable[rule.name] = reason

    @pytest.fixture
    def place(self) -> Any:
        """The native system of one test, empty; None where the backend brings its own."""
        return None


def _test(rule: Rule) -> Callable[[ConformanceSuite, Any], None]:
    def test(self: ConformanceSuite, place: Any) -> None:
        async def run() -> None:
            async with trial(self.harness, place) as on_trial:
                await rule.run(on_trial)

        asyncio.run(run())

    test.__name__ = f"test_{rule.name}"
    test.__doc__ = rule.sentence
    return test
