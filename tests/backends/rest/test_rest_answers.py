"""What answers mean, and that nothing of them is told on."""

from __future__ import annotations

import asyncio
import datetime
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from backends.contract import (
    BackendError,
    Change,
    ConflictError,
    DeniedError,
    NotFoundError,
    Query,
    RejectedError,
    StaleError,
    UnavailableError,
    UnsupportedError,
)
from tests.backends.rest.small import described, scripted

FIELDS = frozenset({"login"})
SETTINGS = described(
    update={"method": "PUT", "path": "/people/{key}"}, delete={"method": "DELETE", "path": "/people/{key}"}
)


def answering(status: int, body: str = "{}", **headers: str) -> Any:
    async def script(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body, headers=headers, content_type="application/json")

    return script


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, UnavailableError),
        (400, RejectedError),
        (401, UnavailableError),
        (403, DeniedError),
        (404, NotFoundError),
        (405, UnsupportedError),
        (407, UnavailableError),
        (408, UnavailableError),
        (409, ConflictError),
        (410, NotFoundError),
        (412, StaleError),
        (418, BackendError),
        (422, RejectedError),
        (429, UnavailableError),
        (500, UnavailableError),
        (501, UnsupportedError),
        (502, UnavailableError),
        (503, UnavailableError),
        (504, UnavailableError),
    ],
)
async def test_statuses_mean_what_they_usually_do(status: int, error: type[BackendError]) -> None:
    """Each status has its error; the system's own text is never in it (promise 8)."""
    async with scripted(answering(status, '{"text": "host db7 at 10.0.0.1"}'), SETTINGS) as (backend, _):
        with pytest.raises(BackendError) as caught:
            await backend.delete("people", "7")
        assert type(caught.value) is error
        assert "db7" not in str(caught.value)
        if isinstance(caught.value, UnavailableError):
            assert caught.value.maybe_done == (status not in (401, 407, 429, 503))


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_passed_on(status: int) -> None:
    """Retry-After is honoured as seconds and as a date; rubbish in it is none."""
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=90)
    for text, low, high in (("7", 7, 7), (format_datetime(later, usegmt=True), 80, 91)):
        async with scripted(answering(status, **{"Retry-After": text}), SETTINGS) as (backend, _):
            with pytest.raises(UnavailableError) as caught:
                await backend.get("people", "7", FIELDS)
            assert caught.value.retry_after is not None
            assert low <= caught.value.retry_after <= high
    for text in ("soon", "-1", "9" * 400):
        async with scripted(answering(status, **{"Retry-After": text}), SETTINGS) as (backend, _):
            with pytest.raises(UnavailableError) as caught:
                await backend.get("people", "7", FIELDS)
            assert caught.value.retry_after is None


@pytest.mark.parametrize(
    ("rule", "answer", "error"),
    [
        ({"status": 500, "at": "code", "equals": 17, "means": "conflict"}, (500, '{"code": 17}'), ConflictError),
        ({"status": 500, "at": "code", "equals": 17, "means": "conflict"}, (500, '{"code": 18}'), UnavailableError),
        ({"at": "code", "equals": [17, "18"], "means": "rejected"}, (200, '{"code": "17"}'), RejectedError),
        ({"at": "code", "equals": True, "means": "denied"}, (200, '{"code": true}'), DeniedError),
        ({"at": "text", "contains": "Not THERE", "means": "not_found"}, (200, '{"text": "not there"}'), NotFoundError),
        ({"at": "errors[*]", "means": "unavailable"}, (200, '{"errors": [{"x": 1}]}'), UnavailableError),
        ({"header": {"X-Error": "E1"}, "means": "stale"}, (200, "{}", {"X-Error": "E1"}), StaleError),
        ({"header": {"x-error": None}, "means": "stale"}, (200, "{}", {"X-Error": "any"}), StaleError),
        ({"status": "4xx", "means": "unsupported"}, (404, "<html>"), UnsupportedError),
        ({"status": [404, 405], "means": "denied"}, (405, ""), DeniedError),
        ({"status": 503, "means": "expired"}, (503, ""), UnavailableError),
        ({"at": "id", "absent": True, "means": "denied"}, (200, '{"notice": "closed"}'), DeniedError),
        ({"at": "id", "absent": True, "means": "denied"}, (404, "<html>"), NotFoundError),
        ({"at": "id", "absent": True, "means": "denied"}, (404, '{"id": 7}'), NotFoundError),
    ],
)  # fmt: skip
async def test_answers_are_recognised_by_what_they_have(rule: Any, answer: Any, error: type[BackendError]) -> None:
    """By status, header, or what a body has, in a 200 as well (R-L24); a body that is none fits no rule."""
    status, body, *headers = answer
    script = answering(status, body, **(headers[0] if headers else {}))
    async with scripted(script, SETTINGS, errors=[rule]) as (backend, _):
        with pytest.raises(BackendError) as caught:
            await backend.get("people", "7", FIELDS)
        assert type(caught.value) is error


async def test_the_nearest_rule_counts() -> None:
    """Rules of a call come before those of the entity, and those before the system's; `ok` is no error."""
    people = described(
        get={"path": "/people/{key}", "errors": [{"status": 404, "at": "gone", "means": "denied"}]},
        errors=[{"status": 404, "at": "id", "means": "ok"}],
    )
    for body, error in (('{"gone": 1}', DeniedError), ('{"id": 7, "login": "ann"}', None), ("{}", StaleError)):
        script = answering(404, body)
        async with scripted(script, people, errors=[{"status": 404, "means": "stale"}]) as (backend, _):
            if error is None:
                assert (await backend.get("people", "7", FIELDS)).fields == {"login": "ann"}
            else:
                with pytest.raises(error):
                    await backend.get("people", "7", FIELDS)


@pytest.mark.parametrize(
    "body",
    ["<html>", "", "[]", "null", "7", '{"id": true}', '{"login": "ann"}', '{"id": 7, "login": {"a": 1}}', "[" * 90],
)
async def test_garbage_is_an_error_and_never_a_record(body: str) -> None:
    """An answer that is not what it should be is an error; a record of another key is not found."""
    async with scripted(answering(200, body), SETTINGS) as (backend, _):
        with pytest.raises(BackendError):
            await backend.get("people", "7", FIELDS)


async def test_an_answer_about_something_else_is_no_missing_record() -> None:
    """Where the record should be there is nothing, not even "none": the account is not told to be gone, or the gateway
    would forget it (promise 3). Null and emptiness do say so."""
    people = described(get={"path": "/people/{key}", "record": "data"})
    for body, error in (
        ('{"notice": "closed for the night"}', UnavailableError),
        ('["closed", "for the night"]', UnavailableError),
        ('{"data": ["closed"]}', UnavailableError),
        ('{"data": "closed"}', UnavailableError),
        ('{"data": null}', NotFoundError),
        ('{"data": []}', NotFoundError),
        ("{}", NotFoundError),
        ("null", NotFoundError),
    ):
        async with scripted(answering(200, body), people) as (backend, _):
            with pytest.raises(BackendError) as caught:
                await backend.get("people", "7", FIELDS)
            assert type(caught.value) is error, body


async def test_a_list_without_its_array_is_empty_unless_it_is_said_not_to_be() -> None:
    """Many systems leave an empty array out; where one never does, a rule tells its answers from others'."""
    list_of = {"path": "/people", "records": "items"}
    absent = {"errors": [{"at": "items", "absent": True, "means": "unavailable"}]}
    for listing, works in ((list_of, True), ({**list_of, **absent}, False)):
        async with scripted(answering(200, '{"notice": "closed"}'), described(list=listing)) as (backend, _):
            if works:
                assert list((await backend.search("people", Query(FIELDS))).records) == []
            else:
                with pytest.raises(UnavailableError):
                    await backend.search("people", Query(FIELDS))


async def test_a_garbled_answer_to_a_write_leaves_it_open() -> None:
    """A create answered with rubbish may be done (R-L21)."""
    people = described(create={"path": "/people", "record": ""})
    for body in ("<html>", "{", "[" * 90):
        async with scripted(answering(201, body), people) as (backend, _):
            with pytest.raises(UnavailableError) as caught:
                await backend.create("people", {"login": "x"})
            assert caught.value.maybe_done


async def test_an_expired_session_is_opened_anew_once() -> None:
    """Where a session expires in words of the system's own, one login and one repetition follow, for any number of
    calls."""
    logins, good = 0, ""

    async def script(request: web.Request) -> web.StreamResponse:
        nonlocal logins, good
        if request.path == "/login":
            logins += 1
            good = f"s{logins}"
            return web.json_response({"t": good})
        if request.headers.get("X-S") != good:
            return web.json_response({"error": "E_SESSION"})
        return web.json_response({"id": 7, "login": "ann"})

    auth = {
        "type": "login",
        "path": "/login",
        "password": "x",
        "token": {"at": "t"},
        "send": {"header": "X-S"},
        "basic": True,
    }
    rule = {"at": "error", "equals": "E_SESSION", "means": "expired"}
    async with scripted(script, SETTINGS, auth=auth, errors=[rule]) as (backend, server):
        await backend.get("people", "7", FIELDS)
        good = "other"
        await asyncio.gather(*(backend.get("people", "7", FIELDS) for _ in range(5)))
        assert logins == 2
        assert len([call for call in server.calls if call == "POST /login"]) <= 2


async def test_a_change_of_nothing_is_no_write() -> None:
    """An update that says what is there makes one read and no write."""
    async with scripted(answering(200, '{"id": 7, "login": "ann"}'), SETTINGS) as (backend, server):
        assert not (await backend.update("people", "7", Change({"login": "ann"}))).changed
        assert server.calls == ["GET /people/7"]
