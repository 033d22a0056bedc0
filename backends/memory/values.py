"""What may be stored in a field."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from backends.contract import Field, Fields, RejectedError, Value, Write
from backends.kit.evaluate import rows

_ACCEPTED: Mapping[type[Any], tuple[type[Any], ...]] = {float: (float, int), Decimal: (Decimal, int)}


def check_create(fields: Fields, declared: Mapping[str, Field]) -> None:
    """Check a whole new record; raise `RejectedError` naming the first field that cannot be."""
    check(fields, declared, creating=True)
    for name, field in declared.items():
        if field.required and field.write is not Write.NEVER and fields.get(name) in (None, "", ()):
            raise RejectedError("the field must not be empty", name)


def check(fields: Fields, declared: Mapping[str, Field], *, creating: bool) -> None:
    """Check what is written to fields; raise `RejectedError` naming the first that is wrong."""
    for name, value in fields.items():
        field = declared.get(name)
        if field is None:
            raise RejectedError("there is no such field", name)
        if field.write is Write.NEVER or (field.write is Write.CREATE and not creating):
            raise RejectedError("the field cannot be written", name)
        if isinstance(value, tuple) != field.many and value is not None:
            raise RejectedError("the field has many values" if field.many else "the field has one value", name)
        if field.required and value in (None, "", ()):
            raise RejectedError("the field must not be empty", name)
        _check_values(name, field, value)


def _check_values(name: str, field: Field, value: Value) -> None:
    if field.row is not None:
        many = value if isinstance(value, tuple) else ()
        if len(rows(value)) != len(many):
            raise RejectedError("the field is made of rows", name)
        for row in rows(value):
            for column, item in row.items():
                if column not in field.row:
                    raise RejectedError(f"a row has no {column}", name)
                if item is not None:
                    _check_scalar(name, field.row[column], item)
        return
    for scalar in value if isinstance(value, tuple) else () if value is None else (value,):
        _check_scalar(name, field, scalar)


def _check_scalar(name: str, field: Field, value: object) -> None:
    accepted = _ACCEPTED.get(field.type, (field.type,))
    wrong = not isinstance(value, accepted)
    wrong = wrong or (isinstance(value, bool) and field.type is not bool)
    wrong = wrong or (isinstance(value, datetime) and field.type is date)
    if wrong:
        raise RejectedError(f"a value must be of type {field.type.__name__}", name)
    if isinstance(value, datetime) and value.tzinfo is None:
        raise RejectedError("a time needs its zone", name)
    if field.max_length is not None and isinstance(value, str) and len(value) > field.max_length:
        raise RejectedError(f"a value has at most {field.max_length} characters", name)
