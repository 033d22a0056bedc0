"""Reading: statements for single records and pages, built once for each shape of request, and records made of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from backends.contract import KEY, BackendError, NotFoundError, Page, Query, Record, Sort, UnsupportedError
from backends.sql import cursors
from backends.sql.children import Children
from backends.sql.conditions import condition, visible
from backends.sql.dialects.base import Condition, Dialect, Expression
from backends.sql.model import ColumnField, Entity, ListField, LookupField, PackedField, RowsField, SideField
from backends.sql.natives import load_text
from backends.sql.ordering import past
from backends.sql.questions import Question, Questions, Shape, parameters
from backends.sql.remembered import Remembered
from backends.sql.sessions import Session

Load = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Single:
    """The fields of one column: their names, where their values begin in a row, and what some of them go through.

    `texts` are those that are to be texts and mostly are.
    """

    names: tuple[str, ...]
    start: int
    loads: tuple[tuple[int, Load], ...]
    texts: tuple[int, ...] = ()

    def of(self, row: Any) -> dict[str, Any]:
        """Take a record's fields out of a row."""
        values = row[self.start : self.start + len(self.names)]
        if self.loads or self.texts:
            values = list(values)
            for index in self.texts:
                value = values[index]
                if value.__class__ is not str and value is not None:
                    values[index] = load_text(value)
            for index, load in self.loads:
                values[index] = load(values[index])
        return dict(zip(self.names, values, strict=True))


@dataclass(frozen=True, slots=True)
class Selection:
    """A SELECT and how its rows become records: key columns first, then the sort value, then the fields."""

    statement: sa.Select[Any]
    single: Single
    many: tuple[tuple[str, RowsField | ListField], ...]
    version: slice | None = None


class Reading:
    """Reads one entity."""

    def __init__(self, entity: Entity, dialect: Dialect) -> None:
        self._entity = entity
        self._dialect = dialect
        self._width = len(entity.key)
        self._questions = Questions(entity, dialect)
        self._children = Children(entity, dialect)
        self._statements = Remembered()
        self._visible = visible(dialect, entity.fixed, entity.table)

    async def get(self, session: Session, key: str, fields: frozenset[str], *, lock: bool = False) -> Record:
        """Read one record; raise `NotFoundError` for a key that no visible record has."""
        values = self._entity.key.decode(key)
        if values is None:
            raise NotFoundError
        selection = self._statements.get(("get", fields, lock), lambda: self._one(fields, lock))
        row = (await session.execute(selection.statement, self.key_parameters(values))).first()
        # A collation may find what is spelled otherwise: that is another key.
        if row is None or self._entity.key.encode(row[: self._width]) != key:
            raise NotFoundError
        return (await self._records(session, selection, [row]))[0]

    async def held(self, session: Session, values: tuple[Any, ...], *, lock: bool = False) -> tuple[bool, str | None]:
        """Tell whether a visible record has these key values, and its version; `lock` holds it until the transaction
        ends."""
        if lock and self._entity.target is not None and self._entity.target is not self._entity.table:
            await self._lock(session, values)
        selection = self._statements.get(("get", frozenset(), lock), lambda: self._one(frozenset(), lock))
        row = (await session.execute(selection.statement, self.key_parameters(values))).first()
        if row is None or self._entity.key.encode(row[: self._width]) != self._entity.key.encode(values):
            return False, None
        version = self._entity.version
        return True, None if version is None or selection.version is None else version.of(row[selection.version])

    async def _lock(self, session: Session, values: tuple[Any, ...]) -> None:
        """Hold the row written, which is not the one read."""

        def build() -> Any:
            statement: Any = (
                sa.select(sa.literal_column("1")).select_from(self.target()).where(*self.target_condition())
            )
            return self._dialect.locked(statement, self.target()) if self._dialect.row_locks else statement

        await session.execute(self._statements.get("lock", build), self.key_parameters(values))

    def target(self) -> sa.Table:
        """Give the table that is written; raise `UnsupportedError` where nothing is."""
        if self._entity.target is None:
            raise UnsupportedError(f"{self._entity.name} is only read")
        return self._entity.target

    def target_condition(self) -> list[Condition]:
        """Build the conditions that choose one visible row of the table that is written."""
        target = self.target()
        fixed = tuple(fix for fix in self._entity.fixed if fix.column.key in target.c)
        return [*self._keyed(target), *visible(self._dialect, fixed, target)]

    async def search(self, session: Session, query: Query) -> Page:
        """Read a page, and one record more to know whether it is the last."""
        question = self._questions.of(query.where)
        bound = dict(parameters(question))
        bound["limit"] = query.limit + 1
        after = self._after(query, bound)
        if after is None and query.offset:
            bound["offset"] = query.offset
        shape = (query.fields, question.shape, query.sort, after, "offset" in bound)
        selection = self._statements.get(
            shape, lambda: self._page(query.fields, question.shape, query.sort, after, "offset" in bound)
        )
        rows: Sequence[Any] = (await session.execute(selection.statement, bound)).all()
        more, rows = len(rows) > query.limit, rows[: query.limit]
        total = None
        if query.total:
            total = query.offset + len(rows)
            if more or after is not None or (not rows and query.offset):
                total = await self._count(session, question)
        records = await self._records(session, selection, rows)
        return Page(records, total, self._cursor(query.sort, rows[-1]) if more and rows else None)

    async def _count(self, session: Session, question: Question) -> int:
        def build() -> sa.Select[Any]:
            table = self._entity.table
            where = self._where(question.shape)
            return sa.select(sa.func.count()).select_from(table).where(*where)

        statement = self._statements.get(("count", question.shape), build)
        return int((await session.execute(statement, parameters(question))).scalar_one())

    async def list_values(
        self, session: Session, key: str, name: str, limit: int, cursor: str | None
    ) -> tuple[tuple[Any, ...], str | None]:
        """Read a page of one many-valued field; raise `NotFoundError` for a record that is not visible."""
        found = self._entity.fields.get(name)
        if not isinstance(found, RowsField | ListField):
            raise UnsupportedError(f"{name} is no list of rows")
        values = self._entity.key.decode(key)
        if values is None or not (await self.held(session, values))[0]:
            raise NotFoundError
        return await self._children.page(session, found, values, limit, cursor)

    def key_parameters(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """Name the values of a key as `key_condition` binds them."""
        return {f"k{index}": value for index, value in enumerate(values)}

    def key_condition(self) -> list[Condition]:
        """Build the conditions that choose one visible record."""
        return [*self._keyed(self._entity.table), *self._visible]

    def _keyed(self, table: sa.FromClause) -> list[Condition]:
        key = self._entity.key
        return [
            self._dialect.key_equal(table.c[column.key], sa.bindparam(f"k{index}", type_=column.type), native)
            for index, (column, native) in enumerate(zip(key.columns, key.natives, strict=True))
        ]

    def _one(self, fields: frozenset[str], lock: bool) -> Selection:
        columns, single, many, version = self._columns(fields)
        statement = sa.select(*self._entity.key.columns, *columns).where(*self.key_condition())
        if lock and self._dialect.row_locks and self._entity.target is self._entity.table:
            statement = self._dialect.locked(statement, self._entity.target)
        return Selection(statement, single, many, version)

    def _page(self, fields: frozenset[str], shape: Shape, sort: Sort, after: str | None, offset: bool) -> Selection:
        order = self._order(sort)
        columns, single, many, version = self._columns(fields, skip=0 if order is None else 1)
        extra = [] if order is None else [order]
        statement = sa.select(*self._entity.key.columns, *extra, *columns).where(*self._where(shape))
        if after is not None:
            statement = statement.where(self._beyond(sort, order, after == "null"))
        statement = statement.order_by(*self._ordering(sort, order)).limit(sa.bindparam("limit", type_=sa.Integer()))
        if offset:
            statement = statement.offset(sa.bindparam("offset", type_=sa.Integer()))
        return Selection(statement, single, many, version)

    def _where(self, shape: Shape) -> list[Condition]:
        chosen = condition(self._entity, self._dialect, shape, self._entity.table)
        return self._visible if chosen is None else [*self._visible, chosen]

    def _columns(
        self, fields: frozenset[str], skip: int = 0
    ) -> tuple[list[Expression], Single, tuple[tuple[str, RowsField | ListField], ...], slice | None]:
        """Choose what a SELECT must bring for these fields, and where in its rows each lies."""
        columns, names, many = list[Expression](), list[str](), []
        loads, texts = list[tuple[int, Load]](), list[int]()
        start = position = self._width + skip
        for name in sorted(fields):
            found = self._entity.fields.get(name)
            match found:
                case ColumnField(column=column, native=native):
                    columns.append(column)
                    load = native.load and _unless_null(native.load)
                case LookupField(native=native):
                    columns.append(self._looked_up(found).label(f"l{position}"))
                    load = native.load and _unless_null(native.load)
                case SideField(native=native):
                    columns.append(self._beside(found).label(f"l{position}"))
                    load = native.load and _unless_null(native.load)
                case PackedField(column=packed):
                    columns.append(packed.column)
                    load = found.split
                case RowsField() | ListField():
                    many.append((name, found))
                    continue
                case _:
                    raise BackendError(f"{self._entity.name} has no field {name}")
            if load is load_text:
                texts.append(len(names))
            elif load is not None:
                loads.append((len(names), load))
            names.append(name)
            position += 1
        single = Single(tuple(names), start, tuple(loads), tuple(texts))
        version = self._entity.version
        if version is None:
            return columns, single, tuple(many), None
        columns += version.columns
        return columns, single, tuple(many), slice(position, position + len(version.columns))

    def _beside(self, found: SideField) -> Expression:
        alias = found.table.alias()
        joined = [
            alias.c[owner.key] == self._entity.table.c[column.key]
            for owner, column in zip(found.owner, self._entity.key.columns, strict=True)
        ]
        query = sa.select(alias.c[found.column.key]).where(*joined, *visible(self._dialect, found.fixed, alias))
        return query.scalar_subquery()

    def _looked_up(self, found: LookupField) -> Expression:
        alias = found.table.alias()
        value = alias.c[found.value.key]
        chosen: Expression = value if found.certain else sa.func.min(value)
        joined = alias.c[found.key.key] == self._entity.table.c[found.code.column.key]
        return sa.select(chosen).where(joined).scalar_subquery()

    async def _records(self, session: Session, selection: Selection, rows: Sequence[Any]) -> list[Record]:
        width, encode = self._width, self._entity.key.encode
        records = []
        for row in rows:
            fields = selection.single.of(row)
            version = self._entity.version
            told = None if version is None or selection.version is None else version.of(row[selection.version])
            records.append(Record(encode(row[:width]), fields, told))
        if selection.many and rows:
            keys = [tuple(row[:width]) for row in rows]
            for name, found in selection.many:
                values = await self._children.load(session, found, keys)
                for record, key in zip(records, keys, strict=True):
                    record.fields[name] = values.get(key, ())  # type: ignore[index]
        return records

    # Order and cursors. NULL comes last when ascending and first when descending; the key breaks ties, ascending.

    def _order(self, sort: Sort) -> Expression | None:
        """Choose what to sort by besides the key."""
        if sort.field == KEY:
            return None
        found = self._entity.fields.get(sort.field)
        match found:
            case ColumnField(column=column, native=native):
                if not sort.ignore_case or not native.text or found.case is not None:
                    return found.folded if sort.ignore_case and found.folded is not None else column
                return self._dialect.fold(column).label("s")
            case LookupField(native=native) | SideField(native=native):
                looked_up = self._looked_up(found) if isinstance(found, LookupField) else self._beside(found)
                return (self._dialect.fold(looked_up) if sort.ignore_case and native.text else looked_up).label("s")
            case _:
                raise UnsupportedError(f"{sort.field} cannot be sorted by")

    def _ordering(self, sort: Sort, order: Expression | None) -> list[Any]:
        key = self._entity.key.columns
        if order is None:
            return [column.desc() if sort.descending else column.asc() for column in key]
        column = _bare(order)
        terms: list[Any] = []
        if not self._dialect.nulls_high and _nullable(order):
            missing = sa.case((column.is_(None), 1), else_=0)
            terms.append(missing.desc() if sort.descending else missing.asc())
        terms.append(column.desc() if sort.descending else column.asc())
        return [*terms, *[part.asc() for part in key]]

    def _cursor(self, sort: Sort, row: Any) -> str:
        width = self._width + (sort.field != KEY)
        return cursors.seal(row[:width], _mark(sort))

    def _after(self, query: Query, bound: dict[str, Any]) -> str | None:
        """Bind what a cursor holds; tell whether the last record's sort value was NULL."""
        if query.cursor is None:
            return None
        values = cursors.open_(query.cursor, _mark(query.sort))
        width = self._width
        if len(values) != width + (query.sort.field != KEY):
            raise UnsupportedError("the cursor does not belong to this query")
        bound |= {f"c{index}": value for index, value in enumerate(values[:width])}
        if len(values) == width:
            return "value"
        if values[width] is None:
            return "null"
        bound["cs"] = values[width]
        return "value"

    def _beyond(self, sort: Sort, order: Expression | None, null: bool) -> Condition:
        """Build the condition of what comes after the cursor."""
        key = self._entity.key.columns
        bounds = [sa.bindparam(f"c{index}", type_=column.type) for index, column in enumerate(key)]
        if order is None:
            return past(key, bounds, self._dialect, descending=sort.descending)
        tie = past(key, bounds, self._dialect)
        column = _bare(order)
        if null:
            same = sa.and_(column.is_(None), tie)
            return sa.or_(same, column.is_not(None)) if sort.descending else same
        last = sa.bindparam("cs", type_=column.type)
        further = column < last if sort.descending else column > last
        within = column <= last if sort.descending else column >= last
        # The range stands alone so that an index on the sort column can be entered at the cursor.
        beyond = sa.and_(within, sa.or_(further, tie))
        return beyond if sort.descending or not _nullable(order) else sa.or_(beyond, column.is_(None))


def _unless_null(load: Load) -> Load:
    return load if load is load_text else lambda value: None if value is None else load(value)


def _bare(order: Expression) -> Expression:
    return order.element if isinstance(order, sa.Label) else order


def _nullable(order: Expression) -> bool:
    return not isinstance(order, sa.Column) or bool(order.nullable)


def _mark(sort: Sort) -> str:
    return f"{sort.field}{'-' if sort.descending else '+'}{'i' if sort.ignore_case else ''}"
