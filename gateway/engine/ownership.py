"""Who has a value that tells accounts apart, and the locks under which that can be relied upon (H2, S14, R-L6)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from backends.contract import Fields, Record
from gateway.engine.calls import Call
from gateway.engine.failures import taken, translated
from gateway.engine.queries import Budget, Queries
from gateway.engine.tenants import Served
from gateway.scim import filters, paths, project
from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.evaluate import fold
from gateway.scim.schema import Uniqueness

ENOUGH = 3
"""Holders that are looked for at most: the one there was, the one that came, and one too many (R-L6)."""


@dataclass(frozen=True, slots=True)
class Holders:
    """The accounts that have a value, by key; `complete` unless there may be more. `name` is the
    attribute the first of them was found by."""

    records: Mapping[str, Record]
    complete: bool = True
    name: str | None = None

    @property
    def nobody(self) -> bool:
        """Whether it is certain that nobody has it."""
        return self.complete and not self.records

    @property
    def single(self) -> Record | None:
        """The only one; None for nobody and for several, of whom none is chosen."""
        found = list(self.records.values())
        return found[0] if self.complete and len(found) == 1 else None


class Ownership:
    """Looks for the holders of values, as a search of a client would see them and as the system compares them."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def holders(
        self, call: Call, served: Served, names: Iterable[str], resource: Mapping[str, Any], fields: Fields
    ) -> Holders:
        """Find the visible accounts that share one of the attributes `names` with a resource.

        `fields` are the native fields the resource is to have: two values that are one in the system are one here too.
        """
        found: dict[str, Record] = {}
        complete, first = True, None
        for name in names:
            if resource.get(name) is None:
                continue
            budget = self._queries.budget(call)
            try:
                async with aclosing(self._holding(call, served, name, resource[name], fields, budget)) as holding:
                    async for record in holding:
                        found[record.key] = record
                        first = first or name
                        if len(found) >= ENOUGH:
                            return Holders(found, complete=False, name=first)
            except ScimError as error:
                if error.scim_type is not ScimType.TOO_MANY:
                    raise
                complete = False
        return Holders(found, complete, first)

    async def check(
        self, call: Call, served: Served, resource: Mapping[str, Any], fields: Fields, *, own: str, names: Iterable[str]
    ) -> None:
        """Refuse with 409 if somebody but the record `own` has one of the values (H2); without having seen everybody
        nobody is told that it is free."""
        for name in names:
            there = await self.holders(call, served, [name], resource, fields)
            if there.records.keys() - {own}:
                raise taken(name)
            if not there.complete:
                raise unsure(name)

    async def _holding(
        self, call: Call, served: Served, name: str, value: Any, fields: Fields, budget: Budget
    ) -> AsyncGenerator[Record]:
        path = paths.resolve(served.resource_type, name)
        plan = served.mapping.read_plan(project.parse(served.resource_type, [name], None))
        tree = filters.Comparison(path, filters.Op.EQ, value)
        query = await self._queries.preparation.bound(call, served, tree, plan)
        if query.nothing:
            return
        mapping = served.mapping
        natives = {field: native for field, native in fields.items() if mapping.attribute_of(field) == name}
        natives = {field: native for field, native in natives.items() if field in plan.fields and native is not None}
        with translated(mapping.attribute_of):
            async for records in self._queries.scan(call, query, budget):
                if query.test is None:
                    for record in records:
                        yield record
                    continue
                for record, item in zip(records, await self._queries.rendered(call, query, records), strict=True):
                    same = bool(natives) and all(record.fields[field] == native for field, native in natives.items())
                    if same or query.test(item.resource):
                        yield record


def unique_attributes(served: Served) -> list[str]:
    """Name what tells two resources of a type apart: the unique attributes, or the required ones where none is
    unique."""
    attributes = served.resource_type.schema.attributes
    unique = [a.name for a in attributes if a.uniqueness is not Uniqueness.NONE and not a.is_complex]
    return unique or [a.name for a in attributes if a.required and not a.is_complex and not a.multi_valued]


def is_unique(served: Served, name: str) -> bool:
    """Tell whether no two resources may have the same value of an attribute."""
    attribute = served.resource_type.attribute(name)
    return attribute is not None and attribute.uniqueness is not Uniqueness.NONE


def locks(served: Served, names: Iterable[str], resource: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Name the locks under which the values of attributes are given away: the same in every tenant of the entity."""
    place = ("unique", served.guard.name, served.entity)
    return [(*place, name, fold(str(resource[name]))) for name in names if resource.get(name) is not None]


def unsure(name: str) -> ScimError:
    """Say that it cannot be told whether a value is free."""
    return refuse(ScimType.TOO_MANY, f"{name}: the system cannot be searched for it, and holds too many to compare all")
