"""Codecs of numbers: as text, with leading zeros, with a decimal comma (R-L18)."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from backends.contract import Op
from gateway.mapping.codecs.base import NEVER, Answer, Ask, Codec, Refused, Site, count_option, options, text_option
from gateway.scim.schema import Type

_DIGITS = re.compile(r"-?[0-9]{1,38}")
_DECIMAL = re.compile(r"-?[0-9]{1,38}(\.[0-9]{1,38})?")
_ORDER = (Op.EQ, Op.GT, Op.GE, Op.LT, Op.LE)


def number(arguments: Any, site: Site) -> Codec:
    """Text of digits in a number field, or a number in a text field. `digits`: filled up with zeros to that many, on
    the side that is text; `decimals`: so many after the point; `point`: the character between (R-L18)."""
    found = options(arguments, "digits", "decimals", "point", short="digits")
    digits = count_option(found, "digits") if "digits" in found else 0
    if site.attribute.type is Type.STRING:
        if {"decimals", "point"} & found.keys():
            raise ValueError("decimals, point: are for numbers in a text field")
        return _text_as_number(digits, site)
    if site.attribute.type not in (Type.INTEGER, Type.DECIMAL):
        raise ValueError(f"is for text and numbers; the attribute is of type {site.attribute.type}")
    if site.native is not None and site.native is not str:
        raise ValueError(f"writes text, the field holds {site.native.__name__}")
    point = text_option(found, "point", ".")
    decimals = count_option(found, "decimals") if "decimals" in found else None
    if site.attribute.type is Type.INTEGER:
        return _integer_as_text(digits)
    return _decimal_as_text(digits, decimals, point)


def _text_as_number(digits: int, site: Site) -> Codec:
    kind = site.native or int
    if kind not in (int, Decimal, float):
        raise ValueError(f"writes numbers, the field holds {kind.__name__}")

    def encode(text: str) -> Any:
        if not _DIGITS.fullmatch(text):
            raise Refused("must be a whole number in digits")
        value = int(text)
        if _shown(value) != text:
            raise Refused(f"must have {digits} digits" if digits else "must not begin with zeros")
        return kind(value)

    def _shown(value: int) -> str:
        return str(value).zfill(digits) if digits else str(value)

    def decode(native: Any) -> Any:
        try:
            whole = int(native)
        except (TypeError, ValueError, OverflowError):
            return None
        return _shown(whole) if whole == native else None

    def ask(ask: Ask) -> Answer | None:
        if ask.op is Op.PR:
            return Answer((ask,), exact=kind is int)
        return Answer((Ask(Op.EQ, encode(ask.value)),)) if ask.op is Op.EQ else None

    return Codec(encode, decode, ask, (str,), (kind,), total=kind is int)


def _integer_as_text(digits: int) -> Codec:
    def encode(value: int) -> str:
        text = str(value).zfill(digits)
        if digits and len(text) > digits:
            raise Refused(f"has more than {digits} digits")
        return text

    def decode(native: Any) -> Any:
        text = str(native).strip()
        return int(text) if _DIGITS.fullmatch(text) else None

    def ask(ask: Ask) -> Answer | None:
        if ask.op is Op.PR:
            return Answer((ask,), exact=False)
        return None  # one number has many spellings

    return Codec(encode, decode, ask, (int,), (str,), many_to_one=True)


def _decimal_as_text(digits: int, decimals: int | None, point: str) -> Codec:
    def encode(value: Any) -> str:
        exact = Decimal(str(value))
        if decimals is not None:
            scaled = exact.quantize(Decimal(1).scaleb(-decimals))
            if scaled != exact:
                raise Refused(f"has more than {decimals} decimals")
            exact = scaled
        text = f"{exact or abs(exact):f}"
        whole, dot, rest = text.partition(".")
        return f"{whole.zfill(digits)}{point if dot else ''}{rest}"

    def decode(native: Any) -> Any:
        text = str(native).strip().replace(point, ".", 1) if point != "." else str(native).strip()
        if not _DECIMAL.fullmatch(text):
            return None
        try:
            exact = Decimal(text)
        except InvalidOperation:
            return None
        return int(exact) if exact == exact.to_integral_value() else float(exact)

    def ask(ask: Ask) -> Answer | None:
        return Answer((ask,), exact=False) if ask.op is Op.PR else None

    return Codec(encode, decode, ask, (int, float, Decimal), (str,), many_to_one=True)


def zeros(arguments: Any, site: Site) -> Codec:
    """Text of digits is written with leading zeros to a width, and read without them (R-L18)."""
    width = count_option(options(arguments, "width", short="width"), "width")
    if site.attribute.type is not Type.STRING or site.native not in (None, str):
        raise ValueError("is for text in a text field")

    def encode(text: str) -> str:
        if not text.isascii() or not text.isdigit():
            raise Refused("must be digits only")
        if len(text) > width:
            raise Refused(f"is longer than {width} digits")
        return text.zfill(width)

    def decode(native: Any) -> Any:
        text = str(native)
        if not text.isascii() or not text.isdigit():
            return None
        return text.lstrip("0") or "0"

    def ask(ask: Ask) -> Answer | None:
        match ask.op:
            case Op.EQ:
                if ask.value != decode(ask.value):
                    return NEVER
                # Somebody may have written fewer zeros than the width asks for.
                spellings = (ask.value.zfill(size) for size in range(len(encode(ask.value)), len(ask.value) - 1, -1))
                return Answer((Ask(Op.IN, tuple(spellings)),))
            case Op.EW | Op.CO | Op.SW:
                return Answer((Ask(Op.CO if ask.op is Op.SW else ask.op, ask.value),), exact=False)
            case Op.PR:
                return Answer((ask,), exact=False)
        return None

    return Codec(encode, decode, ask, (str,), (str,), many_to_one=True, ordered=True)


def numeric(site: Site) -> Codec:
    """Numbers between JSON and the field's own type of number; the codec of number attributes that name none."""
    kind = site.native
    whole = site.attribute.type is Type.INTEGER

    def encode(value: Any) -> Any:
        if kind is int:
            if value != int(value):
                raise Refused("must be a whole number: the system behind has no decimals for it")
            return int(value)
        if kind is Decimal:
            return Decimal(str(value))
        return float(value) if kind is float else value

    def decode(native: Any) -> Any:
        try:
            near = int(native)
        except (TypeError, ValueError, OverflowError):
            return None
        if isinstance(native, str | bytes):
            return None
        if near == native:
            return near
        return None if whole else float(native)

    def ask(ask: Ask) -> Answer | None:
        if ask.op is Op.PR:
            return Answer((ask,), exact=kind is int)
        # What is no number to us, such as infinity, has an order all the same.
        return Answer((Ask(ask.op, ask.value),), exact=kind is int or ask.op is Op.EQ) if ask.op in _ORDER else None

    kinds = (kind,) if kind else ()
    return Codec(encode, decode, ask, (int, float, Decimal), kinds, total=kind is int, ordered=True)
