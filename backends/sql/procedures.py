"""Statements of one's own: stored procedures and explicit SQL in the place of what this backend would make (R-L24).

Values travel as bound parameters, under the names the statement gives them; a name that is no field is refused at
start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from backends.contract import (
    BackendError,
    ConflictError,
    DeniedError,
    NotFoundError,
    RejectedError,
    UnavailableError,
    Value,
)
from backends.kit.settings_errors import SettingsError
from backends.sql.faults import NOWHERE, Places
from backends.sql.model import ColumnField, Entity, ListField, LookupField, SideField
from backends.sql.sessions import Session
from backends.sql.settings import ProcedureSettings

_MEANINGS: Mapping[str, type[BackendError]] = {
    "conflict": ConflictError,
    "rejected": RejectedError,
    "denied": DeniedError,
    "not_found": NotFoundError,
    "busy": UnavailableError,
}


class Procedure:
    """One statement, its parameters known."""

    def __init__(self, settings: ProcedureSettings, entity: Entity, path: str, *, one: Any = None) -> None:
        self._settings = settings
        self._statement = sa.text(settings.sql)
        self.names = frozenset(self._statement._bindparams)
        self._natives: dict[str, Any] = {}
        for name in self.names:
            if name == "value" and one is not None:
                self._natives[name] = one
            elif name != "key":
                self._natives[name] = _native(entity, name, path)
        types = {name: column for name in self.names if (column := _column(entity, name)) is not None}
        self._statement = self._statement.bindparams(
            *[sa.bindparam(name, type_=column.type) for name, column in types.items()]
        )
        key = entity.key
        self._width = len(key)
        if "key" in self.names and len(key) == 1:
            self._statement = self._statement.bindparams(sa.bindparam("key", type_=key.columns[0].type))

    async def run(
        self, session: Session, values: Mapping[str, Value], places: Places = NOWHERE, *, key: Mapping[str, Any]
    ) -> tuple[Any, ...] | None:
        """Run the statement; give the first columns of its first row where it gives a key.

        `key` are the driver values of the record's key: by column, and as `key`. Raises what a return code means.
        """
        bound: dict[str, Any] = {}
        for name in self.names:
            if name not in values and name in key:
                bound[name] = key[name]
                continue
            try:
                bound[name] = self._natives[name].dumped(values.get(name))
            except ValueError as error:
                raise RejectedError(str(error), name) from error
        result = await session.execute(self._statement, bound, places)
        if self._settings.gives == "nothing":
            result.close()
            return None
        row = result.first()
        if row is None:
            raise BackendError("the procedure gave no row")
        if self._settings.gives == "code":
            self._checked(row[0])
            return None
        return tuple(row[: self._width])

    def _checked(self, code: Any) -> None:
        meaning = self._settings.codes.get(str(code).strip())
        if meaning is None:
            raise BackendError(f"the procedure gave the code {str(code)[:20]}, which the settings do not explain")
        if meaning != "done":
            raise _MEANINGS[meaning]()


def _native(entity: Entity, name: str, path: str) -> Any:
    found = entity.fields.get(name)
    match found:
        case ColumnField() | SideField() | LookupField():
            return found.native
        case ListField() if len(found.member) == 1:
            return found.member.natives[0]
    raise SettingsError(path, f"there is no field {name!r} for the parameter :{name}")


def _column(entity: Entity, name: str) -> Any:
    found = entity.fields.get(name)
    match found:
        case ColumnField() | SideField():
            return found.column
        case LookupField():
            return found.value
    return None
