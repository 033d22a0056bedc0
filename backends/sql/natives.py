"""Native types: what a column's values are in a record, and how they go to the driver and come back.

`load` never fails: a value that its declared type cannot hold (``0000-00-00`` in a DATE, text in an INTEGER of SQLite)
comes out as it is stored, so that one bad row does not hide a page. `dump` raises ValueError for what the column cannot
hold.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa

from backends.contract import Scalar


@dataclass(frozen=True, slots=True)
class Native:
    """One column's values.

    `python` is their type in a record. `load` is None where the driver's value is the record's. `parse` reads the
    spelling that `spell` gives, for keys. `text`: collations apply to it. `folds`: its collation
    takes different texts for equal. `padded`: a CHAR, filled up with blanks.
    `ordered`: gt and lt mean something. `opaque`: can only be shown.
    """

    python: type[Any]
    dump: Callable[[Any], Any]
    load: Callable[[Any], Any] | None = None
    parse: Callable[[str], Any] = str
    spell: Callable[[Any], str] = str
    text: bool = False
    folds: bool = False
    padded: bool = False
    ordered: bool = True
    opaque: bool = False

    def loaded(self, value: Any) -> Scalar | None:
        """Turn the driver's value into the record's."""
        if value is None or self.load is None:
            return value  # type: ignore[no-any-return]
        return self.load(value)  # type: ignore[no-any-return]

    def dumped(self, value: Scalar | None) -> Any:
        """Turn a record's value into the driver's; raise ValueError with the reason if the column cannot hold it."""
        return None if value is None else self.dump(value)


def native_of(
    column_type: sa.types.TypeEngine[Any], *, zone: tzinfo, wide_integers: bool = False, typed: bool = True
) -> Native:
    """Choose how values of a column type are read and written.

    `zone` is that of timestamps stored without one; `wide_integers` where every INTEGER has 64 bits; `typed` where a
    column holds nothing but its type.
    """
    match column_type:
        case sa.Boolean():
            return Native(bool, _boolean, _load_boolean, parse=_parse_boolean, ordered=False)
        case sa.Enum():
            return Native(str, text_of(None), ordered=False)
        case sa.Integer():
            return _integer(column_type, wide_integers)
        case sa.Float():
            return Native(float, _float, parse=float)
        case sa.Numeric() if column_type.asdecimal:
            return Native(Decimal, _decimal, _load_decimal, parse=Decimal, spell=_spell_decimal)
        case sa.Numeric():
            return Native(float, _float, parse=float)
        case sa.DateTime():
            return _moment(column_type, zone)
        case sa.Date():
            return Native(date, _date, parse=date.fromisoformat, spell=date.isoformat)
        case sa.Time():
            return Native(str, time.fromisoformat, load_text)
        case sa.LargeBinary() | sa.types._Binary():
            return Native(bytes, _bytes, bytes, parse=bytes.fromhex, spell=bytes.hex, ordered=False)
        case sa.Uuid() if column_type.as_uuid:
            return Native(str, lambda value: uuid.UUID(str(value)), load_text, parse=uuid.UUID)
        case sa.JSON():
            return Native(str, json.loads, _load_json, ordered=False)
        case sa.String():
            padded = isinstance(column_type, sa.CHAR)
            spell = _strip if padded else str
            load = None if typed else load_text
            return Native(str, text_of(column_type.length), load, spell=spell, text=True, padded=padded)
        case _:
            # A type this backend knows nothing of can be shown, and neither searched nor written.
            return Native(str, _refuse, load_text, ordered=False, opaque=True)


def _integer(column_type: sa.types.TypeEngine[Any], wide: bool) -> Native:
    bits = 63 if wide or isinstance(column_type, sa.BigInteger) else 31
    if isinstance(column_type, sa.SmallInteger) and not wide:
        bits = 15
    limit = 2 ** (bits + bool(getattr(column_type, "unsigned", False)))

    def dump(value: Any) -> int:
        match value:
            case bool():
                raise ValueError("not a whole number")
            case int():
                number = value
            case Decimal() | float() if value == int(value):
                number = int(value)
            case _:
                raise ValueError("not a whole number")
        if not -limit <= number < limit:
            raise ValueError("the number is too large")
        return number

    return Native(int, dump, parse=int)


def _moment(column_type: sa.types.TypeEngine[Any], zone: tzinfo) -> Native:
    aware = bool(getattr(column_type, "timezone", False))

    def load(value: Any) -> Any:
        if isinstance(value, datetime) and value.tzinfo is None:
            return value.replace(tzinfo=zone)
        return value

    def dump(value: Any) -> datetime:
        if not isinstance(value, datetime):
            raise ValueError("not a point in time")
        try:
            moment = (value if value.tzinfo is not None else value.replace(tzinfo=zone)).astimezone(zone)
        except OverflowError:
            raise ValueError("the point in time is out of range") from None
        return moment if aware else moment.replace(tzinfo=None)

    return Native(datetime, dump, load, parse=datetime.fromisoformat, spell=datetime.isoformat)


def text_of(length: int | None) -> Callable[[Any], str]:
    """Give what checks texts of at most `length` characters."""

    def dump(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("not a text")
        if not value.isascii():
            value.encode()  # a lone surrogate is a ValueError here, and a driver's private error later
        if "\x00" in value:
            raise ValueError("a text cannot hold the character NUL")
        if length is not None and len(value) > length:
            raise ValueError(f"longer than {length} characters")
        return value

    return dump


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("not a truth value")


def _load_boolean(value: Any) -> Any:
    return bool(value) if value in (0, 1) else value


def _parse_boolean(text: str) -> bool:
    return {"True": True, "False": False}[text]


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("not a number")
    return float(value)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("not a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not number.is_finite():
        raise ValueError("not a number")
    return number


def _load_decimal(value: Any) -> Any:
    return value if isinstance(value, Decimal) else Decimal(str(value)) if isinstance(value, int | float) else value


def _spell_decimal(value: Decimal) -> str:
    """Spell a number in one way only: keys of Oracle are NUMBERs, and 7, 7.0 and 7E+0 are one key."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _date(value: Any) -> date:
    if isinstance(value, datetime) or not isinstance(value, date):
        raise ValueError("not a date")
    return value


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    raise ValueError("not bytes")


def load_text(value: Any) -> str:
    """Read what a column of texts holds: not only texts, where columns have no types."""
    return value if isinstance(value, str) else str(value)


def _load_json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _strip(value: Any) -> str:
    return str(value).rstrip(" ")


def _refuse(value: Any) -> Any:
    raise ValueError("columns of this type are only shown")
