"""What a client presents, what it is granted, and the door every method of authentication fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Certificate:
    """A client certificate that TLS has verified: on our own listener, or on a trusted proxy that passed it on.

    `sha256` is the hex digest of its DER form; `subject` is an RFC 4514 name, `names` are its DNS and URI alternative
    names.
    """

    sha256: str
    subject: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request carries to say who sends it: `scheme` in lower case (``bearer``), empty when there is no
    Authorization header. `address` is the client's, as trusted proxies tell it."""

    scheme: str = ""
    credential: str = field(default="", repr=False)
    address: str = ""
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a caller may do; None means everything.

    `operations` are create, read, search, replace, patch and delete; `bulk` says whether they may come in bulk (each is
    still checked for itself).
    """

    read_only: bool = False
    resource_types: frozenset[str] | None = None
    operations: frozenset[str] | None = None
    bulk: bool = True

    def allows(self, resource_type: str, operation: str) -> bool:
        """Tell whether an operation on a resource type is allowed."""
        if self.read_only and operation not in READING:
            return False
        if self.operations is not None and operation not in self.operations:
            return False
        return self.resource_types is None or resource_type in self.resource_types


EVERYTHING = Permissions()
READING = frozenset({"read", "search"})
"""The operations that change nothing."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Somebody who is known: `name` identifies the credential, never the secret, in cursors, logs and audit.

    `method` is one of a closed set (token, basic, jwt, introspection, certificate, oauth), fit for a metric.
    """

    name: str
    method: str
    permissions: Permissions = EVERYTHING


class Authenticator(Protocol):
    """One way, or several, to know a caller of one tenant."""

    async def authenticate(self, presented: Presented) -> Grant | None:
        """Tell who calls, None for nobody known.

        Raises nothing for what a client sent, and `ScimError` 503 where it could not be found out for now.
        """


class AnyOf:
    """Several methods for one tenant: the first that knows the caller decides."""

    def __init__(self, methods: Sequence[Authenticator]) -> None:
        self.methods = tuple(methods)

    async def authenticate(self, presented: Presented) -> Grant | None:
        for method in self.methods:
            if (grant := await method.authenticate(presented)) is not None:
                return grant
        return None
