"""Filters (RFC 7644 §3.4.2.2): text -> a resolved, typed tree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.scim.comparands import Comparand, Value, comparands, literal
from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.filter_options import FilterOptions as FilterOptions
from gateway.scim.lexemes import place, split
from gateway.scim.names import AttributePath, find
from gateway.scim.schema import ResourceType
from gateway.scim.values import shown


class Op(StrEnum):
    """The attribute operators (F1)."""

    EQ = "eq"
    NE = "ne"
    CO = "co"
    SW = "sw"
    EW = "ew"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"
    PR = "pr"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`path op value`, checked against the type of the attribute.

    `value` is str, int, float, bool or None (JSON null; F5), already coerced to the attribute's type: DateTime stays
    the text the client sent. Inside a `ValuePath` the path is still the full one (``emails.type``).
    """

    path: AttributePath
    op: Op
    value: Value = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class And:
    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    term: Filter


@dataclass(frozen=True, slots=True)
class ValuePath:
    """One and the same element of `path` (a multi-valued complex attribute) satisfies `where` (F6).

    Entra's ``emails[type eq "work"].value eq "x"`` is read as ``emails[type eq "work" and value eq "x"]`` (F16).
    """

    path: AttributePath
    where: Filter


@dataclass(frozen=True, slots=True)
class Never:
    """Matches nothing: what an attribute the type does not have becomes on an endpoint of several types (F13)."""


Filter = Comparison | And | Or | Not | ValuePath | Never


_NAME = re.compile(r"[A-Za-z$][^\x00-\x1f\x7f-\U0010ffff]*")
_OPS: Mapping[str, Op] = {op.value: op for op in Op}
_STRICT = FilterOptions()
_NOTHING: Mapping[str, Comparand] = {}


def parse(text: str, resource_type: ResourceType, options: FilterOptions = _STRICT) -> Filter:
    """Read a filter over the resources of a type.

    Names and operators ignore case (F1); ``not`` binds tighter than ``and``, which binds tighter than ``or`` (F2); a
    conjunction within a conjunction is laid flat. Nothing that is not understood is left out (F12): raises `ScimError`
    400 invalidFilter with the attribute or the position and the reason, never with a value of the filter (X13).
    """
    return _Reading(text, options, resource_type.name).run(comparands(resource_type))


def parse_element(text: str, path: AttributePath, resource_type: ResourceType, options: FilterOptions) -> Filter:
    """Read what stands between the brackets after `path`, an attribute of the type; raises as `parse` does."""
    elements = comparands(resource_type)[path.text].elements
    if elements is None:
        raise refuse(ScimType.INVALID_FILTER, f"{path.text} has no elements to choose from")
    return _Reading(text, options, path.text).run(elements)


@dataclass(slots=True)
class _Group:
    """An open parenthesis or bracket: what was read before it, and what stands inside."""

    at: int
    terms: list[Filter]
    choices: list[Filter]
    scope: Mapping[str, Comparand]
    owner: str
    closer: str = ")"
    negated: bool = False
    path: AttributePath | None = None


class _Reading:
    """One pass over the lexemes of a filter. The groups that are open lie on a list, never on Python's stack (F15)."""

    def __init__(self, text: str, options: FilterOptions, owner: str) -> None:
        size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if size > options.max_bytes:
            raise refuse(ScimType.INVALID_FILTER, f"the filter is longer than {options.max_bytes} bytes")
        self._text = text
        self._options = options
        self._owner = owner
        self._pieces = split(text)
        self._at = 0
        self._left = options.max_terms

    def run(self, scope: Mapping[str, Comparand]) -> Filter:
        pieces = self._pieces
        groups: list[_Group] = []
        terms: list[Filter] = []
        choices: list[Filter] = []
        while True:
            at = self._at
            piece = pieces[at]
            if piece == "(" or piece[-1:] == "[" or (piece and pieces[at + 1] == "("):
                if len(groups) >= self._options.max_depth:
                    raise self._refusal(
                        at, f"parentheses and brackets are nested deeper than {self._options.max_depth}"
                    )
                group = _Group(at, terms, choices, scope, self._owner)
                scope = self._open(group, piece)
                groups.append(group)
                terms, choices = [], []
                continue
            terms.append(self._comparison(piece, scope))
            piece = pieces[self._at]
            while piece == ")" or piece[:1] == "]":
                group = self._matching(groups, piece)
                inner = self._closed(group, _either(choices, terms), piece, scope)
                terms, choices, scope, self._owner = group.terms, group.choices, group.scope, group.owner
                if isinstance(inner, And):
                    terms.extend(inner.terms)
                else:
                    terms.append(inner)
                piece = pieces[self._at]
            at = self._at
            if piece == "":
                if groups:
                    raise self._refusal(groups[-1].at, f"what opens is not closed by {groups[-1].closer}")
                return _either(choices, terms)
            self._at = at + 1
            if piece != "and":
                word = piece.lower()
                if word == "or":
                    choices.append(_all(terms))
                    terms = []
                elif word != "and":
                    raise self._refusal(at, "and, or, or the end is expected")

    def _open(self, group: _Group, piece: str) -> Mapping[str, Comparand]:
        """Step into a group; give the names that are known inside."""
        if piece == "(":
            self._at += 1
            return group.scope
        if piece[-1] != "[":
            if piece.lower() != "not":
                raise self._refusal(self._at + 1, "a parenthesis cannot stand here")
            group.negated = True
            self._at += 2
            return group.scope
        name = piece[:-1]
        comparand = group.scope.get(name) or self._find(name, group.scope)
        group.closer = "]"
        elements = _NOTHING
        if comparand is not None:
            if comparand.refusal is not None:
                raise self._refusal(self._at, comparand.refusal)
            if comparand.elements is None:
                raise self._refusal(self._at, f"{comparand.path.text} is not multi-valued and takes no brackets")
            group.path = comparand.path
            self._owner = comparand.path.text
            elements = comparand.elements
        self._at += 1
        return elements

    def _matching(self, groups: list[_Group], piece: str) -> _Group:
        if not groups or groups[-1].closer != piece[0]:
            raise self._refusal(self._at, f"there is nothing here that {piece[0]} could close")
        return groups.pop()

    def _closed(self, group: _Group, inner: Filter, piece: str, scope: Mapping[str, Comparand]) -> Filter:
        """Give the term that a group makes, with the comparison of a sub-attribute that may follow brackets (F16)."""
        if len(piece) == 1:
            self._at += 1
        else:
            further = self._comparison(piece[2:], scope)
            inner = And((*inner.terms, further)) if isinstance(inner, And) else And((inner, further))
        if group.closer == ")":
            return Not(inner) if group.negated else inner
        return Never() if group.path is None else ValuePath(group.path, inner)

    def _comparison(self, name: str, scope: Mapping[str, Comparand]) -> Filter:
        """Read ``name op value`` or ``name pr``; the name is part of the current piece."""
        at = self._at
        comparand = scope.get(name) or self._find(name, scope)
        if self._left == 0:
            raise self._refusal(at, f"the filter has more than {self._options.max_terms} terms")
        self._left -= 1
        verb = self._pieces[at + 1]
        op = _OPS.get(verb) or _OPS.get(verb.lower())
        if op is None:
            raise self._refusal(at + 1, f"one of the operators {', '.join(_OPS)} is expected")
        if comparand is None:
            return self._absent(op)
        if comparand.refusal is not None:
            raise self._refusal(at, comparand.refusal)
        if op is Op.PR:
            self._at = at + 2
            return Comparison(comparand.path, op)
        piece = self._pieces[at + 2]
        self._at = at + 3
        if comparand.plain and piece[-1:] == '"' and piece.isprintable() and "\\" not in piece and len(piece) > 1:
            return Comparison(comparand.compared, op, piece[1:-1])
        if piece == "null":
            if op is not Op.EQ and op is not Op.NE:
                raise self._refusal(at + 2, f"{comparand.path.text}: null can only be compared by eq and ne")
            return Comparison(comparand.path, op, None)
        if (reason := comparand.misfit(op)) is not None:
            raise self._refusal(at, reason)
        try:
            return Comparison(comparand.compared, op, comparand.read(piece, self._options))
        except ValueError as error:
            raise self._refusal(at + 2, str(error)) from None

    def _absent(self, op: Op) -> Filter:
        """Read the rest of a comparison of an attribute the type does not have (F13, F5)."""
        if op is Op.PR:
            self._at += 2
            return Never()
        try:
            value = literal(self._pieces[self._at + 2], self._options, text=False)
        except ValueError as error:
            raise self._refusal(self._at + 2, str(error)) from None
        self._at += 3
        matches = op is Op.EQ if value is None else op is Op.NE
        return Not(Never()) if matches else Never()

    def _find(self, name: str, scope: Mapping[str, Comparand]) -> Comparand | None:
        """Find a name that is not spelled canonically; None for one that counts as absent."""
        comparand = find(scope, name)
        if comparand is None:
            if not _NAME.fullmatch(name):
                raise self._refusal(self._at, "the name of an attribute is expected")
            if name.lower() == "not":
                raise self._refusal(self._at, "not must be followed by a parenthesis")
            if self._options.unknown == "refuse":
                raise self._refusal(self._at, f"{shown(name)}: {self._owner} has no such attribute")
        return comparand

    def _refusal(self, at: int, reason: str) -> ScimError:
        return refuse(ScimType.INVALID_FILTER, f"{reason} ({place(self._text, at)} of the filter)")


def _all(terms: list[Filter]) -> Filter:
    return terms[0] if len(terms) == 1 else And(tuple(terms))


def _either(choices: list[Filter], terms: list[Filter]) -> Filter:
    last = _all(terms)
    if not choices:
        return last
    flat: list[Filter] = []
    for choice in (*choices, last):
        if isinstance(choice, Or):
            flat.extend(choice.terms)
        else:
            flat.append(choice)
    return Or(tuple(flat))
