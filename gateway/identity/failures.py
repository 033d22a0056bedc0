"""What can go wrong with the id map, drawn by what the caller does with it.

The tree::

    IdentityError
    ├── StoreUnavailableError    503: the store cannot be reached or did not answer in time
    └── StoreMismatchError       refuse to start: the store is not one this program may use; the text says why
        ├── WrongKeyError        it was made with another id_key: every id would change
        └── SchemaError          its schema is missing, older than this program needs, or newer than it can read
"""

from __future__ import annotations


class IdentityError(Exception):
    """Anything the id map refuses or fails at; the driver's error is chained, its text is in no message."""


class StoreUnavailableError(IdentityError):
    """The store cannot be reached or did not answer in time."""


class StoreMismatchError(IdentityError):
    """The store is not one this program may use."""


class WrongKeyError(StoreMismatchError):
    """The store was made with another id_key."""


class SchemaError(StoreMismatchError):
    """The store's schema is missing, too old, or too new."""
