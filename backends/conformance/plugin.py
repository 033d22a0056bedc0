"""A pytest plugin: after the run it lists the rules that did not apply to a backend, and why.

Use it with ``pytest -p backends.conformance.plugin``, or import its function into a ``conftest.py``.
"""

from __future__ import annotations

from collections import Counter

import pytest

from backends.conformance.suite import ConformanceSuite


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was not tried: nothing is skipped silently."""
    for suite in _suites(ConformanceSuite):
        if suite.inapplicable and terminalreporter.verbosity >= -1:
            reasons = Counter(suite.inapplicable.values())
            told = "; ".join(f"{reason} ({count})" for reason, count in sorted(reasons.items()))
            terminalreporter.write_line(f"{suite.__name__}: {len(suite.inapplicable)} rules do not apply: {told}")


def _suites(base: type[ConformanceSuite]) -> list[type[ConformanceSuite]]:
    found = []
    for suite in base.__subclasses__():
        found += [suite, *_suites(suite)]
    return found
