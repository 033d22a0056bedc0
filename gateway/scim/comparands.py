"""What the names in a filter stand for, and which values and operators each can be compared with (F4, F7, F8, S13)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.scim.errors import ScimError
from gateway.scim.filter_options import FilterOptions
from gateway.scim.names import AttributePath, short_names
from gateway.scim.schema import ResourceType, Returned, Type
from gateway.scim.values import check, check_text

Value = str | int | float | bool | None

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_LONGEST_NUMBER = 400
_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None}
_EQUALITY = frozenset({"eq", "ne"})
_ORDER = _EQUALITY | {"gt", "ge", "lt", "le"}
_OPERATORS: Mapping[Type, frozenset[str]] = {
    Type.STRING: _ORDER | {"co", "sw", "ew"},
    Type.REFERENCE: _ORDER | {"co", "sw", "ew"},
    Type.BOOLEAN: _EQUALITY,
    Type.BINARY: _EQUALITY,
    Type.INTEGER: _ORDER,
    Type.DECIMAL: _ORDER,
    Type.DATE_TIME: _ORDER,
    Type.COMPLEX: frozenset(),
}
_TEXT = frozenset({Type.STRING, Type.REFERENCE})
_WRITTEN = _TEXT | {Type.DATE_TIME, Type.BINARY}
"""The types whose values are strings in JSON."""


@dataclass(frozen=True, slots=True)
class Comparand:
    """What one name stands for.

    `path` is the attribute as named, which is what presence is asked of; `compared` is what values are compared with:
    the `value` of a multi-valued complex attribute or of a reference (F7, F16). `refusal` says why it can be used for
    nothing at all. `elements`: the names inside its brackets, None where it cannot have any. `plain`: any printable
    string is a value of it as it stands.
    """

    path: AttributePath
    compared: AttributePath
    refusal: str | None = None
    plain: bool = False
    elements: Mapping[str, Comparand] | None = None
    spellings: Mapping[str, str] = field(default_factory=dict)

    def misfit(self, op: str) -> str | None:
        """Say why `op` cannot compare this attribute with a value; None if it can (F7, F8, F12)."""
        kind = self.compared.leaf.type
        if op in _OPERATORS[kind]:
            return None
        if kind is Type.COMPLEX:
            return f"{self.path.text} is complex; name one of its sub-attributes"
        return f"{self.compared.text} is of type {kind}, which cannot be compared by {op}"

    def read(self, piece: str, options: FilterOptions) -> Value:
        """Read the value after an operator and check that it is of the attribute's type.

        Raises ValueError with the reason, which never holds the value.
        """
        leaf, where = self.compared.leaf, self.compared.text
        try:
            value = literal(piece, options, text=leaf.type in _WRITTEN)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        if leaf.type is Type.BOOLEAN and isinstance(value, str) and options.string_booleans:
            if value.lower() not in ("true", "false"):
                raise ValueError(f"{where}: true or false is expected")
            options.rewritten("string_booleans")
            return value.lower() == "true"
        if leaf.type in _TEXT:
            if not isinstance(value, str):
                raise ValueError(f"{where}: a string in double quotes is expected")
            return self.spellings.get(value.lower(), value) if self.spellings else value
        try:
            checked: Value = check(leaf, value, where)
        except ScimError as error:
            raise ValueError(error.detail) from None
        return checked


def comparands(resource_type: ResourceType) -> Mapping[str, Comparand]:
    """Give the comparand of each name of a type, as spelled canonically and in lower case; compiled once."""
    table: dict[str, Comparand] | None = resource_type.compiled.get("comparands")
    if table is None:
        made: dict[str, Comparand] = {}
        table = {}
        for name, path in short_names(resource_type).items():
            comparand = made.get(path.text)
            if comparand is None:
                comparand = made[path.text] = _compile(path, resource_type)
            table[name] = comparand
        resource_type.compiled["comparands"] = table
    return table


def literal(piece: str, options: FilterOptions, *, text: bool) -> Value:
    """Read a JSON value, or with the option `barewords` a word; `text`: a number or boolean is a word there too.

    Raises ValueError with the reason.
    """
    if not piece:
        raise ValueError("a value is expected")
    if piece[0] == '"':
        return _string(piece)
    if piece == "null":
        return None
    number = _NUMBER.fullmatch(piece)
    if options.barewords and (text or (piece not in _WORDS and number is None)):
        if piece[-1] == "[" or piece[0] in "()[]":
            raise ValueError("a value is expected")
        _check(piece)
        options.rewritten("barewords")
        return piece
    if piece in _WORDS:
        return _WORDS[piece]
    if number is None:
        raise ValueError("a value is expected: a string in double quotes, a number, true, false or null")
    if len(piece) > _LONGEST_NUMBER:
        raise ValueError("the number is too long")
    return float(piece) if number[1] or number[2] else int(piece)


def _string(piece: str) -> str:
    try:
        value = json.loads(piece)
    except json.JSONDecodeError:
        raise ValueError(
            "the string is not closed, or holds a control character or a backslash that is no JSON escape"
        ) from None
    text = str(value)
    _check(text)
    return text


def _check(text: str) -> None:
    try:
        check_text(text, "the value")
    except ScimError as error:
        raise ValueError(error.detail) from None


def _compile(path: AttributePath, resource_type: ResourceType) -> Comparand:
    attribute = path.attribute
    if attribute is None:
        return Comparand(path, path, f"{path.text} is a schema; name one of its attributes")
    if Returned.NEVER in (attribute.returned, path.leaf.returned):
        return Comparand(path, path, f"{path.text} is never returned and cannot be searched for")
    if not path.is_complex:
        # The URNs in `schemas` ignore case although the attribute does not (S2).
        spellings = resource_type.urns if attribute is resource_type.attribute("schemas") else {}
        simple = Comparand(path, path, None, path.leaf.type in _TEXT and not spellings, None, spellings)
        has_elements = attribute.multi_valued and path.sub is None
        return replace(simple, elements={"value": simple}) if has_elements else simple
    compared = path
    is_default = attribute.multi_valued or attribute.sub("$ref") is not None
    if is_default and (value := attribute.sub("value")) and value.returned is not Returned.NEVER:
        compared = AttributePath(attribute, value, path.extension)
    elements: dict[str, Comparand] | None = None
    if attribute.multi_valued:
        parts = {
            sub.name: _compile(AttributePath(attribute, sub, path.extension), resource_type)
            for sub in attribute.sub_attributes
        }
        elements = {name.lower(): part for name, part in parts.items()} | parts
    return Comparand(path, compared, None, compared.leaf.type in _TEXT, elements)
