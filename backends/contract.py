"""The contract between the gateway and a backend; only the error tree lies next door, in `backends.errors`.

A backend speaks of *entities* (``employees``, ``teams``) made of flat native *records*; it never meets SCIM, tenants or
requests. It implements three methods to read and three more to write. Retry, timeout, breaker, cache, metric and lock
are the gateway's (``engine.guard``).
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel

from backends.errors import BackendError as BackendError
from backends.errors import ConflictError as ConflictError
from backends.errors import DeniedError as DeniedError
from backends.errors import NotFoundError as NotFoundError
from backends.errors import RejectedError as RejectedError
from backends.errors import StaleError as StaleError
from backends.errors import UnavailableError as UnavailableError
from backends.errors import UnfinishedError as UnfinishedError
from backends.errors import UnsupportedError as UnsupportedError

Scalar = str | int | float | Decimal | bool | bytes | date | datetime  # datetimes are aware
Row = Mapping[str, Scalar | None]
Value = Scalar | None | tuple[Scalar, ...] | tuple[Row, ...]
Fields = Mapping[str, Value]
KEY = "@key"  # the record's key where a field is named: in `Compare.field` and `Sort.field`
S = TypeVar("S", bound=BaseModel)


class Op(StrEnum):
    """A comparison; on a many-valued field it holds if any one value satisfies it."""

    EQ = "eq"
    NE = "ne"  # true for an empty field too: "not equal", not "present and different"
    CO = "co"
    SW = "sw"
    EW = "ew"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"
    PR = "pr"  # present: not None and not an empty tuple; `value` is None
    IN = "in"  # equal to one of a tuple of scalars: the batch form of eq


class Match(StrEnum):
    """How an answer relates to the question: `loose` is a superset without a total, which the gateway re-checks."""

    EXACT = "exact"
    LOOSE = "loose"


class Write(StrEnum):
    """When a field may be written."""

    ALWAYS = "always"
    CREATE = "create"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Record:
    """One native record: exactly the fields asked for, None (or an empty tuple) meaning empty."""

    key: str
    fields: Fields = dataclasses.field(repr=False)
    version: str | None = None  # changes whenever the record does; None where the system has none


@dataclass(frozen=True, slots=True)
class Compare:
    """`field op value`; `field` is a field name, `KEY`, or ``rows.column`` for one column of a field made of rows."""

    field: str
    op: Op
    value: Scalar | tuple[Scalar, ...] | None = dataclasses.field(default=None, repr=False)
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class And:
    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    term: Filter


@dataclass(frozen=True, slots=True)
class AnyRow:
    """One and the same row of `field` satisfies `where`, whose compares name bare columns."""

    field: str
    where: Filter


Filter = Compare | And | Or | Not | AnyRow


@dataclass(frozen=True, slots=True)
class Sort:
    """Order by `field`, ties by the key; empty values last when ascending, first when descending."""

    field: str = KEY
    descending: bool = False
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What to search for."""

    fields: frozenset[str]
    where: Filter | None = None
    sort: Sort = Sort()
    limit: int = 100  # records, never exceeded
    offset: int = 0  # zero-based
    cursor: str | None = None  # from the previous page of the same query; excludes `offset`
    total: bool = False  # count all matches too (exact filters only)


@dataclass(frozen=True, slots=True)
class Page:
    """Records in order. A short page is not the end: the end is `cursor` None."""

    records: Sequence[Record]
    total: int | None = None
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What to alter in one record; what is not named stays as it is.

    A field is in `set`, or in `add`/`remove`, never both; `add` and `remove` are disjoint. Adding what is there and
    removing what is not succeed and change nothing. Rows are told apart by their key columns: `add` merges a row by
    them, `remove` takes a partial row, `set` diffs by them and leaves columns it does not name.
    """

    set: Fields = dataclasses.field(default_factory=dict, repr=False)
    add: Mapping[str, tuple[Scalar, ...] | tuple[Row, ...]] = dataclasses.field(default_factory=dict, repr=False)
    remove: Mapping[str, tuple[Scalar, ...] | tuple[Row, ...]] = dataclasses.field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        return bool(self.set or self.add or self.remove)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `update` did; `record` is given if it costs nothing, and always when the key changed."""

    changed: bool
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """What `describe` tells of one field."""

    type: type[Any]
    many: bool = False  # a tuple of values
    row: Mapping[str, Field] | None = None  # each value is a row with these columns
    row_key: tuple[str, ...] = ()  # the columns that tell rows apart
    refers: str | None = None  # the values are keys of that entity
    write: Write = Write.ALWAYS
    unique: bool = False
    required: bool = False
    max_length: int | None = None  # characters


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one entity of a backend can do; the default is the humblest.

    `filters`: field, ``rows.column`` or `KEY` -> {(op, ignore_case): exact or loose}; what is not named is not asked.
    """

    filters: Mapping[str, Mapping[tuple[Op, bool], Match]] = dataclasses.field(default_factory=dict)
    logic: frozenset[str] = frozenset()  # which of and, or, not, any_row may combine them
    sort: frozenset[str] = frozenset()  # what `Query.sort` may name besides the key
    offset: bool = False  # whether `Query.offset` may exceed 0; refused where much would be read to skip in a filter's
    total: bool = False  # whether `Query.total` may be true; refused where much would be read to count a filter's
    deltas: frozenset[str] = frozenset()  # fields whose `add` and `remove` cost what the delta costs
    versions: bool = False  # records carry one, and `expect` is honoured
    atomic: bool = False  # a change is applied whole or not at all
    serialize: bool = False  # `update` reads, merges and writes: the guard runs a record's updates one at a time
    writes: frozenset[str] = frozenset()  # which of create, update, delete the entity takes


@dataclass(frozen=True, slots=True)
class Context:
    """What the host gives a backend: the `name` it has in the configuration, for its log lines and native labels."""

    name: str


class Backend(ABC, Generic[S]):
    """A system one can read. Life: constructed once (no I/O), `start`, any number of concurrent calls, `stop`, also
    after a failed `start`. Any call may be cancelled at an await and must then leave no transaction open."""

    settings_type: ClassVar[type[BaseModel]]

    def __init__(self, settings: S, context: Context) -> None:
        self.settings = settings
        self.context = context

    async def start(self) -> None:
        """Open pools and sessions; raise `UnavailableError` if the system cannot be reached, to be called again."""

    async def stop(self) -> None:
        """Close what `start` opened; safe to call twice."""

    @abstractmethod
    async def ping(self) -> None:
        """Make the cheapest real round trip; raise `UnavailableError` if it fails."""

    def capabilities(self, entity: str) -> Capabilities:
        """Tell what `entity` can do; pure, callable before `start` and constant for the life of the backend."""
        return Capabilities()

    async def describe(self, entity: str) -> Mapping[str, Field] | None:
        """Tell the fields of `entity` so that typos fail at start; None where the system cannot tell."""
        return None

    @abstractmethod
    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        """Read one record; raise `NotFoundError` if the entity has none with `key`."""

    @abstractmethod
    async def search(self, entity: str, query: Query) -> Page:
        """Read a page; refuse with `UnsupportedError` what `capabilities` did not declare, never ignore it."""


class WritableBackend(Backend[S]):
    """A system one can also write."""

    @abstractmethod
    async def create(self, entity: str, fields: Fields) -> Record:
        """Add a record; the answer carries its key and at least the written fields as the system now holds them."""

    @abstractmethod
    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        """Apply `change`; with `expect` only if the record still has that version, else raise `StaleError`."""

    @abstractmethod
    async def delete(self, entity: str, key: str, *, expect: str | None = None) -> None:
        """Remove the record with its memberships; raise `NotFoundError` if it is not there."""

    def renamed(self, entity: str, key: str, change: Change) -> str:
        """Tell the key the record has once `change` is made: another one where keys are made of what is set; pure."""
        return key


@dataclass(frozen=True, slots=True)
class NativeCall:
    """One native call as an operator would read it; values masked where the settings mark them secret."""

    text: str
    values: tuple[tuple[str, Scalar | None], ...] = dataclasses.field(default=(), repr=False)


@runtime_checkable
class Explains(Protocol):
    """A backend that can render its native calls without making them."""

    def explain(self, entity: str, operation: str, *arguments: Any) -> Sequence[NativeCall]:
        """Render what `operation` (get, search, create, update, delete) with these arguments would send."""


@runtime_checkable
class Introspects(Protocol):
    """A backend that can tell what the live system has, for editors and nearest-name hints."""

    async def introspect(self) -> Mapping[str, Mapping[str, Field]]:
        """Map what could be an entity to the fields it has there."""


@runtime_checkable
class Lists(Protocol):
    """A backend that can page through one long field of one record."""

    async def list_values(
        self, entity: str, key: str, field: str, *, limit: int, cursor: str | None = None
    ) -> tuple[tuple[Scalar, ...] | tuple[Row, ...], str | None]:
        """Read up to `limit` values of `field` in a stable order, and the cursor of the next page or None."""
