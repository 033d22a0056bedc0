"""Memberships replaced as a whole: the difference is worked out natively, a page of members at a time.

Nobody is rendered for it, and nobody who only goes is given an id. What stays in memory are the native values of those
that go: a replacement is one change, made whole or not at all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from backends.contract import Change, Lists, UnsupportedError
from gateway.engine.calls import Call
from gateway.engine.failures import translated
from gateway.engine.links import Resolver
from gateway.engine.tenants import Served
from gateway.identity import Identity
from gateway.mapping.rosters import Roster

PAGE = 1000
"""Members looked at at once."""


class Rosters:
    """Works out what a replacement of memberships comes to."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def change(
        self, call: Call, served: Served, identity: Identity, wanted: Mapping[str, tuple[Roster, Any]]
    ) -> tuple[Change, frozenset[str]]:
        """Tell who comes and who goes, by attribute: the change, and the names of what is different in the end. Members
        a client cannot see stay."""
        add: dict[str, tuple[Any, ...]] = {}
        remove: dict[str, tuple[Any, ...]] = {}
        different = set()
        for name, (roster, value) in wanted.items():
            links = await self._resolver.links(call, wanted=roster.wanted(value))
            for field, natives in roster.natives(value, links).items():
                missing, gone = set(natives), list[Any]()
                async for page in self._pages(call, served, identity.key, field):
                    missing.difference_update(page)
                    gone += await self._visible(call, roster, field, [one for one in page if one not in natives])
                if missing:
                    add[field] = tuple(sorted(missing, key=str))
                if gone:
                    remove[field] = tuple(gone)
                if missing or gone:
                    different.add(name)
        return Change(add=add, remove=remove), frozenset(different)

    async def _visible(self, call: Call, roster: Roster, field: str, natives: Sequence[Any]) -> list[Any]:
        pairs = list(roster.references(field, natives))
        seen = await self._resolver.visible(call, [reference for _, reference in pairs])
        return list(dict.fromkeys(native for native, reference in pairs if reference in seen))

    async def _pages(self, call: Call, served: Served, key: str, field: str) -> AsyncIterator[Sequence[Any]]:
        """Read a long field part by part, or at once where the system cannot do that."""
        guard, cursor = served.guard, None
        with translated(served.mapping.attribute_of):
            if isinstance(guard.backend, Lists):
                try:
                    while True:
                        page, cursor = await guard.list_values(
                            served.entity, key, field, limit=PAGE, cursor=cursor, deadline=call.deadline
                        )
                        yield page
                        if cursor is None:
                            return
                except UnsupportedError:
                    if cursor is not None:
                        raise
            record = await guard.get(served.entity, key, frozenset({field}), deadline=call.deadline)
            values: Any = record.fields[field]
            yield values or ()
