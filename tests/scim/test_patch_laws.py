"""Laws of PATCH, over generated resources, operations and rubbish."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.scim import dialects, patch, standard, validate
from gateway.scim.errors import ScimError, ScimType
from gateway.scim.patch import REQUEST_URN, PatchOptions
from gateway.scim.schema import ENTERPRISE_URN, USER_URN

USER = standard.resource_type("User")
GROUP = standard.resource_type("Group")
FEW = settings(max_examples=150, deadline=None)

texts = st.sampled_from(["a", "A", "b", "x@example.com", "Straße", "7"])
names = st.fixed_dictionaries({}, optional={"givenName": texts, "familyName": texts, "formatted": texts})
kinds = st.sampled_from(["work", "home"])


def elements(**optional: Any) -> Any:
    """Lists as `validate` leaves them: no pair of type and value twice, at most one primary."""
    shape = st.fixed_dictionaries({"value": texts}, optional={"type": kinds, "display": texts, **optional})
    lists = st.lists(shape, max_size=4, unique_by=lambda part: (part.get("type"), part["value"].casefold()))
    return lists.filter(lambda found: sum(part.get("primary") is True for part in found) < 2)


attributes = {
    "title": texts,
    "active": st.booleans(),
    "name": names.filter(bool),
    "emails": elements(primary=st.booleans()).filter(bool),
    "roles": elements().filter(bool),
}
extension = st.fixed_dictionaries(
    {}, optional={"department": texts, "manager": st.builds(lambda v: {"value": v}, texts)}
)
resources = st.builds(
    lambda core, more: validate.create(
        USER, {"schemas": [USER_URN, ENTERPRISE_URN], "userName": "u", **core, ENTERPRISE_URN: more}
    ),
    st.fixed_dictionaries({}, optional=attributes),
    extension,
)
NULLS = {**dict.fromkeys(attributes), ENTERPRISE_URN: dict.fromkeys(("department", "manager"))}
managers = st.builds(lambda value: {"value": value}, texts)
targets = {**attributes, "name.givenName": texts, "manager": managers}
cleared = st.sampled_from([*attributes, ENTERPRISE_URN, "emails.type"])
plain_operations = st.one_of(
    *(
        st.fixed_dictionaries({"op": st.sampled_from(["add", "replace"]), "path": st.just(path), "value": values})
        for path, values in targets.items()
    ),
    st.builds(lambda path: {"op": "remove", "path": path}, cleared),
    st.builds(lambda part: {"op": "remove", "path": "emails", "value": [part]}, managers),
)
selecting_operations = st.builds(
    lambda op, attribute, kind, sub, value: {"op": op, "path": f'{attribute}[type eq "{kind}"]{sub}', "value": value},
    st.sampled_from(["add", "replace", "remove"]),
    st.sampled_from(["emails", "roles"]),
    kinds,
    st.sampled_from([".value", ".display"]),
    texts,
)


def message(*operations: Any) -> dict[str, Any]:
    return {"schemas": [REQUEST_URN], "Operations": list(operations)}


def apply(resource: dict[str, Any], *operations: Any, **options: Any) -> dict[str, Any]:
    chosen = PatchOptions(**options)
    return patch.apply(patch.parse(message(*operations), USER, chosen), resource, USER, chosen)


def outcome(work: Callable[[], dict[str, Any]]) -> dict[str, Any] | ScimType | None:
    """Give the resource, or the keyword of the refusal; whatever else is raised fails the test."""
    try:
        return work()
    except ScimError as error:
        return error.scim_type


@FEW
@given(resources, resources)
def test_replacing_everything_yields_it(before: dict[str, Any], wanted: dict[str, Any]) -> None:
    """A replace of every attribute gives exactly the resource that was named (P5)."""
    value = {**NULLS, **wanted, ENTERPRISE_URN: {**NULLS[ENTERPRISE_URN], **wanted.get(ENTERPRISE_URN, {})}}
    after = apply(before, {"op": "replace", "value": value}, replace_whole=True)
    assert validate.replace(USER, after, {}) == validate.replace(USER, wanted, {})


@FEW
@given(resources)
def test_saying_what_is_there_changes_nothing(resource: dict[str, Any]) -> None:
    """add and replace of the current state give an equal resource (P4)."""
    for op in ("add", "replace"):
        assert apply(resource, {"op": op, "value": resource}) == resource


@FEW
@given(resources, plain_operations)
def test_once_more_changes_nothing_more(resource: dict[str, Any], operation: dict[str, Any]) -> None:
    """An operation without a filter is idempotent (P4, P5)."""
    once = apply(resource, operation)
    assert apply(once, operation) == once
    assert apply(resource, operation, operation) == once


@FEW
@given(resources, st.lists(st.one_of(plain_operations, selecting_operations), min_size=1, max_size=4))
def test_one_message_is_as_good_as_several(resource: dict[str, Any], operations: list[dict[str, Any]]) -> None:
    """Operations apply one after the other, and what comes out is canonical (P3, S4, S8)."""
    before = copy.deepcopy((resource, operations))

    def in_steps() -> dict[str, Any]:
        step = resource
        for operation in operations:
            step = apply(step, operation)
        return step

    together = outcome(lambda: apply(resource, *operations))
    assert together == outcome(in_steps)
    if isinstance(together, dict):
        assert None not in together.values()
        assert [] not in together.values()
        assert (ENTERPRISE_URN in together["schemas"]) is (ENTERPRISE_URN in together)
    assert (resource, operations) == before


keys = st.sampled_from(
    ["op", "OP", "path", "value", "type", "primary", "display", "displayName", "$ref", "userName", "USERNAME", "active",
     "name", "name.givenName", "emails", "members", "id", "meta", "schemas", "groups", "manager", "managerId",
     "__proto__", ENTERPRISE_URN, f"{ENTERPRISE_URN}:department", 'emails[type eq "work"].value', "x", ""]
)  # fmt: skip
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(), st.text(max_size=4), texts,
    st.sampled_from(["add", "Add", "replace", "remove", "False", '{"value": "x"}', "[1", "[" * 2000, '{"a": NaN}',
                     "members", "emails", 'members[value eq "a"]', 'emails[type eq "work"]', "name", "manager", "id",
                     USER_URN, REQUEST_URN, ENTERPRISE_URN, f"{ENTERPRISE_URN}:manager.value"]),
)  # fmt: skip
rubbish = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)
half_good = st.fixed_dictionaries({"op": scalars, "value": rubbish}, optional={"path": scalars})
verbs = st.sampled_from(["add", "Replace", "remove"])
nearly_good = st.fixed_dictionaries(
    {"op": verbs, "value": rubbish}, optional={"path": st.one_of(keys, scalars.filter(lambda s: isinstance(s, str)))}
)
bodies = st.one_of(
    rubbish, st.lists(st.one_of(rubbish, half_good, nearly_good), max_size=3).map(lambda ops: message(*ops))
)
STATES = {
    USER.name: {"schemas": [USER_URN], "id": "1", "userName": "u", "emails": [{"type": "work", "value": "a"}],
                "name": {"givenName": "a"}, "groups": [{"value": "g"}], "meta": {"resourceType": "User"}},
    GROUP.name: {"displayName": "g", "members": [{"value": "a", "type": "User"}]},
}  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(bodies, st.sampled_from([USER, GROUP]), st.sampled_from(["compat", "strict"]))
def test_rubbish_is_refused_and_never_breaks(body: Any, resource_type: Any, mode: str) -> None:
    """Whatever comes in, the answer is a resource or a refusal, and what came in is as it was (P3, P7, X4)."""
    dialect = dialects.profile(mode)
    state = STATES[resource_type.name]
    before = copy.deepcopy(state), repr(body)
    counted: list[str] = []

    def work() -> dict[str, Any]:
        rewritten = dialect.patch(resource_type, body, counted.append)
        operations = patch.parse(rewritten, resource_type, dialect.patch_options)
        return patch.apply(operations, state, resource_type, dialect.patch_options)

    after = outcome(work)
    if isinstance(after, dict):
        assert after.get("id") == state.get("id")
        assert after.keys() <= {attribute.name for attribute in resource_type.index.values()} | {ENTERPRISE_URN}
    assert (state, repr(body)) == before
    assert set(counted) <= dialect.quirks


@settings(max_examples=200, deadline=None)
@given(rubbish, st.sampled_from([USER, GROUP]), st.sampled_from(["compat", "strict"]))
def test_rubbish_as_a_resource_is_refused_too(body: Any, resource_type: Any, mode: str) -> None:
    """So for POST bodies (D3, D4, P7)."""
    dialect = dialects.profile(mode)
    before = repr(body)

    def work() -> dict[str, Any]:
        rewritten = dialect.resource(resource_type, body, lambda _: None)
        return validate.create(resource_type, rewritten, dialect.validate_options)

    found = outcome(work)
    assert not isinstance(found, dict) or found["schemas"][0] == resource_type.schema.id
    assert repr(body) == before
