"""What the backend makes of the schema: which attributes can be written when, and which native field is whose."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from backends.contract import Write
from gateway.mapping.elements import Column, Rows, Slot
from gateway.mapping.leaves import Leaf
from gateway.mapping.many import Many
from gateway.mapping.placement import Place
from gateway.mapping.references import Linked, LinkedMany
from gateway.mapping.singles import Complex, Membership, Single
from gateway.scim.discovery import Override
from gateway.scim.paths import AttributePath
from gateway.scim.schema import Mutability, Returned, Type


def many_valued(places: Iterable[Place]) -> Iterator[str]:
    """Name the native fields with several values."""
    for place in places:
        match place:
            case LinkedMany() | Membership():
                yield from place.fields
            case Many(places=inner):
                for one in inner:
                    if isinstance(one, Rows) or (isinstance(one, Column) and one.whole is None):
                        yield one.name


def _leaves(place: Place) -> Iterable[tuple[AttributePath, Leaf, str]]:
    """Give the leaves of a place with their paths, and the field of rows they are in."""
    top = place.path
    match place:
        case Single(leaf=leaf):
            yield top, leaf, ""
        case Complex(leaves=leaves):
            for name, leaf in leaves.items():
                yield AttributePath(top.attribute, top.leaf.sub(name), top.extension), leaf, ""
        case Many(places=inner):
            for one in inner:
                rows = f"{one.name}." if isinstance(one, Rows) else ""
                for name, leaf in one.shape.leaves.items():
                    yield AttributePath(top.attribute, top.leaf.sub(name), top.extension), leaf, rows


def attributes_of(places: Iterable[Place]) -> dict[str, str]:
    """Name the attribute of each native field, and of each column of rows (``rows.column``)."""
    found: dict[str, str] = {}
    for place in places:
        for path, leaf, rows in _leaves(place):
            for name in leaf.names:
                found.setdefault(f"{rows}{name}", path.text)
        for name in place.fields:
            found.setdefault(name, place.path.text)
    return found


def narrowed(places: Iterable[Place]) -> Iterator[tuple[str, Override]]:
    """Say what the backend narrows of the schema, by path text."""
    for place in places:
        for path, write, required in _narrowed(place):
            attribute = path.leaf
            mutability = _MUTABILITY.get(write)
            if attribute.mutability is not Mutability.READ_WRITE and (
                attribute.mutability is not Mutability.IMMUTABLE or write is not Write.NEVER
            ):
                mutability = None
            needed = required and not attribute.required
            if mutability is not None or needed:
                yield path.text, Override(mutability=mutability, required=needed or None)
        if isinstance(place, Single | Complex):
            for path, leaf, _ in _leaves(place):
                if leaf.chain.one_way and path.leaf.mutability is Mutability.READ_WRITE:
                    yield path.text, Override(mutability=Mutability.WRITE_ONLY, returned=Returned.NEVER)


_MUTABILITY = {Write.NEVER: Mutability.READ_ONLY, Write.CREATE: Mutability.IMMUTABLE}


def _narrowed(place: Place) -> Iterator[tuple[AttributePath, Write, bool]]:
    """Say of each attribute when it may be written, and whether it must be."""
    top = place.path
    match place:
        case Single(leaf=leaf):
            required = leaf.field is not None and leaf.field.required and leaf.write is not Write.NEVER
            yield top, leaf.write, required and _needs_value(leaf)
        case Complex(leaves=leaves):
            writes = {leaf.write for leaf in leaves.values()}
            if len(writes) == 1 and place.policy != "keep":
                yield top, writes.pop(), False
            for path, leaf, _ in _leaves(place):
                yield path, leaf.write, False
        case Linked(write=write) | Membership(write=write):
            yield top, write, False
        case LinkedMany(sources=sources):
            if len(writes := {source.write for source in sources}) == 1:
                yield top, writes.pop(), False
            if (display := top.leaf.sub("display")) is not None:
                # What a member is called is read from the member; what a client sends there is no business of its own.
                yield AttributePath(top.attribute, display, top.extension), Write.NEVER, False
        case Many(places=inner):
            if place.policy != "keep" and _read_only(inner):
                yield top, Write.NEVER, False
            elif len(inner) == 1 and isinstance(inner[0], Slot) and top.is_complex:
                for path, leaf, _ in _leaves(place):
                    yield path, leaf.write, False


def _needs_value(leaf: Leaf) -> bool:
    """Tell whether no value cannot be written: a codec may have a native form for it."""
    return leaf.attribute.type is not Type.BOOLEAN and not any(step.handles_none for step in leaf.chain.steps)


def _read_only(places: Iterable[Slot | Column | Rows]) -> bool:
    """Tell whether nothing of a multi-valued attribute can be written."""
    for place in places:
        leaves = place.shape.leaves.values()
        if place.writable and not all(leaf.write is Write.NEVER for leaf in leaves):
            return False
    return True


def homes(place: Place) -> Collection[str]:
    """Name the path texts that have a place: the attribute, or those of its sub-attributes that have one."""
    text = place.path.text
    match place:
        case Single(leaf=leaf) if leaf.chain.steps and leaf.chain.steps[0].parts:
            return [f"{text}.{name}" for name in leaf.chain.steps[0].parts]
        case Complex(leaves=leaves, constants=constants):
            return [f"{text}.{name}" for name in (*leaves, *constants)]
        case Many(homes=found) if place.path.is_complex:
            return [f"{text}.{name}" for name in found]
    return [text]
