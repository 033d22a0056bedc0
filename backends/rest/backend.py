"""The REST backend: the contract's methods over one HTTP session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backends.contract import (
    Capabilities,
    Change,
    Context,
    DeniedError,
    Field,
    Fields,
    NativeCall,
    NotFoundError,
    Outcome,
    Page,
    Query,
    Record,
    RejectedError,
    Row,
    Scalar,
    UnsupportedError,
    WritableBackend,
)
from backends.kit.http import HttpSession
from backends.rest.abilities import abilities
from backends.rest.compilation import Compilation
from backends.rest.exchange import Exchange
from backends.rest.explaining import Explanation
from backends.rest.links import Links, cut
from backends.rest.model import Entity
from backends.rest.reading import Reading
from backends.rest.settings import RestSettings
from backends.rest.writing import Writing

ALIVE = (NotFoundError, DeniedError, RejectedError, UnsupportedError)
"""What the base URL may answer to a GET: it says so itself, so the system is there."""


@dataclass(frozen=True, slots=True)
class _Served:
    """One entity with what reads and writes it."""

    entity: Entity
    capabilities: Capabilities
    reading: Reading
    writing: Writing

    async def search(self, query: Query) -> Page:
        return await self.reading.search(query)

    async def update(self, key: str, change: Change) -> Outcome:
        return await self.writing.update(key, change)

    async def meet(self, key: str) -> object:
        return await self.reading.native(key)


class RestBackend(WritableBackend[RestSettings]):
    """Records behind an HTTP API as entities: REST, or JSON-RPC with an envelope."""

    settings_type = RestSettings

    def __init__(self, settings: RestSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._session = HttpSession(settings)
        self._exchange = Exchange(self._session, settings.base_urls, settings.limits.depth, settings.at_once)
        compilation = Compilation(settings)
        self._ping = compilation.ping()
        links = Links(self._exchange, self._find)
        self._links = links
        self._served: dict[str, _Served] = {}
        entities = compilation.entities()
        for name, entity in entities.items():
            capabilities = abilities(entity)
            reading = Reading(entity, self._exchange, links, capabilities)
            writing = Writing(entity, self._exchange, links, reading)
            self._served[name] = _Served(entity, capabilities, reading, writing)
        self._explanation = Explanation(entities, self._session.shown)

    async def start(self) -> None:
        """Open the session and make sure that the system answers."""
        await self._session.start()
        await self.ping()

    async def stop(self) -> None:
        """Close all connections."""
        await self._session.stop()

    async def ping(self) -> None:
        try:
            await self._exchange.call(self._ping, {})
        except ALIVE:
            if self.settings.ping is not None:
                raise

    def capabilities(self, entity: str) -> Capabilities:
        return self._find(entity).capabilities

    async def describe(self, entity: str) -> Mapping[str, Field]:
        """Tell the fields of an entity as the settings declare them."""
        return self._find(entity).entity.described

    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        return await self._find(entity).reading.get(key, fields)

    async def search(self, entity: str, query: Query) -> Page:
        return await self._find(entity).reading.search(query)

    async def list_values(
        self, entity: str, key: str, field: str, *, limit: int, cursor: str | None = None
    ) -> tuple[tuple[Scalar, ...] | tuple[Row, ...], str | None]:
        """Read some values of one field: in the system's pages if they have calls of their own."""
        served = self._find(entity)
        served.entity.require({field})
        native = await served.reading.native(key) if cursor is None else None
        if served.entity.fields[field].settings.apart:
            return await self._links.page(served.entity, field, key, limit=limit, cursor=cursor)
        record = served.reading.light(native or await served.reading.native(key), (field,))
        return cut(record.fields[field], limit=limit, cursor=cursor)

    async def create(self, entity: str, fields: Fields) -> Record:
        return await self._find(entity).writing.create(fields)

    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        served = self._find(entity)
        if expect is not None and not served.capabilities.versions:
            raise UnsupportedError("records have no versions")
        return await served.writing.update(key, change, expect)

    def renamed(self, entity: str, key: str, change: Change) -> str:
        served = self._served.get(entity)
        return key if served is None else served.entity.renamed(key, change.set)

    async def delete(self, entity: str, key: str, *, expect: str | None = None) -> None:
        served = self._find(entity)
        if expect is not None and not served.capabilities.versions:
            raise UnsupportedError("records have no versions")
        await served.writing.delete(key, expect)

    def explain(self, entity: str, operation: str, *arguments: Any) -> Sequence[NativeCall]:
        """Show the calls an operation would make."""
        return self._explanation.calls(self._find(entity).entity, operation, arguments)

    def _find(self, name: str) -> _Served:
        if name not in self._served:
            raise UnsupportedError(f"there is no entity {name}")
        return self._served[name]
