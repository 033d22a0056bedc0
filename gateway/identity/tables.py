"""The tables of the id map, and the few expressions the two dialects spell differently.

Every primary key begins with the tenant (X10). Instants are microseconds since 1970 (UTC). ``migrations`` makes these
tables; a test compares the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    TEXT,
    VARCHAR,
    BigInteger,
    Column,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    literal_column,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ColumnElement, FromClause
from sqlalchemy.sql.functions import FunctionElement

metadata = MetaData()

META = Table(
    "scim_meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)
"""What concerns the whole store: the fingerprint of the id_key, the store's own id, the epoch of the shared cache."""

IDENTITY = Table(
    "scim_identity",
    metadata,
    Column("tenant", String, nullable=False),
    Column("id", String, nullable=False),
    Column("resource_type", String, nullable=False),
    Column("backend", String, nullable=False),
    Column("entity", String, nullable=False),
    Column("key", String, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("external_id", Text),
    Column("created", BigInteger, nullable=False),
    Column("last_modified", BigInteger, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("kept", Text),
    Column("serial", BigInteger, nullable=False),
    Column("buried", BigInteger),
    PrimaryKeyConstraint("tenant", "id"),
)
"""One row per id ever given. `buried` (when it became a tombstone) is null for the living; tombstones stay, so that no
id is given twice. `serial` orders mintings and reservations among each other."""

Index(
    "scim_identity_live_key",
    IDENTITY.c.tenant,
    IDENTITY.c.resource_type,
    IDENTITY.c.backend,
    IDENTITY.c.entity,
    IDENTITY.c.key,
    unique=True,
    postgresql_where=text("buried IS NULL"),
    sqlite_where=text("buried IS NULL"),
)
for _name, _column in (("created", IDENTITY.c.created), ("modified", IDENTITY.c.last_modified)):
    # Only for those who compare instants: a planner without statistics would take them for any look-up in a tenant.
    Index(
        f"scim_identity_{_name}",
        IDENTITY.c.tenant,
        IDENTITY.c.resource_type,
        _column,
        postgresql_where=_column > literal_column("0"),
        sqlite_where=_column > literal_column("0"),
    )
Index(
    "scim_identity_unerased",
    IDENTITY.c.buried,
    postgresql_where=text("buried IS NOT NULL AND (external_id IS NOT NULL OR kept IS NOT NULL)"),
    sqlite_where=text("buried IS NOT NULL AND (external_id IS NOT NULL OR kept IS NOT NULL)"),
)
Index("scim_identity_serial", IDENTITY.c.serial)

VACATED = Table(
    "scim_vacated",
    metadata,
    Column("tenant", String, nullable=False),
    Column("resource_type", String, nullable=False),
    Column("backend", String, nullable=False),
    Column("entity", String, nullable=False),
    Column("key", String, nullable=False),
    Column("generation", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "resource_type", "backend", "entity", "key"),
)
"""The generation of keys that were ever left; all others have generation 0."""

HELD = Table(
    "scim_held",
    metadata,
    Column("tenant", String, nullable=False),
    Column("resource_type", String, nullable=False),
    Column("path", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("id", String, nullable=False),
    Column("attribute", String, nullable=False),
    Column("value", String, nullable=False),
    Column("whole", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "resource_type", "path", "digest", "id"),
)
"""The index of what the store alone can be asked for. `value` is the beginning of the value, `whole` 1 if it is all
of it; `attribute` the kept attribute the path belongs to."""

Index("scim_held_id", HELD.c.tenant, HELD.c.id, HELD.c.attribute)

RESERVATION = Table(
    "scim_reservation",
    metadata,
    Column("tenant", String, nullable=False),
    Column("resource_type", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("token", String, nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "resource_type", "digest"),
)
"""Creates under way, or cut off."""

_ORDERED = String().with_variant(VARCHAR(collation="C"), "postgresql")
_ORDERED_TEXT = Text().with_variant(TEXT(collation="C"), "postgresql")
"""Text in the order of its code points, whatever language the database is set up for."""

RESIDENT = Table(
    "scim_resident",
    metadata,
    Column("tenant", String, nullable=False),
    Column("entity", String, nullable=False),
    Column("key", _ORDERED, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    PrimaryKeyConstraint("tenant", "entity", "key"),
)
"""Records that live with the gateway, because no system behind it has a place for them. `content` holds their single
values as JSON; `version` rises with every change, of a list too."""

RESIDENT_TEXT = Table(
    "scim_resident_text",
    metadata,
    Column("tenant", String, nullable=False),
    Column("entity", String, nullable=False),
    Column("key", _ORDERED, nullable=False),
    Column("field", String, nullable=False),
    Column("value", _ORDERED_TEXT, nullable=False),
    Column("folded", _ORDERED_TEXT, nullable=False),
    Column("begin", _ORDERED, nullable=False),
    Column("digest", String, nullable=False),
    Column("sole", String),
    PrimaryKeyConstraint("tenant", "entity", "key", "field"),
)
"""What the single values of residents are found and sorted by. `folded` is the value without regard to case, `begin`
its beginning, `digest` stands for the whole of it; `sole` is set where no two records may have the same."""

Index(
    "scim_resident_text_sole",
    RESIDENT_TEXT.c.tenant,
    RESIDENT_TEXT.c.entity,
    RESIDENT_TEXT.c.field,
    RESIDENT_TEXT.c.sole,
    unique=True,
    postgresql_where=text("sole IS NOT NULL"),
    sqlite_where=text("sole IS NOT NULL"),
)
for _name, _told in (("digest", "digest > ''"), ("begin", "begin >= ''")):
    # Only for those who say so, and not for whoever looks up a record: see the times of identities.
    Index(
        f"scim_resident_text_{_name}",
        RESIDENT_TEXT.c.tenant,
        RESIDENT_TEXT.c.entity,
        RESIDENT_TEXT.c.field,
        RESIDENT_TEXT.c[_name],
        RESIDENT_TEXT.c.key,
        postgresql_where=text(_told),
        sqlite_where=text(_told),
    )

RESIDENT_LIST = Table(
    "scim_resident_list",
    metadata,
    Column("tenant", String, nullable=False),
    Column("entity", String, nullable=False),
    Column("key", _ORDERED, nullable=False),
    Column("field", String, nullable=False),
    Column("value", _ORDERED, nullable=False),
    PrimaryKeyConstraint("tenant", "entity", "key", "field", "value"),
)
"""One row for each value of a resident's list: the ids of a group's members."""

Index(
    "scim_resident_list_value",
    RESIDENT_LIST.c.tenant,
    RESIDENT_LIST.c.value,
    RESIDENT_LIST.c.entity,
    RESIDENT_LIST.c.field,
    RESIDENT_LIST.c.key,
    postgresql_where=text("value > ''"),
    sqlite_where=text("value > ''"),
)


def by_digest(told: FromClause) -> ColumnElement[bool]:
    """Have texts found by the index of their digests."""
    return told.c.digest > literal_column("''")


def by_beginning(told: FromClause) -> ColumnElement[bool]:
    """Have texts found, and walked, by the index of their beginnings."""
    return told.c.begin >= literal_column("''")


def by_value(listed: FromClause) -> ColumnElement[bool]:
    """Have items of lists found by the index of their values."""
    return listed.c.value > literal_column("''")


class Elements(FunctionElement[Any]):
    """The elements of a bound JSON array, as rows with one column ``value``: a batch is one parameter, however long."""

    inherit_cache = True
    name = "elements"


class Item(ColumnElement[str]):
    """One item, as text, of an array that is an element of `Elements`."""

    inherit_cache = False

    def __init__(self, array: ColumnElement[Any], index: int) -> None:
        self.array = array
        self.index = index


class OneOf(ColumnElement[bool]):
    """Whether a column is one of the texts of a bound JSON array; every planner answers it by index."""

    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], given: ColumnElement[Any]) -> None:
        self.column = column
        self.given = given


class NextSerial(ColumnElement[int]):
    """A number greater than every earlier one in the store."""

    inherit_cache = True


class Position(FunctionElement[int]):
    """Where the second text begins in the first, from 1; 0 if nowhere. Byte for byte, no wildcards."""

    inherit_cache = True
    name = "position"


@compiles(Elements, "sqlite")
def _elements_sqlite(element: Elements, compiler: Any, **kw: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **kw)})"


@compiles(Elements, "postgresql")
def _elements_postgresql(element: Elements, compiler: Any, **kw: Any) -> str:
    return f"jsonb_array_elements(CAST({compiler.process(element.clauses, **kw)} AS JSONB))"


@compiles(Item, "sqlite")
def _item_sqlite(element: Item, compiler: Any, **kw: Any) -> str:
    return f"json_extract({compiler.process(element.array, **kw)}, '$[{element.index:d}]')"


@compiles(Item, "postgresql")
def _item_postgresql(element: Item, compiler: Any, **kw: Any) -> str:
    return f"({compiler.process(element.array, **kw)} ->> {element.index:d})"


@compiles(OneOf, "sqlite")
def _one_of_sqlite(element: OneOf, compiler: Any, **kw: Any) -> str:
    given = compiler.process(element.given, **kw)
    return f"{compiler.process(element.column, **kw)} IN (SELECT value FROM json_each({given}))"  # noqa: S608


@compiles(OneOf, "postgresql")
def _one_of_postgresql(element: OneOf, compiler: Any, **kw: Any) -> str:
    texts = f"jsonb_array_elements_text(CAST({compiler.process(element.given, **kw)} AS JSONB))"
    return f"{compiler.process(element.column, **kw)} = ANY (ARRAY(SELECT {texts}))"


@compiles(NextSerial, "sqlite")
def _serial_sqlite(element: NextSerial, compiler: Any, **kw: Any) -> str:
    return "(SELECT coalesce(max(serial), 0) + 1 FROM scim_identity)"


@compiles(NextSerial, "postgresql")
def _serial_postgresql(element: NextSerial, compiler: Any, **kw: Any) -> str:
    return "nextval('scim_serial')"


@compiles(Position, "sqlite")
def _position_sqlite(element: Position, compiler: Any, **kw: Any) -> str:
    return f"instr({compiler.process(element.clauses, **kw)})"


@compiles(Position, "postgresql")
def _position_postgresql(element: Position, compiler: Any, **kw: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **kw)})"
