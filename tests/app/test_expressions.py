"""Expressions in a whole gateway: told with file and line, served, and shown before anything is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.app import Blueprint
from gateway.cli.program import app
from gateway.settings import SettingsError
from tests.app.conftest import PATCH_URN, USER_URN, Document, Served

TO_BACKEND = "value.lower().replace(' ', '.')"
TO_SCIM = "value.replace('.', ' ')"


@pytest.fixture
def computing(document: Document) -> Document:
    """A configuration that computes two attributes of acme's."""
    document["backends"]["hr"]["settings"]["entities"]["people"]["fields"] |= {"nick": {}, "code": {}}
    document["tenants"]["acme"]["resources"]["User"]["attributes"] |= {
        "nickName": {"field": "nick", "to_backend": TO_BACKEND, "to_scim": TO_SCIM},
        "title": {"fields": ["login", "nick"], "to_scim": "fields.login + (fields.nick == null ? '' : '!')"},
    }
    return document


def test_what_is_wrong_is_told_with_file_and_line(computing: Document, drawn: Callable[..., Blueprint]) -> None:
    """A mistake in an expression is found before anything starts, where it stands (DESIGN §6)."""
    attributes = computing["tenants"]["acme"]["resources"]["User"]["attributes"]
    attributes["nickName"]["to_scim"] = "value.repalce('.', ' ')"
    lines = json.dumps(computing, indent=1).splitlines()
    line = next(number for number, text in enumerate(lines, 1) if '"nickName"' in text)
    with pytest.raises(SettingsError) as caught:
        drawn(computing)
    text = str(caught.value)
    assert f"config.yaml:{line}: tenants.acme.resources.User.attributes.nickName: to_scim: " in text
    assert "there is no function 'repalce'; did you mean replace?" in text


async def test_values_are_computed_both_ways(
    computing: Document, serving: Callable[..., AbstractAsyncContextManager[Served]]
) -> None:
    """Computed on the way in and out; what would come back changed, and what is computed only, cannot be set."""
    async with serving(computing) as gateway:
        body = {"schemas": [USER_URN], "userName": "ada", "active": True, "title": "forged"}
        status, made, _ = await gateway.send("POST", "acme", body={**body, "nickName": "lady ada"})
        assert (status, made["nickName"], made["title"]) == (201, "lady ada", "ada!")
        status, found, _ = await gateway.send("GET", "acme", '/Users?filter=nickName eq "lady ada"')
        assert (status, found["totalResults"]) == (200, 1)
        status, problem, _ = await gateway.send("POST", "acme", body={**body, "userName": "b", "nickName": "Lady"})
        assert (status, problem["scimType"], problem["detail"][:9]) == (400, "invalidValue", "nickName:")
        operation = {"op": "replace", "path": "title", "value": "forged"}
        patch = {"schemas": [PATCH_URN], "Operations": [operation]}
        status, problem, _ = await gateway.send("PATCH", "acme", f"/Users/{made['id']}", patch)
        assert (status, problem["scimType"]) == (400, "mutability")
        _, schema, _ = await gateway.send("GET", "acme", f"/Schemas/{USER_URN}")
        told = {one["name"]: one["mutability"] for one in schema["attributes"]}
        assert (told["nickName"], told["title"]) == ("readWrite", "readOnly")


def test_explain_shows_what_was_computed(computing: Document, tmp_path: Path) -> None:
    """The native value of an expression stands in the call it would cause (promise 9)."""
    entity = {
        "key": "id",
        "fields": {"login": {}, "nick": {}, "enabled": {"type": "bool"}},
        "create": {"path": "/people"},
    }
    people = {**entity, "get": {"path": "/people/{key}"}, "list": {"path": "/people"}}
    settings = {"base_urls": "https://hr.example.com", "entities": {"people": people}}
    computing["backends"]["hr"] = {"type": "rest", "settings": settings}
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(computing), encoding="utf-8")
    environment = {"STORE": str(tmp_path / "gateway.db"), "ID_KEY": "0123456789abcdef" * 4}
    body = json.dumps({"schemas": [USER_URN], "userName": "ada", "active": True, "nickName": "lady ada"})
    result = CliRunner(env=environment).invoke(app, ["explain", str(path), "acme", "POST", "/Users", body, "--json"])
    assert result.exit_code == 0, result.output
    steps = {step["operation"]: step for step in json.loads(result.stdout)["steps"]}
    (call,) = steps["hr: create people"]["calls"]
    assert call["values"] == {"login": "ada", "nick": "lady.ada", "enabled": True}
