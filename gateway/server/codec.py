"""JSON in and out: request bodies under the limits of X4, answers as the protocol writes them.

Requests are read with the standard library: it shows every member of an object, so that duplicates are seen, and every
number before it is converted. Answers are written with orjson.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import orjson

from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.values import shown
from gateway.server.limits import JsonLimits

SCIM_JSON = "application/scim+json"
PLAIN_JSON = "application/json"

# The closing quote is optional so that text without one is passed over once, not once per quote in it.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_TO_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(sorted(set(range(256)) - set(b"[]{}")))
_LARGEST = 2**63 - 1
_DIGITS = len(str(-_LARGEST))


def encode(body: Mapping[str, Any]) -> bytes:
    """Write an answer's body."""
    return orjson.dumps(body)


def answer_type(accept: str | None) -> str:
    """Choose the media type of an answer: SCIM's own, unless JSON is the only kind of JSON the client takes (D7)."""
    if accept is None or PLAIN_JSON not in accept.lower():
        return SCIM_JSON
    taken = set()
    for part in accept.lower().split(","):
        media, *parameters = [piece.strip() for piece in part.split(";")]
        if not any(re.fullmatch(r"q=0(\.0*)?", parameter) for parameter in parameters):
            taken.add(media)
    return PLAIN_JSON if PLAIN_JSON in taken and not taken & {SCIM_JSON, "application/*", "*/*"} else SCIM_JSON


def check_content_type(header: str | None) -> None:
    """Refuse with 415 whatever is not SCIM's JSON or plain JSON in UTF-8 (H9); other parameters are ignored."""
    media, *parameters = [piece.strip() for piece in (header or "").lower().split(";")]
    if media not in (SCIM_JSON, PLAIN_JSON):
        given = shown(media) if media else "nothing"
        raise ScimError(415, f"Content-Type: must be {SCIM_JSON} or {PLAIN_JSON}, and is {given}")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8", "us-ascii"):
            raise ScimError(415, "Content-Type: charset must be utf-8")


class Decoder:
    """Reads request bodies; built once per set of limits."""

    def __init__(self, limits: JsonLimits) -> None:
        self._limits = limits
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._members,
            parse_int=self._integer,
            parse_float=self._fraction,
            parse_constant=_constant,
        )

    def decode(self, data: bytes) -> dict[str, Any]:
        """Read a body that must be one JSON object; `ScimError` 400 says what is wrong and where.

        The time is in proportion to the bytes, whatever they hold.
        """
        if not data or data.isspace():
            raise refuse(ScimType.INVALID_SYNTAX, "the body is empty")
        self._check_depth(data)
        try:
            body = self._decoder.decode(data.decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise refuse(ScimType.INVALID_SYNTAX, "the body is not UTF-8") from None
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, column {error.colno}"
            raise refuse(ScimType.INVALID_SYNTAX, f"the body is no JSON: {error.msg} ({place})") from None
        if not isinstance(body, dict):
            raise refuse(ScimType.INVALID_SYNTAX, "the body must be a JSON object")
        if (
            len(data) > self._limits.characters
            or data.count(b",") >= self._limits.elements
            or _SURROGATE.search(data) is not None
        ):
            self._inspect(body)
        return body

    def _check_depth(self, data: bytes) -> None:
        """Refuse nesting before anything is built; brackets in text do not count."""
        depth = self._limits.depth
        if data.count(b"[") + data.count(b"{") <= depth:
            return
        brackets = _STRING.sub(b"", data).translate(_TO_BRACKETS, _NO_BRACKETS)
        # Every round takes away the innermost pairs, so that as many rounds as there are levels leave nothing.
        for _ in range(depth):
            before, brackets = len(brackets), brackets.replace(b"[]", b"")
            if not brackets:
                return
            if len(brackets) == before:
                break
        # What is left of unbalanced text is the parser's to refuse, if it is not deep itself.
        if b"[]" in brackets or brackets.count(b"[") > depth:
            raise refuse(ScimType.INVALID_SYNTAX, f"the body is nested deeper than {depth} levels")

    def _inspect(self, body: Any) -> None:
        """Look at everything, which is only needed where something may be too large or hold half a character."""
        characters, elements = self._limits.characters, self._limits.elements
        stack: list[Any] = [body]
        while stack:
            value = stack.pop()
            if isinstance(value, str):
                if len(value) > characters:
                    raise refuse(ScimType.INVALID_VALUE, f"a string has more than {characters} characters")
                try:
                    value.encode()
                except UnicodeEncodeError:
                    raise refuse(ScimType.INVALID_SYNTAX, "a string holds half a surrogate pair") from None
            elif isinstance(value, dict):
                stack += value
                stack += value.values()
            elif isinstance(value, list):
                if len(value) > elements:
                    raise refuse(ScimType.INVALID_VALUE, f"an array has more than {elements} elements")
                stack += value

    def _members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(pairs) > self._limits.members:
            raise refuse(ScimType.INVALID_VALUE, f"an object has more than {self._limits.members} members")
        made = dict(pairs)
        if len(made) != len(pairs):
            seen: set[str] = set()
            for name, _ in pairs:
                if name in seen:
                    raise refuse(ScimType.INVALID_SYNTAX, f"{shown(name)}: is given twice in one object")
                seen.add(name)
        return made

    def _integer(self, text: str) -> int:
        self._check_digits(text)
        number = int(text) if len(text) <= _DIGITS else _LARGEST + 1
        if not -_LARGEST <= number <= _LARGEST:
            raise refuse(ScimType.INVALID_VALUE, "a number does not fit in 64 bits")
        return number

    def _fraction(self, text: str) -> float:
        self._check_digits(text)
        number = float(text)
        if math.isinf(number):
            raise refuse(ScimType.INVALID_VALUE, "a number does not fit in 64 bits")
        return number

    def _check_digits(self, text: str) -> None:
        if len(text) > self._limits.digits:
            raise refuse(ScimType.INVALID_VALUE, f"a number has more than {self._limits.digits} digits")


def _constant(text: str) -> NoReturn:
    raise refuse(ScimType.INVALID_SYNTAX, f"{text} is no JSON")
