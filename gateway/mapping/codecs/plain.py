"""The codecs of attributes that name none: chosen by the types on both sides, refused where they do not fit."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from backends.contract import Op
from gateway.mapping.codecs.base import ALWAYS, Answer, Ask, Codec, Site, identity
from gateway.mapping.codecs.numbers import numeric
from gateway.mapping.codecs.times import moment
from gateway.scim.schema import Type

_TEXT_OPS = (Op.EQ, Op.CO, Op.SW, Op.EW, Op.PR)
_ADVICE: Mapping[Type, Mapping[type, str]] = {
    Type.STRING: {
        int: "codec: number",
        float: "codec: number",
        Decimal: "codec: number",
        date: "codec: date",
        bool: "codec: { values: { … } }",
        bytes: "codec: { charset: … }",
    },
    Type.BOOLEAN: {
        str: "codec: flag, or { values: { … } }",
        int: "codec: { flag: [1, 0] }",
        Decimal: "codec: { flag: [1, 0] }",
        date: "codec: until, present or absent",
        datetime: "codec: until, present or absent",
        tuple: "codec: contains or lacks",
    },
    Type.INTEGER: {str: "codec: number"},
    Type.DECIMAL: {str: "codec: number"},
    Type.DATE_TIME: {str: "codec: timestamp", int: "codec: { timestamp: epoch }", date: "codec: date"},
}


def plain(site: Site) -> Codec:
    """Choose the codec of a site that names none; raise ValueError, with advice, where the types do not fit."""
    native = site.native
    match site.attribute.type:
        case Type.STRING | Type.REFERENCE if native in (str, None):
            return _text(known=native is str)
        case Type.BOOLEAN if native in (bool, None):
            filled = site.field is not None and site.field.required
            return _boolean(closed=site.attribute.name == "active", filled=filled)
        case Type.INTEGER | Type.DECIMAL if native in (int, float, Decimal, None):
            return numeric(site)
        case Type.DATE_TIME if native in (datetime, None):
            return moment(site)
        case Type.BINARY if native is bytes:
            return _binary()
        case Type.BINARY if native in (str, None):
            return _text(known=native is str)
    advice = _ADVICE.get(site.attribute.type, {}).get(native or object)
    kind = native.__name__ if native is not None else "something else"
    raise ValueError(
        f"is of type {site.attribute.type}, the field holds {kind}"
        + (f"; it needs a codec ({advice})" if advice else "")
    )


def _text(*, known: bool) -> Codec:
    def decode(native: Any) -> Any:
        if type(native) is str:
            return native
        return None if isinstance(native, bool | bytes | tuple | Mapping) else str(native)

    def ask(ask: Ask) -> Answer | None:
        return Answer((ask,), exact=known or ask.op is not Op.PR) if ask.op in _TEXT_OPS else None

    read = identity if known else decode
    return Codec(identity, read, ask, (str,), (str,) if known else (), total=known, ordered=True)


def _boolean(*, closed: bool, filled: bool) -> Codec:
    def decode(native: Any) -> Any:
        # What cannot be read as true must not keep a leaver active (promise 2).
        return native if isinstance(native, bool) else False if closed else None

    def ask(ask: Ask) -> Answer | None:
        if ask.op is Op.PR:
            return ALWAYS if closed else Answer((ask,))
        if ask.op is not Op.EQ:
            return None
        if closed and ask.value is False:
            return Answer((Ask(Op.EQ, True),), negated=True)
        return Answer((ask,))

    return Codec(
        identity,
        decode,
        ask,
        (bool,),
        (bool,),
        handles_none=closed,
        total=closed,
        many_to_one=closed,
        # Nothing but true is read as true; what is empty is read as false, where it can be.
        sole=lambda value: value is True or filled,
    )


def _binary() -> Codec:
    def decode(native: Any) -> Any:
        return base64.b64encode(native).decode("ascii") if isinstance(native, bytes) else None

    def encode(text: str) -> bytes:
        padded = text + "=" * (-len(text) % 4)
        try:
            return base64.b64decode(padded, altchars=None if "-" not in text and "_" not in text else b"-_")
        except binascii.Error:
            return b""

    def ask(ask: Ask) -> Answer | None:
        if ask.op is Op.PR:
            return Answer((ask,))
        return Answer((Ask(Op.EQ, encode(ask.value)),)) if ask.op is Op.EQ else None

    return Codec(encode, decode, ask, (str,), (bytes,), total=True)
