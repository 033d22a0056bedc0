"""An entity, compiled: its fields, and the calls that read and write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.contract import BackendError, Capabilities, Field, Fields, Op, Value
from backends.kit.paths import Path, listed
from backends.kit.templates import Text
from backends.soap.call_settings import Constant, FilterSettings, KeySettings, PagingSettings, QuerySettings
from backends.soap.calls import Call
from backends.soap.documents import DocumentError, scalar
from backends.soap.fields import FieldPlan

Documents = list[Any]
Conditions = tuple[tuple[Path, tuple[str, ...]], ...]
"""Paths with the texts that lie there."""


@dataclass(frozen=True, slots=True)
class Handle:
    """The calls around a list that is read through a handle."""

    open: Call
    at: Path
    count: Path | None
    close: Call | None


@dataclass(frozen=True, slots=True)
class Lister:
    """A call that lists."""

    call: Call
    records: Path
    paging: PagingSettings
    next: Path | None = None
    total: Path | None = None
    handle: Handle | None = None
    each: str | None = None
    thin: bool = False
    query: QuerySettings | None = None

    @property
    def whole(self) -> bool:
        """Whether one answer has all there is."""
        return self.paging.by == "none"

    @property
    def counts(self) -> bool:
        """Whether an answer tells how many match in all."""
        return self.total is not None or (self.handle is not None and self.handle.count is not None)


@dataclass(frozen=True, slots=True)
class FilterPlan:
    """A comparison the system can make: by a lister of its own, or as a condition of the list's query text."""

    settings: FilterSettings
    lister: Lister | None
    condition: Text | None


@dataclass(frozen=True, slots=True)
class Links:
    """The calls for a field whose values are no part of the record."""

    lister: Lister
    value: Path
    add: Call | None
    remove: Call | None
    at_once: int
    compare: bool


@dataclass(frozen=True, slots=True)
class Write:
    """One call of a create, update or delete, and when it is made."""

    call: Call
    fields: frozenset[str]
    whole: bool
    when: Mapping[str, tuple[Constant, ...]]
    each: tuple[str, str] | None = None
    changed_only: bool = False
    key: KeySettings | None = None  # of a create: where the new record's key comes from

    def due(self, changed: frozenset[str], values: Mapping[str, Value]) -> bool:
        """Tell whether these changes call for it."""
        if self.fields and not self.fields & changed:
            return False
        return all(_text(values.get(name)) in {_text(one) for one in wanted} for name, wanted in self.when.items())


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity."""

    name: str
    fields: Mapping[str, FieldPlan]
    key: Path
    numbered: bool
    where: Conditions
    skip: Conditions
    defaults: tuple[tuple[Path, str], ...]
    version: Path | None
    get: Call | None
    record: Path
    list: Lister | None
    filters: Mapping[tuple[str, Op, bool], FilterPlan]
    creates: tuple[Write, ...]
    updates: tuple[Write, ...]
    deletes: tuple[Write, ...]
    links: Mapping[str, Links]
    look_first: bool
    capabilities: Capabilities
    described: Mapping[str, Field] = field(default_factory=dict)

    def key_of(self, document: Any) -> str:
        """Read the key of a record; raise `BackendError` if it has none, which would make it somebody else."""
        try:
            key = scalar(self.key.read(document))
        except DocumentError as error:
            raise BackendError("a record's key cannot be read") from error
        if key is None:
            raise BackendError("the system gave a record without a key")
        return key.strip() if self.numbered else key

    def renamed(self, key: str, values: Fields) -> str:
        """Tell the key of a record once fields are set: another one if one of them lies where the key does."""
        for name, value in values.items():
            found = self.fields.get(name)
            if found is None or found.apart or found.column.path.steps != self.key.steps or value in (None, ""):
                continue
            document: dict[str, Any] = {}
            try:
                found.place(document, value)
                return self.key_of(document)
            except BackendError:
                return key  # it will be refused
        return key

    def has(self, document: Any) -> bool:
        """Tell whether a document is a record of this entity: no placeholder, and not excluded by the settings."""
        if not isinstance(document, dict):
            return False
        if any(_seen(path, document) in texts for path, texts in self.skip):
            return False
        return all(_seen(path, document) in texts for path, texts in self.where)

    def version_of(self, document: Any) -> str | None:
        """Read a record's version."""
        return None if self.version is None else _seen(self.version, document)

    def read(self, document: Any, names: frozenset[str]) -> dict[str, Value]:
        """Read fields that are part of the record."""
        return {name: self.fields[name].read(document) for name in names if not self.fields[name].apart}

    def documents(self, found: Any) -> Documents:
        """View what a list's path found as documents; a bare text is one with it as ``#``, an empty one nobody."""
        return [
            {"#": one} if isinstance(one, str) else one
            for one in listed(found)
            if not isinstance(one, str) or one.strip()
        ]


def _seen(path: Path, document: Any) -> str:
    found = path.read(document)
    if isinstance(found, dict):
        found = found.get("#")
    return "" if found is None else str(found).strip() if not isinstance(found, list) else ""


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
