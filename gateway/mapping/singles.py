"""Places of singular attributes: one simple value, a complex one in several fields, a constant, a membership."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from backends.contract import Fields, Op, Write
from gateway.mapping.asking import Asking, held, homeless
from gateway.mapping.codecs import Ask
from gateway.mapping.doors import Links
from gateway.mapping.drafts import Draft, invalid
from gateway.mapping.keeping import pair
from gateway.mapping.leaves import Leaf, constant_condition
from gateway.mapping.pushdown import UNKNOWN, Condition, Terms
from gateway.scim.filters import Op as ScimOp
from gateway.scim.paths import AttributePath
from gateway.scim.schema import Attribute, Mutability, Returned

Policy = Literal["keep", "drop", "refuse"]
Read = Callable[[Fields, Links], Any]
"""Reads an attribute out of the native fields; None if it is unassigned."""


@dataclass(frozen=True, slots=True)
class Single:
    """A singular attribute in one field, or in a few that one codec puts together."""

    path: AttributePath
    leaf: Leaf
    policy: Policy

    @property
    def secret(self) -> bool:
        """Whether it is never read: a password, or what is written as a hash."""
        leaf = self.path.leaf
        hidden = leaf.mutability is Mutability.WRITE_ONLY or leaf.returned is Returned.NEVER
        return hidden or self.leaf.chain.one_way

    @property
    def fields(self) -> frozenset[str]:
        """The native fields it is read from."""
        return frozenset() if self.secret else frozenset(self.leaf.names)

    @property
    def keeps(self) -> bool:
        return self.leaf.chain.keep is not None and not self.secret

    def reader(self) -> Read:
        if self.secret:
            return lambda _, __: None
        read = self.leaf.reader()
        return lambda fields, _: read(fields)

    def put(self, draft: Draft, value: Any, _: Any = None) -> None:
        parts = self._parts
        sent = assigned(value)
        fitting = sent
        if parts and isinstance(sent, Mapping):
            fitting = {name: part for name, part in sent.items() if name in parts} or None
            if fitting != sent and self.leaf.chain.keep != "parts":
                left = [f"{self.path.text}.{name}" for name in sent if name not in parts]
                leave(draft, left, self.policy)
        back = self.leaf.put(draft, fitting)
        if self.keeps:
            draft.kept[self.path.text] = None if sent is None or back == sent else pair(sent, back)

    def ask(self, asking: Asking, path: AttributePath, op: ScimOp, value: Any) -> Condition:
        chain = self.leaf.chain
        if self._parts and path.sub is not None:
            if path.sub.name not in self._parts and chain.keep != "parts":
                raise homeless(path)
            found = self._ask_part(asking.terms, path.sub, op, value)
        else:
            found = self.leaf.ask(asking.terms, op, value)
        if chain.keep in (None, "spelling"):
            return found
        term = held(path, op, value) if op is not ScimOp.NE and value is not None else None
        return asking.terms.any([found, asking.kept(None if term is None else [term])]).loose

    def _ask_part(self, terms: Terms, sub: Attribute, op: ScimOp, value: Any) -> Condition:
        if op not in (ScimOp.EQ, ScimOp.CO, ScimOp.SW, ScimOp.EW, ScimOp.PR) or (value is None and op is not ScimOp.PR):
            return UNKNOWN
        ask = Ask(Op(op.value), value, not sub.case_exact and op is not ScimOp.PR)
        return terms.answer(self.leaf.names[0], self.leaf.chain.ask(ask)).loose

    @property
    def _parts(self) -> tuple[str, ...]:
        return self.leaf.chain.steps[0].parts


@dataclass(frozen=True, slots=True)
class Complex:
    """A singular complex attribute whose sub-attributes live in fields of their own.

    `constants` are sub-attributes that always have the same value as long as any other has one.
    """

    path: AttributePath
    leaves: Mapping[str, Leaf]
    constants: Mapping[str, Any]
    policy: Policy

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(name for leaf in self.leaves.values() for name in leaf.names)

    @property
    def keeps(self) -> bool:
        return self.policy == "keep" or any(leaf.chain.keep for leaf in self.leaves.values())

    def reader(self) -> Read:
        parts = tuple((name, leaf.reader()) for name, leaf in self.leaves.items())
        constants = dict(self.constants)

        def read(fields: Fields, _: Links) -> Any:
            found = {name: value for name, part in parts if (value := part(fields)) is not None}
            return {**constants, **found} if found and constants else found or None

        return read

    def put(self, draft: Draft, value: Any, _: Any = None) -> None:
        sent = assigned(value) or {}
        attribute = self.path.attribute
        written = {name: part for name, part in sent.items() if not is_read_only(attribute, name)}
        canonical: dict[str, Any] = {}
        for name, leaf in self.leaves.items():
            back = leaf.put(draft, written.get(name))
            if back is not None:
                canonical[name] = back
        for name, constant in self.constants.items():
            if written.get(name, constant) != constant:
                raise invalid(f"{self.path.text}.{name}", "always has another value in the system behind")
            if canonical:
                canonical[name] = constant
        left = [
            f"{self.path.text}.{name}" for name in written if name not in self.leaves and name not in self.constants
        ]
        leave(draft, left, self.policy)
        if self.keeps:
            kept = written if written and canonical != written else None
            draft.kept[self.path.text] = None if kept is None else pair(kept, canonical or None)

    def ask(self, asking: Asking, path: AttributePath, op: ScimOp, value: Any) -> Condition:
        terms = asking.terms
        if path.sub is None:
            return self._ask_presence(asking, path, op)
        leaf = self.leaves.get(path.sub.name)
        if leaf is not None:
            found = leaf.ask(terms, op, value)
            if leaf.chain.keep in (None, "spelling"):
                return found
        elif path.sub.name in self.constants:
            present = terms.any([leaf.ask(terms, ScimOp.PR, None) for leaf in self.leaves.values()])
            same = constant_condition(path.sub, self.constants[path.sub.name], op, value)
            return terms.all([present, same]) if op is not ScimOp.NE else UNKNOWN
        elif self.policy != "keep":
            raise homeless(path)
        else:
            found = Condition(never=True)
        term = held(path, op, value) if value is not None or op is ScimOp.PR else None
        return terms.any([found, asking.kept(None if term is None else [term])]).loose

    def _ask_presence(self, asking: Asking, path: AttributePath, op: ScimOp) -> Condition:
        if op is not ScimOp.PR:
            present = self._ask_presence(asking, path, ScimOp.PR)
            return asking.terms.negate(present) if op is ScimOp.EQ else present
        terms = [leaf.ask(asking.terms, ScimOp.PR, None) for leaf in self.leaves.values()]
        # Of what the gateway keeps of it nothing can be asked in one go.
        return asking.terms.any(terms) if not self.keeps else UNKNOWN


@dataclass(frozen=True, slots=True)
class Constant:
    """An attribute that always has the same value."""

    path: AttributePath
    value: Any
    fields: frozenset[str] = frozenset()
    keeps: bool = False

    def reader(self) -> Read:
        value = self.value
        return lambda _, __: value

    def put(self, draft: Draft, value: Any, _: Any = None) -> None:
        # Left out of a create it is not contradicted, taken away from a record it is.
        if value != self.value and not (value is None and draft.creating):
            raise invalid(self.path.text, "always has the same value, which the configuration fixes")

    def ask(self, asking: Asking, path: AttributePath, op: ScimOp, value: Any) -> Condition:
        return constant_condition(path.leaf, self.value, op, value)


@dataclass(frozen=True, slots=True)
class Membership:
    """A boolean that is true (or with `positive` False: false) if a special value or row is in a field with several."""

    path: AttributePath
    name: str
    member: Any
    positive: bool
    rows: bool
    write: Write = Write.ALWAYS
    keeps: bool = False
    fields: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", frozenset({self.name}))

    def holds(self, values: Any) -> bool:
        """Tell whether the special value is among native ones."""
        if self.rows:
            wanted = self.member.items()
            return any(all(row.get(name) == value for name, value in wanted) for row in values or ())
        return self.member in (values or ())

    def reader(self) -> Read:
        name, positive = self.name, self.positive
        return lambda fields, _: self.holds(fields[name]) is positive

    def put(self, draft: Draft, value: Any, _: Any = None) -> None:
        if value is None:
            if draft.creating:
                return
            raise invalid(self.path.text, "cannot be removed: the system behind always has a value for it")
        wanted = value is self.positive
        there = draft.current.get(self.name) if draft.current is not None else None
        if not draft.blind and self.holds(there) is wanted:
            return
        if wanted:
            draft.add(self.name, dict(self.member) if self.rows else self.member)
        elif not draft.creating:
            draft.remove(self.name, dict(self.member) if self.rows else self.member)

    def ask(self, asking: Asking, path: AttributePath, op: ScimOp, value: Any) -> Condition:
        terms = asking.terms
        if op is ScimOp.PR or value is None:
            return Condition(never=op is ScimOp.EQ)
        if self.rows:
            inside = terms.inside(self.name)
            columns = [inside.ask(name, Ask(Op.EQ, part)) for name, part in self.member.items()]
            found = inside.row(inside.all(columns))
        else:
            found = terms.ask(self.name, Ask(Op.EQ, self.member))
        there = (value is self.positive) is (op is ScimOp.EQ)
        return found if there else terms.negate(found)


def assigned(value: Any) -> Any:
    """Leave out empty texts: they are no value (S8), and many systems cannot tell them from one."""
    if isinstance(value, Mapping):
        return {name: part for name, part in value.items() if part not in (None, "")} or None
    return None if value == "" else value


def is_read_only(attribute: Attribute | None, name: str) -> bool:
    """Tell whether clients cannot write a sub-attribute."""
    sub = attribute.sub(name) if attribute is not None else None
    return sub is not None and sub.mutability is Mutability.READ_ONLY


def leave(draft: Draft, left: Iterable[str], policy: Policy) -> None:
    """Do with sub-attributes that have no place what the configuration says of all that is unmapped."""
    for path in left:
        match policy:
            case "refuse":
                raise invalid(path, "the system behind has no place for it")
            case "drop":
                draft.drop([path])
