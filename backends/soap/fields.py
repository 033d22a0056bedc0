"""Fields of records: out of documents, into documents, and into the texts that stand in messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from backends.contract import BackendError, Field, RejectedError, Row, Scalar, Value
from backends.kit.paths import Path, listed
from backends.kit.scalars import Identity, identity
from backends.kit.templates import UNSET, Mark
from backends.kit.wire import Wire, WireError
from backends.soap.documents import DocumentError, scalar
from backends.soap.envelopes import AUTO, EMPTY, NIL, UnfitError, check
from backends.soap.shapes import TEXT, Leaf

Way = Literal["auto", "nil", "missing", "text"]
WAYS: Mapping[str, Any] = {"auto": AUTO, "nil": NIL, "text": EMPTY, "missing": UNSET}


@dataclass(frozen=True, slots=True)
class Column:
    """One value in a place: where it lies, how it is written, what the schema says of it."""

    path: Path
    wire: Wire
    leaf: Leaf = TEXT
    way: Way = "auto"

    def read(self, found: Any, name: str) -> Scalar | None:
        """Read what a path found; raise `BackendError` naming the field for what is no value of its type."""
        try:
            text = scalar(found)
            if text is not None and self.wire.type is not str:
                text = text.strip() or None
            if text in ("1", "0") and self.wire.type is bool and self.wire.words is None:
                text = "true" if text == "1" else "false"
            return self.wire.read(text)
        except (DocumentError, WireError) as error:
            raise BackendError(f"the system's value of {name} cannot be read") from error

    def text(self, value: Scalar, name: str, column: str = "") -> str:
        """Write a value as text; raise `RejectedError` naming the field for one that cannot be sent as it is."""
        try:
            return check(str(self.wire.write(value)), self.leaf)
        except (UnfitError, WireError, UnicodeError) as error:
            reason = str(error) if isinstance(error, UnfitError) else "the value cannot be written"
            raise RejectedError(f"{column}: {reason}" if column else reason, name) from error

    def nothing(self) -> Any:
        """What stands for no value."""
        return WAYS[self.way]


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """One field, compiled."""

    name: str
    column: Column
    declared: Field
    rows: Mapping[str, Column] = field(default_factory=dict)
    secret: bool = False
    apart: bool = False  # its values are no part of the record: operations of its own list them

    def read(self, document: Any) -> Value:
        """Read the field out of a record's document; None, or an empty tuple, where it is empty."""
        found = self.column.path.read(document)
        if self.rows:
            return tuple(self._row(one) for one in listed(found) if isinstance(one, dict))
        if not self.declared.many:
            return self.column.read(found, self.name)
        values: dict[Identity, Scalar] = {}
        for one in listed(found):
            value = self.column.read(one, self.name)
            if value is not None:
                values.setdefault(identity(value), value)
        return tuple(values.values())

    def place(self, document: Any, value: Value) -> None:
        """Put a value into a record's document; rows that are there already keep what no column names."""
        path = self.column.path
        if self.rows:
            value = value if isinstance(value, tuple) else ()
            old = [one for one in listed(path.read(document)) if isinstance(one, dict)]
            native = [self._element(row, old) for row in value if isinstance(row, Mapping)]
            path.place(document, native)
        elif self.declared.many:
            path.place(document, [self.column.text(one, self.name) for one in _scalars(value)])
        elif value is None or value == "":
            nothing = self.column.nothing()
            if nothing is UNSET:
                path.drop(document)
            else:
                path.place(document, None if nothing is AUTO else nothing)
        else:
            assert not isinstance(value, tuple)
            path.place(document, self.column.text(value, self.name))

    def argument(self, value: Value) -> Any:
        """Write a value for a template: a text, a list of texts or of elements, or what stands for nothing."""
        if self.rows:
            rows = value if isinstance(value, tuple) else ()
            return [self._element(row, []) for row in rows if isinstance(row, Mapping)]
        if self.declared.many:
            return [self.column.text(one, self.name) for one in _scalars(value)]
        if value is None or value == "":
            return self.column.nothing()
        if isinstance(value, tuple):
            raise RejectedError("the field has one value", self.name)
        return self.column.text(value, self.name)

    def mark(self, document: Any) -> Any:
        """Put the field's name where its value would stand in a document, and give what stands in templates."""
        mark: Any = Mark(f"{{{self.name}}}")
        if self.rows:
            element: dict[str, Any] = {}
            for name, column in self.rows.items():
                column.path.place(element, Mark(f"{{{self.name}.{name}}}"))
            mark = [element]
        elif self.declared.many:
            mark = [mark]
        self.column.path.place(document, mark)
        return mark

    def _row(self, element: Any) -> Row:
        return {
            name: column.read(column.path.read(element), f"{self.name}.{name}") for name, column in self.rows.items()
        }

    def _element(self, row: Row, old: list[dict[str, Any]]) -> dict[str, Any]:
        keys = self.declared.row_key
        element: dict[str, Any] = {}
        for one in old:
            seen = self._row(one)
            if keys and all(seen[key] == row.get(key) for key in keys):
                element = dict(one)
        for name, column in self.rows.items():
            value = row.get(name)
            if value is None or value == "":
                nothing = column.nothing()
                if nothing is UNSET:
                    column.path.drop(element)
                else:
                    column.path.place(element, None if nothing is AUTO else nothing)
            else:
                column.path.place(element, column.text(value, self.name, name))
        return element


def _scalars(value: Value) -> list[Scalar]:
    many = value if isinstance(value, tuple) else ()
    return [one for one in many if not isinstance(one, Mapping)]
