"""XML as it comes from strangers, read into plain documents for the path language.

An element with children is a mapping by their local names, several of one name are a list; attributes are ``@name``,
the text beside attributes ``#``. An element without children or attributes is its text; an ``xsi:nil`` is None.
"""

from __future__ import annotations

from typing import Any

from lxml import etree

XSI = "http://www.w3.org/2001/XMLSchema-instance"
ENVELOPES = ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")
_HIDDEN = (XSI, *ENVELOPES, "http://schemas.xmlsoap.org/soap/encoding/", "http://www.w3.org/2003/05/soap-encoding")
_NIL = f"{{{XSI}}}nil"
HOPS = 40
REFERRED = 100_000
"""How many references may lead on to others, and how many elements may be read by reference."""


class DocumentError(ValueError):
    """A text that is no XML, or XML that may not be: with a DTD, too deep, or referring in circles."""


def parse(text: bytes, encoding: str | None = None) -> etree._Element:
    """Parse XML from a stranger; raise `DocumentError`.

    No DTD (so no entities), nothing fetched, and libxml2's own limits of depth and length stay on (X2).
    `encoding` is what the transport said, which goes before what the text says (RFC 7303).
    """
    try:
        parser = etree.XMLParser(
            encoding=encoding,
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        root = etree.fromstring(text, parser)
    except (etree.XMLSyntaxError, LookupError, ValueError) as error:
        raise DocumentError("not XML") from error
    info = root.getroottree().docinfo
    if info.doctype or info.internalDTD is not None:
        raise DocumentError("a DTD is not accepted")
    return root


def read(element: etree._Element, depth: int) -> Any:
    """Read an element as a document; raise `DocumentError` for one more than `depth` elements deep (X2), for references
    in circles, or too many of them.

    What SOAP 1.1 encoding says elsewhere (``href="#id"``) is put in its place.
    """
    return _read(element, _Anchors(element), 0, depth)


class _Anchors:
    """The elements that others refer to, looked up once somebody does; counts what is read by reference."""

    def __init__(self, element: etree._Element) -> None:
        self._root = element.getroottree().getroot()
        self._found: dict[str, etree._Element] | None = None
        self.read = 0

    def find(self, reference: str) -> etree._Element | None:
        if self._found is None:
            self._found = {one.get("id", ""): one for one in self._root.iter(etree.Element) if one.get("id")}
        return self._found.get(reference.removeprefix("#"))


def _read(element: etree._Element, anchors: _Anchors, hops: int, depth: int) -> Any:
    if depth < 0:
        raise DocumentError("nested too deep")
    if hops:
        anchors.read += 1
        if hops > HOPS or anchors.read > REFERRED:
            raise DocumentError("references in circles, or too many")
    attributes = element.attrib
    if not attributes and len(element) == 0:
        return element.text or ""
    reference = element.get("href", "")
    if reference.startswith("#") and len(element) == 0 and (there := anchors.find(reference)) is not None:
        return _read(there, anchors, hops + 1, depth)
    if element.get(_NIL, "").strip() in ("true", "1"):
        return None
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        qname = etree.QName(name)
        if qname.namespace not in _HIDDEN:
            found[f"@{qname.localname}"] = value
    several: set[str] = set()
    for child in element:
        name = etree.QName(child).localname
        value = _read(child, anchors, hops, depth - 1)
        if name not in found:
            found[name] = value
        elif name in several:
            found[name].append(value)
        else:
            several.add(name)
            found[name] = [found[name], value]
    if len(element):
        return found
    text = element.text or ""
    if not found:
        return text
    found["#"] = text
    return found


def scalar(value: Any) -> str | None:
    """View what a path found as a text; None where it is empty. Raises `DocumentError` for elements with children."""
    if isinstance(value, dict):
        if "#" not in value:
            raise DocumentError("an element with children where a text is expected")
        value = value["#"]
    if isinstance(value, list):
        raise DocumentError("several values where one is expected")
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
