"""Columns that hold more than one value: which layout they have, by the settings or by their type."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from backends.kit.settings_errors import SettingsError
from backends.sql.grounds import Grounds
from backends.sql.layouts import Entry, Layout, Listed, Separated
from backends.sql.maps import Format, Json, Pairs
from backends.sql.model import ColumnField
from backends.sql.php import Php
from backends.sql.settings import EntrySettings, FieldSettings

_PYTHON: dict[str, type[Any]] = {"text": str, "integer": int, "boolean": bool}


def layout_of(grounds: Grounds, found: ColumnField, options: FieldSettings, path: str) -> Layout | None:
    """Choose the layout of a field; None where the column is the field, `SettingsError` where the two do not fit."""
    column, native = found.column, found.native
    nullable = bool(getattr(column, "nullable", False))  # of a subquery nobody knows
    if options.packed is not None:
        if not native.text and found.refers is None:
            raise SettingsError(f"{path}.packed", _unfit(column, "only a text can have values packed into it"))
        return Separated(options.packed, nullable)
    if (entry := options.entry) is not None:
        json = isinstance(column.type, sa.JSON)
        if not json and not native.text and native.python is not bytes:
            raise SettingsError(f"{path}.entry", _unfit(column, "only a text can have a map written into it"))
        if json and entry.format != "json":
            raise SettingsError(f"{path}.entry.format", "a column of JSON holds nothing else")
        return Entry(_format(entry), entry.path, _PYTHON[entry.type], entry.many, binary=native.python is bytes)
    item = grounds.item(column)
    return None if item is None else Listed(item.python, nullable, item.dumped, item.loaded)


def _format(entry: EntrySettings) -> Format:
    match entry.format:
        case "json":
            return Json()
        case "php":
            return Php()
        case "pairs":
            return Pairs(entry.between, entry.equals)


def _unfit(column: Any, reason: str) -> str:
    return "the column is an array, whose values are a field already" if isinstance(column.type, sa.ARRAY) else reason
