"""What an entity is, worked out once from its settings: its fields, and what it can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backends.contract import KEY, Capabilities, Field, Match, Op, Write
from backends.kit.evaluate import operators
from backends.memory.settings import TYPES, EntitySettings, FieldSettings

OPERATIONS = frozenset({"create", "update", "delete"})
LOGIC = frozenset({"and", "or", "not", "any_row"})


@dataclass(frozen=True, slots=True)
class Shape:
    """One entity: `inverses` maps a read-only field to the (entity, field) it mirrors; `folded` names the fields whose
    uniqueness ignores case; `order` tells how keys are ordered."""

    name: str
    key: str
    fields: Mapping[str, Field]
    inverses: Mapping[str, tuple[str, str]]
    folded: frozenset[str]
    capabilities: Capabilities
    order: Callable[[str], Any]


def shape(name: str, settings: EntitySettings) -> Shape:
    """Work out the shape of one entity."""
    fields = {field_name: _field(field) for field_name, field in settings.fields.items()}
    return Shape(
        name=name,
        key=settings.key,
        fields=fields,
        inverses={
            field_name: (field.inverse.partition(".")[0], field.inverse.partition(".")[2])
            for field_name, field in settings.fields.items()
            if field.inverse is not None
        },
        folded=frozenset(field_name for field_name, field in settings.fields.items() if field.ignore_case),
        capabilities=_capabilities(settings, fields),
        order=int if settings.key == "sequence" else str,
    )


def _field(settings: FieldSettings) -> Field:
    row = None
    if settings.row is not None:
        row = {column: Field(TYPES[type_]) for column, type_ in settings.row.items()}
    inverse = settings.inverse
    return Field(
        type=dict if row is not None else TYPES[settings.type],
        many=settings.many,
        row=row,
        row_key=settings.row_key,
        refers=inverse.partition(".")[0] if inverse is not None else settings.refers,
        write=Write.NEVER if inverse is not None else settings.write,
        unique=settings.unique,
        required=settings.required,
        max_length=settings.max_length,
    )


def _capabilities(settings: EntitySettings, fields: Mapping[str, Field]) -> Capabilities:
    lacks = settings.without
    return Capabilities(
        filters={} if "filters" in lacks else _filters(settings, fields),
        logic=frozenset() if lacks & {"filters", "logic"} else LOGIC,
        sort=frozenset()
        if "sort" in lacks
        else frozenset(name for name, field in fields.items() if not field.many and field.type is not bytes),
        offset="offset" not in lacks,
        total="total" not in lacks,
        deltas=frozenset()
        if "deltas" in lacks
        else frozenset(name for name, field in fields.items() if field.many and field.write is not Write.NEVER),
        versions="versions" not in lacks,
        atomic="atomic" not in lacks,
        serialize=settings.serialize,
        writes=OPERATIONS - lacks,
    )


def _filters(settings: EntitySettings, fields: Mapping[str, Field]) -> dict[str, dict[tuple[Op, bool], Match]]:
    types: dict[str, type[Any]] = {KEY: str}
    for name, field in fields.items():
        if field.row is None:
            types[name] = field.type
        else:
            types |= {f"{name}.{column}": declared.type for column, declared in field.row.items()}
    chosen = settings.filters if settings.filters is not None else dict.fromkeys(types, tuple(Op))
    found = {
        name: {
            (op, ignore_case): Match.LOOSE if name in settings.loose else Match.EXACT
            for op, ignore_case in operators(types[name])
            if op in ops
        }
        for name, ops in chosen.items()
        if name in types
    }
    found |= {
        name: {(Op.PR, False): Match.LOOSE if name in settings.loose else Match.EXACT}
        for name, field in fields.items()
        if field.row is not None and Op.PR in chosen.get(name, ())
    }
    return found
