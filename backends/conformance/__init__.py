"""The rules every backend keeps, as tests: describe a backend in a `Harness`, derive from `ConformanceSuite`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backends.conformance.harness import Group, Harness, Roles, RowRole

if TYPE_CHECKING:
    from backends.conformance.suite import ConformanceSuite

__all__ = ["ConformanceSuite", "Group", "Harness", "Roles", "RowRole"]


def __getattr__(name: str) -> Any:
    """Import the suite when it is asked for: only it needs pytest, which a server does not have."""
    if name == "ConformanceSuite":
        from backends.conformance.suite import ConformanceSuite

        return ConformanceSuite
    raise AttributeError(name)
