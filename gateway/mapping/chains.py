"""Chains of codecs: what stands under `codec:` of one attribute, compiled into one writer, one reader and one asker."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from backends.contract import Field, Op
from gateway.mapping.codecs import Answer, Ask, Codec, Factory, Refused, Site
from gateway.mapping.codecs.base import NEVER, identity
from gateway.mapping.codecs.plain import plain
from gateway.mapping.spec import CodecSpec
from gateway.scim.folding import fold, instant
from gateway.scim.schema import Attribute, Type

_NATURAL: Mapping[Type, tuple[type, ...]] = {
    Type.BOOLEAN: (bool,),
    Type.INTEGER: (int,),
    Type.DECIMAL: (int, float, Decimal),
    Type.COMPLEX: (dict,),
}


def same(attribute: Attribute, one: Any, other: Any) -> bool:
    """Tell whether two values of an attribute mean the same to a client: instants by time, numbers by amount; no value
    and empty text are one (S8)."""
    if one == other and type(one) is type(other):
        return True
    if one in (None, "") and other in (None, ""):
        return True
    if one is None or other is None:
        return False
    try:
        if attribute.type is Type.DATE_TIME:
            return instant(one) == instant(other)
        if attribute.type in (Type.DECIMAL, Type.INTEGER) and not isinstance(one, bool):
            return Decimal(str(one)) == Decimal(str(other))
    except (ValueError, TypeError, InvalidOperation):
        return False
    if attribute.type is Type.COMPLEX and isinstance(one, Mapping) and isinstance(other, Mapping):
        return {name: part for name, part in one.items() if part != ""} == other
    return False


@dataclass(frozen=True, slots=True)
class Chain:
    """The compiled codecs of one attribute.

    `decode` is None where native values are SCIM values as they are. `steps` run from SCIM to native. `keep` is that of
    the configuration. `limit`: characters the field takes. `one_way`: it is never read; `merges`: it writes only a part
    of the native value; `transparent`: values pass unaltered both ways; `strict`: empty is no value, and the
    reverse; `has_empty`: there is a native value for no value at all.
    """

    attribute: Attribute
    steps: tuple[Codec, ...]
    decode: Callable[[Any], Any] | None
    keep: str | None = None
    limit: int | None = None
    one_way: bool = field(init=False, default=False)
    merges: bool = field(init=False, default=False)
    transparent: bool = field(init=False, default=False)
    strict: bool = field(init=False, default=False)
    has_empty: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "one_way", any(step.one_way for step in self.steps))
        object.__setattr__(self, "merges", any(step.merge is not None for step in self.steps))
        whole = all(step.encode is identity and step.decode is identity for step in self.steps)
        object.__setattr__(self, "transparent", whole and not self.merges and self.keep is None)
        # Nothing is written for no value, and nothing there reads as no value.
        lax = any(step.handles_none for step in self.steps)
        object.__setattr__(self, "strict", not (lax or self.merges or self.one_way))
        object.__setattr__(self, "has_empty", self._has_empty())

    def _has_empty(self) -> bool:
        try:
            self.write(None)
        except Refused:
            return False
        return True

    @property
    def arity(self) -> int:
        return self.steps[-1].arity if self.steps else 1

    @property
    def slow(self) -> bool:
        return any(step.slow for step in self.steps)

    @property
    def ordered(self) -> bool:
        """Whether native order is the order of the values, so that the backend may sort."""
        return all(step.ordered and step.total for step in self.steps)

    @property
    def faithful(self) -> bool:
        """Whether what is read is always what was sent: nothing of it is ever kept beside."""
        return self.keep is None

    @property
    def answers_none(self) -> bool:
        """Whether even an empty field reads as a value."""
        return self.read(None) is not None

    def read(self, native: Any) -> Any:
        """Translate a native value; None is unassigned."""
        return native if self.decode is None else self.decode(native)

    def blind(self, value: Any) -> bool:
        """Tell whether `value` may be written over whatever is there, because nothing there could mean the same or be
        lost."""
        return not self.merges and all(
            not step.many_to_one or (step.sole is not None and step.sole(value)) for step in self.steps
        )

    def write(self, value: Any, current: Any = None) -> tuple[Any, Any]:
        """Translate a value; give the native one and what it reads as.

        `current` is the native value there is, for codecs that write a part of it. Raises `Refused` for what cannot be
        held, and for what would come back as something else unless it is to be kept (D10).
        """
        if value is None and self.strict:
            return None, None
        if self.transparent and value is not None:
            self._measure(value)
            return value, value
        try:
            native = self._encode(value, current)
            self._measure(native)
        except Refused:
            if self.keep != "unknown" or value is None:
                raise
            native = self._encode(None, current)
        if self.one_way:
            return native, None
        back = self.read(native)
        if back == value or same(self.attribute, back, value):
            return native, back
        if value is None:
            raise Refused("cannot be removed: the system behind always has a value for it")
        self._check_kept(value, back, native)
        return native, back

    def listed(self, value: Any) -> tuple[Any, ...]:
        """Name the native values declared to mean `value`, and the one that is written for it."""
        found: tuple[Any, ...] = ()
        if len(self.steps) == 1 and self.steps[0].listed is not None:
            found = self.steps[0].listed(value)
        try:
            return (*found, self.write(value)[0])
        except Refused:
            return found

    def ask(self, ask: Ask) -> Answer | None:
        """Turn a question about the value into questions about the native value; None: the backend cannot be asked."""
        return _through(ask, self.steps, 0)

    def _encode(self, value: Any, current: Any) -> Any:
        steps = self.steps
        if not self.merges:
            for step in steps:
                if value is not None or step.handles_none:
                    value = _encoded(step.encode, value)
            return value
        there = [current]
        for step in reversed(steps[1:]):
            inner = there[0]
            there.insert(0, step.decode(inner) if inner is not None or step.handles_none else None)
        for step, before in zip(steps, there, strict=True):
            if step.merge is not None:
                value = step.merge(value, before)
            elif value is not None or step.handles_none:
                value = _encoded(step.encode, value)
        return value

    def _measure(self, native: Any) -> None:
        if self.limit is not None and isinstance(native, str) and len(native) > self.limit:
            raise Refused(f"is longer than {self.limit} characters")

    def _check_kept(self, value: Any, back: Any, native: Any) -> None:
        reason = "cannot be held by the system behind as it was sent; it would come back as something else"
        match self.keep:
            case "unknown":
                return
            case "parts":
                if back is None:
                    raise Refused(reason)
                return
            case "spelling" if isinstance(back, str):
                # Two names that differ in more than case must not become one, unless the codec says that they may.
                respelled = any(step.respells for step in self.steps)
                if self._encode(back, None) == native if respelled else fold(value) == fold(back):
                    return
        raise Refused(reason)


def _encoded(encode: Callable[[Any], Any], value: Any) -> Any:
    try:
        return encode(value)
    except (OverflowError, UnicodeError):
        raise Refused("lies beyond what the system behind can hold") from None


def _through(ask: Ask, steps: Sequence[Codec], place: int) -> Answer | None:
    if place == len(steps):
        return Answer((ask,))
    if ask.op is Op.IN:
        singles = [_through(replace(ask, op=Op.EQ, value=value), steps, place) for value in ask.value]
        return _combined(Answer(), singles)
    step = steps[place]
    if ask.op is Op.EQ and ask.value is None:
        present = _through(Ask(Op.PR), steps, place)
        return replace(present, negated=not present.negated) if present is not None and present.exact else None
    try:
        first = step.ask(ask)
    except (Refused, OverflowError, UnicodeError):
        # A value the codec does not take is no value of any record.
        return NEVER if ask.op is Op.EQ else None
    if first is None:
        return None
    return _combined(first, [_through(inner, steps, place + 1) for inner in first.asks])


def _combined(outer: Answer, answers: Sequence[Answer | None]) -> Answer | None:
    """Put the answers to the asks of `outer` together as one."""
    asks: list[Ask] = []
    exact = outer.exact
    negated = outer.negated
    for answer in answers:
        if answer is None:
            return None
        if outer.negated and not answer.exact:
            return None
        exact = exact and answer.exact
        if answer.negated:
            if len(answers) > 1:
                return None
            negated = not negated
        asks += answer.asks
    return Answer(_merged(asks), exact, negated)


def _merged(asks: Sequence[Ask]) -> tuple[Ask, ...]:
    """Make one question of several for equal values."""
    equal: dict[tuple[bool, bool], list[Any]] = {}
    others: list[Ask] = []
    for ask in asks:
        if ask.op is Op.EQ and ask.value is not None and not isinstance(ask.value, dict):
            equal.setdefault((ask.folded, ask.normal), []).append(ask.value)
        elif ask.op is Op.IN:
            equal.setdefault((ask.folded, ask.normal), []).extend(ask.value)
        else:
            others.append(ask)
    for (folded, normal), values in equal.items():
        unique = tuple(dict.fromkeys(values))
        if len(unique) == 1:
            others.append(Ask(Op.EQ, unique[0], folded, normal))
        else:
            others.append(Ask(Op.IN, unique, folded, normal))
    return tuple(others)


@dataclass(frozen=True, slots=True)
class Chains:
    """Compiles chains: knows the codecs by name (`own`: those that are not built in) and has the clock."""

    factories: Mapping[str, Factory]
    clock: Callable[[], datetime]
    own: frozenset[str] = frozenset()

    def compile(
        self,
        specs: Sequence[CodecSpec],
        attribute: Attribute,
        path: str,
        field: Field | None,
        *,
        keep: str | None = None,
        first: Callable[[Site], Codec] | None = None,
    ) -> Chain:
        """Compile codecs between an attribute and a field (None if its type is not known).

        `first` makes what stands before them all, an expression. Raises ValueError with the reason.
        """
        steps: list[Codec] = []
        right = field
        for spec in reversed(specs):
            factory = self.factories.get(spec.name)
            if factory is None:
                raise ValueError(f"there is no codec {spec.name!r}{nearest(spec.name, self.factories)}")
            try:
                step = factory(spec.arguments, Site(path, attribute, right, self.clock))
            except ValueError as error:
                raise ValueError(f"codec {spec.name}: {error}") from None
            kind = right.type if right is not None and not (right.many or right.row) else None
            if kind is not None and step.gives and not any(issubclass(given, kind) for given in step.gives):
                given = " or ".join(given.__name__ for given in step.gives)
                raise ValueError(f"codec {spec.name}: writes {given}, where {kind.__name__} is expected")
            steps.insert(0, step)
            if step.container:
                right = Field(tuple)
            elif step.takes:
                right = Field(step.takes[0]) if len(step.takes) == 1 else None
        if first is not None:
            steps.insert(0, first(Site(path, attribute, right, self.clock)))
        self._complete(steps, attribute, path, right)
        decode = None if all(step.decode is identity for step in steps) else _decoder(steps)
        limit = field.max_length if field is not None and field.type is str else None
        return Chain(attribute, tuple(steps), decode, keep, limit)

    def _complete(self, steps: list[Codec], attribute: Attribute, path: str, right: Field | None) -> None:
        """Put the plain codec in front where the named ones leave the SCIM type open, and check the types."""
        first = next((step for step in steps if step.takes or step.container), None)
        if first is not None and first.container:
            return
        if first is None:
            steps.insert(0, plain(Site(path, attribute, right, self.clock)))
            return
        natural = _NATURAL.get(attribute.type, (str,))
        if not set(natural) & set(first.takes):
            taken = " or ".join(kind.__name__ for kind in first.takes)
            raise ValueError(f"codec: takes {taken}, the attribute is of type {attribute.type}")


def _decoder(steps: Sequence[Codec]) -> Callable[[Any], Any]:
    """Compile the reader; a single codec is called without a loop around it."""
    if len(steps) == 1:
        decode = steps[0].decode
        if steps[0].handles_none:
            return decode
        return lambda native: None if native is None else decode(native)
    backwards = tuple((step.decode, step.handles_none) for step in reversed(steps))

    def run(native: Any) -> Any:
        for decode, handles_none in backwards:
            if native is not None or handles_none:
                native = decode(native)
        return native

    return run


def nearest(name: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    """Suggest the known name that looks most like a wrong one."""
    near = difflib.get_close_matches(name, list(known), 1, 0.6)
    return f"; did you mean {near[0]}?" if near else ""
