"""An entity, compiled once from its settings: where its fields lie, and the calls on it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.contract import (
    BackendError,
    Field,
    Fields,
    NotFoundError,
    RejectedError,
    Row,
    UnavailableError,
    Value,
    Write,
)
from backends.kit.evaluate import rows
from backends.kit.paths import Name, Path, listed
from backends.kit.wire import TYPES, Wire, WireError
from backends.rest.calls import Call
from backends.rest.paging import Listing
from backends.rest.settings import ColumnSettings, EntitySettings, FieldSettings


@dataclass(frozen=True, slots=True)
class Column:
    """One value in a document."""

    name: str
    path: Path
    wire: Wire

    @classmethod
    def of(cls, name: str, settings: ColumnSettings) -> Column:
        path = Path.parse(settings.path if settings.path is not None else f'"{name}"')
        return cls(
            name,
            path,
            Wire(
                TYPES[settings.type],
                settings.form,
                settings.words,
                settings.format,
                letters=settings.letters,
                blank=settings.blank,
            ),
        )


@dataclass(frozen=True, slots=True)
class LinkCalls:
    """The calls that list, add and remove the values of one field."""

    listing: Listing
    value: Path
    add: Call | None
    remove: Call | None
    replace: Call | None
    at_once: int
    compare: bool

    @property
    def deltas(self) -> bool:
        """Whether values are added and removed without the others."""
        return self.add is not None and self.remove is not None and not self.compare


@dataclass(frozen=True, slots=True)
class NativeField:
    """One field: how it is read out of documents and placed in them."""

    settings: FieldSettings
    column: Column
    columns: tuple[Column, ...]
    described: Field
    links: LinkCalls | None

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def array(self) -> bool:
        """Whether it lies in an array of the record, which is written whole."""
        return self.described.many or any(not isinstance(step, Name) for step in self.column.path.steps)

    def read(self, document: Any) -> Value:
        """Read the value of a record; raise `BackendError` naming the field if it is not of the declared type."""
        try:
            found = None if self.settings.secret else self.column.path.read(document)
            if not self.described.many:
                return self.column.wire.read(found[0] if isinstance(found, list) and len(found) == 1 else found)
            if self.columns:
                return tuple(
                    {column.name: column.wire.read(column.path.read(item)) for column in self.columns}
                    for item in listed(found)
                )
            return self.several(listed(found))
        except WireError as error:
            raise BackendError(f"the system's {self.name} is {error}") from error

    def several(self, found: Iterable[Any]) -> Value:
        """Read many values, each once."""
        values = (self.column.wire.read(item) for item in found)
        return tuple(dict.fromkeys(value for value in values if value is not None))

    def write(self, value: Any) -> Any:
        """Write a value, or each of many; raise `RejectedError` naming the field."""
        try:
            if isinstance(value, tuple | list):
                return [self.column.wire.write(item) for item in value]
            return self.column.wire.write(value)
        except WireError as error:
            raise RejectedError(f"the value is {error}", self.name) from error

    def place(self, document: Any, value: Value, *, whole: bool) -> Any:
        """Place a value in a document that is to be sent; `whole`: it is a whole record."""
        if value in (None, ()) and self.settings.omit and whole:
            self.column.path.drop(document)
            return document
        if self.columns:
            there = listed(self.column.path.read(document))
            value_rows = [self._element(there, row) for row in rows(value)]
            return self.column.path.place(document, value_rows)
        return self.column.path.place(document, self.write([] if value is None and self.described.many else value))

    def _element(self, there: list[Any], row: Row) -> Any:
        """Make the object of a row out of the one there is, which may have members nobody declared."""
        try:
            written = {column.name: column.wire.write(row.get(column.name)) for column in self.columns}
        except WireError as error:
            raise RejectedError(f"the value is {error}", self.name) from error
        keys = [column for column in self.columns if column.name in (self.described.row_key or row)]
        kept: Any = next((one for one in there if all(key.path.read(one) == written[key.name] for key in keys)), {})
        element = copy.deepcopy(kept)
        for column in self.columns:
            if written[column.name] is None and self.settings.omit:
                column.path.drop(element)
            else:
                element = column.path.place(element, written[column.name])
        return element


@dataclass(frozen=True, slots=True)
class WriteCall:
    """A call of a create or update: the fields it carries, and when it is made."""

    call: Call
    fields: frozenset[str]
    when: Mapping[str, Any]
    send: str
    record: Path | None


@dataclass(frozen=True, slots=True)
class FilterCall:
    """A comparison the system can make, and how it is asked."""

    field: str
    ops: frozenset[str]
    ignores_case: bool
    exact: bool
    listing: Listing
    one: bool
    escape: Mapping[int, str]
    values: int
    join: str
    wire: Wire | None


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity."""

    name: str
    settings: EntitySettings
    key: Path
    fields: Mapping[str, NativeField]
    where: tuple[tuple[Path, tuple[Any, ...]], ...]
    version: Path | None
    get: Call | None
    record: Path
    listing: Listing | None
    sorts: Mapping[str, Listing]
    filters: tuple[FilterCall, ...]
    create: tuple[WriteCall, ...]
    update: tuple[WriteCall, ...]
    delete: tuple[WriteCall, ...]
    described: Mapping[str, Field] = field(repr=False)

    def guards(self, call: Call) -> bool:
        """Tell whether the system itself refuses this call for another version than it is sent: the call carries it, or
        it is a PUT or PATCH with `If-Match`, and versions are ETags or the settings say that it is sent."""
        version = self.settings.version
        if version is None:
            return False
        said = version.send is not None and (version.header is not None or "send" in version.model_fields_set)
        return "@version" in call.names or (said and call.method in ("PUT", "PATCH"))

    def key_of(self, document: Any) -> str:
        """Read a record's key; raise as `key_at` does."""
        return key_at(self.key, document)

    def renamed(self, key: str, values: Fields) -> str:
        """Tell the key of a record once fields are set: another one if one of them lies where the key does."""
        for name, value in values.items():
            found = self.fields.get(name)
            if found is None or found.column.path.steps != self.key.steps or value is None:
                continue
            try:
                return self.key_of(found.place({}, value, whole=False))
            except BackendError:
                return key  # it will be refused
        return key

    def sent(self, key: str) -> str | int:
        """Give a key as it is sent; raise `NotFoundError` for what can be none."""
        if self.settings.key_type == "str":
            return key
        if not (key.isascii() and key.isdigit() and str(int(key)) == key):
            raise NotFoundError("there is no such record")
        return int(key)

    def visible(self, document: Any) -> bool:
        """Tell whether a record is one of the entity's."""
        return all(path.read(document) in allowed for path, allowed in self.where)

    def version_of(self, document: Any, headers: Mapping[str, str]) -> str | None:
        """Read a record's version out of it, or out of the headers it came with."""
        if self.version is not None:
            found = self.version.read(document)
            if found is not None and not isinstance(found, dict | list):
                return str(found)
        settings = self.settings.version
        return headers.get(settings.header.lower()) if settings is not None and settings.header is not None else None

    def require(self, names: Iterable[str]) -> None:
        """Refuse to read fields there are not."""
        if unknown := [name for name in names if name not in self.fields]:
            raise BackendError(f"{self.name} has no field {min(unknown)}")


def key_at(path: Path, document: Any) -> str:
    """Read a key. Raise `BackendError` if a record has none, and `UnavailableError` if it is no record at all: then the
    answer comes from something else than the system that was described."""
    found = path.read(document)
    if isinstance(found, str) and found:
        return found
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    if path.steps and not isinstance(document, dict):
        raise UnavailableError("the system's answer holds no records")
    raise BackendError("the system gave a record without a key")


def describe(settings: FieldSettings, write: Write) -> Field:
    """Describe a field."""
    return Field(
        type=dict if settings.rows is not None else TYPES[settings.type],
        many=settings.many or settings.rows is not None,
        row=None
        if settings.rows is None
        else {name: Field(TYPES[column.type]) for name, column in settings.rows.items()},
        row_key=settings.row_key,
        refers=settings.refers if settings.through is None else settings.refers or settings.through.partition(".")[0],
        write=write,
        unique=settings.unique,
        required=settings.required,
        max_length=settings.max_length,
    )
