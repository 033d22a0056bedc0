"""Whole resources: what was sent comes back as it was sent, and nobody is written twice (D10, P4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mapping.keeping import is_pair
from gateway.scim.errors import ScimError
from tests.mapping.world import ENTERPRISE, World
from tests.mapping.worlds import WORLDS, made, users

EACH = {name: made(name) for name in WORLDS}
each = pytest.mark.parametrize("name", EACH)
DERIVED = ("$ref", "display", "displayName", "type")


def alike(one: Any, other: Any) -> bool:
    """Equal but for the order of elements."""
    if isinstance(one, list) and isinstance(other, list):
        left = list(other)
        for element in one:
            match = next((candidate for candidate in left if alike(element, candidate)), None)
            if match is None:
                return False
            left.remove(match)
        return not left
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    return bool(one == other) and type(one) is type(other)


def sent(resource: Mapping[str, Any]) -> dict[str, Any]:
    """A resource without what is derived of a manager, and without what the record adds of its own."""
    found = dict(resource)
    enterprise = found.get(ENTERPRISE)
    if enterprise and "manager" in enterprise:
        found[ENTERPRISE] = {**enterprise, "manager": {"value": enterprise["manager"]["value"]}}
    found.pop("groups", None)
    return found


def encodable(world: World, resource: Mapping[str, Any]) -> bool:
    try:
        world.mapping.encode(resource, world.links)
    except ScimError:
        return False
    return True


@each
@settings(max_examples=30)
@given(data=st.data())
def test_a_resource_comes_back_as_it_was_sent(name: str, data: st.DataObject) -> None:
    """What a create took is what is read, element by element; `active` alone is always there (D10, R-L11, R-L17)."""
    world = EACH[name]
    resource = data.draw(users())
    if not encodable(world, resource):
        return
    got = sent(world.through(resource))
    if "active" not in resource:
        got.pop("active")
    assert got.keys() == resource.keys()
    for part, value in resource.items():
        assert alike(got[part], value), part


@each
@settings(max_examples=20)
@given(data=st.data())
def test_a_change_leads_to_the_resource_asked_for(name: str, data: st.DataObject) -> None:
    """Whatever was there, after the difference is written the resource reads as asked for (P5, D10)."""
    world = EACH[name]
    first, second = data.draw(users()), data.draw(users())
    if not (encodable(world, first) and encodable(world, second)):
        return
    record, kept = world.created(first)
    before = world.read(record, kept)
    second.setdefault("active", before["active"])
    record, kept, _ = world.changed(record, kept, second)
    got = sent(world.read(record, kept))
    assert got.keys() == second.keys()
    for part, value in second.items():
        assert alike(got[part], value), part


@each
@settings(max_examples=20)
@given(data=st.data())
def test_what_did_not_change_is_not_written(name: str, data: st.DataObject) -> None:
    """The difference between a resource and itself is nothing (P4)."""
    world = EACH[name]
    resource = data.draw(users())
    if not encodable(world, resource):
        return
    record, kept = world.created(resource)
    read = world.read(record, kept)
    delta = world.mapping.diff(read, read, record, world.links)
    assert not delta.change
    assert not delta.kept
    assert not isinstance(delta.external_id, str)


@each
@settings(max_examples=20)
@given(data=st.data())
def test_only_what_differs_is_written(name: str, data: st.DataObject) -> None:
    """A change of one attribute touches the fields of that attribute only (P3, promise 1)."""
    world = EACH[name]
    first, second = data.draw(users()), data.draw(users())
    if not (encodable(world, first) and encodable(world, second)):
        return
    record, kept = world.created(first)
    read = world.read(record, kept)
    part = data.draw(st.sampled_from(sorted(second)))
    after = {**read, part: second[part]}
    try:
        delta = world.mapping.diff(read, after, record, world.links)
    except ScimError:
        return
    owners = {world.mapping.attribute_of(field) or "" for field in (*delta.change.set, *delta.change.add)}
    assert all(owner.startswith(part) for owner in owners)


@each
@settings(max_examples=20)
@given(data=st.data())
def test_what_somebody_else_wrote_wins(name: str, data: st.DataObject) -> None:
    """A record changed behind the gateway's back shows what it holds now; what has no place in it stays (R-L16)."""
    world = EACH[name]
    first, second = data.draw(users()), data.draw(users())
    if not (encodable(world, first) and encodable(world, second)):
        return
    _, kept = world.created(first)
    record, _ = world.created(second)
    natively = world.read(record)
    got = world.read(record, kept)
    for part, value in natively.items():
        if part != ENTERPRISE and not isinstance(value, list):
            pair = kept.get(part)
            assert got[part] == value or (is_pair(pair) and pair["canonical"] == value)
    for element in natively.get("emails", []):
        assert any(element["value"].casefold() == other["value"].casefold() for other in got["emails"])
    for values in got.values():
        if isinstance(values, list):
            assert sum(element.get("primary") is True for element in values) <= 1
