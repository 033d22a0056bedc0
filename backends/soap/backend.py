"""The SOAP backend: the contract's methods over the operations of a service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backends.contract import (
    Capabilities,
    Change,
    Context,
    Field,
    Fields,
    NativeCall,
    Outcome,
    Page,
    Query,
    Record,
    UnavailableError,
    UnsupportedError,
    WritableBackend,
)
from backends.soap.abilities import abilities
from backends.soap.calls import Call
from backends.soap.client import SoapClient
from backends.soap.compilation import Compilation
from backends.soap.explaining import Explaining
from backends.soap.reading import Reading
from backends.soap.settings import SoapSettings
from backends.soap.writing import Writing


@dataclass(frozen=True, slots=True)
class _Served:
    """One entity with what reads, writes and explains it."""

    reading: Reading
    writing: Writing
    explaining: Explaining


class SoapBackend(WritableBackend[SoapSettings]):
    """Operations of a SOAP service as entities."""

    settings_type = SoapSettings

    def __init__(self, settings: SoapSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._client = SoapClient(settings)
        self._ping: Call | None = None
        self._served: Mapping[str, _Served] | None = None
        self._abilities = {name: abilities(one) for name, one in settings.entities.items()}

    async def start(self) -> None:
        """Load the WSDL and compile the entities; raise `SettingsError` for a name the WSDL does not have."""
        await self.stop()
        wsdl = await self._client.start()
        compilation = Compilation(self.settings, wsdl, self._client.known)
        entities = compilation.entities()
        self._ping = compilation.ping()
        for call in compilation.calls:
            await self._client.open(call)
        served = {}
        for name, entity in entities.items():
            reading = Reading(entity, self._client, self._keys, self.settings.at_once)
            served[name] = _Served(reading, Writing(reading, self._reading), Explaining(entity, self._client))
        self._served = served

    async def stop(self) -> None:
        """Close all connections."""
        self._served = None
        await self._client.stop()

    async def ping(self) -> None:
        if self._served is None:
            raise UnavailableError("the service was not reached yet")
        if self._ping is None:
            await self._client.reach()
        else:
            await self._client.call(self._ping, {})

    def capabilities(self, entity: str) -> Capabilities:
        if entity not in self._abilities:
            raise UnsupportedError(f"there is no entity {entity}")
        return self._abilities[entity]

    async def describe(self, entity: str) -> Mapping[str, Field]:
        """Tell the fields of an entity, by the settings and the types of the WSDL."""
        return self._find(entity).reading.entity.described

    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        return await self._find(entity).reading.get(key, fields)

    async def search(self, entity: str, query: Query) -> Page:
        return await self._find(entity).reading.search(query)

    async def create(self, entity: str, fields: Fields) -> Record:
        return await self._find(entity).writing.create(dict(fields))

    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        return await self._find(entity).writing.update(key, change, expect=expect)

    def renamed(self, entity: str, key: str, change: Change) -> str:
        served = (self._served or {}).get(entity)
        return key if served is None else served.reading.entity.renamed(key, change.set)

    async def delete(self, entity: str, key: str, *, expect: str | None = None) -> None:
        await self._find(entity).writing.delete(key, expect=expect)

    def explain(self, entity: str, operation: str, *arguments: Any) -> Sequence[NativeCall]:
        """Render the envelopes an operation would send; values stand beside them, secrets are masked."""
        return self._find(entity).explaining.explain(operation, arguments)

    async def _keys(self, entity: str) -> AsyncIterator[str]:
        """Walk over the keys of an entity."""
        reading = self._reading(entity)
        cursor: str | None = None
        while True:
            page = await reading.search(Query(frozenset(), limit=100, cursor=cursor))
            for record in page.records:
                yield record.key
            if (cursor := page.cursor) is None:
                return

    def _reading(self, entity: str) -> Reading:
        return self._find(entity).reading

    def _find(self, entity: str) -> _Served:
        if entity not in self._abilities:
            raise UnsupportedError(f"there is no entity {entity}")
        if self._served is None:
            raise UnavailableError("the service was not reached yet")
        return self._served[entity]
