"""The errors of the contract, drawn by what the gateway does with them::

    BackendError                     500, generic text; the chained cause goes to the log
    ├── NotFoundError                404   the entity has no such record (or the settings exclude it)
    ├── ConflictError(field)         409   uniqueness; `field` names the native field where known
    ├── StaleError                   412   `expect` no longer holds; nothing was written
    ├── RejectedError(field)         400   the native system refuses a value
    ├── DeniedError                  403   the native system forbids the operation on this record
    ├── UnsupportedError             501   not offered; raised by `search`: 400 invalidFilter
    ├── UnavailableError             503   reads are retried; with `maybe_done` a write is settled by reading back
    └── UnfinishedError(key)         503   part of a change is done; repeating the same call converges

The backend's own credentials failing is `UnavailableError`, never 401. `detail` may reach a client: no host names, SQL
or secrets in it; chain the driver's error with ``raise … from error``. Authors import them from `backends.contract`.
"""

from __future__ import annotations


class BackendError(Exception):
    """Something went wrong in a backend; `detail` may reach a client."""

    def __init__(self, detail: str = "the backend failed") -> None:
        super().__init__(detail)
        self.detail = detail


class NotFoundError(BackendError):
    """The entity has no such record."""


class ConflictError(BackendError):
    """A unique value is taken; `field` is the native field, where the system tells."""

    def __init__(self, detail: str = "a value that must be unique is taken", field: str | None = None) -> None:
        super().__init__(detail)
        self.field = field


class StaleError(BackendError):
    """The record's version is not the expected one."""


class RejectedError(BackendError):
    """The native system refuses a value; `field` is the native field, where the system tells."""

    def __init__(self, detail: str = "the value is refused", field: str | None = None) -> None:
        super().__init__(detail)
        self.field = field


class DeniedError(BackendError):
    """The native system forbids this."""


class UnsupportedError(BackendError):
    """The backend does not offer this."""


class UnavailableError(BackendError):
    """The system cannot be reached or is overloaded; `retry_after` in seconds, `maybe_done`: a write may be done."""

    def __init__(
        self, detail: str = "the system is unavailable", *, retry_after: float | None = None, maybe_done: bool = False
    ) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.maybe_done = maybe_done


class UnfinishedError(BackendError):
    """Part of a change is done; repeating it converges. `key` is the record's, where one exists by now."""

    def __init__(self, detail: str = "the change is unfinished", key: str | None = None) -> None:
        super().__init__(detail)
        self.key = key
