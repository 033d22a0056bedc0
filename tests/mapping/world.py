"""A small native world for the mapping's tests: entities, records, a backend's answers, a store's index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from backends.contract import (
    KEY,
    And,
    AnyRow,
    Capabilities,
    Change,
    Compare,
    Field,
    Filter,
    Match,
    Not,
    Op,
    Or,
    Record,
    Write,
)
from gateway.mapping import (
    Delta,
    Encoding,
    Held,
    Link,
    Links,
    Native,
    Reference,
    ResourceMapping,
    ResourceSpec,
    Wanted,
    compile_mapping,
)
from gateway.scim import project, standard
from gateway.scim.folding import fold
from gateway.scim.schema import ResourceType

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
TEXT = Field(str, max_length=240)
FIELDS: Mapping[str, Field] = {
    "login": Field(str, required=True, unique=True, max_length=120),
    "first": TEXT,
    "last": TEXT,
    "full": TEXT,
    "title": Field(str, max_length=20),
    "status": Field(str, max_length=1),
    "ends": Field(date),
    "locked": Field(datetime),
    "changed": Field(datetime),
    "number": Field(int),
    "amount": Field(Decimal),
    "flag": Field(bool),
    "code": Field(str, max_length=6),
    "photo": Field(bytes),
    "mail": Field(str, max_length=60),
    "mail2": Field(str, max_length=60),
    "phone": TEXT,
    "street": TEXT,
    "city": TEXT,
    "roles": Field(str, many=True),
    "role_list": Field(str, max_length=40),
    "teams": Field(str, many=True, refers="teams", write=Write.NEVER),
    "boss": Field(str, refers="people"),
    "boss_login": TEXT,
    "groups": Field(str, many=True, refers="teams"),
    "mails": Field(
        dict,
        many=True,
        row={"address": Field(str, max_length=80), "kind": Field(str), "std": Field(str), "note": Field(str)},
        row_key=("address",),
    ),
    "locks": Field(dict, many=True, row={"reason": Field(str), "by": Field(str)}, row_key=("reason",)),
}
TEAM_FIELDS: Mapping[str, Field] = {
    "title": Field(str, required=True),
    "members": Field(str, many=True, refers="people"),
    "subteams": Field(str, many=True, refers="teams"),
}


def operators(kind: type[Any]) -> dict[tuple[Op, bool], Match]:
    """Everything a backend could do with a field of a type."""
    ops = [Op.EQ, Op.NE, Op.PR, Op.IN]
    if kind is str:
        ops += [Op.CO, Op.SW, Op.EW]
    if kind in (int, Decimal, date, datetime, str):
        ops += [Op.GT, Op.GE, Op.LT, Op.LE]
    found = {(op, False): Match.EXACT for op in ops}
    if kind is str:
        found |= {(op, True): Match.EXACT for op in ops}
    return found


def able(fields: Mapping[str, Field], **changes: Any) -> Capabilities:
    """A backend that can do everything."""
    filters: dict[str, Mapping[tuple[Op, bool], Match]] = {KEY: operators(bool)}
    for name, known in fields.items():
        if known.row is not None:
            filters[name] = {(Op.PR, False): Match.EXACT}
            filters |= {f"{name}.{column}": operators(inner.type) for column, inner in known.row.items()}
        else:
            filters[name] = operators(known.type)
    given: dict[str, Any] = {
        "filters": filters,
        "logic": frozenset({"and", "or", "not", "any_row"}),
        "sort": frozenset(name for name, known in fields.items() if not known.many),
        "offset": True,
        "total": True,
        "deltas": frozenset(name for name, known in fields.items() if known.many),
        "writes": frozenset({"create", "update", "delete"}),
    }
    return Capabilities(**(given | changes))


def matches(where: Filter | None, record: Mapping[str, Any], key: str = "") -> bool:
    """What a backend answers that keeps to the contract."""
    match where:
        case None:
            return True
        case And(terms=terms):
            return all(matches(term, record, key) for term in terms)
        case Or(terms=terms):
            return any(matches(term, record, key) for term in terms)
        case Not(term=term):
            return not matches(term, record, key)
        case AnyRow(field=name, where=inner):
            return any(matches(inner, row) for row in record.get(name) or ())
        case Compare(field=name):
            if name == KEY:
                return compared(where, key)
            if "." in name:
                rows, _, column = name.partition(".")
                return any(compared(where, row.get(column)) for row in record.get(rows) or ())
            value = record.get(name)
            if isinstance(value, tuple):
                if where.op is Op.PR:
                    return bool(value)
                if not value:
                    return where.op is Op.NE
                return any(compared(where, one) for one in value)
            return compared(where, value)
    raise AssertionError(where)


def compared(where: Compare, value: Any) -> bool:
    wanted: Any = where.value
    if where.op is Op.PR:
        return value is not None
    if value is None:
        return where.op is Op.NE
    if where.ignore_case:
        value = fold(value)
        wanted = tuple(fold(one) for one in wanted) if isinstance(wanted, tuple) else fold(wanted)
    match where.op:
        case Op.EQ:
            return bool(value == wanted)
        case Op.NE:
            return bool(value != wanted)
        case Op.IN:
            return value in wanted
        case Op.CO:
            return wanted in value
        case Op.SW:
            return bool(value.startswith(wanted))
        case Op.EW:
            return bool(value.endswith(wanted))
        case Op.GT:
            return bool(value > wanted)
        case Op.GE:
            return bool(value >= wanted)
        case Op.LT:
            return bool(value < wanted)
        case Op.LE:
            return bool(value <= wanted)
    raise AssertionError(where.op)


def changed(fields: Mapping[str, Any], change: Change, known: Mapping[str, Field]) -> dict[str, Any]:
    """The record after a change, as the contract has it."""
    assert not change.set.keys() & (change.add.keys() | change.remove.keys())
    found = {**fields, **change.set}
    for name, gone in change.remove.items():
        keys = known[name].row_key
        if known[name].row is not None:
            there = tuple(
                row for row in found[name] or () if not any(all(row[k] == old[k] for k in keys) for old in gone)
            )
        else:
            there = tuple(value for value in found[name] or () if value not in gone)
        found[name] = there
    for name, fresh in change.add.items():
        keys = known[name].row_key
        there = tuple(found[name] or ())
        for value in fresh:
            if known[name].row is not None:
                old = next((row for row in there if all(row[k] == value[k] for k in keys)), None)
                columns = dict.fromkeys(known[name].row or {})
                merged = {**columns, **(old or {}), **value}
                there = (*(row for row in there if row is not old), merged)
            elif value not in there:
                there = (*there, value)
        found[name] = there
    return found


@dataclass(repr=False)
class World:
    """One mapped type with its backend, its store and the resources its references lead to."""

    mapping: ResourceMapping
    resource_type: ResourceType
    fields: Mapping[str, Field]
    links: Links = field(default_factory=Links)
    kept: dict[str, Any] = field(default_factory=dict)

    def created(self, resource: Mapping[str, Any]) -> tuple[Record, dict[str, Any]]:
        """The record a create makes, and what is kept of it."""
        encoding: Encoding = self.mapping.encode(resource, self.links)
        return self.record(encoding.fields), dict(encoding.kept)

    def record(self, fields: Mapping[str, Any], key: str = "1") -> Record:
        """A whole record: what is not named is empty."""
        whole: dict[str, Any] = {name: () if known.many else None for name, known in self.fields.items()}
        whole.update(fields)
        for name, known in self.fields.items():
            if known.row is not None:
                whole[name] = tuple({**dict.fromkeys(known.row), **row} for row in whole[name] or ())
        return Record(key, whole)

    def read(self, record: Record, kept: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The resource of a record."""
        plan = self.mapping.read_plan(project.parse(self.resource_type, None, None))
        return self.mapping.decode(plan, record, self.links, kept or {})

    def through(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        """What comes back of a resource that was created."""
        return self.read(*self.created(resource))

    def changed(
        self, record: Record, kept: Mapping[str, Any], after: Mapping[str, Any]
    ) -> tuple[Record, dict[str, Any], Delta]:
        """What becomes of a record when its resource is to be `after`."""
        before = self.read(record, kept)
        delta = self.mapping.diff(before, after, record, self.links)
        return *self.applied(record, kept, delta), delta

    def applied(self, record: Record, kept: Mapping[str, Any], delta: Delta) -> tuple[Record, dict[str, Any]]:
        """A record and what is kept of it after a change."""
        merged = {**kept, **delta.kept}
        remaining = {name: value for name, value in merged.items() if value is not None}
        return Record(record.key, changed(record.fields, delta.change, self.fields)), remaining


def index_matches(held: Held, index: Iterable[tuple[str, str]]) -> bool:
    """What the store answers to a comparison with what it keeps: a superset."""
    wanted = held.value or ""
    for path, text in index:
        if path != held.path.text:
            continue
        match held.op.value:
            case "eq":
                found = text == wanted
            case "co":
                found = wanted in text
            case "sw":
                found = text.startswith(wanted)
            case "ew":
                found = text.endswith(wanted)
            case _:
                found = True
        if found:
            return True
    return False


def spec_of(attributes: Mapping[str, Any], **changes: Any) -> ResourceSpec:
    """A configuration as it stands in a file."""
    base: dict[str, Any] = {"backend": "hr", "entity": "people", "on_delete": "delete"}
    whole = base | changes
    whole["attributes"] = dict(attributes)
    return ResourceSpec.model_validate(whole)


BASE: Mapping[str, Any] = {
    "userName": "login",
    "active": {"field": "status", "codec": {"values": {"A": True, "I": False, "L": False}}},
}


def user(
    attributes: Mapping[str, Any] | None = None,
    *,
    fields: Mapping[str, Field] | None = None,
    capabilities: Capabilities | None = None,
    described: bool = True,
    codecs: Mapping[str, Any] | None = None,
    hidden: Iterable[str] = (),
    **changes: Any,
) -> World:
    """A mapped User: what is asked for, and login and status if it is silent about them; None takes one away."""
    known = FIELDS if fields is None else fields
    mapping = compile_mapping(
        standard.resource_type("User"),
        spec_of(
            {name: place for name, place in {**BASE, **(attributes or {})}.items() if place is not None}, **changes
        ),
        capabilities or able(known),
        known if described else None,
        codecs,
        clock=lambda: NOW,
        hidden=tuple(hidden),
    )
    return World(mapping, standard.resource_type("User"), known)


def group(attributes: Mapping[str, Any] | None = None, **changes: Any) -> World:
    """A mapped Group with members of both types."""
    given = {
        "displayName": "title",
        "members.value": [
            {"field": "members", "reference": "User", "show": "full"},
            {"field": "subteams", "reference": "Group", "show": "title"},
        ],
    }
    capabilities = changes.pop("capabilities", None) or able(TEAM_FIELDS)
    mapping = compile_mapping(
        standard.resource_type("Group"),
        spec_of(given | dict(attributes or {}), **{"entity": "teams", **changes}),
        capabilities,
        TEAM_FIELDS,
    )
    return World(mapping, standard.resource_type("Group"), TEAM_FIELDS)


def linked(people: Mapping[str, str], teams: Mapping[str, str] | None = None) -> Links:
    """Everything about the people and teams there are: id -> key."""
    incoming: dict[Reference, Link] = {}
    outgoing: dict[Wanted, Native] = {}
    for kind, entries in (("User", people), ("Group", teams or {})):
        for id, key in entries.items():
            for show, shown in ((None, None), ("full", f"Name of {id}"), ("title", f"Title of {id}")):
                incoming[Reference(kind, None, key, show)] = Link(
                    id, kind, f"https://x.example.com/{kind}s/{id}", shown
                )
            for kinds in ((kind,), ("User", "Group"), ("Group", "User")):
                outgoing[Wanted(id, None, kinds)] = Native(kind, key)
    return Links(incoming, outgoing)
