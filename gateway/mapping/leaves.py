"""Leaves of a mapping: one simple value in one native field (or a few), and one reference to another resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from backends.contract import Field, Op, Scalar, Write
from gateway.mapping.chains import Chain, same
from gateway.mapping.codecs import Ask, Refused
from gateway.mapping.doors import Link, Links, Native, Reference, Wanted
from gateway.mapping.drafts import Draft, invalid
from gateway.mapping.pushdown import ALWAYS, NEVER, UNKNOWN, Condition, Terms
from gateway.scim.errors import ScimType, refuse
from gateway.scim.evaluate import compile_element
from gateway.scim.filters import Comparison
from gateway.scim.filters import Op as ScimOp
from gateway.scim.paths import AttributePath
from gateway.scim.schema import Attribute, Type

_OPS: Mapping[ScimOp, Op] = {op: Op(op.value) for op in ScimOp}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A simple value and where it is held.

    `where` is its path for messages. `names` are the native fields, or columns of a row; `field` is what the backend
    tells of the one there is. `write` is when it may change.
    """

    where: str
    attribute: Attribute
    names: tuple[str, ...]
    chain: Chain
    field: Field | None = None
    write: Write = Write.ALWAYS

    def reader(self) -> Callable[[Mapping[str, Any]], Any]:
        """Compile what reads the value out of a record or a row."""
        decode = self.chain.decode
        if len(self.names) > 1:
            read, names = self.chain.read, self.names
            return lambda fields: read(tuple(fields.get(name) for name in names))
        (name,) = self.names
        return itemgetter(name) if decode is None else lambda fields: decode(fields[name])

    def put(self, draft: Draft, value: Any) -> Any:
        """Write a value into the record's fields; give what it will read as. Raises `ScimError`."""
        there = self._there(draft)
        if self.write is not Write.ALWAYS and not self._may_write(draft, value, there):
            return None if draft.creating else self.chain.read(there)
        if not draft.creating and not draft.blind:
            known = self.chain.read(there)
            if not self.chain.one_way and (known == value or same(self.attribute, known, value)):
                # A native value that already means the same is left alone.
                return known
        if draft.creating and value is None and not self.chain.has_empty:
            # A new record that is given nothing has what the system gives it: a column's default.
            return None
        native, back = self._native(value, there)
        if len(self.names) > 1:
            for name, part in zip(self.names, native if native is not None else (None,) * len(self.names), strict=True):
                self._set(draft, name, part)
        else:
            self._set(draft, self.names[0], native)
        return back

    def check(self, draft: Draft, value: Any) -> None:
        """Raise what `put` would raise, and write nothing."""
        self._native(value, self._there(draft))

    def column(self, value: Any, there: Any = None) -> tuple[Any, Any]:
        """Translate a value for a column of a row, where `there` is what the column holds; give it and its reading."""
        return self._native(value, there)

    def _there(self, draft: Draft) -> Any:
        if len(self.names) > 1:
            found = tuple(draft.native(name) for name in self.names)
            return None if all(part is None for part in found) else found
        return draft.native(self.names[0])

    def _native(self, value: Any, there: Any) -> tuple[Any, Any]:
        required = self.field is not None and self.field.required
        try:
            if value is None and self._is_flag and (known := self.chain.read(there)) is not None:
                # Unassigned is as good as false; a column that must hold something can only say the latter.
                return self.chain.write(False, there) if known else (there, known)
            native, back = self.chain.write(value, there)
        except Refused as error:
            raise invalid(self.where, error.reason) from None
        if native is None and required and there is not None:
            raise invalid(self.where, "a value is required by the system behind")
        return native, back

    @property
    def _is_flag(self) -> bool:
        return self.attribute.type is Type.BOOLEAN and not self.chain.answers_none

    def _may_write(self, draft: Draft, value: Any, there: Any) -> bool:
        if draft.creating:
            return self.write is Write.CREATE
        known = self.chain.read(there)
        if known == value or same(self.attribute, known, value):
            return False
        reason = "cannot be changed" if self.write is Write.CREATE else "is read-only"
        raise refuse(ScimType.MUTABILITY, f"{self.where}: {reason}")

    def _set(self, draft: Draft, name: str, native: Any) -> None:
        if draft.creating and native is None:
            return  # what is not named gets the system's own default
        if self.chain.merges:
            draft.merge(name, native)
        elif draft.blind or draft.creating or draft.native(name) != native:
            draft.put(name, native, self.where)

    def ask(self, terms: Terms, op: ScimOp, value: Any) -> Condition:
        """Compare the value; what is unassigned is not equal to anything (F5)."""
        if op is ScimOp.NE:
            return terms.negate(self.ask(terms, ScimOp.EQ, value))
        if value is None and op is not ScimOp.PR:
            return terms.negate(self.ask(terms, ScimOp.PR, None)) if op is ScimOp.EQ else NEVER
        if len(self.names) > 1:
            return UNKNOWN
        ask = question(self.attribute, op, value)
        if ask is None:
            return UNKNOWN
        if self.chain.keep == "spelling" and isinstance(value, str) and not ask.folded:
            # What is shown may be spelled otherwise than what is there.
            return terms.answer(self.names[0], self.chain.ask(Ask(ask.op, ask.value, folded=True))).loose
        return terms.answer(self.names[0], self.chain.ask(ask))


def question(attribute: Attribute, op: ScimOp, value: Any) -> Ask | None:
    """Put a comparison of an attribute as a question to a codec; None if only the gateway can answer it."""
    text = attribute.type in (Type.STRING, Type.REFERENCE)
    if op is ScimOp.NE or (text and op in (ScimOp.GT, ScimOp.GE, ScimOp.LT, ScimOp.LE)):
        return None  # the order of letters is a collation's, not ours
    if op is ScimOp.PR:
        return Ask(Op.PR)
    return Ask(_OPS[op], value, text and not attribute.case_exact)


def constant_condition(attribute: Attribute, constant: Any, op: ScimOp, value: Any) -> Condition:
    """Compare a value that is always the same."""
    test = compile_element(Comparison(AttributePath(attribute), op, value))
    return ALWAYS if test(constant) else NEVER


@dataclass(frozen=True, slots=True)
class Target:
    """What the values of a field refer to: resources of one of `resource_types`, by key or by their native field `by`.

    `show` is their native field that is shown as a name.
    """

    resource_types: tuple[str, ...]
    by: str | None = None
    show: str | None = None

    def references(self, value: Scalar) -> Iterator[Reference]:
        """Name what a native value may stand for."""
        for name in self.resource_types:
            yield Reference(name, self.by, value, self.show)

    def link(self, value: Any, links: Links) -> Link | None:
        """Find what a native value stands for."""
        incoming = links.incoming
        for name in self.resource_types:
            found = incoming.get(Reference(name, self.by, value, self.show))
            if found is not None:
                return found
        return None

    def wanted(self, id: str) -> Wanted:
        """Name the native value an id stands for."""
        return Wanted(id, self.by, self.resource_types)

    def native(self, id: str, links: Links) -> Native | None:
        """Find the native value of an id."""
        return links.outgoing.get(self.wanted(id))


def linked(attribute: Attribute) -> Callable[[Link], dict[str, Any]]:
    """Compile what makes the value of a reference attribute out of a link: value, $ref, type and a name to show."""
    ref = "$ref" if attribute.sub("$ref") else None
    kind = attribute.sub("type")
    typed = kind is not None and (not kind.canonical_values or "direct" not in kind.canonical_values)
    direct = kind is not None and not typed
    named = next((sub.name for name in ("display", "displayName") if (sub := attribute.sub(name))), None)

    def run(link: Link) -> dict[str, Any]:
        value = {"value": link.id}
        if ref is not None:
            value[ref] = link.location
        if named is not None and link.shown is not None:
            value[named] = link.shown
        if typed:
            value["type"] = link.resource_type
        elif direct:
            value["type"] = "direct"
        return value

    return run


def linked_id(value: Any) -> str | None:
    """Read the id out of the value of a reference attribute: its `value`, or the end of its `$ref`."""
    if isinstance(value, str):
        return value
    found = value.get("value")
    if found is None and isinstance(ref := value.get("$ref"), str):
        found = ref.rstrip("/").rpartition("/")[2]
    return found or None
