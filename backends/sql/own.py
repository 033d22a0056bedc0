"""An entity's own statements: which of its writes they take over, and how they are run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backends.contract import Change, ConflictError, Fields, NotFoundError, RejectedError, Value
from backends.kit.settings_errors import SettingsError
from backends.sql.model import ColumnField, Entity, ListField, LookupField, RowsField, SideField
from backends.sql.procedures import Procedure
from backends.sql.reading import Reading
from backends.sql.sessions import Session
from backends.sql.settings import ProcedureSettings


@dataclass(frozen=True, slots=True)
class _Member:
    """How the `:value` of a list's statement goes to the driver."""

    found: ListField

    def dumped(self, value: Any) -> Any:
        values = self.found.dump(value)
        return values[0] if len(values) == 1 else value  # a key of several columns as it is spelled


class Own:
    """The statements of one entity that the settings give."""

    def __init__(self, entity: Entity, reading: Reading) -> None:
        self._entity = entity
        self._reading = reading
        places = {column.name: index for index, column in enumerate(entity.key.columns)}
        self._parts = {
            name: places[found.column.name]
            for name, found in entity.fields.items()
            if isinstance(found, ColumnField) and found.column.name in places
        }
        settings, path = entity.statements, f"entities.{entity.name}.statements"
        self.create = None if settings.create is None else Procedure(settings.create, entity, f"{path}.create")
        self.whole = None if settings.update is None else Procedure(settings.update, entity, f"{path}.update")
        self.delete = None if settings.delete is None else Procedure(settings.delete, entity, f"{path}.delete")
        self._set = {name: self._for(name, item, f"{path}.set.{name}") for name, item in settings.set.items()}
        self._add = {name: self._for(name, item, f"{path}.add.{name}") for name, item in settings.add.items()}
        self._remove = {name: self._for(name, item, f"{path}.remove.{name}") for name, item in settings.remove.items()}

    @property
    def any(self) -> bool:
        """Whether any statement takes part in an update."""
        return bool(self.whole or self._set or self._add or self._remove)

    def key(self, text: str, values: tuple[Any, ...]) -> Mapping[str, Any]:
        """Give what the key's parameters stand for: each column its value, and `:key` that of the only one, or the
        spelling of a key of several."""
        parts = {name: values[index] for name, index in self._parts.items()}
        return {**parts, "key": values[0] if len(values) == 1 else text}

    async def created(self, session: Session, fields: Fields) -> tuple[str, Change]:
        """Run the statement that creates; give the key of the new record, and what there was no place for."""
        assert self.create is not None
        unknown = [name for name in fields if name not in self._entity.fields]
        if unknown:
            raise RejectedError("there is no such field", unknown[0])
        lost = {name: value for name, value in fields.items() if name not in self.create.names}
        if own := [name for name in lost if name in self._parts]:
            raise RejectedError("the statement that creates has no place for it", own[0])
        many = {
            name: value
            for name, value in lost.items()
            if isinstance(self._entity.fields[name], RowsField | ListField) and isinstance(value, tuple)
        }
        single = {name: value for name, value in lost.items() if name not in many and value not in (None, ())}
        key = await self.create.run(session, _single(fields), self._entity.places, key={"key": None})
        text = self._entity.key.encode(key) if key is not None else self._given(fields)
        return text, Change(set=single, add={name: value for name, value in many.items() if value})

    def _given(self, fields: Fields) -> str:
        """Spell the key that the caller gave."""
        values = []
        for column in self._entity.key.columns:
            found = next(
                (
                    field
                    for field in self._entity.fields.values()
                    if isinstance(field, ColumnField) and field.column is column and field.name in fields
                ),
                None,
            )
            if found is None:
                raise RejectedError("a value is required", column.name)
            values.append(found.native.dumped(fields[found.name]))  # type: ignore[arg-type]
        return self._entity.key.encode(values)

    async def update(self, session: Session, text: str, values: tuple[Any, ...], change: Change) -> tuple[Change, bool]:
        """Run what the settings give for parts of a change; give what is left of it, and whether anything changed."""
        if not self.any:
            return change, False
        if not (await self._reading.held(session, values, lock=True))[0]:
            raise NotFoundError
        key, places = self.key(text, values), self._entity.places
        changed = False
        rest = dict(change.set)
        own = [name for name in rest if name in self._set]
        whole = [] if self.whole is None else [name for name in rest if name in self.whole.names]
        names = {*own, *whole, *(self.whole.names - {"key"} if self.whole and whole else ())}
        current = (await self._reading.get(session, text, frozenset(names))).fields if names else {}
        for name in own:
            value = rest.pop(name)
            if value != current[name]:
                await self._set[name].run(session, {"value": value, name: value}, places, key=key)
                changed = True
        if self.whole is not None and any(rest[name] != current[name] for name in whole if name in rest):
            wanted = {**current, **{name: rest[name] for name in whole if name in rest}}
            await self.whole.run(session, _single(wanted), places, key=key)
            changed = True
        for name in whole:
            rest.pop(name, None)
        added, removed = dict(change.add), dict(change.remove)
        for statements, deltas, adding in ((self._remove, removed, False), (self._add, added, True)):
            for name in [name for name in deltas if name in statements]:
                changed |= await self._one_by_one(session, text, key, statements[name], name, deltas.pop(name), adding)
        return Change(set=rest, add=added, remove=removed), changed

    async def _one_by_one(
        self,
        session: Session,
        text: str,
        key: Mapping[str, Any],
        statement: Procedure,
        name: str,
        values: Any,
        adding: bool,
    ) -> bool:
        there = (await self._reading.get(session, text, frozenset({name}))).fields[name]
        present = set(there) if isinstance(there, tuple) else set()
        changed = False
        for value in dict.fromkeys(values):
            if (value in present) is adding:
                continue
            try:
                await statement.run(session, {"value": value}, self._entity.places, key=key)
            except ConflictError:
                continue  # somebody else was faster, to the same end
            changed = True
        return changed

    def _for(self, name: str, settings: ProcedureSettings, path: str) -> Procedure:
        found = self._entity.fields.get(name)
        match found:
            case ColumnField() | SideField() | LookupField():
                return Procedure(settings, self._entity, path, one=found.native)
            case ListField():
                return Procedure(settings, self._entity, path, one=_Member(found))
        raise SettingsError(path, f"there is no field {name!r} a statement could write")


def _single(fields: Mapping[str, Value]) -> Mapping[str, Value]:
    return {name: value for name, value in fields.items() if not isinstance(value, tuple)}
