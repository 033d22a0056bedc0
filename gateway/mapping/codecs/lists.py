"""Codecs of several values in one field, of several attributes in one, and of several fields for one (R-L16, R-L17)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backends.contract import Op
from gateway.mapping.codecs.base import Answer, Ask, Codec, Refused, Site, count_option, options, text_option
from gateway.scim.schema import Type


def split(arguments: Any, site: Site) -> Codec:
    """One text is split at a separator: into the values of a multi-valued attribute, or, with `into`, into the
    sub-attributes of a complex one; `rest: first | last` says which of them takes what is left over (R-L16, R-L17)."""
    found = options(arguments, "separator", "into", "rest", "escape", short="separator")
    separator = text_option(found, "separator", ",")
    if not separator:
        raise ValueError("separator: must not be empty")
    if site.native not in (None, str):
        raise ValueError(f"reads text, the field holds {site.native.__name__}")
    if "into" in found:
        if "escape" in found:
            raise ValueError("escape: is for lists of values")
        return _parted(separator, found, site)
    if "rest" in found:
        raise ValueError("rest: needs `into`")
    return _listed(separator, text_option(found, "escape", ""))


def _listed(separator: str, escape: str) -> Codec:
    if escape and (len(escape) != 1 or escape in separator):
        raise ValueError("escape: must be one character that is not part of the separator")

    def written(value: Any) -> str:
        text = str(value)
        if not text or text != text.strip():
            raise Refused("must neither be empty nor begin or end with blanks")
        if escape:
            return text.replace(escape, escape * 2).replace(separator, escape + separator)
        if separator.strip() in text:
            raise Refused(f"must not hold the separator {separator.strip()!r}")
        return text

    def encode(values: tuple[Any, ...]) -> Any:
        return separator.join(written(value) for value in values) or None

    def decode(native: Any) -> tuple[str, ...]:
        text = str(native)
        pieces = _pieces(text, separator, escape) if escape else text.split(separator.strip() or separator)
        # The same value twice is one value: an old list may hold it twice.
        return tuple(dict.fromkeys(piece.strip() for piece in pieces if piece.strip()))

    def ask(ask: Ask) -> Answer | None:
        if ask.op is Op.PR:
            return Answer((ask,), exact=False)
        if ask.op not in (Op.EQ, Op.CO, Op.SW, Op.EW):
            return None
        near = written(ask.value) if ask.op is Op.EQ else ask.value
        return Answer((Ask(Op.CO, near, ask.folded),), exact=False) if ask.op is Op.EQ or not escape else None

    return Codec(encode, decode, ask, (), (str,), many_to_one=True, container=True)


def _pieces(text: str, separator: str, escape: str) -> list[str]:
    pieces, current, place = list[str](), "", 0
    while place < len(text):
        if text[place] == escape and place + 1 < len(text):
            step = len(separator) if text.startswith(separator, place + 1) else 1
            current += text[place + 1 : place + 1 + step]
            place += 1 + step
        elif text.startswith(separator, place):
            pieces.append(current)
            current, place = "", place + len(separator)
        else:
            current, place = current + text[place], place + 1
    return [*pieces, current]


def _parted(separator: str, found: Mapping[str, Any], site: Site) -> Codec:
    names = found["into"]
    if not isinstance(names, list | tuple) or len(names) < 2 or not all(isinstance(name, str) for name in names):
        raise ValueError("into: a list of at least two sub-attributes is expected")
    known = []
    for name in names:
        sub = site.attribute.sub(name)
        if sub is None or sub.type is not Type.STRING:
            raise ValueError(f"into: {name} is no text of {site.path}")
        known.append(sub.name)
    rest = text_option(found, "rest", "last")
    if rest not in ("first", "last"):
        raise ValueError("rest: must be first or last")

    def encode(value: Mapping[str, Any]) -> Any:
        if unknown := next((name for name in value if name not in known), None):
            raise Refused(f"{unknown} has no place in the field of the system behind")
        return separator.join(value[name] for name in known if name in value) or None

    def decode(native: Any) -> Any:
        text = str(native)
        pieces = text.split(separator, len(known) - 1) if rest == "last" else text.rsplit(separator, len(known) - 1)
        if len(pieces) < len(known):
            missing = [""] * (len(known) - len(pieces))
            pieces = [*pieces, *missing] if rest == "last" else [*missing, *pieces]
        return {name: piece for name, piece in zip(known, pieces, strict=True) if piece} or None

    return Codec(encode, decode, _any_part, (dict,), (str,), many_to_one=True, parts=tuple(known))


def _any_part(ask: Ask) -> Answer | None:
    """A part is somewhere in the whole."""
    if ask.op is Op.PR:
        return Answer((ask,), exact=False)
    if ask.op in (Op.EQ, Op.CO, Op.SW, Op.EW):
        return Answer((Ask(Op.CO, ask.value, ask.folded),), exact=False)
    return None


def join(arguments: Any, site: Site) -> Codec:
    """Several fields are one text, with a separator between them; `rest: first | last` says which field takes what is
    left over (R-L16). `fields` says how many, as a rule by itself."""
    found = options(arguments, "separator", "rest", "fields", short="separator")
    separator = text_option(found, "separator", " ")
    rest = text_option(found, "rest", "last")
    if rest not in ("first", "last") or not separator:
        raise ValueError("rest: must be first or last; separator: must not be empty")
    size = count_option(found, "fields", 2)

    def encode(value: str) -> tuple[Any, ...]:
        pieces = value.split(separator, size - 1) if rest == "last" else value.rsplit(separator, size - 1)
        missing = [None] * (size - len(pieces))
        found = [piece or None for piece in pieces]
        return tuple([*found, *missing] if rest == "last" else [*missing, *found])

    def decode(natives: Sequence[Any]) -> Any:
        return separator.join(str(native) for native in natives if native is not None and native != "") or None

    return Codec(encode, decode, lambda _: None, (str,), (str,), many_to_one=True, arity=size)


def part(arguments: Any, site: Site) -> Codec:
    """One of several attributes that share a field: the piece number `index` (from 1) of `of` between separators."""
    found = options(arguments, "separator", "index", "of")
    separator = text_option(found, "separator", ",")
    index, size = count_option(found, "index") - 1, count_option(found, "of")
    if index >= size or not separator:
        raise ValueError("index: must not be greater than `of`; separator: must not be empty")
    if site.native not in (None, str):
        raise ValueError(f"reads text, the field holds {site.native.__name__}")

    def pieces(native: Any) -> list[str]:
        found = str(native).split(separator, size - 1) if native is not None else []
        return [*found, *[""] * (size - len(found))]

    def merge(value: Any, current: Any) -> Any:
        text = "" if value is None else str(value)
        # The last piece may hold separators: nothing comes after it.
        if separator in text and index < size - 1:
            raise Refused(f"must not hold the separator {separator!r}")
        if value is not None and (not text or text != text.strip()):
            raise Refused("must neither be empty nor begin or end with blanks")
        found = pieces(current)
        found[index] = text
        return separator.join(found) if any(found) else None

    def decode(native: Any) -> Any:
        return pieces(native)[index].strip() or None

    return Codec(
        lambda value: merge(value, None),
        decode,
        _any_part,
        (str,),
        (str,),
        handles_none=True,
        many_to_one=True,
        merge=merge,
    )
