"""Filters, turned into what the system is asked: a list's arguments, calls of their own, or a query text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from backends.contract import KEY, And, AnyRow, Compare, Filter, Not, Op, Or, Scalar, UnsupportedError
from backends.kit.evaluate import fields_of
from backends.kit.templates import UNSET, Mark
from backends.kit.wire import WireError
from backends.soap.envelopes import UnfitError, check, fit
from backends.soap.model import Entity, FilterPlan, Lister
from backends.soap.shapes import Leaf


@dataclass(frozen=True, slots=True)
class Question:
    """A lister and what it is given, once or several times. `nothing`: no record can match; `unreadable`: fields
    compared with what XML cannot carry; `partial`: only one of several conditions is asked for."""

    lister: Lister
    values: tuple[Mapping[str, Any], ...] = field(default=({},), repr=False)
    nothing: bool = False
    unreadable: tuple[str, ...] = ()
    partial: bool = False

    @property
    def several(self) -> bool:
        """Whether it takes several calls to ask."""
        return len(self.values) != 1


def question(where: Filter | None, entity: Entity, *, marks: bool = False) -> Question:
    """Ask for what a filter finds, or more: the answer is looked through again.

    With `marks` the names of values stand in their place, to be shown. Raises `UnsupportedError` for what cannot be
    expressed.
    """
    if where is None:
        assert_list(entity)
        assert entity.list is not None
        every = {} if entity.list.query is None else {"@query": entity.list.query.every}
        return Question(entity.list, (every,))
    if isinstance(where, Compare):
        plan = _plan(where, entity)
        if plan.condition is None:
            return _compare(where, plan, entity, marks)
    elif isinstance(where, And):
        # One condition that can be asked for finds all that meet the others too.
        own = [term for term in where.terms if isinstance(term, Compare) and _plan(term, entity).condition is None]
        if own:
            return replace(question(_asked(where, own, entity), entity, marks=marks), partial=True)
    try:
        text = _text(where, entity, marks)
    except UnfitError:
        assert entity.list is not None
        return Question(entity.list, unreadable=tuple(sorted(_names(where))))
    assert entity.list is not None
    return Question(entity.list, ({"@query": text},))


def _asked(where: And, own: Sequence[Filter], entity: Entity) -> Filter:
    """Choose the condition to ask for: the one that cannot be looked through afterwards, for it is about values that
    are no part of the record; raise `UnsupportedError` where there are several of those."""
    hidden = [term for term in where.terms if any(apart(name, entity) for name in fields_of(term))]
    if len(hidden) > 1:
        raise UnsupportedError("the system cannot be asked for this combination")
    return (*hidden, *own)[0]


def apart(name: str, entity: Entity) -> bool:
    """Tell whether the values of a field are no part of the record."""
    return name in entity.fields and entity.fields[name].apart


def assert_list(entity: Entity) -> None:
    """Refuse to list an entity that has no list."""
    if entity.list is None:
        raise UnsupportedError("the system cannot list these records")


def _compare(where: Compare, plan: FilterPlan, entity: Entity, marks: bool) -> Question:
    assert plan.lister is not None
    if where.op is Op.PR:
        return Question(plan.lister)
    many = where.value if isinstance(where.value, tuple) else (where.value,)
    texts = []
    leaf = plan.lister.call.leaves.get("value", plan.lister.call.leaves.get("values", Leaf()))
    for value in many:
        if value is None:
            continue
        try:
            text = fit(_wired(where.field, value, entity))
        except (UnfitError, WireError, UnicodeError):
            return Question(plan.lister, unreadable=(where.field,))
        try:
            texts.append(escaped(check(text, leaf), plan))
        except UnfitError:
            continue  # what the schema does not allow is nowhere
    if marks:
        texts = [Mark(f"{{{where.field}}}") for _ in texts]
    if not texts:
        return Question(plan.lister, (), nothing=True)
    if where.op is not Op.IN:
        return Question(plan.lister, ({"value": texts[0]},))
    size = plan.settings.values
    return Question(plan.lister, tuple({"values": texts[start : start + size]} for start in range(0, len(texts), size)))


def _text(where: Filter, entity: Entity, marks: bool) -> str:
    """Write a filter in the query language of the list."""
    assert_list(entity)
    query = entity.list.query if entity.list is not None else None
    if query is None:
        raise UnsupportedError("the system cannot be asked for this combination")
    match where:
        case Compare(field=name, value=value):
            plan = _plan(where, entity)
            if plan.condition is None or isinstance(value, tuple):
                raise UnsupportedError(f"the system cannot be asked for {name} in this combination")
            values: dict[str, Any] = {}
            if value is not None:
                try:
                    text = fit(_wired(name, value, entity))
                except (WireError, UnicodeError) as error:
                    raise UnfitError("the value cannot be written") from error
                values["value"] = Mark(f"{{{name}}}") if marks else escaped(text, plan)
            found = plan.condition.fill(values)
            assert found is not UNSET
            return str(found)
        case And(terms=terms) if query.all_of is not None:
            joint = query.all_of
        case Or(terms=terms) if query.any_of is not None:
            joint = query.any_of
        case And() | Or() | Not() | AnyRow():
            raise UnsupportedError("the system cannot be asked for this combination")
    return f"{query.open}{joint.join(_text(term, entity, marks) for term in terms)}{query.close}"


def escaped(text: str, plan: FilterPlan) -> str:
    """Bring a value into the form the declared rule gives it; raise `UnsupportedError` for signs it does not allow."""
    settings = plan.settings
    if settings.signs is not None and not re.fullmatch(f"[{settings.signs}]*", text):
        raise UnsupportedError(f"the system cannot be asked for this value of {settings.field}")
    if settings.escape:
        return "".join(settings.escape.get(sign, sign) for sign in text)
    return text


def _wired(name: str, value: Scalar, entity: Entity) -> str:
    if name == KEY:
        return str(value)
    field_name, _, column = name.partition(".")
    plan = entity.fields[field_name]
    wire = plan.rows[column].wire if column else plan.column.wire
    return str(wire.write(value))


def _plan(where: Compare, entity: Entity) -> FilterPlan:
    plan = entity.filters.get((where.field, where.op, where.ignore_case))
    if plan is None:
        raise UnsupportedError(f"the system cannot be asked for {where.field} by {where.op.value}")
    return plan


def _names(where: Filter) -> set[str]:
    match where:
        case Compare(field=name):
            return {name}
        case And(terms=terms) | Or(terms=terms):
            return set[str]().union(*(_names(term) for term in terms))
    return set()
