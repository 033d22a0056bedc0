"""The rules every backend keeps, as tests: describe a backend in a `Harness`, derive from `ConformanceSuite`."""

from backends.conformance.harness import Group, Harness, Roles, RowRole
from backends.conformance.suite import ConformanceSuite

__all__ = ["ConformanceSuite", "Group", "Harness", "Roles", "RowRole"]
