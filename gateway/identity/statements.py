"""Every statement of the store, built with SQLAlchemy and compiled once for one dialect.

What runs is a string with positional parameters on the driver itself: building and compiling cost more than the
database does. A batch is one JSON parameter, so no statement's text depends on how much is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    String,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy import case as sql_case
from sqlalchemy import update as sql_update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.elements import BindParameter, ColumnElement
from sqlalchemy.sql.expression import ClauseElement, Select
from sqlalchemy.sql.schema import Table

from gateway.identity.tables import (
    HELD,
    IDENTITY,
    META,
    RESERVATION,
    RESIDENT_LIST,
    VACATED,
    Elements,
    Item,
    NextSerial,
    OneOf,
    Position,
    by_value,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """Compiled SQL, the names of its positional parameters in order, and the values of those that never change."""

    sql: str
    names: tuple[str, ...]
    fixed: Mapping[str, Any]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Put named values in the order of the parameters."""
        fixed = self.fixed
        return [fixed[name] if name in fixed else values[name] for name in self.names]


def _text(name: str) -> BindParameter[str]:
    return bindparam(name, type_=String())


def _number(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger())


def _integer(array: Any, index: int) -> ColumnElement[int]:
    return cast(Item(array, index), BigInteger)


ROW = (
    IDENTITY.c.id,
    IDENTITY.c.resource_type,
    IDENTITY.c.backend,
    IDENTITY.c.entity,
    IDENTITY.c.key,
    IDENTITY.c.generation,
    IDENTITY.c.external_id,
    IDENTITY.c.created,
    IDENTITY.c.last_modified,
    IDENTITY.c.counter,
    IDENTITY.c.kept,
)
"""What an identity is read from, in this order."""

_ONE = and_(IDENTITY.c.tenant == _text("tenant"), IDENTITY.c.id == _text("id"))
_LIVE = IDENTITY.c.buried.is_(None)
_ALIVE = func.coalesce(IDENTITY.c.buried, literal_column("0")) == literal_column("0")
"""The same, said so that no planner takes the index of live keys for a look-up by id: on a table it has no statistics
of yet, as in the first minutes of a large directory, it would read a whole tenant."""
_TYPE = and_(IDENTITY.c.tenant == _text("tenant"), IDENTITY.c.resource_type == _text("resource_type"))
_KEY = (_TYPE, IDENTITY.c.backend == _text("backend"), IDENTITY.c.entity == _text("entity"))
_LATER = sql_case((IDENTITY.c.last_modified > _number("now"), IDENTITY.c.last_modified), else_=_number("now"))


class Compiler:
    """Compiles statements for one dialect, once."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect.name]

    def compiled(self, statement: ClauseElement) -> Statement:
        """Compile a statement whose values are named parameters."""
        compiled: Any = statement.compile(dialect=self._dialect)
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        return Statement(str(compiled), tuple(compiled.positiontup or ()), fixed)


class Statements(Compiler):
    """The statements of the id map."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self._searches: dict[tuple[str, ...], Statement] = {}
        self._read()
        self._write()
        self._keep()
        self._bind()
        self._move()
        self._administer()

    def insert_into(self, table: Table, columns: Sequence[str], rows: Select[Any]) -> Statement:
        """Build an insert of rows that leaves alone what is there (of generations the higher), and tells what it
        added."""
        insert = self._insert(table).from_select(columns, rows)
        if table is VACATED:
            higher = insert.excluded.generation > VACATED.c.generation
            insert = insert.on_conflict_do_update(
                index_elements=list(table.primary_key),
                set_={"generation": insert.excluded.generation},
                where=higher,
            )
        else:
            insert = insert.on_conflict_do_nothing()
        return self.compiled(insert.returning(table.c.tenant))

    def _read(self) -> None:
        given = _text("given")
        owned = IDENTITY.c.tenant == _text("tenant")
        self.by_ids = self.compiled(select(*ROW).where(owned, OneOf(IDENTITY.c.id, given), _ALIVE))
        self.by_id = self.compiled(select(*ROW).where(_ONE, _ALIVE))
        # Two questions in one round trip: who has these keys, and which of them were ever left.
        none: list[Any] = [cast(null(), column.type) for column in ROW]
        at = [VACATED.c[name] == _text(name) for name in ("tenant", "resource_type", "backend", "entity")]
        left = select(VACATED.c.key, VACATED.c.generation, *none).where(*at, OneOf(VACATED.c.key, given))
        live = select(IDENTITY.c.key, cast(null(), BigInteger), *ROW).where(*_KEY, OneOf(IDENTITY.c.key, given), _LIVE)
        self.by_keys = self.compiled(union_all(left, live))
        self.generation = self.compiled(select(VACATED.c.generation).where(*at, VACATED.c.key == _text("key")))
        self.locked = self.compiled(select(*ROW, IDENTITY.c.buried).where(_ONE).with_for_update())
        self.locked_by_key = self.compiled(
            select(*ROW, IDENTITY.c.serial).where(*_KEY, IDENTITY.c.key == _text("key"), _LIVE).with_for_update()
        )

    def _write(self) -> None:
        given = Elements(_text("given")).table_valued("value", name="given")
        minted = {
            "tenant": _text("tenant"),
            "id": Item(given.c.value, 0),
            "resource_type": _text("resource_type"),
            "backend": _text("backend"),
            "entity": _text("entity"),
            "key": Item(given.c.value, 1),
            "generation": _integer(given.c.value, 2),
            "created": _number("now"),
            "last_modified": _number("now"),
            "counter": literal_column("0"),
            "serial": NextSerial(),
        }
        columns_of: list[Any] = list(minted.values())
        # A key an account is on its way to is left alone: whoever met it there may have met that very account.
        awaited: Select[Any] = select(literal_column("1")).where(
            RESERVATION.c.tenant == _text("tenant"),
            RESERVATION.c.resource_type == _text("resource_type"),
            RESERVATION.c.digest == Item(given.c.value, 3),
        )
        rows = select(*columns_of).select_from(given).where(~awaited.exists())
        insert = self._insert(IDENTITY)
        self.mint = self.compiled(
            insert.from_select(list(minted), rows).on_conflict_do_nothing().returning(IDENTITY.c.id)
        )
        columns = {column.name: _number(column.name) for column in IDENTITY.c if isinstance(column.type, BigInteger)}
        columns |= {c.name: bindparam(c.name, type_=c.type) for c in IDENTITY.c if c.name not in columns}
        del columns["buried"]
        fresh = {**columns, "serial": NextSerial()}
        self.insert = self.compiled(insert.values(fresh).on_conflict_do_nothing().returning(*ROW))
        update = sql_update(IDENTITY).where(_ONE)
        changed = {"counter": IDENTITY.c.counter + literal_column("1"), "last_modified": _LATER}
        self.touch = self.compiled(update.where(_ALIVE).values(changed).returning(*ROW))
        what = {"external_id": bindparam("external_id", type_=Text()), "kept": bindparam("kept", type_=Text())}
        self.alter = self.compiled(update.where(_ALIVE).values({**changed, **what}).returning(*ROW))
        self.move = self.compiled(update.values({"key": _text("to"), "buried": literal_column("NULL")}).returning(*ROW))
        self.bury = self.compiled(
            update.where(_ALIVE, IDENTITY.c.key == _text("key"))
            .values(buried=_number("now"))
            .returning(IDENTITY.c.resource_type, IDENTITY.c.backend, IDENTITY.c.entity)
        )
        # Whoever is gone is in no list any more: the ids of the dead lead nowhere, and should not pile up.
        listed = RESIDENT_LIST.c
        named = (listed.tenant == _text("tenant"), listed.value == _text("id"), by_value(RESIDENT_LIST))
        self.disown = self.compiled(delete(RESIDENT_LIST).where(*named))
        left = {name: _text(name) for name in ("tenant", "resource_type", "backend", "entity", "key")}
        self.vacate = self.compiled(
            self._insert(VACATED)
            .values({**left, "generation": literal_column("1")})
            .on_conflict_do_update(
                index_elements=list(VACATED.primary_key),
                set_={"generation": VACATED.c.generation + literal_column("1")},
            )
        )

    def _keep(self) -> None:
        given = Elements(_text("given")).table_valued("value", name="given")
        owner = and_(HELD.c.tenant == _text("tenant"), HELD.c.id == _text("id"))
        named = OneOf(HELD.c.attribute, _text("given"))
        self.forget = self.compiled(delete(HELD).where(owner, named))
        names, values = self._held(given)
        source = select(*values).select_from(given).where(true())
        self.hold = self.compiled(self._insert(HELD).from_select(names, source).on_conflict_do_nothing())
        reservation = RESERVATION.c
        over = reservation.expires < _number("now")
        insert = self._insert(RESERVATION).values(
            tenant=_text("tenant"),
            resource_type=_text("resource_type"),
            digest=_text("digest"),
            token=_text("token"),
            opened=NextSerial(),
            expires=_number("expires"),
        )
        self.reserve = self.compiled(
            insert.on_conflict_do_update(
                index_elements=list(RESERVATION.primary_key),
                set_={
                    "token": sql_case((over, insert.excluded.token), else_=reservation.token),
                    "opened": sql_case((over, insert.excluded.opened), else_=reservation.opened),
                    "expires": insert.excluded.expires,
                },
            ).returning(reservation.token, reservation.opened)
        )
        same = self._reserved()
        self.release = self.compiled(delete(RESERVATION).where(*same))
        self.reserved = self.compiled(
            select(reservation.token, reservation.opened).where(*same[:3], reservation.expires >= _number("now"))
        )

    def _bind(self) -> None:
        """Bind an account nobody had the key of before, whole, in one statement; it gives nothing where somebody had.

        Only where a statement may write to several tables: elsewhere a round trip costs nothing.
        """
        self.bind: Statement | None = None
        if self._dialect.name != "postgresql":
            return
        place = {name: _text(name) for name in ("tenant", "resource_type", "backend", "entity", "key")}
        left: Select[Any] = select(literal_column("1")).where(
            *[VACATED.c[name] == value for name, value in place.items()]
        )
        row: dict[str, Any] = {
            **place,
            "id": _text("id"),
            "generation": literal_column("0"),
            "external_id": bindparam("external_id", type_=Text()),
            "created": _number("now"),
            "last_modified": _number("now"),
            "counter": literal_column("0"),
            "kept": bindparam("kept", type_=Text()),
            "serial": NextSerial(),
        }
        new = self._insert(IDENTITY).from_select(list(row), select(*row.values()).where(~left.exists()))
        made = new.on_conflict_do_nothing().returning(*ROW).cte("made")
        given = Elements(_text("given")).table_valued("value", name="given")
        names, values = self._held(given)
        there = exists(select(made.c.id))
        held = self._insert(HELD).from_select(names, select(*values).select_from(given).where(there))
        done = delete(RESERVATION).where(*self._reserved(), there)
        whole = select(*made.c).add_cte(held.on_conflict_do_nothing().cte("held"), done.cte("done"))
        self.bind = self.compiled(whole)

    def _held(self, given: Any) -> tuple[list[str], list[Any]]:
        """Name what the index holds of a value, and where it comes from."""
        rows: dict[str, Any] = {
            "tenant": _text("tenant"),
            "resource_type": _text("resource_type"),
            "id": _text("id"),
            "attribute": Item(given.c.value, 0),
            "path": Item(given.c.value, 1),
            "digest": Item(given.c.value, 2),
            "value": Item(given.c.value, 3),
            "whole": _integer(given.c.value, 4),
        }
        return list(rows), list(rows.values())

    def _reserved(self) -> list[Any]:
        names = ("tenant", "resource_type", "digest", "token")
        return [RESERVATION.c[name] == _text(name) for name in names]

    def _move(self) -> None:
        """Moves are noted where reservations are: each by the id that moves, and by the key it goes to."""
        given = Elements(_text("given")).table_valued("value", name="given")
        rows = {
            "tenant": _text("tenant"),
            "resource_type": _text("resource_type"),
            "digest": Item(given.c.value, 0),
            "token": Item(given.c.value, 1),
            "opened": literal_column("0"),
            "expires": _number("expires"),
        }
        values: list[Any] = list(rows.values())
        insert = self._insert(RESERVATION).from_select(list(rows), select(*values).select_from(given).where(true()))
        self.announce = self.compiled(
            insert.on_conflict_do_update(
                index_elements=list(RESERVATION.primary_key),
                set_={"token": insert.excluded.token, "expires": insert.excluded.expires},
            )
        )
        kind = (RESERVATION.c.tenant == _text("tenant"), RESERVATION.c.resource_type == _text("resource_type"))
        named = (*kind, OneOf(RESERVATION.c.digest, _text("given")))
        self.announced = self.compiled(select(RESERVATION.c.digest, RESERVATION.c.token).where(*named))
        self.retract = self.compiled(delete(RESERVATION).where(*named))

    def _administer(self) -> None:
        self.meta = self.compiled(select(META.c.name, META.c.value))
        self.remember = self.compiled(
            self._insert(META).values(name=_text("name"), value=_text("value")).on_conflict_do_nothing()
        )
        note = self._insert(META).values(name=_text("name"), value=_text("value"))
        self.note = self.compiled(
            note.on_conflict_do_update(index_elements=list(META.primary_key), set_={"value": note.excluded.value})
        )
        number = cast(cast(META.c.value, BigInteger) + literal_column("1"), Text)
        epoch = META.c.name == literal_column("'epoch'")
        self.advance = self.compiled(sql_update(META).where(epoch).values(value=number))
        full = or_(IDENTITY.c.external_id.is_not(None), IDENTITY.c.kept.is_not(None))
        dead = and_(IDENTITY.c.buried.is_not(None), IDENTITY.c.buried < _number("before"), full)
        cleared: dict[str, Any] = {"external_id": literal_column("NULL"), "kept": literal_column("NULL")}
        self.erase = self.compiled(sql_update(IDENTITY).where(dead).values(cleared))
        owners = select(IDENTITY.c.tenant, IDENTITY.c.id).where(dead)
        self.erase_held = self.compiled(delete(HELD).where(tuple_(HELD.c.tenant, HELD.c.id).in_(owners)))
        self.expire = self.compiled(delete(RESERVATION).where(RESERVATION.c.expires < _number("before")))

    def search(self, shape: tuple[str, ...]) -> Statement:
        """Build, once per shape, the search for accounts of which all conjuncts may hold.

        Each part of a shape is ``any``, ``eq``, ``has`` (the path has a value), ``in`` (a value may contain the
        text), ``created`` or ``modified``; the n-th takes the parameters ``path_n``, ``digest_n``, ``text_n``,
        ``from_n`` and ``until_n``.
        """
        if (known := self._searches.get(shape)) is None:
            known = self._searches[shape] = self.compiled(_search(shape))
        return known


def _search(shape: tuple[str, ...]) -> Select[Any]:
    by_value = any(kind in ("eq", "has", "in") for kind in shape)
    query = select(*ROW).where(_TYPE, _ALIVE if by_value else _LIVE).limit(_number("limit"))
    for n, kind in enumerate(shape):
        if kind in ("created", "modified", "changed"):
            column = IDENTITY.c.created if kind == "created" else IDENTITY.c.last_modified
            range_ = column.between(_number(f"from_{n}"), _number(f"until_{n}"))
            query = query.where(range_, column > literal_column("0"))
            if kind == "changed":
                query = query.where(IDENTITY.c.counter > literal_column("0"))
        elif kind != "any":
            held = select(HELD.c.id).where(
                HELD.c.tenant == _text("tenant"),
                HELD.c.resource_type == _text("resource_type"),
                HELD.c.path == _text(f"path_{n}"),
            )
            if kind == "eq":
                held = held.where(HELD.c.digest == _text(f"digest_{n}"))
            elif kind == "in":
                contains = Position(HELD.c.value, _text(f"text_{n}")) > literal_column("0")
                held = held.where(or_(HELD.c.whole == literal_column("0"), contains))
            query = query.where(IDENTITY.c.id.in_(held))
    return query
