"""The benchmark of the whole gateway compares like with like; its numbers are for `make bench`, not for a test run."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    here = Path(__file__).parent
    monkeypatch.syspath_prepend(here.parent)
    monkeypatch.syspath_prepend(here)
    return importlib.import_module("whole")


@pytest.fixture
async def bench(whole: ModuleType, tmp_path: Path) -> AsyncIterator[Any]:
    with whole.worlds.sqlite(tmp_path, 1000) as world:
        await world.native.open()
        async with whole.serving(world) as served:
            yield served
        await world.native.close()


async def test_every_task_is_done_by_http_by_the_engine_and_by_hand(whole: ModuleType, bench: Any) -> None:
    """Each contender does what the task says, so that a ratio compares work with work; what is counted is counted."""
    ticket = itertools.count(1)
    for task in await whole.tasks(bench, large=False):
        found = await whole.measured(bench, whole.replace(task, calls=2), ticket, rounds=1)
        assert min(found.http, found.engine, found.bare) > 0, task.name
        await whole.counted(bench, task, found, ticket, calls=2)
        assert 0 < found.hops <= found.turns, task.name
    logins = [row[0] for row in bench.world.native._all("SELECT LOGIN FROM EMPLOYEE WHERE CREATED_BY = 'scim'")]
    assert len(logins) == 5 + 2 + 2 + 1 + 2
    ((added,),) = bench.world.native._all(
        "SELECT COUNT(*) FROM TEAM_MEMBER M JOIN TEAM T ON T.TEAM_ID = M.TEAM_ID WHERE T.TITLE = ?", bench.world.team
    )
    assert added == 5 + 2 + 2 + 1 + 2


async def test_the_engine_answers_what_http_answers(whole: ModuleType, bench: Any) -> None:
    """A page has as many people by hand as by the engine, and a wrong status stops the run instead of being
    measured."""
    body = await bench.engine(whole.Request("GET", "/Users?count=100"))
    total, (people, _, _) = await bench.world.native.page(0)
    assert len(body["Resources"]) == len(people) == 100
    assert body["totalResults"] == total[0][0]
    with pytest.raises(RuntimeError, match=r"expected 200: HTTP/1\.1 404"):
        await bench.http([whole.Request("GET", "/Users/nobody")], 200)
