"""The benchmarks beside a floor compare the same answers; their numbers are for `make bench`, not for a test run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(HERE.parent)
    monkeypatch.syspath_prepend(HERE)
    return importlib.import_module


def test_gateway_and_floors_give_the_same_bytes(script: Callable[[str], ModuleType]) -> None:
    """Before anything is measured each contender has given the same answers, to the byte; then each has answered every
    request of every task, and taken processor time for it."""
    floor = script("floor")
    found = floor.side_by_side(people=300, calls=8, rounds=1)
    assert [one.task for one in found] == ["GET by id", "userName eq", "page of 100", "PATCH active", "add member"]
    for one in found:
        assert set(one.runs) == {floor.GATEWAY, floor.FLOOR, floor.ALONE}
        for name, (run,) in one.runs.items():
            assert run.count == (8 if one.task in ("GET by id", "userName eq") else 2)
            assert min(run.server, run.client, run.seconds) > 0, (one.task, name)
    assert len(floor.table(found).splitlines()) == 2 + len(found)


def test_the_last_page_is_the_last(script: Callable[[str], ModuleType]) -> None:
    """The cursor met again behind all the rows leads to the end of the table."""
    pages = script("pages")
    found = pages.ends(rows=500, calls=4, rounds=1)
    assert [one.task for one in found] == ["first page, with its count", "second page", "last page"]
    assert len(pages.table(found).splitlines()) == 1 + len(found)


@pytest.mark.parametrize("kind", ["rest", "soap"])
def test_gateway_and_bare_client_make_the_same_calls(kind: str, script: Callable[[str], ModuleType]) -> None:
    """Before anything is measured both have made the same native calls for each task; a client that makes fewer ends
    the run."""
    calls = script("calls")
    found = calls.side_by_side(kind, calls=8, rounds=1)
    assert [one.task for one in found] == [f"{kind}: {task}" for task in calls.TASKS]
    for one in found:
        for name, (run,) in one.runs.items():
            assert run.count == max(2, 8 // calls.TASKS[one.task.partition(": ")[2]])
            assert min(run.server, run.seconds) > 0, (one.task, name)
    assert len(calls.table(found).splitlines()) == 2 + len(found)


def test_a_wrong_status_ends_the_run(script: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """What is answered otherwise than expected is no figure: the run stops and says what was answered."""
    contest, load = script("contest"), script("load")
    services: Any = script("services")
    port = services.free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    with contest.started("files", port, command, ready="/", environment={}, log=tmp_path / "log") as server:
        raw = load.written("GET", "/missing")
        with pytest.raises(RuntimeError, match=r"expected 200: HTTP/1\.\d 404"):
            contest.drive(server, [raw], 200, 1)
