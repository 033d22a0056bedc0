"""Recorded exchanges of real clients against the demo's configuration, every step verified in the legacy tables too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*/*.json"))
DEFAULT_ANSWER = "application/scim+json"


def load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_exchange(path: Path, serve: Any, names: Any, compare: Any) -> None:
    """What the client sends is answered as it needs, and the legacy tables hold it (E1-E10, E15, O1-O7, O10)."""
    exchange = load(path)
    gateway = await serve(empty=exchange["database"] == "empty", client=exchange.get("profile"))
    for step in exchange["steps"]:
        title = f"{path.parent.name}/{path.stem}: {step['name']} ({', '.join(step['cites'])})"
        headers = {**exchange["headers"], **step.get("headers", {})}
        body = names.fill(step["request"]) if "request" in step else None
        answer = await gateway.send(step["method"], names.fill(step["path"]), body, headers)
        assert answer.status == step["status"], f"{title}\n{answer.body}"
        if answer.body is not None:
            assert answer.media_type == step.get("answer", DEFAULT_ANSWER), title
        else:
            assert "response" not in step, f"{title}: there is no body"
        found = compare(names.fill(step.get("response", {})), answer.body or {})
        assert not found, "\n".join([title, *found, json.dumps(answer.body, ensure_ascii=False)])
        names.save(step.get("save", {}), answer.body)
        for check in step.get("native", []):
            rows = [list(row) for row in gateway.native(check["sql"])]
            assert rows == check["rows"], f"{title}\n{check['sql']}"


def test_every_file_cites_what_it_stands_for() -> None:
    """A recorded exchange without a source is an invention: every file and step cites requirements."""
    clients = {path.parent.name for path in FILES}
    assert clients == {"authentik", "entra", "jumpcloud", "okta", "onelogin", "ping"}
    for path in FILES:
        exchange = load(path)
        assert exchange["client"] == path.parent.name
        assert exchange["cites"], path
        assert all(step["cites"] for step in exchange["steps"]), path


def test_every_write_is_verified_in_the_tables() -> None:
    """Each file looks into the legacy tables after some write; a write that only an answer vouches for is not proof."""
    for path in FILES:
        steps = load(path)["steps"]
        if any(step["method"] != "GET" for step in steps) and path.stem != "unquoted_filter":
            assert any("native" in step for step in steps if step["method"] != "GET"), path


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": None}, {"b": 2}, True),
        ({"a": None}, {"a": None}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": [{"v": 1}, {"v": 2}]}, {"a": [{"v": 2}, {"v": 1, "w": 3}]}, True),
        ({"a": [{"v": 1}]}, {"a": [{"v": 1}, {"v": 2}]}, False),
        ({"a": [{"v": 1}, {"v": 1}]}, {"a": [{"v": 1}, {"v": 2}]}, False),
        ("$any", "", False),
        ("$contains:x", "axb", True),
        ("$not:x", "x", False),
        ("$length:2", [1, 2], True),
    ],
)
def test_the_comparison_can_fail(compare: Any, expected: Any, actual: Any, same: bool) -> None:
    """The runner's own comparison tells a subset from what is none."""
    assert (compare(expected, actual) == []) is same
