"""Names of attributes: text in any case -> the attribute it names; what a wrong name means others say (S2, F10)."""

from __future__ import annotations

from gateway.scim.paths import AttributePath
from gateway.scim.schema import ResourceType


def lookup(resource_type: ResourceType, text: str) -> AttributePath | None:
    """Find what ``attr``, ``attr.sub``, ``urn:attr``, ``urn:attr.sub`` or the URN of an extension names.

    URNs hold dots and colons themselves, so the longest URN the type has is taken first. None for everything else.
    """
    if not text.isascii():
        return None
    urn, rest = _split(resource_type, text)
    if urn is not None and not rest:
        return AttributePath(None, None, urn) if urn in resource_type.extensions else None
    name, dot, inner = rest.partition(".")
    extension = resource_type.extensions.get(urn) if urn is not None else None
    attribute = resource_type.attribute(name) if extension is None else extension.attribute(name)
    if attribute is None:
        return None
    sub = attribute.sub(inner) if dot else None
    if dot and sub is None:
        return None
    return AttributePath(attribute, sub, urn if extension is not None else None)


def _split(resource_type: ResourceType, text: str) -> tuple[str | None, str]:
    lowered = text.lower()
    best: str | None = None
    for folded, urn in resource_type.urns.items():
        if (lowered == folded or lowered.startswith(f"{folded}:")) and (best is None or len(urn) > len(best)):
            best = urn
    return (best, text[len(best) + 1 :]) if best is not None else (None, text)
