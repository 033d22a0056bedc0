"""What is sent of a record: the changed fields, the whole record as it was read, or all that is declared."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from backends.contract import Fields, RejectedError, Value, Write
from backends.kit.evaluate import rows
from backends.kit.paths import Name, Path
from backends.kit.templates import Mark
from backends.rest.model import Entity, NativeField, WriteCall


def checked(entity: Entity, fields: Fields, *, creating: bool) -> None:
    """Refuse what no call could write, before anything is sent; raise `RejectedError` naming the field."""
    for name, value in fields.items():
        field = entity.fields.get(name)
        if field is None:
            raise RejectedError("there is no such field", name)
        declared = field.described
        if declared.write is Write.NEVER or (declared.write is Write.CREATE and not creating):
            raise RejectedError("the field cannot be written", name)
        if declared.required and value in (None, ()):
            raise RejectedError("the field must not be empty", name)
        if declared.max_length is not None:
            texts = value if isinstance(value, tuple) else (value,)
            if any(isinstance(text, str) and len(text) > declared.max_length for text in texts):
                raise RejectedError("the value is too long", name)
        if not field.columns:
            field.write(value)
    if creating:
        for name, field in entity.fields.items():
            if field.described.required and name not in fields:
                raise RejectedError("the field must not be empty", name)


def folded(entity: Entity, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Bring texts into the letters the system keeps them in."""
    found = dict(fields)
    for name, value in fields.items():
        wire = entity.fields[name].column.wire if name in entity.fields else None
        if wire is None or wire.letters is None:
            continue
        found[name] = tuple(wire.fold(one) for one in value) if isinstance(value, tuple) else wire.fold(value)
    return found


def made(call: WriteCall, entity: Entity, fields: Fields, *, marks: bool = False) -> Any:
    """Build the document of a new record: what the settings give it, then the fields this call carries."""
    document: Any = {}
    for path, value in entity.settings.defaults.items():
        document = Path.parse(path).place(document, copy.deepcopy(value))
    for place, allowed in entity.where:
        document = place.place(document, allowed[0])
    for name in sorted(call.fields & fields.keys()):
        if fields[name] not in (None, ()):
            document = _placed(entity.fields[name], document, fields[name], whole=True, marks=marks)
    return document


def altered(
    call: WriteCall, entity: Entity, before: Any, after: Fields, changed: Iterable[str], *, marks: bool = False
) -> Any:
    """Build the document of a change."""
    names = sorted(call.fields & set(changed))
    document: Any = {}
    if call.send == "whole":
        document = copy.deepcopy(before)
    elif call.send == "known":
        names = sorted(name for name, field in entity.fields.items() if not field.settings.apart and name in after)
        for place, allowed in entity.where:
            document = place.place(document, place.read(before) if before is not None else allowed[0])
    for name in names:
        field = entity.fields[name]
        if call.send != "whole" and field.array:
            document = _seeded(field.column.path, document, before)
        document = _placed(field, document, after[name], whole=call.send != "changed", marks=marks)
    return document


def native_values(entity: Entity, fields: Mapping[str, Value]) -> dict[str, Any]:
    """Write fields for the placeholders of a call."""
    values = {}
    for name, value in fields.items():
        field = entity.fields[name]
        if field.columns:
            values[name] = field.column.path.read(field.place({}, value, whole=True))
        elif not field.settings.apart:
            values[name] = field.write(list(value) if isinstance(value, tuple) else value)
    return values


def marked(entity: Entity, fields: Fields) -> dict[str, Any]:
    """Name fields where their values would be."""
    return {
        name: [Mark(f"{{{name}}}")] if entity.fields[name].described.many else Mark(f"{{{name}}}") for name in fields
    }


def shown_values(entity: Entity, fields: Fields) -> list[tuple[str, Any]]:
    """Pair fields with their values, those of secret fields masked."""
    pairs: list[tuple[str, Any]] = []
    for name, value in fields.items():
        field = entity.fields.get(name)
        if field is not None and field.settings.secret:
            pairs.append((name, "***"))
        elif field is not None and field.columns:
            pairs += [(f"{name}.{column}", one) for row in rows(value) for column, one in row.items()]
        else:
            pairs += [(name, one) for one in (value if isinstance(value, tuple) else (value,))]
    return pairs


def _placed(field: NativeField, document: Any, value: Value, *, whole: bool, marks: bool) -> Any:
    if not marks:
        return field.place(document, value, whole=whole)
    mark = Mark(f"{{{field.name}}}")
    many = field.described.many
    return field.column.path.place(document, [mark] if many else mark)


def _seeded(path: Path, document: Any, before: Any) -> Any:
    """Begin an array with what is in it, so that members of its elements nobody declared are not lost."""
    first = path.steps[0] if path.steps else None
    if isinstance(first, Name) and isinstance(before, dict) and first.name in before and first.name not in document:
        document[first.name] = copy.deepcopy(before[first.name])
    return document


def due(call: WriteCall, fields: Mapping[str, Any]) -> bool:
    """Tell whether a call behind the first is made for these values: one of its fields is among them, and those of
    its `when` have the values it names."""
    if call.fields and not any(fields.get(name) not in (None, ()) for name in call.fields):
        return False
    return applies(call, fields)


def applies(call: WriteCall, fields: Mapping[str, Any]) -> bool:
    """Tell whether the fields of a call's `when` have the values it names."""
    return all(name in fields and _is(fields[name], value) for name, value in call.when.items())


def _is(value: Any, setting: Any) -> bool:
    if isinstance(value, bool) or isinstance(setting, bool) or value is None or setting is None:
        return value is setting
    return value == setting or str(value) == str(setting)
