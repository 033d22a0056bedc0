"""From the configuration to places: each attribute's entries become what reads, writes and searches it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from backends.contract import Field, Write
from gateway.mapping.cel import Cel
from gateway.mapping.chains import Chain, Chains
from gateway.mapping.elements import Column, Rows, Slot
from gateway.mapping.entries import Entry, Problems, Where, nearest
from gateway.mapping.expressions import Language, computed
from gateway.mapping.leaves import Leaf, Target
from gateway.mapping.many import Many
from gateway.mapping.references import Linked, LinkedMany, Source
from gateway.mapping.sequences import around_list, common, joined
from gateway.mapping.shapes import VALUE, Shape
from gateway.mapping.singles import Complex, Constant, Membership, Policy, Single
from gateway.mapping.spec import CodecSpec
from gateway.scim.errors import ScimError
from gateway.scim.paths import AttributePath
from gateway.scim.schema import Attribute, Mutability, Type
from gateway.scim.values import check

Place = Single | Complex | Constant | Membership | Linked | LinkedMany | Many
_WRITES = {"always": Write.ALWAYS, "create": Write.CREATE, "never": Write.NEVER}
_ORDER = (Write.NEVER, Write.CREATE, Write.ALWAYS)


class _Wrong(Exception):
    """A problem of one entry, to be noted where it was found."""

    def __init__(self, where: Where, reason: str) -> None:
        super().__init__(reason)
        self.where = where
        self.reason = reason


@dataclass(slots=True)
class Placement:
    """Compiles the attributes of one resource type.

    `fields` are those of the entity, None where the backend cannot tell them (yet). `owned` collects native values a
    codec claims for itself, by field; `slow` the attributes of which a codec blocks. `language` is that of expressions.
    """

    fields: Mapping[str, Field] | None
    chains: Chains
    policy: Policy
    problems: Problems
    owned: dict[str, set[Any]] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)
    language: Language = field(default_factory=Cel)

    def compile(self, groups: Mapping[str, Sequence[Entry]]) -> dict[str, Place]:
        """Make the place of each attribute, by its path text; what is wrong goes to the problems."""
        # Memberships first: what they claim is hidden from the references in the same field.
        ordered = sorted(groups.items(), key=lambda item: not any(_claims(entry) for entry in item[1]))
        places: dict[str, Place] = {}
        for text, entries in ordered:
            try:
                places[text] = self._place(entries[0].path.top, entries)
            except _Wrong as wrong:
                self.problems.add(wrong.where, wrong.reason)
        return places

    def _place(self, top: AttributePath, entries: Sequence[Entry]) -> Place:
        attribute = top.leaf
        for entry in entries:
            if entry.sub is not None and entry.sub.multi_valued:
                raise _Wrong(entry.where, "has several values itself and cannot be mapped alone")
            if entry.spec.reference and (entry.spec.rows or entry.spec.fields or entry.spec.constant is not None):
                raise _Wrong(entry.where, "reference: needs a single `field`")
        references = [entry for entry in entries if entry.spec.reference]
        if references:
            if len(references) < len(entries):
                other = next(entry for entry in entries if not entry.spec.reference)
                raise _Wrong(other.where, f"{top.text} is a reference; nothing else of it has a place of its own")
            return self._reference(top, references)
        if attribute.multi_valued:
            return self._many(top, entries)
        if attribute.is_complex:
            return self._complex(top, entries)
        if len(entries) > 1:
            raise _Wrong(entries[1].where, f"{top.text} has a place already; it can have only one")
        return self._single(top, entries[0])

    def _single(self, top: AttributePath, entry: Entry) -> Place:
        spec = entry.spec
        split = any(step.name == "split" for step in spec.codec)
        if spec.rows is not None or self._is_many(entry) or (_claims(entry) and not split):
            return self._membership(top, entry)
        if spec.constant is not None:
            return Constant(top, self._constant(entry, top.leaf))
        return Single(top, self._leaf(entry, top.leaf), self.policy)

    def _membership(self, top: AttributePath, entry: Entry) -> Membership:
        spec = entry.spec
        name = spec.rows or spec.field or ""
        known = self._field(name, entry.where)
        rows = spec.rows is not None or (known is not None and known.row is not None)
        if known is not None and not (known.many or rows):
            raise _Wrong(entry.where, f"codec: {spec.codec[0].name} is for fields with several values; {name} has one")
        if spec.each:
            raise _Wrong(entry.where, "each: is for multi-valued attributes; say which row by `codec: { contains: … }`")
        if not spec.codec:
            raise _Wrong(entry.where, "a field with several values needs `codec: { contains: … }` or `lacks`")
        chain = self._chain(entry, top.leaf, Field(tuple), spec.codec)
        member = chain.steps[0].member
        if member is None or len(chain.steps) != 1:
            raise _Wrong(entry.where, "a field with several values takes the codec contains or lacks, alone")
        value, positive = member
        if rows is not isinstance(value, Mapping):
            what = "columns with their values" if rows else "a single value"
            raise _Wrong(entry.where, f"codec: {what} must be said")
        if rows and known is not None and known.row is not None:
            for column in value:
                if column not in known.row:
                    raise _Wrong(entry.where, f"codec: there is no column {column!r}{nearest(column, known.row)}")
        if not rows:
            # A column of keys holds texts, whatever YAML made of them.
            value = str(value) if known is None or known.type is str else value
            self.owned.setdefault(name, set()).add(value)
        return Membership(top, name, value, positive, rows, self._write(entry, top, known))

    def _complex(self, top: AttributePath, entries: Sequence[Entry]) -> Place:
        whole = [entry for entry in entries if entry.sub is None]
        if whole:
            if len(entries) > 1:
                raise _Wrong(entries[-1].where, f"{top.text} has a place as a whole already")
            entry = whole[0]
            spec = entry.spec
            if spec.constant is not None or spec.rows is not None or (spec.fields and not spec.computed):
                raise _Wrong(entry.where, "is complex; name the fields of its sub-attributes")
            own = any(step.name in ("split", *self.chains.own) for step in entry.spec.codec)
            if not (own or entry.spec.computed):
                raise _Wrong(entry.where, "is complex; one field for all of it needs `codec: { split: { into: […] } }`")
            leaf = self._leaf(entry, top.leaf)
            return Single(top, leaf, self.policy)
        leaves: dict[str, Leaf] = {}
        constants: dict[str, Any] = {}
        for entry in entries:
            sub = _sub(entry)
            if sub.name in leaves or sub.name in constants:
                raise _Wrong(entry.where, f"{entry.path.text} has a place already; it can have only one")
            if entry.spec.rows is not None or self._is_many(entry):
                raise _Wrong(entry.where, "has one value; the field has several")
            if entry.spec.constant is not None:
                constants[sub.name] = self._constant(entry, sub)
            else:
                leaves[sub.name] = self._leaf(entry, sub)
        if not leaves:
            raise _Wrong(entries[0].where, "constants alone would be a value nobody gave it; map another sub-attribute")
        order = {sub.name: place for place, sub in enumerate(top.leaf.sub_attributes)}
        sorted_leaves = dict(sorted(leaves.items(), key=lambda item: order[item[0]]))
        return Complex(top, sorted_leaves, constants, self.policy)

    def _reference(self, top: AttributePath, entries: Sequence[Entry]) -> Place:
        attribute = top.leaf
        sources: list[Source] = []
        for entry in entries:
            spec = entry.spec
            if entry.sub is not None and entry.sub.name != VALUE:
                raise _Wrong(entry.where, f"a reference is mapped as {top.text}.value")
            if attribute.is_complex and attribute.sub(VALUE) is None:
                raise _Wrong(entry.where, f"{top.text} has no value that could be a reference")
            if spec.codec or spec.keep:
                raise _Wrong(entry.where, "a reference takes no codec and is never kept")
            if entry.fixed:
                raise _Wrong(entry.where, "a reference takes no brackets")
            name = spec.field or ""
            known = self._field(name, entry.where)
            if known is not None and known.row is not None:
                raise _Wrong(entry.where, f"{name} holds rows; a reference needs a field of keys")
            if known is not None and known.many is not attribute.multi_valued:
                ours = "several values" if attribute.multi_valued else "one value"
                theirs = "several" if known.many else "one"
                raise _Wrong(entry.where, f"{top.text} has {ours}, the field {name} has {theirs}")
            target = Target(spec.reference, spec.by, spec.show)
            hidden = frozenset(self.owned.get(name, ()))
            sources.append(Source(name, target, self._write(entry, top, known), hidden))
        if attribute.multi_valued:
            return LinkedMany(top, tuple(sources))
        if len(sources) > 1:
            raise _Wrong(entries[1].where, f"{top.text} has a place already; it can have only one")
        return Linked(top, sources[0].name, sources[0].target, sources[0].write)

    def _many(self, top: AttributePath, entries: Sequence[Entry]) -> Many:
        slots: dict[tuple[tuple[str, Any], ...], list[Entry]] = {}
        others: list[Column | Rows] = []
        for entry in entries:
            spec = entry.spec
            if spec.rows is not None:
                others.append(self._rows(top, entry))
            elif self._is_many(entry) or any(step.name == "split" for step in spec.codec):
                others.append(self._column(top, entry))
            else:
                slots.setdefault(tuple(sorted(entry.fixed.items())), []).append(entry)
        fixed = sorted(slots.items(), key=lambda item: not item[0])
        return Many(top, (*(self._slot(top, dict(key), found) for key, found in fixed), *others), self.policy)

    def _slot(self, top: AttributePath, fixed: Mapping[str, Any], entries: Sequence[Entry]) -> Slot:
        attribute = top.leaf
        leaves: dict[str, Leaf] = {}
        defaults: dict[str, Any] = {}
        for entry in entries:
            sub = self._element_sub(top, entry)
            name = sub.name if attribute.is_complex else VALUE
            if name in leaves or name in defaults or name in fixed:
                raise _Wrong(entry.where, f"{name} has a place here already")
            if entry.spec.constant is not None:
                defaults[name] = self._constant(entry, sub)
            else:
                leaves[name] = self._leaf(entry, sub)
        if not leaves:
            raise _Wrong(entries[0].where, "constants alone would be a value nobody gave it; map another sub-attribute")
        return Slot(Shape(attribute, leaves, fixed, defaults))

    def _column(self, top: AttributePath, entry: Entry) -> Column:
        spec = entry.spec
        name = spec.field or ""
        known = self._field(name, entry.where)
        sub = self._element_sub(top, entry)
        if top.leaf.is_complex and sub.name != VALUE:
            raise _Wrong(entry.where, f"the values of a field are the {VALUE} of its elements")
        if known is not None and known.row is not None:
            raise _Wrong(entry.where, f"{name} holds rows; write `rows: {name}` and `each`")
        before, after = around_list(spec.codec)
        whole: Chain | None = None
        single = replace(known, many=False) if known is not None else None
        if after:
            whole = self._chain(entry, Attribute(top.leaf.name), single, after, listed=True)
            single = Field(str)
        chain = self._chain(entry, sub, single, before)
        leaf = Leaf(entry.path.text, sub, (name,), chain, known)
        writable = self._write(entry, top, known) is not Write.NEVER
        hidden = frozenset(self.owned.get(name, ()))
        return Column(name, Shape(top.leaf, {VALUE: leaf}, entry.fixed), whole, writable, hidden)

    def _rows(self, top: AttributePath, entry: Entry) -> Rows:
        spec, attribute = entry.spec, top.leaf
        name = spec.rows or ""
        known = self._field(name, entry.where)
        if known is not None and known.row is None:
            raise _Wrong(entry.where, f"{name} holds no rows; write `field: {name}`")
        if spec.codec:
            raise _Wrong(entry.where, "codec: belongs to the columns under `each`")
        if not spec.each:
            raise _Wrong(entry.where, "each: is missing; say which column is which sub-attribute")
        columns = known.row if known is not None else None
        leaves: dict[str, Leaf] = {}
        defaults: dict[str, Any] = {}
        for key, part in spec.each.items():
            where = (*entry.where, "each", key)
            sub = attribute.sub(key) if attribute.is_complex else attribute if key == VALUE else None
            if sub is None:
                names = [one.name for one in attribute.sub_attributes] or [VALUE]
                raise _Wrong(where, f"{top.text} has no sub-attribute {key!r}{nearest(key, names)}")
            inner = Entry(where, AttributePath(attribute, sub, top.extension), part)
            label = sub.name if attribute.is_complex else VALUE
            if part.constant is not None:
                defaults[label] = self._constant(inner, sub)
                continue
            if part.field is None or part.reference:
                raise _Wrong(where, "name a column")
            if columns is not None and part.field not in columns:
                raise _Wrong(where, f"{name} has no column {part.field!r}{nearest(part.field, columns)}")
            self._check_told(inner)
            column = columns[part.field] if columns is not None else None
            chain = self._chain(inner, sub, column, part.codec)
            write = self._write(inner, inner.path, column)
            leaves[label] = Leaf(f"{top.text}.{sub.name}", sub, (part.field,), chain, column, write)
        if not leaves:
            raise _Wrong(entry.where, "each: names no column")
        mapped = [leaf.names[0] for leaf in leaves.values()]
        keys = known.row_key if known is not None and known.row_key else tuple(dict.fromkeys(mapped))
        for column_name in keys:
            if column_name not in mapped:
                raise _Wrong(entry.where, f"each: the key column {column_name} of {name} has no sub-attribute")
        writable = self._write(entry, top, known) is not Write.NEVER
        return Rows(name, Shape(attribute, leaves, entry.fixed, defaults), keys, writable)

    def _check_told(self, entry: Entry) -> None:
        """Refuse elements nobody could tell from others."""
        if entry.spec.to_backend is not None and entry.spec.to_scim is None:
            raise _Wrong(entry.where, "to_scim: is missing; an element that is never read is not told from others")

    def _element_sub(self, top: AttributePath, entry: Entry) -> Attribute:
        self._check_told(entry)
        if not top.leaf.is_complex:
            return top.leaf
        if entry.sub is None:
            first = next((sub.name for sub in top.leaf.sub_attributes), VALUE)
            raise _Wrong(
                entry.where, f"is complex; say which sub-attribute the field holds, such as {top.text}.{first}"
            )
        return entry.sub

    def _leaf(self, entry: Entry, attribute: Attribute) -> Leaf:
        spec = entry.spec
        names = (spec.field,) if spec.field is not None else spec.fields
        fields = [self._field(name, entry.where) for name in names]
        if self._is_many(entry):
            raise _Wrong(entry.where, "has one value; the field has several")
        codec = spec.codec
        if len(names) > 1 and spec.computed and codec:
            raise _Wrong(entry.where, "codec: an expression puts several fields together itself")
        if len(names) > 1:
            codec = joined(codec, len(names))
        chain = self._chain(entry, attribute, fields[0] if len(names) == 1 else common(fields), codec)
        if chain.arity != len(names):
            raise _Wrong(entry.where, "codec: several fields for one attribute need the codec join, or an expression")
        write = min((self._write(entry, entry.path, known) for known in fields), key=_ORDER.index)
        return Leaf(entry.text, attribute, tuple(names), chain, fields[0] if len(names) == 1 else None, write)

    def _chain(
        self,
        entry: Entry,
        attribute: Attribute,
        field: Field | None,
        codec: Sequence[CodecSpec],
        *,
        listed: bool = False,
    ) -> Chain:
        """Compile an entry's codecs; `listed`: those behind the one that makes a list, where no expression is."""
        keep = entry.spec.keep
        if keep == "spelling" and attribute.type in (Type.BOOLEAN, Type.COMPLEX):
            raise _Wrong(entry.where, f"keep: there is no spelling of a {attribute.type}")
        spec = entry.spec
        names = (spec.field,) if spec.field is not None else spec.fields
        first = None
        if spec.computed and not listed:
            first = computed(self.language, spec.to_backend, spec.to_scim, names)
        try:
            chain = self.chains.compile(codec, attribute, entry.path.text, field, keep=keep, first=first)
        except ValueError as error:
            raise _Wrong(entry.where, str(error)) from None
        if chain.slow:
            self.slow.add(entry.path.top.text)
        if keep == "parts" and not chain.steps[0].parts:
            raise _Wrong(entry.where, "keep: parts are those of a complex attribute in one field")
        return chain

    def _constant(self, entry: Entry, attribute: Attribute) -> Any:
        try:
            return check(attribute, entry.spec.constant, entry.text)
        except ScimError as error:
            raise _Wrong(entry.where, f"constant: {error.detail}") from None

    def _field(self, name: str, where: Where) -> Field | None:
        if self.fields is None:
            return None
        found = self.fields.get(name)
        if found is None:
            raise _Wrong(where, f"the entity has no field {name!r}{nearest(name, self.fields)}")
        return found

    def _is_many(self, entry: Entry) -> bool:
        """Tell whether the native field has several values: by the backend's word, or the configuration's."""
        name, said = entry.spec.field, entry.spec.many
        names = (name,) if name is not None else entry.spec.fields
        known = [self.fields[one] for one in names if one in self.fields] if self.fields is not None else []
        if not known:
            return bool(said)
        many = any(one.many or one.row is not None for one in known)
        if said is not None and said is not many:
            raise _Wrong(entry.where, f"many: the field {name} has {'several values' if many else 'one value'}")
        return many

    def _write(self, entry: Entry, path: AttributePath, known: Field | None) -> Write:
        declared = [_WRITES[entry.spec.write], known.write if known is not None else Write.ALWAYS]
        if any(one is not None and one.mutability is Mutability.READ_ONLY for one in (path.attribute, path.sub)):
            declared.append(Write.NEVER)
        if entry.spec.computed and entry.spec.to_backend is None:
            declared.append(Write.NEVER)
        return min(declared, key=_ORDER.index)


def _claims(entry: Entry) -> bool:
    return any(step.name in ("contains", "lacks") for step in entry.spec.codec)


def _sub(entry: Entry) -> Attribute:
    if entry.sub is None:
        raise _Wrong(entry.where, "name a sub-attribute")
    return entry.sub
