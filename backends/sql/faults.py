"""What a native error means, and the contract error that says so.

Each dialect reads its own codes (SQLSTATE, errno, ORA-, message numbers) into a `Fault`; here faults become contract
errors, with the field where the native error names a constraint or column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from backends.contract import (
    BackendError,
    ConflictError,
    DeniedError,
    RejectedError,
    UnavailableError,
)

Kind = Literal["unique", "reference", "empty", "value", "denied", "retry", "unreachable", "lost", "other"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A native error, understood.

    `unique`: a unique key is violated; `reference`: a foreign key; `empty`: NOT NULL; `value`: too long, out of range,
    not of the type, or against a CHECK; `denied`: refused by a trigger or procedure; `retry`: deadlock, serialization
    failure or lock timeout, nothing was done; `unreachable`: nothing was sent; `lost`: the connection broke on the way;
    `other`: a mistake. `constraint` and `columns` are what the error names.
    """

    kind: Kind
    constraint: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Places:
    """Where native names lie in an entity: constraint and column names, folded, to field names."""

    constraints: Mapping[str, str]
    columns: Mapping[str, str]

    def field(self, fault: Fault) -> str | None:
        """Find the field a fault is about, None if that is not certain."""
        if fault.constraint is not None and (found := self.constraints.get(fault.constraint.casefold())):
            return found
        fields = {self.columns[name.casefold()] for name in fault.columns if name.casefold() in self.columns}
        return fields.pop() if len(fields) == 1 else None


NOWHERE = Places({}, {})


def contract_error(fault: Fault, places: Places, *, write: bool, committing: bool = False) -> BackendError:
    """Choose the contract error of a fault; `committing` when the answer to a COMMIT was lost."""
    field = places.field(fault)
    match fault.kind:
        case "unique":
            return ConflictError(field=field)
        case "reference":
            return RejectedError("refers to something that is not there, or is still referred to", field)
        case "empty":
            return RejectedError("a value is required", field)
        case "value":
            return RejectedError("the database refuses the value", field)
        case "denied":
            return DeniedError("the database forbids this")
        case "retry":
            return UnavailableError("the database could not serve the request beside others", retry_after=0.1)
        case "unreachable":
            return UnavailableError("the database cannot be reached")
        case "lost":
            return UnavailableError("the connection to the database broke", maybe_done=write and committing)
        case _:
            return BackendError("the database refused the statement")


def causes(error: BaseException) -> Iterator[BaseException]:
    """Walk from an error to what lies beneath it: SQLAlchemy's, the adapter's, the driver's."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        current = pending.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        pending += [cause for cause in (getattr(current, "orig", None), current.__cause__) if cause is not None]


def named(error: BaseException, kinds: Iterable[str]) -> bool:
    """Tell whether an error or one beneath it has a class of one of these names."""
    wanted = set(kinds)
    return any(base.__name__ in wanted for cause in causes(error) for base in type(cause).__mro__)
