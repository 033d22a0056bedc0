"""What the WSDL says of messages: which elements there are, in which order, and what their texts are.

zeep reads WSDL and schemas; this looks at what it found and adds what it leaves out: enumerations and lengths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from lxml import etree
from zeep import xsd
from zeep.xsd.elements import Any as AnyElement
from zeep.xsd.elements import AnyAttribute, Choice, Element, Group
from zeep.xsd.elements.indicators import OrderIndicator
from zeep.xsd.types import builtins
from zeep.xsd.types.simple import AnySimpleType

XSD = "http://www.w3.org/2001/XMLSchema"


@dataclass(frozen=True, slots=True)
class Facets:
    """What a simple type allows besides its kind."""

    values: frozenset[str] = frozenset()
    max_length: int | None = None


ANYTHING = Facets()


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a text is; ``kind`` is the Python type it stands for."""

    kind: type[Any] = str
    facets: Facets = ANYTHING


TEXT = Leaf()


@dataclass(frozen=True, slots=True)
class Slot:
    """One element, or attribute, where it may stand."""

    name: str
    tag: str
    type: Any
    optional: bool = False
    many: bool = False
    nillable: bool = False
    choice: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """What an element has inside: children and attributes by name, or a text, or both attributes and a text."""

    leaf: Leaf | None = None
    children: Mapping[str, Slot] = field(default_factory=dict)
    attributes: Mapping[str, Slot] = field(default_factory=dict)
    open: bool = False  # the schema allows, or knows, anything

    @property
    def names(self) -> tuple[str, ...]:
        """Name what may be inside, attributes as ``@name``."""
        return (*self.children, *(f"@{name}" for name in self.attributes))


class Shapes:
    """The shapes of types, each worked out once."""

    def __init__(self, facets: Mapping[str, Facets]) -> None:
        self._facets = facets
        self._known: dict[int, tuple[Any, Shape]] = {}

    def of(self, kind: Any) -> Shape:
        """Look into a type."""
        known = self._known.get(id(kind))
        if known is None:
            known = self._known[id(kind)] = (kind, self._look(kind))
        return known[1]

    def _look(self, kind: Any) -> Shape:
        if kind is None:
            return Shape()
        if isinstance(kind, xsd.ComplexType):
            return self._complex(kind)
        if isinstance(kind, AnySimpleType):
            return Shape(self._leaf(kind))
        return Shape(Leaf(), open=True)

    def _complex(self, kind: xsd.ComplexType) -> Shape:
        attributes, wild = dict[str, Slot](), False
        for _, attribute in kind.attributes:
            if isinstance(attribute, AnyAttribute) or attribute.name is None:
                wild = True
                continue
            tag = attribute.qname.text
            if "schemas.xmlsoap.org/soap/encoding/" not in tag:
                attributes[attribute.name] = Slot(attribute.name, tag, attribute.type, not attribute.required)
        inner = kind._element
        if isinstance(inner, Element) and isinstance(inner.type, AnySimpleType):
            return Shape(self._leaf(inner.type), {}, attributes, wild)
        children: dict[str, Slot] = {}
        if kind._array_type is not None:
            return Shape(None, {}, attributes, True)
        wild = _collect(inner, children, False, False, False) or wild
        return Shape(None, children, attributes, wild)

    def _leaf(self, kind: AnySimpleType) -> Leaf:
        facets = self._facets.get(kind.qname.text if kind.qname is not None else "", Facets())
        for known, python in _KINDS:
            if isinstance(kind, known):
                return Leaf(python, facets)
        return Leaf(str, facets)


_KINDS: tuple[tuple[Any, type[Any]], ...] = (
    (builtins.Boolean, bool),
    (builtins.Integer, int),
    ((builtins.Decimal, builtins.Float, builtins.Double), Decimal),
    (builtins.DateTime, datetime),
    (builtins.Date, date),
    (builtins.Base64Binary, bytes),
)


def _collect(part: Any, children: dict[str, Slot], optional: bool, many: bool, choice: bool) -> bool:
    """Gather the elements of sequences, choices and groups in their order; tell whether anything at all may follow."""
    if part is None:
        return False
    if isinstance(part, AnyElement):
        return True
    if isinstance(part, Element):
        assert part.name is not None
        children.setdefault(
            part.name,
            Slot(
                part.name,
                part.qname.text,
                part.type,
                optional or part.is_optional,
                many or part.accepts_multiple,
                part.nillable,
                choice,
            ),
        )
        return False
    if isinstance(part, Group):
        return _collect(part.child, children, optional or part.is_optional, many or part.accepts_multiple, choice)
    if isinstance(part, OrderIndicator):
        optional, many = optional or part.is_optional, many or part.accepts_multiple
        chosen = choice or isinstance(part, Choice)
        # All of them, not as far as the first that is open.
        found = [_collect(one, children, optional or chosen, many, chosen) for one in part]
        return any(found)
    return True


def facets_of(documents: Iterable[bytes]) -> dict[str, Facets]:
    """Read the enumerations and lengths of simple types out of schemas, by the type's name (``{namespace}name``).

    A type without a name goes by that of its element, as zeep has it; where two differ, neither counts.
    """
    found: dict[str, Facets] = {}
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False)
    for text in documents:
        for schema in etree.fromstring(text, parser).iter(f"{{{XSD}}}schema"):
            space = schema.get("targetNamespace")
            for simple in schema.iter(f"{{{XSD}}}simpleType"):
                parent = simple.getparent()
                name = simple.get("name") or (parent.get("name") if parent is not None else None)
                restriction = simple.find(f"{{{XSD}}}restriction")
                if name is None or restriction is None:
                    continue
                key = f"{{{space}}}{name}" if space else name
                facets = _facets(restriction)
                found[key] = facets if found.get(key, facets) == facets else Facets()
    return found


def _facets(restriction: etree._Element) -> Facets:
    values = frozenset(one.get("value", "") for one in restriction.findall(f"{{{XSD}}}enumeration"))
    lengths = [
        one.get("value", "") for name in ("maxLength", "length") for one in restriction.findall(f"{{{XSD}}}{name}")
    ]
    return Facets(values, next((int(text) for text in lengths if text.isdigit()), None))
