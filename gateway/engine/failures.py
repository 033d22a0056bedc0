"""Errors of backends and of the store -> SCIM errors, in one place: the client learns the attribute and the reason,
never the system behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backends.contract import (
    BackendError,
    ConflictError,
    DeniedError,
    NotFoundError,
    RejectedError,
    StaleError,
    UnavailableError,
    UnfinishedError,
    UnsupportedError,
)
from gateway.identity import StoreUnavailableError
from gateway.scim.errors import ScimError, ScimType, refuse

RETRY_AFTER = 5.0
"""Seconds a client is told to wait where the backend does not say."""
SOON = 1.0
"""Seconds after which something that only lost a race is worth trying again."""


class MovedError(ScimError):
    """The account has another key than it was looked for under; nothing was done, and whoever asks again finds it."""

    def __init__(self) -> None:
        super().__init__(503, "the account has just been renamed; try again", retry_after=SOON)


@contextmanager
def translated(attribute_of: Callable[[str], str | None], *, searching: bool = False) -> Iterator[None]:
    """Turn contract errors raised inside into `ScimError`. `attribute_of` names the SCIM attribute of a native
    field."""
    try:
        yield
    except BackendError as error:
        raise scim_error(error, attribute_of, searching=searching) from error


@contextmanager
def answerable() -> Iterator[None]:
    """Stand at the engine's doors: what nobody inside could say better leaves as a `ScimError` too.

    That is the store's being unavailable, and the errors of a backend that was asked for a reference only.
    """
    try:
        yield
    except StoreUnavailableError as error:
        raise ScimError(503, "the gateway's store is unavailable; try again later", retry_after=RETRY_AFTER) from error
    except BackendError as error:
        raise scim_error(error, lambda _: None) from error


def scim_error(error: BackendError, attribute_of: Callable[[str], str | None], *, searching: bool = False) -> ScimError:
    """Translate one error (the table in DESIGN §5)."""
    match error:
        case NotFoundError():
            return ScimError(404, "the resource does not exist")
        case ConflictError(field=field):
            name = attribute_of(field) if field else None
            return taken(name)
        case StaleError():
            return ScimError(412, "the resource was changed since the version given")
        case RejectedError(field=field):
            name = attribute_of(field) if field else None
            return refuse(ScimType.INVALID_VALUE, f"{name}: {error.detail}" if name else error.detail)
        case DeniedError():
            return ScimError(403, "the system behind the gateway forbids this")
        case UnsupportedError():
            if searching:
                return refuse(ScimType.INVALID_FILTER, "the system behind the gateway cannot answer this query")
            return ScimError(501, "the system behind the gateway does not offer this operation")
        case UnavailableError(retry_after=retry_after):
            wait = RETRY_AFTER if retry_after is None else retry_after
            return ScimError(503, "the system behind the gateway is unavailable; try again later", retry_after=wait)
        case UnfinishedError():
            detail = "the change is only partly done; repeat the request to complete it"
            return ScimError(503, detail, retry_after=RETRY_AFTER)
        case _:
            return ScimError(500, "the system behind the gateway failed")


def taken(name: str | None) -> ScimError:
    """Say that a unique value is somebody's already (H2)."""
    what = f"the value of {name}" if name else "a value that must be unique"
    return refuse(ScimType.UNIQUENESS, f"{what} is already taken")
