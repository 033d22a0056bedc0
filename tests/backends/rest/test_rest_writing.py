"""Writing: bodies, calls in order, keys, versions, members, and what each habit of a system costs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from backends.contract import (
    BackendError,
    Change,
    ConflictError,
    NotFoundError,
    RejectedError,
    StaleError,
    UnavailableError,
    UnfinishedError,
)
from tests.backends.rest.small import built, described, scripted


class Keeper:
    """Keeps people and answers the plain calls on them; `refused` answers some otherwise."""

    def __init__(self, **person: Any) -> None:
        self.people: dict[str, dict[str, Any]] = {"7": {"id": 7, "login": "ann", "note": "old", **person}}
        self.refused: dict[str, web.Response] = {}
        self.members = ["1", "2"]

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        call = f"{request.method} {request.path}"
        if call in self.refused:
            return self.refused.pop(call)
        parts = request.path.strip("/").split("/")
        if "members" in parts:
            return self._member(request, parts)
        if request.method == "POST" and len(parts) == 1:
            text = await request.text()
            body = json.loads(text) if text.startswith("{") else dict(await request.post())
            self.people["8"] = {"id": 8, **body}
            return web.json_response({"made": {"key": 8}}, status=201)
        person = self.people.get(parts[1])
        if person is None:
            return web.Response(status=404)
        if request.method == "DELETE":
            del self.people[parts[1]]
            return web.Response(status=204)
        if request.method in ("PATCH", "PUT"):
            body = await request.json()
            self.people[parts[1]] = {"id": person["id"], **body} if request.method == "PUT" else {**person, **body}
        return web.json_response(person)

    def _member(self, request: web.Request, parts: list[str]) -> web.StreamResponse:
        if parts[1] not in self.people:
            return web.Response(status=404)
        if request.method == "GET":
            return web.json_response(self.members)
        there = parts[-1] in self.members
        if request.method == "PUT":
            self.members += [] if there else [parts[-1]]
            return web.Response(status=409 if there else 201)
        self.members = [one for one in self.members if one != parts[-1]]
        return web.Response(status=204 if there else 404)


PUT = {"method": "PUT", "path": "/people/{key}"}
MEMBERS = {
    "many": True,
    "links": {
        "list": {"path": "/people/{key}/members"},
        "add": {"method": "PUT", "path": "/people/{key}/members/{value}"},
        "remove": {"method": "DELETE", "path": "/people/{key}/members/{value}"},
    },
}


async def test_a_whole_record_goes_back_with_what_nobody_declared() -> None:
    """Where an update blanks what is left out, the record as it was read is sent, changed."""
    keeper = Keeper(secret_of_its_own={"a": [1, 2.50]}, tags=["x"])
    async with scripted(keeper, described(update={**PUT, "send": "whole"})) as (backend, server):
        assert (await backend.update("people", "7", Change({"note": "new"}))).changed
        assert keeper.people["7"] == {
            "id": 7,
            "login": "ann",
            "note": "new",
            "secret_of_its_own": {"a": [1, 2.50]},
            "tags": ["x"],
        }
        assert backend.capabilities("people").serialize
        server.calls.clear()
        assert not (await backend.update("people", "7", Change({"note": "new"}))).changed
        assert server.calls == ["GET /people/7"], "what is there already is not written"


async def test_changed_fields_alone_are_sent() -> None:
    """A PATCH carries what changed, nested as the record is; arrays keep what is in their elements."""
    keeper = Keeper(contact={"mail": "a@example.com", "tel": "1"}, teams=[{"id": 1, "role": "head"}, {"id": 2}])
    fields = {
        "login": {"required": True},
        "mail": "contact.mail",
        "teams": {"many": True, "path": "teams[*].id", "form": "number"},
        "word": {"path": "word", "secret": True},
    }
    settings = described(fields=fields, update={"method": "PATCH", "path": "/people/{key}"})
    async with scripted(keeper, settings) as (backend, server):
        change = Change({"mail": "b@example.com", "word": "s3cret"}, {"teams": ("3",)}, {"teams": ("2",)})
        assert (await backend.update("people", "7", change)).changed
        assert json.loads(server.bodies[-1]) == {
            "contact": {"mail": "b@example.com"},
            "teams": [{"id": 1, "role": "head"}, {"id": 3}],
            "word": "s3cret",
        }
        assert (await backend.get("people", "7", frozenset({"word"}))).fields == {"word": None}


async def test_known_fields_are_sent_whole() -> None:
    """`send: known` is every declared field as it will be; `omit` leaves an empty one out."""
    keeper = Keeper(other="x")
    fields = {"login": {"required": True}, "note": {"omit": True}, "word": {"omit": True, "secret": True}}
    async with scripted(keeper, described(fields=fields, update={**PUT, "send": "known"})) as (backend, server):
        await backend.update("people", "7", Change({"note": None}))
        assert json.loads(server.bodies[-1]) == {"login": "ann"}


@pytest.mark.parametrize(
    ("key", "headers"),
    [({"at": "made.key"}, {}), ({"location": True}, {"Location": "https://x.example.com/people/8?v=1"}),
     ({"header": "X-Id"}, {"X-Id": "8"}), ({"find": "login"}, {})],
)  # fmt: skip
async def test_the_new_key_comes_from_wherever_it_is(key: dict[str, Any], headers: dict[str, str]) -> None:
    """From the body, the Location, a header, or a search for what was written; the record is read back."""
    keeper = Keeper()

    async def script(request: web.Request) -> web.StreamResponse:
        if request.method == "GET" and request.path == "/people":
            return web.json_response([one for one in keeper.people.values() if one["login"] == request.query["l"]])
        answer = await keeper(request)
        answer.headers.extend(headers)
        return answer

    settings = described(
        create={"path": "/people", "key": key},
        list={"path": "/people"},
        filters=[{"field": "login", "query": {"l": "{value}"}}],
    )
    async with scripted(script, settings) as (backend, _):
        made = await backend.create("people", {"login": "bob", "note": "x"})
        assert (made.key, made.fields) == ("8", {"login": "bob", "note": "x"})


async def test_a_create_that_does_not_tell_its_key_may_be_done() -> None:
    """A record made without a key in the answer is settled by reading back, not told as failed (R-L21)."""

    async def script(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=201)

    async with scripted(script, described(create={"path": "/people"})) as (backend, _):
        with pytest.raises(UnavailableError) as caught:
            await backend.create("people", {"login": "bob"})
        assert caught.value.maybe_done


async def test_a_body_of_its_own() -> None:
    """Wrappers, constants, defaults and fixed values surround the fields; forms are encoded."""
    keeper = Keeper()
    shape = {"person": "{@record}", "notify": False, "by": "<{login}>", "note": "{note}", "none": "{missing_not}"}
    del shape["none"]
    settings = described(
        where={"kind": ["person", "guest"]},
        defaults={"group.main": 1},
        create={"path": "/people", "json": shape, "key": {"at": "made.key"}},
    )
    async with scripted(keeper, settings) as (backend, server):
        with pytest.raises(UnavailableError):
            await backend.create(
                "people", {"login": "bob"}
            )  # the keeper stores the wrapper: read back, it is no person
        assert json.loads(server.bodies[0]) == {
            "person": {"login": "bob", "kind": "person", "group": {"main": 1}},
            "notify": False,
            "by": "<bob>",
        }
    form = {"path": "/people", "form": {"login": "{login}", "note": "{note}"}, "key": {"at": "made.key"}}
    async with scripted(Keeper(), described(create=form)) as (backend, server):
        await backend.create("people", {"login": "b&b=ö"})
        assert server.bodies[0] == b"login=b%26b%3D%C3%B6"


async def test_calls_in_order_and_only_when_due() -> None:
    """`active` by calls of its own: made in order, only for the value they are for, and before what comes after."""
    keeper = Keeper(active=True)
    fields = {"login": {"required": True}, "note": {}, "active": {"type": "bool"}}
    calls = [
        {"method": "PATCH", "path": "/people/{key}"},
        {"path": "/people/{key}/enable", "when": {"active": True}, "json": {}},
        {"path": "/people/{key}/disable", "when": {"active": False}, "json": {"why": "{note}"}},
    ]
    create = [{"path": "/people", "key": {"at": "made.key"}}, {**calls[2]}]
    async with scripted(keeper, described(fields=fields, update=calls, create=create)) as (backend, server):
        await backend.update("people", "7", Change({"active": False, "note": "n"}))
        assert server.calls == ["GET /people/7", "PATCH /people/7", "POST /people/7/disable"]
        assert json.loads(server.bodies[1]) == {"note": "n"}
        server.calls.clear()
        await backend.create("people", {"login": "x", "active": True})
        assert server.calls == ["POST /people", "GET /people/8"]
        server.calls.clear()
        await backend.create("people", {"login": "x", "active": False})
        assert server.calls == ["POST /people", "POST /people/8/disable", "GET /people/8"]


async def test_a_failure_behind_a_write_leaves_it_unfinished() -> None:
    """Whatever the second call answers, the first is done: repeating converges, and the key is told."""
    fields = {"login": {"required": True}, "active": {"type": "bool"}}
    calls = [
        {"path": "/people", "key": {"at": "made.key"}},
        {"path": "/people/{key}/on", "when": {"active": True}, "json": {}},
    ]
    for status in (409, 500, 503, 404):
        keeper = Keeper()
        keeper.refused["POST /people/8/on"] = web.Response(status=status)
        async with scripted(keeper, described(fields=fields, create=calls)) as (backend, _):
            with pytest.raises(UnfinishedError) as caught:
                await backend.create("people", {"login": "x", "active": True})
            assert caught.value.key == "8"


async def test_members_are_deltas_and_the_group_is_not_read() -> None:
    """Adding and removing are a call each; there and not there are no change, and then it is made sure who is meant."""
    keeper = Keeper()
    settings = described(fields={"login": {}, "members": MEMBERS})
    async with scripted(keeper, settings) as (backend, server):
        assert backend.capabilities("people").deltas == {"members"}
        change = Change(add={"members": ("3",)}, remove={"members": ("1",)})
        assert (await backend.update("people", "7", change)).changed
        assert server.calls == ["DELETE /people/7/members/1", "PUT /people/7/members/3"]
        server.calls.clear()
        assert not (await backend.update("people", "7", change)).changed
        assert server.calls[-1] == "GET /people/7"
        with pytest.raises(NotFoundError):
            await backend.update("people", "9", Change(remove={"members": ("1",)}))
        for odd in ("..", "a/b", ""):
            assert not (await backend.update("people", "7", Change(remove={"members": (odd,)}))).changed
            with pytest.raises(RejectedError) as caught:
                await backend.update("people", "7", Change(add={"members": (odd,)}))
            assert caught.value.field == "members"
        assert keeper.members == ["2", "3"]


async def test_many_members_are_sent_at_once_or_one_by_one() -> None:
    """Set is a delta over what is there; many values go in parts where the system takes several."""
    sent: list[Any] = []

    async def script(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            sent.append(await request.json())
            return web.Response(status=204)
        return await Keeper()(request)

    links = {**MEMBERS["links"], "add": {"path": "/people/{key}/members", "json": {"ids": "{values}"}}, "at_once": 2}  # type: ignore[dict-item]
    settings = described(fields={"login": {}, "members": {**MEMBERS, "links": links}})
    async with scripted(script, settings) as (backend, _):
        wanted = tuple(str(number) for number in range(2, 8))
        assert (await backend.update("people", "7", Change({"members": wanted}))).changed
        assert sorted(value for body in sent for value in body["ids"]) == ["3", "4", "5", "6", "7"]
        assert len(sent) == 3


async def test_a_member_that_is_nobody_is_rejected_by_name() -> None:
    """A 404 to an addition means the member where the group is there."""
    keeper = Keeper()
    keeper.refused["PUT /people/7/members/9"] = web.Response(status=404)
    async with scripted(keeper, described(fields={"login": {}, "members": MEMBERS})) as (backend, _):
        with pytest.raises(RejectedError) as caught:
            await backend.update("people", "7", Change(add={"members": ("9",)}))
        assert caught.value.field == "members"
        with pytest.raises(NotFoundError):
            await backend.update("people", "9", Change(add={"members": ("1",)}))


async def test_a_list_that_is_only_replaced() -> None:
    """Without calls to add and remove, the values are read, changed and put back whole, under the gateway's lock."""
    sent: list[Any] = []

    async def script(request: web.Request) -> web.StreamResponse:
        if request.method == "PUT":
            sent.append(await request.json())
            return web.Response(status=204)
        return web.json_response(["1", "2"])

    links = {
        "list": {"path": "/people/{key}/members"},
        "replace": {"method": "PUT", "path": "/people/{key}/members", "json": {"all": "{values}"}},
    }
    settings = described(fields={"login": {}, "members": {"many": True, "links": links}})
    async with scripted(script, settings) as (backend, _):
        assert backend.capabilities("people").serialize
        assert not backend.capabilities("people").deltas
        assert (
            await backend.update("people", "7", Change(add={"members": ("3",)}, remove={"members": ("1",)}))
        ).changed
        assert not (await backend.update("people", "7", Change(add={"members": ("2",)}))).changed
        assert (await backend.update("people", "7", Change({"members": ()}))).changed
        assert sent == [{"all": ["2", "3"]}, {"all": []}]


async def test_a_version_that_moved_is_stale_or_tried_again() -> None:
    """With `expect` a moved version is `StaleError`; without it, what was read and merged is read and merged anew."""
    keeper, moves = Keeper(), 2

    async def script(request: web.Request) -> web.StreamResponse:
        nonlocal moves
        if request.method == "PUT" and moves:
            moves -= 1
            keeper.people["7"] |= {"rev": f"r{moves}", "login": f"moved{moves}"}
            assert request.headers["If-Match"].startswith("r")
            return web.Response(status=412)
        return await keeper(request)

    keeper.people["7"]["rev"] = "r9"
    settings = described(update={**PUT, "send": "whole"}, version={"at": "rev"})
    async with scripted(script, settings) as (backend, _):
        assert (await backend.update("people", "7", Change({"note": "n"}))).changed
        assert keeper.people["7"]["login"] == "moved0", "nobody else's change is lost"
        assert keeper.people["7"]["note"] == "n"
        with pytest.raises(StaleError):
            await backend.update("people", "7", Change({"note": "m"}), expect="old")
        moves = 9
        with pytest.raises(UnavailableError):
            await backend.update("people", "7", Change({"note": "m"}))


async def test_a_delete_that_succeeds_on_nothing_is_looked_at_first() -> None:
    """Where the system deletes what is not there, a read before tells; lists that would stay are emptied."""

    async def script(request: web.Request) -> web.StreamResponse:
        return web.Response(status=204) if request.method == "DELETE" else await keeper(request)

    keeper = Keeper()
    delete = {"method": "DELETE", "path": "/people/{key}", "json": {"why": "gone"}}
    settings = described(delete=delete, look_first=True, leave=["members"], fields={"login": {}, "members": MEMBERS})
    async with scripted(script, settings) as (backend, server):
        with pytest.raises(NotFoundError):
            await backend.delete("people", "9")
        server.calls.clear()
        await backend.delete("people", "7")
        assert server.calls == [
            "GET /people/7",
            "GET /people/7/members",
            *sorted(["DELETE /people/7/members/1", "DELETE /people/7/members/2"]),
            "DELETE /people/7",
        ]
        assert json.loads(server.bodies[-1]) == {"why": "gone"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"login": None}, "login"),
        ({"login": ""}, None),
        ({}, "login"),
        ({"login": "x", "nothing": "y"}, "nothing"),
        ({"login": ("x",)}, "login"),
        ({"login": 7}, "login"),
        ({"login": "\ud800"}, "login"),
        ({"login": "x", "id": "9"}, "id"),
        ({"login": "x", "age": "7"}, "age"),
        ({"login": "x", "note": "n" * 11}, "note"),
    ],
)
async def test_what_cannot_be_written_is_refused_before_it_is_sent(fields: Any, field: str | None) -> None:
    """Empty, unknown, read-only, too long and of another type: the field is named, and no call is made."""
    declared = {
        "login": {"required": True},
        "id": {"write": "never"},
        "age": {"type": "int"},
        "note": {"max_length": 10},
    }
    settings = described(fields=declared, create={"path": "/people", "key": {"at": "made.key"}})
    async with scripted(Keeper(), settings) as (backend, server):
        if field is None:
            assert (await backend.create("people", fields)).fields == {"login": ""}
            return
        with pytest.raises(RejectedError) as caught:
            await backend.create("people", fields)
        assert caught.value.field == field
        assert server.calls == []


async def test_letters_the_system_folds_are_no_change() -> None:
    """A login in other letters is the same where the system folds it, and is found by any spelling."""
    fields = {"login": {"letters": "lower", "unique": True}}
    settings = described(
        fields=fields, update=PUT, create={"path": "/people", "key": {"at": "made.key"}}, list={"path": "/people"}
    )
    keeper = Keeper()
    async with scripted(keeper, settings) as (backend, server):
        assert not (await backend.update("people", "7", Change({"login": "ANN"}))).changed
        made = await backend.create("people", {"login": "BoB"})
        assert made.fields == {"login": "bob"}
        assert json.loads(server.bodies[1]) == {"login": "bob"}


async def test_a_conflict_names_the_field_by_our_name() -> None:
    """The field an error names is translated; one the entity does not have is not passed on."""
    rule = {"status": 409, "means": "conflict", "field_at": "errors[0].arg", "names": {"LOGIN_NAME": "login"}}
    create = {"path": "/people", "key": {"at": "made.key"}}
    for told, field in (("LOGIN_NAME", "login"), ("EVIL<script>", None), (7, None)):
        keeper = Keeper()
        keeper.refused["POST /people"] = web.json_response({"errors": [{"arg": told}]}, status=409)
        async with scripted(keeper, described(create=create, errors=[rule])) as (backend, _):
            with pytest.raises(ConflictError) as caught:
                await backend.create("people", {"login": "x"})
            assert caught.value.field == field


async def test_what_differs_is_sent_where_the_system_does_not_tell() -> None:
    """With `compare` the list is read first, so that there and not there cost no call and are no change."""
    keeper = Keeper()
    links = {**MEMBERS["links"], "compare": True}  # type: ignore[dict-item]
    settings = described(fields={"login": {}, "members": {**MEMBERS, "links": links}})
    async with scripted(keeper, settings) as (backend, server):
        assert not backend.capabilities("people").deltas
        change = Change(add={"members": ("2", "3")}, remove={"members": ("1", "9")})
        assert (await backend.update("people", "7", change)).changed
        assert server.calls == ["GET /people/7/members", "DELETE /people/7/members/1", "PUT /people/7/members/3"]
        assert not (await backend.update("people", "7", change)).changed


async def test_groups_named_on_the_member_are_written_there() -> None:
    """`through`: a group's members are the people that name it; both sides are seen, and a group that is not there
    gets nobody."""
    people = {"1": {"id": 1, "login": "a", "in": ["9"]}, "2": {"id": 2, "login": "b", "in": []}}

    async def script(request: web.Request) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        if parts[0] == "groups":
            return web.json_response({"id": 9}) if parts[1:] == ["9"] else web.Response(status=404)
        if len(parts) == 1:
            return web.json_response(list(people.values()))
        if parts[1] not in people:
            return web.Response(status=404)
        if request.method == "PATCH":
            people[parts[1]] |= await request.json()
        return web.json_response(people[parts[1]])

    fields = {"login": {}, "groups": {"many": True, "path": "in"}}
    settings = described(fields=fields, list={"path": "/people"}, update={"method": "PATCH", "path": "/people/{key}"})
    groups = {
        "key": "id",
        "get": {"path": "/groups/{key}"},
        "fields": {"members": {"many": True, "through": "people.groups"}},
    }
    async with scripted(script, settings) as (small, _):
        made = {"base_urls": small.settings.base_urls, "entities": {"people": settings, "groups": groups}}
        backend = type(small)(type(small.settings).model_validate(made), small.context)
        await backend.start()
        try:
            change = Change(add={"members": ("2",)}, remove={"members": ("1", "5")})
            assert (await backend.update("groups", "9", change)).changed
            assert (people["1"]["in"], people["2"]["in"]) == ([], ["9"])
            assert not (await backend.update("groups", "9", change)).changed
            assert (await backend.get("groups", "9", frozenset({"members"}))).fields == {"members": ("2",)}
            with pytest.raises(NotFoundError):
                await backend.update("groups", "8", Change(add={"members": ("1",)}))
            with pytest.raises(RejectedError) as caught:
                await backend.update("groups", "9", Change(add={"members": ("5",)}))
            assert caught.value.field == "members"
            assert people["1"]["in"] == []
        finally:
            await backend.stop()


@pytest.mark.parametrize(("status", "alive"), [(200, True), (404, True), (405, True), (401, False), (503, False)])
async def test_the_base_url_proves_that_the_system_is_there(status: int, alive: bool) -> None:
    """Any answer of the system's own to a GET of the base URL will do; refused credentials and 5xx will not."""
    now = 200

    async def script(request: web.Request) -> web.StreamResponse:
        return web.Response(status=now)

    async with scripted(script, described(), ping={"path": "/up"}) as (strict, _):
        now = status
        below = (f"{strict.settings.base_urls[0]}/x",)
        loose = type(strict)(strict.settings.model_copy(update={"ping": None, "base_urls": below}), strict.context)
        await loose._session.start()
        try:
            for backend, works in ((loose, alive), (strict, status == 200)):
                if works:
                    await backend.ping()
                else:
                    with pytest.raises(BackendError):
                        await backend.ping()
        finally:
            await loose.stop()


async def test_another_key_is_foretold_where_the_key_is_a_field() -> None:
    """A name that is the key moves the record, in the letters the system uses; nothing else does (R-L1)."""
    fields = {"login": {"required": True, "letters": "lower"}, "note": {}, "grade": {"type": "int"}}
    backend = built("http://127.0.0.1:9", described(key="login", fields=fields))
    assert backend.renamed("people", "ann", Change(set={"login": "Bea"})) == "bea"
    assert backend.renamed("people", "ann", Change(set={"note": "n"})) == "ann"
    assert backend.renamed("people", "ann", Change(set={"login": None})) == "ann"
    assert backend.renamed("people", "ann", Change(set={"login": 7})) == "ann"
    assert backend.renamed("nobody", "ann", Change(set={"login": "Bea"})) == "ann"
