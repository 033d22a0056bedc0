"""Codecs of text: case, padding, affixes, charsets, lengths (R-L10 to R-L13, R-L19)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from typing import Any

from backends.contract import Op
from gateway.mapping.codecs.base import (
    NEVER,
    Answer,
    Ask,
    Codec,
    Refused,
    Site,
    count_option,
    identity,
    options,
    same_question,
    text_option,
)
from gateway.scim.folding import fold

_EQUAL = (Op.EQ, Op.IN)


def _text_only(site: Site) -> None:
    if site.native is not None and site.native is not str:
        raise ValueError(f"writes text, the field holds {site.native.__name__}")


def folded(arguments: Any, site: Site) -> Codec:
    """Text is written folded: without case, in Unicode's composed form. For logins that ignore case (R-L11, S14)."""
    options(arguments)
    _text_only(site)
    return _cased(fold)


def upper(arguments: Any, site: Site) -> Codec:
    """Text is written in capitals (R-L11)."""
    options(arguments)
    _text_only(site)
    return _cased(lambda text: fold(text).upper())


def lower(arguments: Any, site: Site) -> Codec:
    """Text is written in small letters (R-L11)."""
    options(arguments)
    _text_only(site)
    return _cased(lambda text: fold(text).lower())


def _cased(write: Callable[[str], str]) -> Codec:
    """What is folded first has one native form for all its spellings.

    It is looked for without regard to case, where the backend can, to find also what others wrote (R-L6).
    """

    def ask(ask: Ask) -> Answer | None:
        match ask.op:
            case Op.PR:
                return Answer((ask,))
            case Op.EQ | Op.CO | Op.SW | Op.EW:
                # Beyond ASCII one capital may stand for several letters at a boundary of the text looked for.
                near = Ask(ask.op, write(ask.value), folded=True, normal=True)
                return Answer((near,), exact=ask.folded and ask.value.isascii())
        return None

    return Codec(write, identity, ask, (str,), (str,), total=True, ordered=True, folds=True)


def padded(arguments: Any, site: Site) -> Codec:
    """Text is filled up with blanks to a width: that given, or the field's; read without the blanks (R-L10)."""
    found = options(arguments, "width", "fill", "side", short="width")
    fill = text_option(found, "fill", " ")
    side = text_option(found, "side", "right")
    if len(fill) != 1 or side not in ("left", "right"):
        raise ValueError("fill: one character, side: left or right")
    _text_only(site)
    limit = site.field.max_length if site.field is not None else None
    width = count_option(found, "width") if "width" in found else limit

    def encode(text: str) -> str:
        if width is None:
            return text
        if len(text) > width:
            raise Refused(f"is longer than {width} characters")
        return text.ljust(width, fill) if side == "right" else text.rjust(width, fill)

    def decode(native: Any) -> Any:
        text = str(native)
        bare = text.rstrip(fill) if side == "right" else text.lstrip(fill)
        # Nothing but filling is how such a column spells "empty".
        return bare or None

    def ask(ask: Ask) -> Answer | None:
        if ask.op is Op.PR:
            return Answer((ask,), exact=False)
        if not isinstance(ask.value, str):
            return None
        bare = decode(ask.value)
        if ask.op is Op.EQ:
            if bare != ask.value:
                return NEVER
            edge = Op.SW if side == "right" else Op.EW
            if width is None or (ask.folded and any(letter.isalpha() for letter in bare)):
                # Without regard to case "ß" equals "SS": what is equal may be filled up differently.
                return Answer((Ask(edge, bare, ask.folded),), exact=False)
            return Answer((Ask(Op.EQ, encode(bare), ask.folded),)) if len(bare) <= width else NEVER
        edge = Op.SW if side == "right" else Op.EW
        if ask.op is edge:
            return Answer((ask,), exact=False)
        return Answer((Ask(Op.CO, ask.value, ask.folded),), exact=False) if ask.op in (Op.CO, Op.SW, Op.EW) else None

    return Codec(encode, decode, ask, (str,), (str,), ordered=side == "right")


def prefix(arguments: Any, site: Site) -> Codec:
    """A fixed text stands before the value; native values without it are not read."""
    return _affixed(text_option(options(arguments, "text", short="text"), "text"), "", site)


def suffix(arguments: Any, site: Site) -> Codec:
    """A fixed text stands after the value; native values without it are not read."""
    return _affixed("", text_option(options(arguments, "text", short="text"), "text"), site)


def template(arguments: Any, site: Site) -> Codec:
    """Text around the value, which stands for ``{}``: ``uid={},ou=people``."""
    pattern = text_option(options(arguments, "text", short="text"), "text")
    if pattern.count("{}") != 1:
        raise ValueError("must hold {} once, for the value")
    before, _, after = pattern.partition("{}")
    return _affixed(before, after, site)


def _affixed(before: str, after: str, site: Site) -> Codec:
    if not before and not after:
        raise ValueError("must not be empty")
    _text_only(site)
    size = len(before) + len(after)

    def encode(text: str) -> str:
        return f"{before}{text}{after}"

    def decode(native: Any) -> Any:
        text = str(native)
        if len(text) < size or not (text.startswith(before) and text.endswith(after)):
            return None
        return text[len(before) : len(text) - len(after)]

    def ask(ask: Ask) -> Answer | None:
        match ask.op:
            case Op.EQ:
                return Answer((Ask(Op.EQ, encode(ask.value), ask.folded),), exact=not ask.folded)
            case Op.SW if before:
                return Answer((Ask(Op.SW, f"{before}{ask.value}", ask.folded),), exact=False)
            case Op.EW if after:
                return Answer((Ask(Op.EW, f"{ask.value}{after}", ask.folded),), exact=False)
            case Op.CO | Op.SW | Op.EW:
                return Answer((Ask(Op.CO, ask.value, ask.folded),), exact=False)
            case Op.PR:
                near = Ask(Op.SW, before) if before else Ask(Op.EW, after)
                return Answer((near,), exact=not (before and after))
        return None

    return Codec(encode, decode, ask, (str,), (str,), ordered=True)


def regex(arguments: Any, site: Site) -> Codec:
    """A pattern that reads (its first group is the value) and a template that writes (``{}`` is the value)."""
    found = options(arguments, "read", "write")
    try:
        pattern = re.compile(text_option(found, "read"))
    except re.error as error:
        raise ValueError(f"read: is no pattern: {error}") from None
    if pattern.groups < 1:
        raise ValueError("read: must have a group (in parentheses) that is the value")
    form = text_option(found, "write")
    if form.count("{}") != 1:
        raise ValueError("write: must hold {} once, for the value")
    _text_only(site)
    before, _, after = form.partition("{}")

    def decode(native: Any) -> Any:
        match = pattern.fullmatch(str(native))
        return match[1] if match else None

    def ask(ask: Ask) -> Answer | None:
        # Many native texts may read as the same value: only what they all hold can be asked for.
        if ask.op in (Op.EQ, Op.CO, Op.SW, Op.EW):
            return Answer((Ask(Op.CO, ask.value, ask.folded),), exact=False)
        return Answer((ask,), exact=False) if ask.op is Op.PR else None

    return Codec(lambda text: f"{before}{text}{after}", decode, ask, (str,), (str,), many_to_one=True)


def charset(arguments: Any, site: Site) -> Codec:
    """Only text the named character set can hold is taken: cp037, latin-1, shift_jis … (R-L12).

    Into a field of bytes the text is written in that character set.
    """
    name = text_option(options(arguments, "name", short="name"), "name")
    try:
        info = codecs.lookup(name)
    except LookupError:
        raise ValueError(f"there is no character set {name!r}") from None
    raw = site.native is bytes
    if not raw:
        _text_only(site)

    def encode(text: str) -> Any:
        try:
            data, _ = info.encode(text, "strict")
            back, _ = info.decode(data, "strict")
        except UnicodeError:
            back = None
        if back != text:
            raise Refused(f"holds a character that {name} does not have")
        return bytes(data) if raw else text

    def decode(native: Any) -> Any:
        if not raw:
            return native
        try:
            return info.decode(native, "strict")[0]
        except UnicodeError:
            return None

    def ask(ask: Ask) -> Answer | None:
        if not raw:
            return Answer((ask,))
        if ask.op is Op.PR:
            return Answer((ask,), exact=False)
        return Answer((Ask(Op.EQ, encode(ask.value)),)) if ask.op is Op.EQ and not ask.folded else None

    return Codec(encode, decode, ask, (str,), (bytes,) if raw else (str,), total=not raw, ordered=not raw)


_UNITS: Mapping[str, Callable[[str, str], int]] = {
    "characters": lambda text, _: len(text),
    "bytes": lambda text, name: len(text.encode(name)),
    "utf16": lambda text, _: len(text.encode("utf-16-le", "surrogatepass")) // 2,
}


def length(arguments: Any, site: Site) -> Codec:
    """Text longer than the field is refused, never cut: counted in characters, bytes of a charset, or UTF-16 units
    (R-L12)."""
    found = options(arguments, "max", "min", "unit", "charset", short="max")
    most = count_option(found, "max") if "max" in found else None
    least = count_option(found, "min") if "min" in found else 0
    unit = text_option(found, "unit", "bytes" if "charset" in found else "characters")
    if unit not in _UNITS:
        raise ValueError(f"unit: must be one of {', '.join(_UNITS)}")
    if most is None and not least:
        raise ValueError("max: is missing")
    name = text_option(found, "charset", "utf-8")
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError(f"charset: there is no character set {name!r}") from None
    measure = _UNITS[unit]
    what = {"characters": "characters", "bytes": f"bytes in {name}", "utf16": "UTF-16 units"}[unit]

    def encode(text: str) -> str:
        try:
            size = measure(text, name)
        except UnicodeError:
            raise Refused(f"holds a character that {name} does not have") from None
        if most is not None and size > most:
            raise Refused(f"is longer than {most} {what}")
        if size < least:
            raise Refused(f"is shorter than {least} {what}")
        return text

    return Codec(encode, identity, same_question, (str,), (str,), total=True, ordered=True)


def transliterate(arguments: Any, site: Site) -> Codec:
    """Characters are written as others by a table of your own: ``{ü: ue, ß: ss}``, capitals alike; with
    ``keep: spelling`` (R-L12)."""
    if not isinstance(arguments, Mapping) or not arguments:
        raise ValueError("a table is expected: {ü: ue}")
    _text_only(site)
    table: dict[int, str] = {}
    for key, value in arguments.items():
        if not isinstance(key, str) or len(key) != 1 or not isinstance(value, str):
            raise ValueError(f"{key!r}: one character stands on the left, text on the right")
        table[ord(key)] = value
        if len(key.upper()) == 1:
            table.setdefault(ord(key.upper()), value.capitalize())

    def encode(text: str) -> str:
        return text.translate(table)

    def ask(ask: Ask) -> Answer | None:
        # What was kept is shown as it was sent, and what was never sent as it stands there: both are looked for.
        if ask.op is Op.PR:
            return Answer((ask,))
        if ask.op is Op.EQ:
            forms = dict.fromkeys((encode(ask.value), ask.value))
            return Answer(tuple(Ask(Op.EQ, form, ask.folded) for form in forms), exact=False)
        return None

    return Codec(encode, identity, ask, (str,), (str,), total=True, respells=True)


def empty(arguments: Any, site: Site) -> Codec:
    """No value is written as the given text (an empty one if none is given): for columns that are NOT NULL (R-L19)."""
    found = options(arguments, "text", short="text")
    mark = found.get("text", "")
    if isinstance(mark, Mapping | list):
        raise ValueError("a single value is expected")
    if site.native is not None and not isinstance(mark, site.native):
        raise ValueError(f"{mark!r} is not of the field's type {site.native.__name__}")

    def encode(value: Any) -> Any:
        if value is None:
            return mark
        if value == mark:
            raise Refused("stands for no value in the system behind")
        return value

    def decode(native: Any) -> Any:
        return None if native == mark else native

    def ask(ask: Ask) -> Answer | None:
        if ask.op is Op.PR:
            # Present, and not the mark: two conditions, of which the negation of two asks is one.
            return Answer((Ask(Op.EQ, mark), Ask(Op.EQ, None)), negated=True)
        if ask.op is Op.EQ and ask.value == mark:
            return NEVER
        matches_mark = ask.op in (Op.LT, Op.LE) or (isinstance(mark, str) and mark and ask.op in (Op.CO, Op.SW, Op.EW))
        return Answer((ask,), exact=not matches_mark and ask.value != "")

    return Codec(encode, decode, ask, handles_none=True, ordered=False)
