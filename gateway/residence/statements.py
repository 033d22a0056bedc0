"""Every statement about residents, compiled once for one dialect; searches are compiled once per shape.

The place of a record (tenant and entity) is a condition of each: no statement can reach another tenant's (X10).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, bindparam, case, cast, delete, func, literal_column, null, select, tuple_, union_all
from sqlalchemy import Text as LongText
from sqlalchemy import true as sql_true
from sqlalchemy import update as sql_update
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.expression import Select
from sqlalchemy.sql.schema import Table

from gateway.identity.statements import Compiler, Statement
from gateway.identity.tables import (
    RESIDENT,
    RESIDENT_LIST,
    RESIDENT_TEXT,
    Elements,
    Item,
    OneOf,
    by_beginning,
    by_value,
)
from gateway.residence.conditions import Shape, condition, text

SHAPES = 512
"""Compiled searches that are remembered; a client that never asks the same way twice does not fill the memory."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order of records: by a field, or by the key where `field` is None. `filled`: no record is without it."""

    field: str | None = None
    descending: bool = False
    folded: bool = False
    filled: bool = False


class ResidentStatements(Compiler):
    """The statements of one dialect. All take ``tenant`` and ``entity``, most a ``key``; batches are JSON texts."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self._searches: dict[tuple[Any, ...], Statement] = {}
        self.ping = self.compiled(select(RESIDENT.c.key).limit(literal_column("1")))
        self._read()
        self._write()

    def _read(self) -> None:
        resident, listed = RESIDENT.c, RESIDENT_LIST.c
        self.one = self.compiled(select(resident.version, resident.content).where(*_record(RESIDENT)))
        self.locked = self.compiled(
            select(resident.version, resident.content).where(*_record(RESIDENT)).with_for_update()
        )
        # A record with its lists is one question: what is read belongs together.
        own = select(resident.version, resident.content, cast(null(), LongText)).where(*_record(RESIDENT))
        many = select(cast(null(), BigInteger), listed.field, listed.value).where(
            *_record(RESIDENT_LIST), OneOf(listed.field, text("fields"))
        )
        self.whole = self.compiled(union_all(own, many))
        self.lists = self.compiled(
            select(listed.key, listed.field, listed.value).where(
                *_place(RESIDENT_LIST), OneOf(listed.key, text("keys")), OneOf(listed.field, text("fields"))
            )
        )
        page = select(listed.value).where(*_record(RESIDENT_LIST), listed.field == text("field"))
        page = page.order_by(listed.value).limit(bindparam("limit", type_=BigInteger()))
        self.listed = self.compiled(page)
        self.listed_after = self.compiled(page.where(listed.value > text("after")))

    def _write(self) -> None:
        place = {name: text(name) for name in ("tenant", "entity", "key")}
        content = bindparam("content", type_=LongText())
        self.enter = self.compiled(
            self._insert(RESIDENT).values({**place, "version": literal_column("1"), "content": content})
        )
        newer: dict[str, Any] = {"version": RESIDENT.c.version + literal_column("1")}
        update = sql_update(RESIDENT).where(*_record(RESIDENT))
        self.touch = self.compiled(update.values(newer))
        self.rewrite = self.compiled(update.values({**newer, "content": content}))
        self.leave = self.compiled(delete(RESIDENT).where(*_record(RESIDENT)).returning(RESIDENT.c.key))
        self.drop_texts = self.compiled(delete(RESIDENT_TEXT).where(*_record(RESIDENT_TEXT)))
        self.drop_lists = self.compiled(delete(RESIDENT_LIST).where(*_record(RESIDENT_LIST)))
        self.unindex = self.compiled(
            delete(RESIDENT_TEXT).where(*_record(RESIDENT_TEXT), OneOf(RESIDENT_TEXT.c.field, text("fields")))
        )
        given = Elements(text("given")).table_valued("value", name="given")
        told = {
            **place,
            **{
                n: Item(given.c.value, i) for i, n in enumerate(("field", "value", "folded", "begin", "digest", "sole"))
            },
        }
        insert = self._insert(RESIDENT_TEXT).from_select(list(told), _rows(told, given))
        self.index = self.compiled(insert.on_conflict_do_nothing().returning(RESIDENT_TEXT.c.field))
        named = {**place, "field": text("field"), "value": Item(given.c.value, 0)}
        insert = self._insert(RESIDENT_LIST).from_select(list(named), _rows(named, given))
        self.add = self.compiled(insert.on_conflict_do_nothing().returning(RESIDENT_LIST.c.value))
        of_field = (*_record(RESIDENT_LIST), RESIDENT_LIST.c.field == text("field"))
        these = OneOf(RESIDENT_LIST.c.value, text("values"))
        gone = delete(RESIDENT_LIST).returning(RESIDENT_LIST.c.value)
        self.remove = self.compiled(gone.where(*of_field, these))
        self.retain = self.compiled(gone.where(*of_field, ~these))
        self.disown = self.compiled(
            delete(RESIDENT_LIST).where(
                RESIDENT_LIST.c.tenant == text("tenant"),
                RESIDENT_LIST.c.value == text("key"),
                by_value(RESIDENT_LIST),
                OneOf(RESIDENT_LIST.c.field, text("fields")),
            )
        )

    def search(self, shape: Shape, order: Order, *, after: bool) -> Statement:
        """Build the search for a page: key, version, content and the value sorted by; takes ``limit`` and ``offset``,
        with `after` also ``after_empty``, ``after_begin``, ``after_value`` and ``after_key``."""
        return self._remembered((shape, order, after), lambda: _page(shape, order, after=after))

    def count(self, shape: Shape) -> Statement:
        """Build the count of all that a shape finds."""
        return self._remembered(
            (shape,),
            lambda: (
                select(func.count()).select_from(RESIDENT).where(*_place(RESIDENT), condition(shape, RESIDENT.c.key))
            ),
        )

    def _remembered(self, name: tuple[Any, ...], build: Any) -> Statement:
        known = self._searches.get(name)
        if known is None:
            known = self.compiled(build())
            if len(self._searches) >= SHAPES:
                self._searches.clear()
            self._searches[name] = known
        return known


def _place(table: Table) -> list[ColumnElement[bool]]:
    return [table.c.tenant == text("tenant"), table.c.entity == text("entity")]


def _record(table: Table) -> list[ColumnElement[bool]]:
    return [*_place(table), table.c.key == text("key")]


def _rows(columns: Mapping[str, Any], given: Any) -> Select[Any]:
    """Make rows of the elements of a batch."""
    return select(*columns.values()).select_from(given).where(sql_true())


def _page(shape: Shape, order: Order, *, after: bool) -> Select[Any]:
    if order.field is None:
        query = select(RESIDENT.c.key, RESIDENT.c.version, RESIDENT.c.content, cast(null(), LongText))
        ranks: list[ColumnElement[Any]] = [RESIDENT.c.key]
        behind: list[ColumnElement[Any]] = [text("after_key")]
        query = query.where(*_place(RESIDENT))
    elif order.filled:
        query, ranks, behind = _by_index(order)
    else:
        query, ranks, behind = _by_value(order)
    if after:
        here, there = tuple_(*ranks), tuple_(*behind)
        query = query.where(here < there if order.descending else here > there)
        if order.filled and order.folded:
            # What an index can begin at: a comparison of tuples alone does not find its place in every planner.
            begin = ranks[0]
            query = query.where(begin <= behind[0] if order.descending else begin >= behind[0])
    return (
        query.where(condition(shape, ranks[-1]))
        .order_by(*(rank.desc() if order.descending else rank.asc() for rank in ranks))
        .limit(bindparam("limit", type_=BigInteger()))
        .offset(bindparam("offset", type_=BigInteger()))
    )


Ranked = tuple[Select[Any], list[ColumnElement[Any]], list[ColumnElement[Any]]]
"""A query, what its records are ranked by (the key last), and where the page before ended."""


def _by_index(order: Order) -> Ranked:
    """Walk the values, each of which leads to its record: the index has them in this order."""
    told = RESIDENT_TEXT.c
    own = (RESIDENT.c.tenant == told.tenant, RESIDENT.c.entity == told.entity, RESIDENT.c.key == told.key)
    version, content = (
        select(RESIDENT.c[name]).where(*own).scalar_subquery().label(name) for name in ("version", "content")
    )
    value = told.folded if order.folded else told.value
    query = select(told.key, version, content, value).where(
        *_place(RESIDENT_TEXT), told.field == bindparam(None, order.field)
    )
    ends: list[ColumnElement[Any]] = [text("after_value"), text("after_key")]
    if order.folded:
        query = query.where(by_beginning(RESIDENT_TEXT))
        return query, [told.begin, value, told.key], [text("after_begin"), *ends]
    return query, [value, told.key], ends


def _by_value(order: Order) -> Ranked:
    """Look the value of each record up; those without one come behind the rest."""
    resident, told = RESIDENT.c, RESIDENT_TEXT.c
    held = (told.tenant == text("tenant"), told.entity == text("entity"), told.key == resident.key)
    value = (
        select(told.folded if order.folded else told.value)
        .where(*held, told.field == bindparam(None, order.field))
        .scalar_subquery()
    )
    empty = case((value.is_(None), literal_column("1")), else_=literal_column("0"))
    query = select(resident.key, resident.version, resident.content, value.label("sorted")).where(*_place(RESIDENT))
    ends: list[ColumnElement[Any]] = [bindparam("after_empty", type_=BigInteger())]
    ends += [text("after_value"), text("after_key")]
    return query, [empty, func.coalesce(value, ""), resident.key], ends
