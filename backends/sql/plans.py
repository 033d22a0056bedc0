"""Statements compiled once by SQLAlchemy, to be run on a driver without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from backends.sql.remembered import Remembered

Process = Callable[[Any], Any]
PLANS = 2000
"""Compiled statements kept for each pool: more than all shapes remembered, so that each is compiled once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled statement: its text, and the name, constant and processor of each parameter in order.

    `compiled` where the number of parameters depends on the values. `loads` are the places in a row, and the
    processors, of what the driver gives in another form than SQLAlchemy does.
    """

    text: str
    parameters: tuple[tuple[str, Any, Process | None], ...]
    rows: bool
    compiled: Any = None
    loads: tuple[tuple[int, Process], ...] = ()

    def bound(self, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """Give the text, and the values in the order of its parameters."""
        if self.compiled is not None:
            state = self.compiled.construct_expanded_state(dict(values))
            processors = {**self.compiled._bind_processors, **state.processors}
            bound = [(state.parameters[name], processors.get(name)) for name in state.positiontup or ()]
            return state.statement, [value if process is None else process(value) for value, process in bound]
        found = []
        for name, constant, process in self.parameters:
            value = values.get(name, constant)
            found.append(value if process is None else process(value))
        return self.text, found


class Plans:
    """The plans of one database, by statement; `loading` where the driver gives some values in another form."""

    def __init__(self, dialect: Any, *, loading: bool = False) -> None:
        self._dialect = dialect
        self._loading = loading
        self._plans = Remembered(PLANS)

    def of(self, statement: Any) -> Plan:
        """Give the compiled statement, compiling it the first time. The statement is kept, so that its id stays its."""
        plan: Plan = self._plans.get(id(statement), lambda: (statement, self._compiled(statement)))[1]
        return plan

    def _compiled(self, statement: Any) -> Plan:
        compiled = statement.compile(dialect=self._dialect)
        text = isinstance(statement, sa.TextClause)
        rows = (
            text or isinstance(statement, sa.Select | sa.CompoundSelect) or bool(getattr(statement, "_returning", ()))
        )
        loads = self._loads(compiled) if self._loading else ()
        if compiled.post_compile_params:
            return Plan("", (), rows, compiled, loads)
        # Under the names they were given: those of columns with blanks and points go to the driver as others.
        constants = compiled.construct_params(escape_names=False, _check=False)
        state = compiled.construct_expanded_state(dict.fromkeys(constants))
        processors = {**compiled._bind_processors, **state.processors}
        parameters = tuple((name, constants[name], processors.get(name)) for name in state.positiontup or ())
        return Plan(state.statement, parameters, rows, loads=loads)

    def _loads(self, compiled: Any) -> tuple[tuple[int, Process], ...]:
        found = []
        for index, column in enumerate(compiled._result_columns):
            process = column.type._cached_result_processor(self._dialect, None)
            if process is not None:
                found.append((index, process))
        return tuple(found)
