"""The worked files for HTTP systems: they load, and cause the calls their comments promise."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from backends.contract import Change, Compare, Context, Op, Query
from backends.rest import RestBackend, RestSettings

FOLDER = Path(__file__).parents[3] / "config"
FILES = {"rest.yaml": "accounts", "mailman.yaml": "mailman", "jsonrpc.yaml": "desk"}


def worked(name: str) -> RestBackend:
    """Build the backend of a worked file."""
    text = re.sub(r"\$\{env:MAILMAN_URL\}", "http://127.0.0.1:8001/3.1", (FOLDER / name).read_text(encoding="utf-8"))
    document: Any = YAML(typ="safe").load(text)
    return RestBackend(RestSettings.model_validate(document["backends"][FILES[name]]["settings"]), Context(name))


def lines(backend: RestBackend, entity: str, operation: str, *arguments: Any) -> list[str]:
    """Give the first line of each call an operation would make."""
    return [call.text.partition("\n")[0] for call in backend.explain(entity, operation, *arguments)]


@pytest.mark.parametrize("name", FILES)
def test_a_worked_file_offers_everything(name: str) -> None:
    """Each file has people and groups that can be read, searched and written, with members as deltas."""
    backend = worked(name)
    for entity in backend.settings.entities:
        assert backend.capabilities(entity).writes == {"create", "update", "delete"}
        assert backend.capabilities(entity).filters
    assert any(backend.capabilities(entity).deltas for entity in backend.settings.entities)


def test_accounts_are_switched_off_by_a_call() -> None:
    """`active` is a call of its own, after what else changed; both carry only what they should."""
    backend = worked("rest.yaml")
    calls = backend.explain("accounts", "update", "7", Change({"first": "Ann", "active": False}))
    assert [call.text.partition("\n")[0] for call in calls] == [
        "GET /accounts/{key}",
        "PATCH /accounts/{key}",
        "POST /accounts/{key}/disable",
    ]
    assert calls[1].text.endswith('{"name": {"first": "{first}"}}')
    assert calls[2].text.endswith('{"reason": "scim"}')
    assert "x-session: ***" in calls[1].text


def test_members_are_one_call_each() -> None:
    """A delta of two members is two calls, and the group is not read (promise 4)."""
    change = Change(add={"members": ("3",)}, remove={"members": ("4",)})
    assert lines(worked("rest.yaml"), "groups", "update", "9", change) == [
        "DELETE /groups/{key}/members/{members}",
        "PUT /groups/{key}/members/{members}",
    ]
    assert lines(worked("mailman.yaml"), "lists", "update", "team.example.com", change) == [
        "DELETE /lists/{key}/member/{members}",
        "POST /members",
    ]


def test_a_call_of_json_rpc_is_put_into_its_envelope() -> None:
    """The method's name, the number and the parameters stand where JSON-RPC wants them."""
    (call,) = worked("jsonrpc.yaml").explain(
        "users", "search", Query(frozenset(), Compare("name", Op.EQ, "ann"), limit=10)
    )
    assert call.text.splitlines()[0] == "POST "
    assert '"method": "user.list"' in call.text
    assert '"params": {"skip": "{@offset}", "take": 10, "match": {"name": "{name}"}}' in call.text
    assert call.values == (("name", "ann"),)
