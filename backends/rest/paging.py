"""Lists read part by part, whatever way a system has of going on."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from backends.contract import BackendError
from backends.kit.paths import Path, listed
from backends.rest.answers import Reply
from backends.rest.call_settings import ListSettings
from backends.rest.calls import Call, Values
from backends.rest.exchange import Exchange

Position = int | str
"""Where a part begins: an offset, a page's number, a token, or a URL below the base; the start is None."""
_NO: tuple[Any, ...] = (None, False, "false", "", 0, "0", [])
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[^;,="\s]+(?:=(?:"[^"]*"|[^",;\s]*))?)*)')
_NEXT = re.compile(r';\s*rel=(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\b)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """Elements of a list, where the next part begins (None at the end), and how many match in all."""

    elements: list[Any]
    following: Position | None
    total: int | None
    reply: Reply


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of an entity's records, or of one field's values, compiled once."""

    call: Call
    settings: ListSettings
    records: Path
    record: Path
    key: Path
    marker: Path
    more: Path | None
    total: Path | None

    @classmethod
    def of(cls, settings: ListSettings, call: Call, key: Path) -> Listing:
        at = settings.paging.at
        more, total = settings.paging.more, settings.total
        key = key if settings.key is None else Path.parse(settings.key)
        return cls(
            call,
            settings,
            Path.parse(settings.records),
            Path.parse(settings.record),
            key,
            key if at is None else Path.parse(at),
            None if more is None else Path.parse(more),
            None if total is None else Path.parse(total),
        )

    @property
    def whole(self) -> bool:
        """Whether one answer has everything."""
        return self.settings.paging.style == "none"

    @property
    def counts(self) -> bool:
        """Whether the system tells how many match in all."""
        return self.settings.total is not None or self.settings.total_header is not None

    @property
    def numbered(self) -> bool:
        """Whether one can begin anywhere."""
        return self.settings.paging.style in ("offset", "page")

    def size(self, limit: int) -> int:
        """Say how many to ask for: what is wanted, or always the same where positions depend on it."""
        paging = self.settings.paging
        return min(limit, paging.size) if paging.style in ("offset", "marker") else paging.size

    def within(self, position: Position | None, elements: list[Any], place: int) -> tuple[Position | None, int]:
        """Say where a place inside a part is: a position, and how many to skip behind it. Where the size of a part
        depends on what is wanted there is nothing to skip, for the next part is another one."""
        match self.settings.paging.style:
            case "offset":
                return int(position or 0) + place, 0
            case "marker":
                return self._mark(elements[place - 1]), 0
        return position, place

    async def part(self, exchange: Exchange, values: Values, position: Position | None, size: int) -> Part:
        """Read one part."""
        style = self.settings.paging.style
        asked: dict[str, Any] = {**values, "@limit": size}
        url = None
        if style in ("next", "link") and position is not None:
            url = str(position)
        elif style == "offset":
            asked["@offset"] = self.settings.paging.first + int(position or 0)
        elif style == "page":
            asked["@page"] = self.settings.paging.first + int(position or 0)
        elif position is not None:
            asked["@token"] = position
        reply = await exchange.call(self.call, asked, url=url)
        found = self.records.read(reply.document)
        elements = [one for one in (self.record.read(item) for item in listed(found)) if one is not None]
        return Part(
            elements, self._following(exchange, elements, position, size, reply, asked), self._total(reply), reply
        )

    async def everything(self, exchange: Exchange, values: Values) -> AsyncIterator[Any]:
        """Read all elements, part by part."""
        position: Position | None = None
        size = self.settings.paging.size
        last: list[Any] | None = None
        while True:
            part = await self.part(exchange, values, position, size)
            if part.elements and part.elements == last:
                raise BackendError("the system ignores how its list is paged")
            last = part.elements
            for element in part.elements:
                yield element
            if part.following is None:
                return
            position = part.following

    def _following(
        self,
        exchange: Exchange,
        elements: list[Any],
        position: Position | None,
        size: int,
        reply: Reply,
        values: Values,
    ) -> Position | None:
        paging = self.settings.paging
        if paging.style == "none":
            return None
        if self.more is not None and self.more.read(reply.document) in _NO:
            return None
        following: Position | None
        match paging.style:
            case "token":
                following = self._token(reply)
            case "next":
                found = self.marker.read(reply.document)
                following = None if found in (None, "", []) else exchange.below(found, self._path(values))
            case "link":
                found = next_link(reply.answer.headers.get("link", ""))
                following = None if found is None else exchange.below(found, self._path(values))
            case _:
                if not elements or (paging.end == "short" and len(elements) < size):
                    return None
                following = self._counted(elements, position, reply)
        if following is not None and following == position:
            raise BackendError("the system's list goes round in circles")
        return following

    def _counted(self, elements: list[Any], position: Position | None, reply: Reply) -> Position | None:
        match self.settings.paging.style:
            case "offset":
                end, total = int(position or 0) + len(elements), self._total(reply)
                return None if total is not None and end >= total else end
            case "page":
                return int(position or 0) + 1
        return self._mark(elements[-1])

    def _mark(self, element: Any) -> Position:
        found = self.marker.read(element)
        if found is None or isinstance(found, dict | list | bool):
            raise BackendError("the system gave a record without the mark to go on from")
        return found if isinstance(found, int) else str(found)

    def _token(self, reply: Reply) -> Position | None:
        header = self.settings.paging.header
        found = self.marker.read(reply.document) if header is None else reply.answer.headers.get(header.lower())
        if found in (None, "", [], False):
            return None
        return found if isinstance(found, int) and not isinstance(found, bool) else str(found)

    def _total(self, reply: Reply) -> int | None:
        if self.settings.total_header is not None:
            found: Any = reply.answer.headers.get(self.settings.total_header.lower())
        elif self.total is not None:
            found = self.total.read(reply.document)
        else:
            return None
        try:
            total = int(str(found).rpartition("/")[2])  # `Content-Range: items 0-24/66` too
        except ValueError as error:
            raise BackendError("the system does not count its records") from error
        return total

    def _path(self, values: Values) -> str:
        return self.call.request(values).path


def next_link(text: str) -> str | None:
    """Find the target of ``rel="next"`` in a Link header (RFC 8288)."""
    return next((found[1] for found in _LINK.finditer(text) if _NEXT.search(found[2])), None)
