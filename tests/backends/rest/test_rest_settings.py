"""Settings that cannot work are told at load, with the way to them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from backends.contract import Context, Op, UnsupportedError, Write
from backends.kit.settings_errors import SettingsError
from backends.rest import RestBackend, RestSettings
from tests.backends.rest import systems
from tests.backends.rest.small import built, described

URL = "https://people.example.com"


@pytest.mark.parametrize(
    ("people", "way"),
    [
        ({"nothing": 1}, "nothing"),
        ({"key": "a..b"}, "key"),
        ({"get": {"path": "people/{key}"}}, "get"),
        ({"get": {"path": "/people/{key"}}, "get.path"),
        ({"get": {"path": "/a", "json": {"a": "{"}}}, "get.json"),
        ({"get": {"path": "/a", "json": {}, "form": {}}}, "get"),
        ({"get": {"path": "/a", "method": "TRACE"}}, "get.method"),
        ({"get": None}, ""),
        ({"fields": {"a.b": {}}}, ""),
        ({"fields": {"key": {}}}, ""),
        ({"fields": {"x": {"type": "float"}}}, "fields.x.type"),
        ({"fields": {"x": {"links": {"list": {"path": "/a"}}}}}, "fields.x"),
        ({"fields": {"x": {"rows": {"a": None}, "row_key": ["b"]}}}, "fields.x"),
        ({"fields": {"x": {"refers": "nobody"}}}, ""),
        ({"fields": {"x": {"many": True, "through": "nobody.x"}}}, ""),
        ({"fields": {"x": {"many": True, "through": "people"}}}, "fields.x"),
        ({"filters": [{"field": "missing", "query": {"a": "{value}"}}]}, ""),
        ({"filters": [{"field": "login", "query": {"a": "{value}"}}]}, ""),
        ({"filters": [{"field": "login"}]}, "filters.0"),
        ({"create": {"path": "/a", "fields": ["missing"]}}, ""),
        ({"create": {"path": "/a", "key": {"at": "a", "location": True}}}, "create.0.key"),
        ({"leave": ["login"]}, ""),
        ({"list": {"path": "/a", "paging": {"style": "token"}}}, "list.paging"),
        ({"list": {"path": "/a", "paging": {"style": "next"}}}, "list.paging"),
        ({"list": {"path": "/a"}, "version": {"header": "ETag"}}, ""),
        ({"version": {}}, "version"),
        ({"errors": [{"means": "conflict"}]}, "errors.0"),
        ({"errors": [{"status": 409, "equals": 1, "means": "conflict"}]}, "errors.0"),
        ({"errors": [{"status": "6xx", "means": "conflict"}]}, "errors.0.status.0"),
        ({"errors": [{"status": 409, "means": "odd"}]}, "errors.0.means"),
    ],
)
def test_wrong_settings_are_refused(people: dict[str, Any], way: str) -> None:
    """Each mistake is an error of the setting it is in."""
    with pytest.raises(ValidationError) as caught:
        built(URL, described(**people))
    ways = [".".join(str(part) for part in error["loc"]) for error in caught.value.errors()]
    assert any(found.startswith(f"entities.people.{way}".rstrip(".")) or not way for found in ways), ways


@pytest.mark.parametrize(
    ("people", "way", "hint"),
    [
        ({"get": {"path": "/people/{keys}"}}, "entities.people.get", "did you mean 'key'"),
        ({"update": {"path": "/people/{key}", "json": {"a": "{logn}"}}}, "entities.people.update.0", "'login'"),
        ({"create": {"path": "/people/{key}"}}, "entities.people.create.0", "key"),
        ({"list": {"path": "/a", "paging": {"style": "offset"}}}, "entities.people.list.paging", "{@offset}"),
        ({"list": {"path": "/a", "query": {"a": "{login}"}}}, "entities.people.list", "login"),
        ({"update": [{"path": "/a/{key}"}, {"path": "/b/{key}"}]}, "entities.people.update", "two calls"),
        (
            {"fields": {"login": {}, "all": {"many": True, "through": "people.login"}}},
            "entities.people.fields.all.through",
            "no filter",
        ),
    ],
)
def test_settings_that_do_not_fit_each_other_are_told(people: dict[str, Any], way: str, hint: str) -> None:
    """Placeholders nobody fills, lists that cannot go on: the way and the nearest right name are named, at load."""
    with pytest.raises(SettingsError) as caught:
        built(URL, described(**people))
    assert caught.value.path == way
    assert hint in caught.value.reason


def test_what_is_offered_follows_from_the_calls() -> None:
    """Without calls nothing is written; fields are written when a call carries them (never declared twice)."""
    backend = built(
        URL, described(create={"path": "/a", "fields": ["login"]}, update={"path": "/b", "fields": ["note"]})
    )
    assert backend.capabilities("people").writes == {"create", "update"}
    served = backend._find("people").entity.described
    assert (served["login"].write, served["note"].write) == (Write.CREATE, Write.ALWAYS)
    assert built(URL, described()).capabilities("people").writes == set()
    assert set(built(URL, described()).capabilities("people").filters) == {"@key"}


def test_a_list_that_comes_whole_can_do_everything() -> None:
    """All of it is filtered, sorted, counted and cut in memory; fields with calls of their own are left out."""
    members = {"many": True, "links": {"list": {"path": "/people/{key}/m"}}}
    backend = built(URL, described(list={"path": "/a"}, fields={"login": {}, "age": {"type": "int"}, "m": members}))
    able = backend.capabilities("people")
    assert (able.offset, able.total, able.sort) == (True, True, {"login", "age"})
    assert (Op.GT, False) in able.filters["age"]
    assert "m" not in able.filters


def test_nothing_secret_is_printed() -> None:
    """Settings, backends and their parts show no secret when printed (promise 8)."""
    settings = RestSettings.model_validate(systems.proper(URL))
    backend = RestBackend(settings, Context("x"))
    assert "t0psecret" not in repr((settings, backend, vars(backend)))
    with pytest.raises(UnsupportedError):
        backend.capabilities("nobody")
