"""Fixtures of all rooms, the list of tests that may be skipped, and the time budget of each suite."""

from __future__ import annotations

import fnmatch
import os
import shutil
import time
from collections import defaultdict
from pathlib import Path

import hypothesis
import pytest

from tests.backends.sql.databases import make_database, mariadb
from tests.services import own_valkey, postgres, valkey, valkey_server

__all__ = ["make_database", "mariadb", "own_valkey", "postgres", "valkey", "valkey_server"]

FOLDER = Path(__file__).parent
SOAK = os.environ.get("SCIM_SOAK") == "1"
FACTOR = 20
"""How many times more examples the long form of a random test draws."""
SKIPS = FOLDER / "skips.txt"
BUDGETS = FOLDER / "budgets.txt"


def permitted_skips() -> dict[str, str]:
    """Read the names of tests that may be skipped, each with its reason; none where ``SCIM_TEST_SKIPS=none``."""
    if os.environ.get("SCIM_TEST_SKIPS") == "none":
        return {}
    pairs = (line.partition("#") for line in SKIPS.read_text(encoding="utf-8").splitlines() if line.partition("#")[0])
    return {name.strip(): reason.strip() for name, _, reason in pairs}


def budgets() -> dict[str, float]:
    """Read the seconds each suite may take."""
    lines = BUDGETS.read_text(encoding="utf-8").splitlines()
    return {name: float(seconds) for name, seconds in (line.split() for line in lines if line and line[0] != "#")}


class Watch:
    """Fails a run that skips what is not on the list, or in which a suite takes longer than it may.

    At the end of a run it prints what tests have to tell beside that they passed: ``record_property("told", "…")``.
    """

    def __init__(self) -> None:
        self.permitted = permitted_skips()
        self.budgets = budgets()
        self.skipped: list[str] = []
        self.told: list[str] = []
        self.spent: dict[str, float] = defaultdict(float)
        self.begun = time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.spent[suite(report.nodeid)] += report.duration
        if report.when == "call":
            self.told += [f"{report.nodeid}: {value}" for name, value in report.user_properties if name == "told"]
        expected_failure = hasattr(report, "wasxfail")
        if report.skipped and not expected_failure and not self.permits(report.nodeid):
            self.skipped.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped.append(report.nodeid)

    def permits(self, nodeid: str) -> bool:
        """Tell whether a test is on the list: by its whole name, in which ``*`` stands for anything."""
        return any(fnmatch.fnmatchcase(nodeid, name.replace("[", "[[]").replace("?", "[?]")) for name in self.permitted)

    def overdrawn(self) -> list[str]:
        """Name the suites over their budget; one that has none may not exist. The long forms take what they take."""
        if SOAK:
            return []
        return [
            f"{name}: {spent:.0f} s of {self.budgets.get(name, 0):.0f} s"
            for name, spent in sorted(self.spent.items())
            if spent > self.budgets.get(name, 0)
        ]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus == pytest.ExitCode.OK and (self.skipped or self.overdrawn()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.told:
            terminalreporter.section("told by tests")
        for line in sorted(self.told):
            terminalreporter.write_line(line)
        for name in self.skipped:
            terminalreporter.write_line(f"skipped and not listed in tests/skips.txt: {name}", red=True)
        for line in self.overdrawn():
            terminalreporter.write_line(f"over the budget of tests/budgets.txt: {line}", red=True)


def suite(nodeid: str) -> str:
    """Name the suite a test belongs to: the folder below tests/."""
    parts = nodeid.split("::")[0].split("/")
    return parts[1] if len(parts) > 2 else "."


def pytest_configure(config: pytest.Config) -> None:
    # The same examples in every run, so that a red run is red for everybody; other ones in the long form.
    hypothesis.settings.register_profile("sample", derandomize=not SOAK, deadline=None, database=None, print_blob=True)
    hypothesis.settings.load_profile("sample")
    config.addinivalue_line("markers", "needs(program): skipped where the program is not installed")
    config.pluginmanager.register(Watch(), "watch")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items if SOAK else ():
        drawn = getattr(getattr(item, "obj", None), "_hypothesis_internal_use_settings", None)
        if drawn is not None:
            longer = hypothesis.settings(drawn, max_examples=drawn.max_examples * FACTOR, derandomize=False)
            item.obj._hypothesis_internal_use_settings = longer  # type: ignore[attr-defined]


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        if shutil.which(mark.args[0]) is None:
            pytest.skip(f"{mark.args[0]} is not installed")
