"""What an entity can do, known before its table is: every column can be searched and sorted by.

Which columns there are, and of which types, only the live schema knows; `describe` tells that. Until the first start a
field that the settings do not name is taken for a column of text, afterwards for what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from backends.contract import KEY, Capabilities, Match, Op
from backends.kit.evaluate import operators
from backends.sql.model import ColumnField, Entity, ListField, LookupField, PackedField, RowsField, SideField
from backends.sql.natives import Native
from backends.sql.settings import EntitySettings, SqlSettings

Answers = Mapping[tuple[Op, bool], Match]
LOGIC = frozenset({"and", "or", "not", "any_row"})
_KEYS: Answers = dict.fromkeys([(op, False) for op in (Op.EQ, Op.NE, Op.PR, Op.IN)], Match.EXACT)
_PRESENCE: Answers = {(Op.PR, False): Match.EXACT}
_TEXTS: Answers = dict.fromkeys(operators(str), Match.EXACT)


def abilities(name: str, settings: SqlSettings, entity: Callable[[str], Entity | None]) -> Capabilities:
    """Tell what the entity `name` can do; `entity` gives it once it is compiled."""
    described = settings.entities[name]
    lists = {*described.every_list(), *(field for field, item in described.fields.items() if item.inverse is not None)}
    packed = {field for field, item in described.fields.items() if item.packed is not None or item.entry is not None}
    several = {field for field in packed if (entry := described.fields[field].entry) is None or entry.many}
    many = {*lists, *described.rows, *several}
    shown = {field for field, item in described.fields.items() if item.inverse is not None and item.write is None}
    filters = _Filters(lambda: entity(name), lists, set(described.rows), packed, described)
    return Capabilities(
        filters=filters,
        logic=LOGIC,
        sort=_Sortable(lambda: entity(name), many | packed, described),
        offset=True,
        total=True,
        deltas=frozenset(many - shown),
        atomic=True,
        versions=described.version is not None,
        writes=frozenset({"update"} if described.fixed else {"create", "update", "delete"}),
    )


def _named(settings: EntitySettings) -> list[str]:
    """Name the fields that the settings name."""
    rows = [
        f"{field}.{column}" for field, item in settings.rows.items() for column in (*item.key, *(item.columns or ()))
    ]
    beside = [field for side in settings.beside for field in side.fields]
    return [*settings.fields, *settings.rows, *rows, *settings.every_list(), *settings.lookups, *beside]


class _Filters(Mapping[str, Answers]):
    """Comparisons by field. Iteration gives the fields known so far; any column may be asked for."""

    def __init__(
        self,
        entity: Callable[[], Entity | None],
        lists: set[str],
        rows: set[str],
        packed: set[str],
        settings: EntitySettings,
    ) -> None:
        self._entity = entity
        self._lists = lists
        self._rows = rows
        self._packed = packed
        self._settings = settings

    def __getitem__(self, name: str) -> Answers:
        entity = self._entity()
        if name == KEY:
            return _KEYS
        if entity is not None:
            return self._known(entity, name)
        if name in self._packed:
            raise KeyError(name)
        if name in self._rows:
            return _PRESENCE
        if name in self._lists:
            return _KEYS
        return _TEXTS

    def _known(self, entity: Entity, name: str) -> Answers:
        found = entity.fields.get(name)
        if found is None:
            field, _, column = name.rpartition(".")
            rows = entity.fields.get(field)
            if not isinstance(rows, RowsField):
                raise KeyError(name)
            found = rows.columns[column]
        match found:
            case RowsField():
                return _PRESENCE
            case ListField():
                return _KEYS if found.refers is not None else _answers(found.member.natives[0])
            case PackedField():
                raise KeyError(name)
            case ColumnField() | LookupField() | SideField():
                return _answers(found.native)

    def __iter__(self) -> Iterator[str]:
        entity = self._entity()
        yield KEY
        if entity is None:
            yield from (name for name in _named(self._settings) if name not in self._packed)
            return
        for name, found in entity.fields.items():
            if not isinstance(found, PackedField):
                yield name
            if isinstance(found, RowsField):
                yield from (f"{name}.{column}" for column in found.columns)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __eq__(self, other: object) -> bool:
        """Two are equal that come from the same settings, whether or not one has met its table."""
        return isinstance(other, _Filters) and self._settings == other._settings

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Filters({list(self)})"


class _Sortable(frozenset[str]):
    """The fields one may sort by: every one that has one value."""

    _of: Callable[[], Entity | None]
    _many: set[str]
    _settings: EntitySettings

    def __new__(cls, entity: Callable[[], Entity | None], many: set[str], settings: EntitySettings) -> _Sortable:
        made = super().__new__(cls)
        made._of, made._many, made._settings = entity, many, settings
        return made

    def __contains__(self, name: object) -> bool:
        entity = self._of()
        if not isinstance(name, str) or name in self._many or "." in name:
            return False
        return entity is None or isinstance(entity.fields.get(name), ColumnField | LookupField | SideField)

    def __iter__(self) -> Iterator[str]:
        entity = self._of()
        names = _named(self._settings) if entity is None else entity.fields
        return iter([name for name in names if name in self])

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sortable) and self._settings == other._settings

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _answers(native: Native) -> Answers:
    if native.opaque:
        return _PRESENCE
    if native.text:
        return _TEXTS
    return {
        (op, ignore_case): Match.EXACT
        for op, ignore_case in operators(_kind(native))
        if native.ordered or op not in (Op.GT, Op.GE, Op.LT, Op.LE)
    }


def _kind(native: Native) -> type[Any]:
    """Choose the kind of comparisons; numbers shown as keys are compared as keys."""
    return native.python if native.python is not str else bool
