"""Calls made: sent, judged, and repeated once where the system says in words of its own that a session expired."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from yarl import URL

from backends.contract import BackendError, UnavailableError
from backends.kit.http import HttpSession, Request
from backends.rest.answers import Reply
from backends.rest.calls import Call, Values


class Exchange:
    """Makes calls on one session."""

    def __init__(self, session: HttpSession, base_urls: tuple[str, ...], depth: int, at_once: int) -> None:
        self.session = session
        self.at_once = at_once
        self._bases = [URL(url) for url in base_urls]
        self._depth = depth
        self._numbers = itertools.count(1)

    async def call(
        self,
        call: Call,
        values: Values,
        *,
        body: Values | None = None,
        url: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Make a call and give the reply if it is a success; raise the error it means if not.

        `body`: values of the body, if others; `url`: what a list said comes next, in place of the call's own.
        """
        number = next(self._numbers)
        request = call.request({"@id": number, **values}, None if body is None else {"@id": number, **body})
        if url is not None:
            path, _, query = url.partition("?")
            request = replace(request, path=path, query=query)
        if headers:
            request = replace(request, headers={**request.headers, **headers})
        return await self._judged(call, request)

    async def _judged(self, call: Call, request: Request) -> Reply:
        reply = Reply(await self.session.send(request), self._depth, write=call.write)
        if call.meanings.judge(reply, write=call.write):
            return reply
        reply = Reply(await self.session.renewed(request, reply.answer.token), self._depth, write=call.write)
        if call.meanings.judge(reply, write=call.write):
            return reply
        raise UnavailableError("the system refuses the gateway's credentials")

    def below(self, text: Any, path: str) -> str:
        """Bring the URL of a next page into the form ``/path?query`` below the base URL; raise `BackendError` for one
        that leads elsewhere."""
        if not isinstance(text, str) or any(ord(sign) < 33 for sign in text):
            raise BackendError("the system names a next page that is no URL")
        for base in self._bases:
            try:
                url = URL(f"{str(base).rstrip('/')}{path or '/'}").join(URL(text, encoded=True))
            except ValueError as error:
                raise BackendError("the system names a next page that is no URL") from error
            prefix = base.raw_path.rstrip("/")
            if url.host == base.host and url.raw_path.startswith(f"{prefix}/") and ".." not in url.raw_parts:
                return url.raw_path[len(prefix) :] + (f"?{url.raw_query_string}" if url.raw_query_string else "")
        raise BackendError("the system names a next page on another system")
