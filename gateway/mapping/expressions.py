"""The escape hatch: values computed by an expression, one for each way, where no codec says it (DESIGN §6).

An expression cannot be turned round, so there are two, `to_backend` and `to_scim`, and what there is only one of goes
that way only. Which language they are written in is nobody's business here: see ``gateway/mapping/cel.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

from gateway.mapping.codecs import Codec, Refused, Site
from gateway.scim.errors import ScimError
from gateway.scim.schema import Attribute, Type
from gateway.scim.values import check

VALUE = "value"
"""What an expression calls the one value it is given."""
FIELDS = "fields"
"""What it calls the native fields where there are several: a map by their names."""
_NATURAL: Mapping[Type, tuple[type, ...]] = {
    Type.BOOLEAN: (bool,),
    Type.INTEGER: (int,),
    Type.DECIMAL: (int, float, Decimal),
    Type.COMPLEX: (dict,),
}


class ExpressionError(Exception):
    """An expression that came to nothing; `reason` completes "its expression …" and never holds a value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Expression(Protocol):
    """A compiled expression: given its variables by name, it gives a value or raises `ExpressionError`."""

    def __call__(self, **variables: Any) -> Any: ...


class Language(Protocol):
    """What compiles texts to expressions."""

    def compile(self, text: str, variables: Mapping[str, Sequence[str]]) -> Expression:
        """Compile a text that may name these variables, and of those with names of members these members only.

        Raises ValueError with the reason, also where the language is not installed.
        """


def computed(
    language: Language, to_backend: str | None, to_scim: str | None, names: Sequence[str]
) -> Callable[[Site], Codec]:
    """Make the codec of an attribute whose value is computed from, or into, the native fields `names`.

    With `to_scim` only it is read and never written, with `to_backend` only written and never read. With both the laws
    of codecs hold as for all others: what would not come back as it was sent is refused, or kept if `keep` says so.
    """
    several = len(names) > 1
    read = {FIELDS: names} if several else {VALUE: ()}

    def make(site: Site) -> Codec:
        parts = tuple(sub.name for sub in site.attribute.sub_attributes) if site.attribute.is_complex else ()
        written = _compiled(language, "to_backend", to_backend, {VALUE: parts})
        shown = _compiled(language, "to_scim", to_scim, read)

        def encode(value: Any) -> Any:
            assert written is not None
            try:
                found = written(value=dict(value) if isinstance(value, Mapping) else value)
                return _split(found, names, site) if several else _native(found, site)
            except ExpressionError as error:
                raise Refused(f"its expression {error.reason}") from None

        def decode(native: Any) -> Any:
            assert shown is not None
            if several and all(part is None for part in native):
                return None
            try:
                found = shown(fields=dict(zip(names, native, strict=True))) if several else shown(value=native)
            except ExpressionError:
                # As with every codec: what cannot be read is unassigned. An account must stay within reach of those who
                # are to take its access away, whatever stands in one of its fields.
                return None
            return _scim(found, site.attribute, site.path)

        return Codec(
            encode if written is not None else _never,
            decode if shown is not None else _nothing,
            takes=_NATURAL.get(site.attribute.type, (str,)),
            gives=(site.native,) if site.native is not None and not several else (),
            many_to_one=shown is not None,
            one_way=shown is None,
            parts=parts,
            arity=len(names),
        )

    return make


def _compiled(
    language: Language, key: str, text: str | None, variables: Mapping[str, Sequence[str]]
) -> Expression | None:
    if text is None:
        return None
    try:
        return language.compile(text, variables)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def _never(_: Any) -> Any:
    raise Refused("is computed from the system behind and cannot be set")


def _nothing(_: Any) -> Any:
    return None


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a result must be to be written as one native type, and what is made of it."""

    accepts: tuple[type, ...]
    make: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


_NATIVE: Mapping[type, _Kind] = {
    bool: _Kind((bool,), _same),
    int: _Kind((int,), _same),
    float: _Kind((int, float), float),
    Decimal: _Kind((int, float), lambda value: Decimal(str(value))),
    str: _Kind((str,), _same),
    bytes: _Kind((bytes,), _same),
    datetime: _Kind((datetime,), _same),
    date: _Kind((datetime,), lambda value: value.date()),
}
_SCALARS = (bool, int, float, str, bytes, datetime)


def _native(found: Any, site: Site) -> Any:
    """Make a native value of what came out; None is an empty field."""
    if found is None:
        return None
    kind = _NATIVE.get(site.native) if site.native is not None else _Kind(_SCALARS, _same)
    # True is an int to Python, and to nobody else.
    if kind is None or not isinstance(found, kind.accepts) or (isinstance(found, bool) and bool not in kind.accepts):
        wanted = "a single value" if site.native is None else site.native.__name__
        raise ExpressionError(f"gives {type(found).__name__} where {wanted} is expected")
    return kind.make(found)


def _split(found: Any, names: Sequence[str], site: Site) -> tuple[Any, ...] | None:
    """Take the values of several fields out of the map that came out; fields it leaves out are empty."""
    if found is None:
        return None
    if not isinstance(found, dict) or not found.keys() <= set(names):
        raise ExpressionError(f"must give a map of {', '.join(names)}")
    return tuple(_native(found.get(name), site) for name in names)


def _scim(found: Any, attribute: Attribute, path: str) -> Any:
    """Make a value of the attribute of what came out; what is none counts as unassigned."""
    if isinstance(found, datetime) and attribute.type is Type.DATE_TIME:
        found = found.isoformat().replace("+00:00", "Z")
    if attribute.is_complex and isinstance(found, dict):
        found = {name: part for name, part in found.items() if part is not None}
    if found in (None, "") or found == {}:
        return None
    try:
        return check(attribute, found, path)
    except ScimError:
        return None
