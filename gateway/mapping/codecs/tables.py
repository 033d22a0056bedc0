"""Codecs that are tables: codes of a legacy system and what they mean (R-L7, R-L15, R-L18)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backends.contract import Op
from gateway.mapping.codecs.base import Answer, Ask, Codec, Refused, Site, options
from gateway.scim.folding import fold
from gateway.scim.schema import Type

_KINDS: Mapping[Type, tuple[type, ...]] = {
    Type.BOOLEAN: (bool,),
    Type.INTEGER: (int,),
    Type.DECIMAL: (int, float),
}


def values(arguments: Any, site: Site) -> Codec:
    """A table ``native: value``. Of several native values that mean the same the first is written, and one that is
    there already is left alone. What the table does not know reads as no value, for `active` as false (R-L7, R-L15)."""
    if not isinstance(arguments, Mapping) or not arguments:
        raise ValueError("a table is expected: {A: true, I: false}")
    return _table(list(arguments.items()), site)


def flag(arguments: Any, site: Site) -> Codec:
    """Two native values for true and false: ``[Y, N]`` (if none are given), ``[1, 0]``, ``[T, F]`` (R-L7, R-L18)."""
    pair = ["Y", "N"] if arguments is None else arguments
    if isinstance(pair, Mapping):
        found = options({str(key).lower(): value for key, value in pair.items()}, "true", "false")
        pair = [found.get("true"), found.get("false")]
    if not isinstance(pair, list | tuple) or len(pair) != 2 or pair[0] == pair[1]:
        raise ValueError("two different values are expected, for true and for false: [Y, N]")
    if site.attribute.type is not Type.BOOLEAN:
        raise ValueError(f"stands for true or false; the attribute is of type {site.attribute.type}")
    return _table([(pair[0], True), (pair[1], False)], site)


def _table(pairs: list[tuple[Any, Any]], site: Site) -> Codec:
    kinds = _KINDS.get(site.attribute.type, (str,))
    natives: dict[Any, list[Any]] = {}
    meanings: dict[Any, Any] = {}
    for native, meaning in pairs:
        native = _fitting(native, site)
        if not isinstance(meaning, kinds) or (isinstance(meaning, bool) and bool not in kinds):
            raise ValueError(f"{native!r}: {meaning!r} is no value of type {site.attribute.type}")
        meanings[native] = meaning
        natives.setdefault(meaning, []).append(native)
    if site.attribute.type is Type.BOOLEAN and True not in natives:
        raise ValueError("nothing in the table means true")
    lax = {fold(meaning): meaning for meaning in natives if isinstance(meaning, str)}
    # A leaver must not stay active because of a code nobody knows (promise 2).
    rest = False if site.attribute.name == "active" and site.attribute.type is Type.BOOLEAN else None

    def encode(value: Any) -> Any:
        if value is None:
            return None
        known = natives.get(value)
        if known is None and isinstance(value, str) and (near := lax.get(fold(value))) is not None:
            known = natives[near]
        if known is None:
            raise Refused("is none of the values the system behind knows")
        return known[0]

    def decode(native: Any) -> Any:
        try:
            return meanings.get(native, rest)
        except TypeError:  # something that cannot be a key cannot be in the table either
            return rest

    def ask(ask: Ask) -> Answer | None:
        match ask.op:
            case Op.PR:
                return Answer(negated=True) if rest is not None else _among(list(meanings))
            case Op.EQ if rest is not None and ask.value == rest:
                return _among([native for native, meaning in meanings.items() if meaning != rest], negated=True)
            case Op.EQ:
                return _among([native for native, meaning in meanings.items() if _equal(meaning, ask)])
            case Op.CO | Op.SW | Op.EW:
                return _among([native for native, meaning in meanings.items() if _text_matches(meaning, ask)])
        return None

    return Codec(
        encode,
        decode,
        ask,
        kinds,
        tuple({type(native) for native in meanings if native is not None}),
        handles_none=rest is not None or None in meanings,
        many_to_one=rest is not None or len(natives) < len(meanings),
        sole=lambda value: value != rest and len(natives.get(value, ())) == 1,
        total=rest is not None,
        listed=lambda value: tuple(natives.get(value, ())),
    )


def _fitting(native: Any, site: Site) -> Any:
    """Make a key of the table what the field holds: YAML reads 1 as a number, the column may hold the text."""
    kind = site.native
    if native is None or kind is None or (isinstance(native, kind) and not isinstance(native, bool)) or kind is bool:
        if kind is bool and native is not None and not isinstance(native, bool):
            raise ValueError(f"{native!r} is not of the field's type bool")
        return native
    if kind is str and isinstance(native, int) and not isinstance(native, bool):
        return str(native)
    if isinstance(native, int) and not isinstance(native, bool) and kind is not str:
        try:
            return kind(native)
        except (TypeError, ValueError):
            pass
    raise ValueError(f"{native!r} is not of the field's type {kind.__name__}")


def _among(natives: list[Any], *, negated: bool = False) -> Answer:
    """Ask for any of some native values, None among them perhaps."""
    present = tuple(native for native in natives if native is not None)
    asks = [Ask(Op.EQ, None)] if len(present) < len(natives) else []
    if present:
        asks.append(Ask(Op.EQ, present[0]) if len(present) == 1 else Ask(Op.IN, present))
    return Answer(tuple(asks), negated=negated)


def _equal(meaning: Any, ask: Ask) -> bool:
    if ask.folded and isinstance(meaning, str) and isinstance(ask.value, str):
        return fold(meaning) == fold(ask.value)
    return bool(meaning == ask.value)


def _text_matches(meaning: Any, ask: Ask) -> bool:
    if not isinstance(meaning, str):
        return False
    text, part = (fold(meaning), fold(ask.value)) if ask.folded else (meaning, ask.value)
    match ask.op:
        case Op.SW:
            return text.startswith(part)
        case Op.EW:
            return text.endswith(part)
    return part in text
