"""The fast road: what it writes without looking is what looking first would have led to (DESIGN §4, promise 4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mapping import Delta
from gateway.scim import patch
from gateway.scim.errors import ScimError
from tests.mapping.world import ENTERPRISE, World, group, linked, user
from tests.mapping.worlds import NAMES, PEOPLE, TEAMS, WORLDS, made, users

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def strict() -> World:
    """Nothing kept: most of a user can be written without looking."""
    return user(
        {
            "userName": {"field": "login", "codec": "upper", "keep": "spelling"},
            "active": {"field": "status", "codec": {"values": {"A": True, "I": False}}},
            "externalId": "code",
            "displayName": "full",
            "title": {"field": "title", "codec": {"length": 5}},
            "name.givenName": "first",
            "name.familyName": {"field": "last", "codec": "empty"},
            'emails[type eq "work"].value': "mail",
            f"{ENTERPRISE}:employeeNumber": {"field": "number", "codec": {"number": 3}},
            f"{ENTERPRISE}:manager.value": {"field": "boss", "reference": "User"},
            "password": {"field": "phone", "codec": {"template": "secret:{}"}},
        }
    )


def fields() -> World:
    """A boolean of the field's own, and two attributes that share a field."""
    return user({"active": "flag", "displayName": "full", "nickName": "full", "title": "title"}, unmapped="keep")


MADE: Mapping[str, World] = {name: made(name) for name in WORLDS} | {"strict": strict(), "fields": fields()}
for one in MADE.values():
    one.links = linked(PEOPLE, TEAMS)
SIMPLE = ["userName", "displayName", "title", "nickName", "name.givenName", "name.familyName", "externalId",
          f"{ENTERPRISE}:employeeNumber", f"{ENTERPRISE}:department"]  # fmt: skip


@st.composite
def operations(draw: st.DrawFn) -> dict[str, Any]:
    """One PATCH operation as a client sends it."""
    kind = draw(st.integers(0, 7))
    op = draw(st.sampled_from(["add", "replace"]))
    match kind:
        case 0:
            return {"op": op, "path": "active", "value": draw(st.booleans())}
        case 1:
            manager: Any = {"value": draw(st.sampled_from([*PEOPLE, "nobody"]))}
            path = draw(st.sampled_from([f"{ENTERPRISE}:manager", f"{ENTERPRISE}:manager.value"]))
            return {"op": op, "path": path, "value": manager if path.endswith("manager") else manager["value"]}
        case 2:
            path = draw(st.sampled_from([*SIMPLE, f"{ENTERPRISE}:manager", "active", "emails", "name", "roles"]))
            return {"op": "remove", "path": path}
        case 3:
            whole = draw(users())
            part = draw(st.sampled_from(sorted(whole.keys() - {ENTERPRISE})))
            return {"op": op, "path": part, "value": whole[part]}
        case 4:
            return {"op": op, "value": {"active": draw(st.booleans()), "title": draw(NAMES)}}
        case 5:
            return {"op": op, "path": 'emails[type eq "work"].value', "value": draw(NAMES)}
    return {"op": op, "path": draw(st.sampled_from(SIMPLE)), "value": draw(NAMES | st.sampled_from(["007", "Sales"]))}


def outcome(world: World, before: Any, delta: Delta | ScimError) -> Any:
    """The resource after a change, or what was said instead."""
    record, kept, external = before
    if isinstance(delta, ScimError):
        return delta.status, delta.scim_type
    record, kept = world.applied(record, kept, delta)
    found = world.read(record, kept)
    found["externalId"] = delta.external_id if isinstance(delta.external_id, str | None) else external
    found["@password"] = record.fields["phone"]
    return found


def by_the_slow_road(world: World, resource: Mapping[str, Any], record: Any, ops: Any) -> Delta | ScimError:
    try:
        after = patch.apply(ops, resource, world.resource_type, patch.PatchOptions())
        return world.mapping.diff(resource, after, record, world.links)
    except ScimError as error:
        return error


def by_the_fast_road(world: World, ops: Any) -> Delta | ScimError | None:
    quick = world.mapping.fast(ops)
    if quick is None:
        return None
    try:
        return quick.build(world.links)
    except ScimError as error:
        return error


@pytest.mark.parametrize("name", MADE)
@settings(max_examples=35)
@given(data=st.data())
def test_both_roads_lead_to_the_same_resource(name: str, data: st.DataObject) -> None:
    """Whatever is there: written fast, it reads as if it had been read, patched and compared (P5, D10)."""
    world = MADE[name]
    try:
        record, kept = world.created(data.draw(users()))
    except ScimError:
        return
    ops = parsed(world, data.draw(st.lists(operations(), min_size=1, max_size=3)))
    if ops is None:
        return
    resource = world.read(record, kept)
    external = None if "externalId" in resource else "e1"
    if external:
        resource["externalId"] = external
    fast = by_the_fast_road(world, ops)
    if fast is None:
        return
    slow = by_the_slow_road(world, resource, record, ops)
    before = (record, kept, external)
    assert outcome(world, before, fast) == outcome(world, before, slow)


def parsed(world: World, given: list[dict[str, Any]]) -> Any:
    try:
        return patch.parse({"schemas": [PATCH], "Operations": given}, world.resource_type)
    except ScimError:
        return None


def test_most_simple_changes_are_fast() -> None:
    """The fast road is no exception: where nothing is kept, single attributes go by it (DESIGN §4)."""
    world = MADE["strict"]
    roads = Counter(
        world.mapping.fast(parsed(world, [{"op": "replace", "path": path, "value": "12"}])) is not None
        for path in SIMPLE
        if not path.endswith(("nickName", "department", "employeeNumber"))
    )
    assert roads == {True: 6}


@st.composite
def memberships(draw: st.DrawFn) -> dict[str, Any]:
    """One operation on the members of a group."""
    ids = draw(st.lists(st.sampled_from([*PEOPLE, *TEAMS, "nobody"]), max_size=3, unique=True))
    elements = [{"value": id} for id in ids]
    match draw(st.integers(0, 3)):
        case 0:
            return {"op": "add", "path": "members", "value": elements}
        case 1:
            return {"op": "remove", "path": "members", "value": elements}
        case 2:
            return {"op": "remove", "path": f'members[value eq "{ids[0] if ids else "u1"}"]'}
    return {"op": "add", "value": {"members": elements}}


@settings(max_examples=80)
@given(given_ops=st.lists(memberships(), min_size=1, max_size=4), there=st.sets(st.sampled_from(["11", "12"])))
def test_memberships_are_deltas_and_come_out_the_same(given_ops: list[dict[str, Any]], there: set[str]) -> None:
    """Members come and go without the group being read, each operation after the other (promise 4, P3, D1)."""
    world = group()
    world.links = linked(PEOPLE, TEAMS)
    record = world.record({"title": "T", "members": tuple(sorted(there)), "subteams": ("t1",)})
    ops = parsed(world, given_ops)
    if ops is None:
        return
    fast = by_the_fast_road(world, ops)
    assert fast is not None
    resource = world.read(record)
    slow = by_the_slow_road(world, resource, record, ops)
    if isinstance(slow, ScimError) and not isinstance(fast, ScimError):
        # Taken away again before anybody looked: the slow road never gets to see it either.
        raise AssertionError(slow.detail)
    if isinstance(fast, ScimError):
        assert fast.status == 400
        return
    assert isinstance(slow, Delta)
    assert not fast.change.set
    members = [ids_of(world.read(world.applied(record, {}, delta)[0])) for delta in (fast, slow)]
    assert members[0] == members[1]


def ids_of(resource: Mapping[str, Any]) -> set[str]:
    return {element["value"] for element in resource.get("members", [])}
