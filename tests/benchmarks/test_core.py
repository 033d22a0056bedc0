"""The benchmark of the core measures what it says; its numbers are for `make bench`, not for a test run."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def core() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_core", Path(__file__).with_name("core.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


def test_both_contenders_come_to_the_same_result(core: ModuleType) -> None:
    """Each task is done by both sides, so that a ratio compares work with work."""
    validated, parsed, patched, page = core.tasks()
    user = validated.ours(0)
    peer = validated.theirs(0)
    assert user["userName"] == peer.user_name
    assert len(user["emails"]) == len(peer.emails) == 2
    assert parsed.ours(7) != parsed.ours(8)
    ours, theirs = patched.ours(0), patched.theirs(0)
    assert ours["active"] is theirs.active is False
    assert ours["emails"][0]["value"] == theirs.emails[0].value == "l.wojcik@example.com"
    assert len(ours["phoneNumbers"]) == len(theirs.phone_numbers) == 3
    assert core.orjson.loads(page.ours(0)) == core.orjson.loads(page.theirs(0))


def test_the_user_is_of_the_size_it_is_said_to_be(core: ModuleType) -> None:
    """The validated body has 1.4 KB."""
    assert 1350 <= len(core.orjson.dumps(core.USER)) <= 1450


def test_a_measurement_takes_turns_and_gives_medians(core: ModuleType) -> None:
    """Both sides run equally often, interleaved round by round, and the ratio is of their medians."""
    heard: list[str] = []
    task = core.Task("t", 2, 1, lambda _: heard.append("a"), lambda _: heard.append("b"))
    measured = core.measure(task, rounds=3)
    assert heard == ["a", "a", "b", "b"] * 3
    assert measured.ratio == pytest.approx(measured.theirs / measured.ours)
