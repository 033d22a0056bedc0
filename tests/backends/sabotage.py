"""A way to break one thing of a backend at a time, and to say which rules must notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from backends.conformance import Harness
from backends.memory import MemoryBackend
from tests.backends.harnesses import MemoryHarness


@dataclass(frozen=True, slots=True)
class Sabotage:
    """A harness of a broken backend, and the rules that must fail on it."""

    name: str
    harness: Harness
    rules: tuple[str, ...]


def breaks(
    *rules: str, harness: type[MemoryHarness] = MemoryHarness, **people: Any
) -> Callable[[type[MemoryBackend]], Sabotage]:
    """Say which rules must fail on a backend; what is given besides goes to the settings of the people."""

    def make(kind: type[MemoryBackend]) -> Sabotage:
        return Sabotage(kind.__name__, harness(kind, **people), rules)

    return make


def collect(*modules: ModuleType) -> list[Sabotage]:
    return [value for module in modules for value in vars(module).values() if isinstance(value, Sabotage)]
