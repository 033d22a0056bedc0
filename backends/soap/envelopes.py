"""Messages, built element by element as the WSDL has them: every value is a text node or an attribute of its own.

Nothing is ever joined into markup (X1). A value XML cannot carry raises `UnfitError`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from lxml import etree

from backends.kit.settings_errors import SettingsError, unknown
from backends.kit.templates import UNSET, Mark, Text, plain
from backends.soap.documents import XSI
from backends.soap.shapes import Leaf, Shape, Shapes, Slot
from backends.soap.wsdl import Operation

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document can hold, not even escaped (section 2.2)."""
_FORMS: Mapping[type[Any], re.Pattern[str]] = {
    bool: re.compile(r"true|false|0|1"),
    int: re.compile(r"[+-]?[0-9]+"),
    Decimal: re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|-?INF|NaN"),
    date: re.compile(r"-?[0-9]{4,}-[0-9]{2}-[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})?"),
    datetime: re.compile(
        r"-?[0-9]{4,}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?"
    ),
    bytes: re.compile(r"[A-Za-z0-9+/=\s]*"),
}


class UnfitError(ValueError):
    """A value that cannot travel in a message; says why, without the value."""


class Nothing:
    """No value, said on purpose: ``auto`` as the WSDL allows, ``nil``, ``text`` as an empty element."""

    def __init__(self, way: str) -> None:
        self.way = way

    def __str__(self) -> str:
        return ""


AUTO, NIL, EMPTY = Nothing("auto"), Nothing("nil"), Nothing("text")


def fit(text: str) -> str:
    """Check that XML 1.0 can carry a text; raise `UnfitError` (X1)."""
    if _ILLEGAL.search(text):
        raise UnfitError("the value has a character that XML cannot carry")
    return text


def check(text: str, leaf: Leaf) -> str:
    """Check a text against what the schema says of it; raise `UnfitError`."""
    fit(text)
    if isinstance(text, Mark):
        return text
    form = _FORMS.get(leaf.kind)
    if form is not None and not form.fullmatch(text):
        raise UnfitError(f"the value is no {leaf.kind.__name__}")
    if leaf.facets.values and text not in leaf.facets.values:
        raise UnfitError("the value is not among those allowed")
    if leaf.facets.max_length is not None and len(text) > leaf.facets.max_length:
        raise UnfitError("the value is too long")
    return text


class Writer:
    """Builds envelopes for operations."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes

    def envelope(self, operation: Operation, arguments: Any, headers: Mapping[str, Any]) -> etree._Element:
        """Build the envelope of one call from filled arguments and SOAP headers."""
        space = operation.envelope
        envelope = etree.Element(f"{{{space}}}Envelope", nsmap={"soap": space})
        if headers:
            head = etree.SubElement(envelope, f"{{{space}}}Header")
            for tag, value in headers.items():
                if value is not UNSET:
                    self._plain(head, tag, value)
        body = etree.SubElement(envelope, f"{{{space}}}Body")
        if operation.input.tag is not None:
            element = etree.SubElement(body, operation.input.tag)
            self._fill(element, self._shapes.of(operation.input.type), arguments)
        return envelope

    def _fill(self, element: etree._Element, shape: Shape, value: Any) -> None:
        if value is None or value is UNSET or isinstance(value, Nothing):
            value = {}
        if isinstance(value, str) and shape.leaf is None and not value.strip() and not isinstance(value, Mark):
            value = {}  # an element without children, as it was read
        if isinstance(value, dict):
            self._members(element, shape, value)
        elif shape.leaf is not None:
            element.text = fit(plain(value))
        else:
            raise UnfitError("the value is a text where elements are expected")

    def _members(self, element: etree._Element, shape: Shape, members: Mapping[str, Any]) -> None:
        for name, slot in shape.attributes.items():
            value = members.get(f"@{name}", UNSET)
            if value is not UNSET and value is not None and not isinstance(value, Nothing):
                element.set(slot.tag, _leaf_text(value, self._shapes.of(slot.type)))
        if shape.leaf is not None and members.get("#") is not None:
            element.text = _leaf_text(members["#"], shape)
        for name, slot in shape.children.items():
            if name in members:
                several = _elements(members[name])
                if len(several) > 1 and not slot.many:
                    raise UnfitError("several values where one is expected")
                for one in several:
                    self._child(element, slot, one)
            elif not slot.optional and not slot.choice and not slot.many:
                self._required(element, slot)
        if shape.open:
            for name, value in members.items():
                if name not in shape.children and not name.startswith(("@", "#")):
                    for one in _elements(value):
                        self._plain(element, name, one)

    def _child(self, parent: etree._Element, slot: Slot, value: Any) -> None:
        shape = self._shapes.of(slot.type)
        if value is UNSET:
            if not slot.optional and not slot.choice and not slot.many:
                self._required(parent, slot)
            return
        if value is None:
            if not slot.nillable and slot.optional:
                return
            value = AUTO
        if isinstance(value, Nothing):
            self._nothing(parent, slot, shape, value.way)
            return
        self._fill(etree.SubElement(parent, slot.tag), shape, value)

    def _nothing(self, parent: etree._Element, slot: Slot, shape: Shape, way: str) -> None:
        text = shape.leaf is not None and shape.leaf.kind is str
        if way == "auto":
            way = "nil" if slot.nillable else "text" if text else "missing"
        if way != "missing":
            element = etree.SubElement(parent, slot.tag)
            if way == "nil":
                element.set(f"{{{XSI}}}nil", "true")

    def _required(self, parent: etree._Element, slot: Slot) -> None:
        """Put what the WSDL requires and nobody gave: nil or empty, so that the message is one."""
        shape = self._shapes.of(slot.type)
        if slot.nillable or shape.leaf is not None:
            self._nothing(parent, slot, shape, "auto")
        else:
            self._fill(etree.SubElement(parent, slot.tag), shape, {})

    def _plain(self, parent: etree._Element, tag: str, value: Any) -> None:
        """Build what no schema describes: names as they are, children in the namespace of what they are in."""
        element = etree.SubElement(parent, tag)
        space = etree.QName(tag).namespace
        if isinstance(value, dict):
            for name, member in value.items():
                if name.startswith("@"):
                    element.set(name[1:], fit(plain(member)))
                elif name == "#":
                    element.text = fit(plain(member))
                else:
                    inner = name if name.startswith("{") or space is None else f"{{{space}}}{name}"
                    for one in _elements(member):
                        self._plain(element, inner, one)
        elif value is None or value is NIL:
            element.set(f"{{{XSI}}}nil", "true")
        elif not isinstance(value, Nothing):
            element.text = fit(plain(value))


def _elements(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _leaf_text(value: Any, shape: Shape) -> str:
    if isinstance(value, dict | list) or shape.leaf is None:
        raise UnfitError("elements where a text is expected")
    return fit(plain(value))


def settle(template: Any, shape: Shape, shapes: Shapes, path: str) -> Any:
    """Hold a parsed template against the shape it is for; a list becomes the elements in their order.

    Raises `SettingsError` with the nearest right name for an element or attribute that is not there.
    """
    if isinstance(template, list):
        if len(template) > len(shape.children):
            raise SettingsError(path, f"{len(template)} values, where the WSDL has {len(shape.children)} elements")
        template = dict(zip(shape.children, template, strict=False))
    if isinstance(template, dict):
        return {name: _member(name, value, shape, shapes, f"{path}.{name}") for name, value in template.items()}
    if isinstance(template, Text) and template.alone == "@record":
        return template
    if template is not None and shape.leaf is None and not shape.open:
        raise SettingsError(path, f"elements are expected: {', '.join(shape.names) or 'none'}")
    return template


def _member(name: str, template: Any, shape: Shape, shapes: Shapes, path: str) -> Any:
    if name == "#":
        if shape.leaf is None:
            raise SettingsError(path, "there is no text beside the elements")
        return template
    slot = shape.attributes.get(name[1:]) if name.startswith("@") else shape.children.get(name)
    if slot is None:
        if shape.open:
            return template
        raise unknown(path, "element" if not name.startswith("@") else "attribute", name, shape.names)
    inner = shapes.of(slot.type)
    if isinstance(template, list):
        if not slot.many:
            return settle(template, inner, shapes, path)
        return [settle(one, inner, shapes, f"{path}.{place}") for place, one in enumerate(template)]
    if isinstance(template, Text) and template.alone is not None:
        return template
    return settle(template, inner, shapes, path)
