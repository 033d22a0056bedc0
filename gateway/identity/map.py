"""The id map: SCIM id <-> native key, and what the gateway keeps of an account (DESIGN §7)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from gateway.identity.identities import UNCHANGED, HeldTerm, Identity, Reservation, Unchanged


class IdentityMap:
    """Finds, mints, renames and buries identities."""

    async def start(self) -> None:
        """Open the store (and bring its schema up to date where allowed) and the cache."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Close everything; also after a failed start."""
        raise NotImplementedError

    async def ping(self) -> None:
        """Raise `StoreUnavailableError` unless the store answers."""
        raise NotImplementedError

    async def __aenter__(self) -> IdentityMap:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def find(self, tenant: str, ids: Collection[str]) -> dict[str, Identity]:
        """Find the live identities of `ids`, of any type."""
        raise NotImplementedError

    async def identify(
        self,
        tenant: str,
        resource_type: str,
        backend: str,
        entity: str,
        keys: Collection[str],
        *,
        mint: bool = True,
        kept: bool = True,
    ) -> dict[str, Identity]:
        """Look up, or mint, the identities of native keys in one batch."""
        raise NotImplementedError

    async def search(
        self, tenant: str, resource_type: str, terms: Sequence[HeldTerm], limit: int
    ) -> tuple[Identity, ...]:
        """Find at most `limit` identities for which all `terms` may hold: a superset."""
        raise NotImplementedError

    async def reserve(self, tenant: str, resource_type: str, match: Mapping[str, str]) -> Reservation:
        """Announce a create."""
        raise NotImplementedError

    async def bind(
        self,
        reservation: Reservation,
        backend: str,
        entity: str,
        key: str,
        *,
        external_id: str | None,
        kept: Mapping[str, Any],
        index: Iterable[tuple[str, str]],
        adopted: bool = False,
    ) -> Identity:
        """Give the created account its id and close the reservation."""
        raise NotImplementedError

    async def release(self, reservation: Reservation) -> None:
        """Close a reservation whose account was not created."""
        raise NotImplementedError

    async def alter(
        self,
        identity: Identity,
        *,
        external_id: str | None | Unchanged = UNCHANGED,
        kept: Mapping[str, Any] | None = None,
        index: Iterable[tuple[str, str]] = (),
        touched: bool = True,
    ) -> Identity:
        """Change what the gateway keeps of an account."""
        raise NotImplementedError

    async def rename(self, identity: Identity, key: str) -> Identity:
        """Move an identity to another native key: same id."""
        raise NotImplementedError

    async def bury(self, identity: Identity) -> None:
        """Turn an identity into a tombstone."""
        raise NotImplementedError

    @asynccontextmanager
    async def exclusive(self, *names: tuple[str, ...]) -> AsyncIterator[None]:
        """Hold locks over all replicas."""
        raise NotImplementedError
        yield
