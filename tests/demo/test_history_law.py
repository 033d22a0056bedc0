"""The demo keeps whatever a client says: random lives of users, held against the pure functions of the protocol."""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.scim import filters, patch, standard, validate
from gateway.scim.dialects import Dialect, profile
from gateway.scim.errors import ScimError
from gateway.scim.evaluate import compile_filter
from gateway.scim.schema import ENTERPRISE_URN, USER_URN
from tests.demo_gateway import PATCH_URN

USER = standard.resource_type("User")
OWN = ("id", "meta", "groups", "schemas")
NUMBERS = itertools.count()

texts = st.sampled_from(["a", "A", " b ", "Straße", "0070", "x@Example.com", "o'neil; --", "100%_\\", "日本", "N"])
short = st.sampled_from(["a", "A", "Straße", "0070", "N"])
flags = st.booleans()


def elements(kinds: list[str], *parts: str, value: Any = texts) -> Any:
    """Lists of values as a client may send them: no pair of type and value twice, one primary at most."""
    shape = st.fixed_dictionaries(
        {"value": value},
        optional={"type": st.sampled_from(kinds), "primary": flags, **dict.fromkeys(parts, texts)},
    )
    lists = st.lists(
        shape, min_size=1, max_size=4, unique_by=lambda one: (one.get("type"), str(one["value"]).casefold())
    )
    return lists.filter(lambda found: sum(one.get("primary") is True for one in found) < 2)


def places() -> Any:
    names = ("formatted", "streetAddress", "locality", "region", "postalCode", "country")
    parts = {name: st.just("US") if name == "country" else short for name in names}
    shape = st.fixed_dictionaries({}, optional={"type": st.sampled_from(["work", "home", "other"]), **parts})
    lists = st.lists(shape.filter(lambda one: any(name in one for name in names)), min_size=1, max_size=3)
    return lists.filter(lambda found: len({json.dumps(one, sort_keys=True) for one in found}) == len(found))


ATTRIBUTES = {
    "active": flags,
    "externalId": texts,
    "displayName": texts,
    "nickName": texts,
    "title": texts,
    "userType": texts,
    "preferredLanguage": st.sampled_from(["en-US", "fr"]),
    "name": st.fixed_dictionaries(
        {}, optional={"givenName": texts, "familyName": texts, "middleName": texts, "formatted": texts}
    ).filter(bool),
    "emails": elements(["work", "home", "other", "shop"], "display"),
    "phoneNumbers": elements(["work", "mobile", "home", "fax", "pager"], "display"),
    "roles": elements(["x", "y"], "display"),
    "entitlements": elements(["x"]),
    "ims": elements(["aim", "xmpp"], value=short),
    "addresses": places(),
}
EXTENSION = dict.fromkeys(("employeeNumber", "costCenter", "organization", "division", "department"), texts)
extensions = st.fixed_dictionaries({}, optional=EXTENSION)
users = st.builds(
    lambda core, more: {"schemas": [USER_URN, ENTERPRISE_URN], **core, **({ENTERPRISE_URN: more} if more else {})},
    st.fixed_dictionaries({}, optional=ATTRIBUTES),
    extensions,
)
PARTS = {"emails": ("work", "home", "shop"), "phoneNumbers": ("work", "fax", "pager"), "roles": ("x",)}
selections = st.sampled_from([(name, kind) for name, kinds in PARTS.items() for kind in kinds])
operations = st.one_of(
    *(
        st.fixed_dictionaries({"op": st.sampled_from(["add", "Replace"]), "path": st.just(path), "value": values})
        for path, values in {
            **ATTRIBUTES,
            "name.familyName": texts,
            **{f"{ENTERPRISE_URN}:{name}": values for name, values in EXTENSION.items()},
        }.items()
    ),
    st.builds(
        lambda op, selected, part, value: {
            "op": op,
            "path": f'{selected[0]}[type eq "{selected[1]}"].{part}',
            "value": value,
        },
        st.sampled_from(["add", "replace"]),
        selections,
        st.sampled_from(["value", "display"]),
        texts,
    ),
    st.builds(lambda selected: {"op": "remove", "path": f'{selected[0]}[type eq "{selected[1]}"]'}, selections),
    st.builds(
        lambda path: {"op": "remove", "path": path},
        st.sampled_from([*(name for name in ATTRIBUTES if name != "active"), "name.givenName", "emails.display"]),
    ),
    st.builds(lambda core: {"op": "replace", "value": core}, st.fixed_dictionaries({}, optional=ATTRIBUTES)),
    # What clients really send: booleans as text, dotted names without a path, elements named by primary, by value.
    st.builds(lambda word: {"op": "Replace", "path": "active", "value": word}, st.sampled_from(["True", "False"])),
    st.builds(
        lambda one, other: {"op": "Add", "value": {"name.givenName": one, f"{ENTERPRISE_URN}:department": other}},
        texts,
        texts,
    ),
    st.builds(
        lambda op, word, value: {"op": op, "path": f"roles[primary eq {word}].value", "value": value},
        st.sampled_from(["Add", "Replace"]),
        st.sampled_from(["true", '"True"']),
        texts,
    ),
    st.builds(lambda value: {"op": "Remove", "path": "emails", "value": [{"value": value}]}, texts),
    st.builds(lambda value: {"op": "remove", "path": f"roles[value eq {json.dumps(value)}]"}, texts),
)
changes = st.lists(operations, min_size=1, max_size=3) | users
questions = st.one_of(
    st.builds(lambda name, op, value: f"{name} {op} {json.dumps(value)}",
              st.sampled_from(["title", "nickName", "name.familyName", "externalId", "emails.value", "roles.value",
                               "emails.display", "phoneNumbers.type", f"{ENTERPRISE_URN}:department"]),
              st.sampled_from(["eq", "ne", "co", "sw", "ew"]), texts),
    st.builds(lambda name, kind, part, op, value: f'{name}[type eq "{kind}" and {part} {op} {json.dumps(value)}]',
              st.sampled_from([*PARTS]), st.sampled_from(["work", "x", "pager"]),
              st.sampled_from(["value", "display"]), st.sampled_from(["eq", "co", "gt", "ne"]), texts),
    st.sampled_from(["title pr", "not (emails pr)", "emails[primary eq true]", "active eq false", "roles.primary pr"]),
)  # fmt: skip
searches = st.lists(questions, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([" and ", " or "]).map(lambda word: word.join(f"({part})" for part in parts))
)


def own(resource: Any) -> Any:
    """What of an answer the client has said; many values have no order (RFC 7643 §2.4)."""
    return {
        name: sorted(value, key=lambda one: json.dumps(one, sort_keys=True)) if isinstance(value, list) else value
        for name, value in resource.items()
        if name not in OWN
    }


def nothing(_: str) -> None:
    """Count no quirk."""


def wanted(dialect: Dialect, before: dict[str, Any], change: Any) -> dict[str, Any] | int:
    """What the protocol says becomes of a user, or the status it is refused with."""
    try:
        if isinstance(change, dict):
            body = dialect.resource(USER, change, nothing)
            return own(validate.replace(USER, body, before, dialect.validate_options))
        message = dialect.patch(USER, {"schemas": [PATCH_URN], "Operations": change}, nothing)
        parsed = patch.parse(message, USER, dialect.patch_options)
        return own(patch.apply(parsed, before, USER, dialect.patch_options))
    except ScimError as error:
        return error.status


@pytest.fixture
def demos(serve: Any) -> Callable[[str], Awaitable[Any]]:
    """The demo as it speaks with a client, served once."""
    served: dict[str, Any] = {}

    async def one(client: str) -> Any:
        if client not in served:
            served[client] = await serve(empty=True, client=client)
        return served[client]

    return one


@pytest.mark.parametrize("client", ["default", "entra", "okta"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(user=users, steps=st.lists(changes, min_size=1, max_size=4), search=searches)
async def test_a_user_is_what_the_client_made_of_it(
    demos: Any, client: str, user: Any, steps: list[Any], search: str
) -> None:
    """After each POST, PATCH and PUT the answer, a GET and a search are what the pure functions say (P5, D10)."""
    demo, dialect = await demos(client), profile(client, {}, strict=False)
    name = f"user{next(NUMBERS)}"
    created = await demo.post("/Users", {**user, "userName": name})
    assert created.status == 201, created.body
    place = f"/Users/{created.body['id']}"
    state = own(validate.create(USER, {**user, "userName": name}))
    state.setdefault("active", True)
    assert own(created.body) == state
    for step in steps:
        body = {**step, "userName": name} if isinstance(step, dict) else step
        expected = wanted(dialect, {**state, "schemas": created.body["schemas"]}, body)
        answer = await (demo.put(place, body) if isinstance(body, dict) else demo.patch(place, body))
        if isinstance(expected, int):
            assert answer.status == expected, answer.body
        else:
            assert answer.status == 200, answer.body
            state = expected
            assert own(answer.body) == state
        assert own((await demo.get(place)).body) == state
    found = await demo.get(f'/Users?filter=id eq "{created.body["id"]}" and ({search})')
    resource = (await demo.get(place)).body
    if found.status == 400:
        assert found.body["scimType"] in {"invalidFilter", "tooMany"}
    else:
        assert found.body["totalResults"] == compile_filter(filters.parse(search, USER))(resource)
