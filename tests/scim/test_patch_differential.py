"""The same PATCH messages given to scim2-models: the same resource or the same keyword, but for listed differences."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scim2_models import Context, EnterpriseUser, PatchOp, SCIMException, User

from gateway.scim import patch, standard
from gateway.scim.errors import ScimError
from gateway.scim.patch import REQUEST_URN
from gateway.scim.schema import ENTERPRISE_URN, USER_URN

PeerUser = User[EnterpriseUser]
USER_TYPE = standard.resource_type("User")
USER: dict[str, Any] = {
    "schemas": [USER_URN, ENTERPRISE_URN],
    "id": "1",
    "userName": "bjensen",
    "title": "Boss",
    "active": True,
    "name": {"givenName": "B", "familyName": "J"},
    "emails": [
        {"type": "work", "value": "w@example.com", "primary": True},
        {"type": "home", "value": "h@example.com"},
    ],
    ENTERPRISE_URN: {"department": "D", "manager": {"value": "7", "$ref": "https://scim.example.com/Users/7"}},
}
NEW = {"value": "n@example.com", "type": "other"}
MANAGER = {"value": "8", "$ref": "https://scim.example.com/Users/8"}


def op(verb: str, path: str | None = None, value: Any = ...) -> dict[str, Any]:
    item = {"op": verb, "path": path, "value": value}
    return {name: part for name, part in item.items() if part is not ... and (name != "path" or part is not None)}


MESSAGES: dict[str, list[dict[str, Any]]] = {
    "add simple": [op("add", "nickName", "x")],
    "add simple that is there": [op("add", "title", "x")],
    "replace simple": [op("replace", "title", "x")],
    "replace absent simple": [op("replace", "nickName", "x")],
    "replace by null": [op("replace", "title", None)],
    "remove simple": [op("remove", "title")],
    "remove absent": [op("remove", "nickName")],
    "path in capitals": [op("replace", "TITLE", "x")],
    "add complex": [op("add", "name", {"middleName": "X"})],
    "replace complex": [op("replace", "name", {"givenName": "X"})],
    "remove complex": [op("remove", "name")],
    "replace sub": [op("replace", "name.givenName", "X")],
    "remove sub": [op("remove", "name.givenName")],
    "remove every sub": [op("remove", "name.givenName"), op("remove", "name.familyName")],
    "add element": [op("add", "emails", [NEW])],
    "add equal element": [op("add", "emails", [{"type": "home", "value": "h@example.com"}])],
    "add element with details": [op("add", "emails", [{"type": "home", "value": "h@example.com", "display": "H"}])],
    "add single object": [op("add", "emails", NEW)],
    "add primary": [op("add", "emails", [{**NEW, "primary": True}])],
    "replace list": [op("replace", "emails", [NEW])],
    "replace list by nothing": [op("replace", "emails", [])],
    "remove list": [op("remove", "emails")],
    "remove by value": [op("remove", "emails", [{"value": "h@example.com"}])],
    "remove selected": [op("remove", 'emails[type eq "home"]')],
    "remove unselected": [op("remove", 'emails[type eq "x"]')],
    "merge selected": [op("add", 'emails[type eq "home"]', {"display": "H"})],
    "replace selected": [op("replace", 'emails[type eq "home"]', {"value": "n@example.com"})],
    "replace sub of selected": [op("replace", 'emails[type eq "home"].value', "n@example.com")],
    "replace sub of unselected": [op("replace", 'emails[type eq "x"].value', "n@example.com")],
    "add sub of unselected": [op("add", 'emails[type eq "other"].value', "n@example.com")],
    "remove sub of selected": [op("remove", 'emails[type eq "work"].primary')],
    "move primary": [op("replace", 'emails[type eq "home"].primary', True)],
    "no path": [op("replace", None, {"title": "x", "active": False})],
    "no path, add": [op("add", None, {"nickName": "x", "emails": [NEW]})],
    "no path, extension": [op("replace", None, {ENTERPRISE_URN: {"costCenter": "c"}})],
    "no path, same id": [op("replace", None, {"id": "1", "title": "x"})],
    "no path, other id": [op("replace", None, {"id": "2", "title": "x"})],
    "no path, remove": [op("remove")],
    "no path, unknown": [op("add", None, {"shoeSize": 1})],
    "replace in extension": [op("replace", f"{ENTERPRISE_URN}:department", "x")],
    "remove in extension": [op("remove", f"{ENTERPRISE_URN}:department")],
    "replace manager": [op("replace", f"{ENTERPRISE_URN}:manager", MANAGER)],
    "remove extension": [op("remove", ENTERPRISE_URN)],
    "read-only": [op("replace", "id", "1")],
    "read-only groups": [op("add", "groups", [{"value": "g"}])],
    "remove required": [op("remove", "userName")],
    "unknown path": [op("add", "shoeSize", 1)],
    "index": [op("remove", "emails[0]")],
    "bad filter": [op("remove", "emails[type is]")],
    "wrong type": [op("replace", "active", "perhaps")],
    "no value": [op("add", "title")],
    "capital op": [op("Add", "title", "x")],
    "unknown op": [op("move", "title", "x")],
    "sequence": [op("remove", "emails"), op("add", "emails", [NEW])],
    "error after a good one": [op("replace", "title", "x"), op("replace", "id", "x")],
}
DIFFERENCES = {
    "add element with details": "the same type and value twice are one element here, merged (S11)",
    "add single object": "a list is expected here; taking one object for it is the dialect's business (P6)",
    "remove by value": "the value names what to remove here (D1); they refuse it",
    "add sub of unselected": "the element is made of the filter's eq terms here (D5); they answer noTarget",
    "no path, unknown": "invalidSyntax here, as the interoperability profile has it (D4); invalidValue there",
    "bad filter": "invalidFilter here (P1); invalidPath there",
    "capital op": "lower case only here; capitals are the dialect's business (P2)",
    "unknown op": "invalidSyntax here, the structure is wrong; invalidValue there",
}
Outcome = dict[str, Any] | str


def message(operations: list[dict[str, Any]]) -> dict[str, Any]:
    return {"schemas": [REQUEST_URN], "Operations": copy.deepcopy(operations)}


def comparable(resource: dict[str, Any]) -> dict[str, Any]:
    """Leave out `schemas`, which they do not keep (S4), and what is unassigned (S8)."""
    return {name: value for name, value in resource.items() if name != "schemas" and value not in (None, [], {})}


def ours(operations: list[dict[str, Any]], resource: dict[str, Any] = USER) -> Outcome:
    try:
        return comparable(patch.apply(patch.parse(message(operations), USER_TYPE), resource, USER_TYPE))
    except ScimError as error:
        return str(error.scim_type)


def theirs(operations: list[dict[str, Any]], resource: dict[str, Any] = USER) -> Outcome:
    peer = PeerUser.model_validate(copy.deepcopy(resource), scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
    context = Context.RESOURCE_PATCH_REQUEST
    try:
        PatchOp[PeerUser].model_validate(message(operations), scim_ctx=context).patch(peer)
    except ValidationError as error:
        return error.errors()[0]["type"].removeprefix("scim_")
    except SCIMException as error:
        return str(error.scim_type)
    return comparable(peer.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE))


@pytest.mark.parametrize("name", list(MESSAGES))
def test_a_message_does_what_scim2_models_does(name: str) -> None:
    """Every difference is one that is listed with its reason (P1, P3, P5, D2, S10)."""
    mine, peer = ours(MESSAGES[name]), theirs(MESSAGES[name])
    if name in DIFFERENCES:
        assert mine != peer, f"no difference any more: {DIFFERENCES[name]}"
    else:
        assert mine == peer


texts = st.sampled_from(["a@example.com", "b@example.com", "c@example.com"])
kinds = st.sampled_from(["work", "home"])
element = st.fixed_dictionaries({"type": kinds, "value": texts})
elements = st.lists(element, max_size=3, unique_by=lambda part: (part["type"], part["value"]))
common = st.one_of(
    st.builds(op, st.sampled_from(["add", "replace"]), st.sampled_from(["title", "nickName", "name.givenName"]), texts),
    st.builds(op, st.just("remove"), st.sampled_from(["title", "nickName", "name.givenName", "name", "emails"])),
    st.builds(op, st.sampled_from(["add", "replace"]), st.just("emails"), elements),
    st.builds(lambda kind: op("remove", f'emails[type eq "{kind}"]'), kinds),
    st.builds(lambda kind, text: op("replace", f'emails[type eq "{kind}"].display', text), kinds, texts),
    st.builds(lambda text: op("replace", None, {"title": text, ENTERPRISE_URN: {"department": text}}), texts),
)


def unordered(outcome: Outcome) -> Outcome:
    """A list is a set: order is no change here (P4), and what has type and value of another is that one (S11)."""
    if isinstance(outcome, str):
        return outcome
    emails: dict[tuple[str, str], dict[str, Any]] = {}
    for part in outcome.get("emails", []):
        emails.setdefault((part.get("type", ""), part.get("value", "")), {}).update(part)
    return {**outcome, "emails": [emails[pair] for pair in sorted(emails)]}


@settings(max_examples=60, deadline=None)
@given(st.lists(common, min_size=1, max_size=4))
def test_generated_messages_do_what_scim2_models_does(operations: list[dict[str, Any]]) -> None:
    """On what both understand alike, sequences of operations end in the same resource (P3, P5)."""
    emails = [{"type": "work", "value": "a@example.com"}, {"type": "home", "value": "b@example.com"}]
    resource = {**USER, "emails": emails}
    assert unordered(ours(operations, resource)) == unordered(theirs(operations, resource))
