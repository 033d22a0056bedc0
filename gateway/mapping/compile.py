"""`compile_mapping`: a configuration held against the schema, the backend and itself; all problems told at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Literal

from backends.contract import KEY, Capabilities, Field, Op, Write
from gateway.mapping.chains import Chains
from gateway.mapping.codecs import BUILT_IN, Ask, Factory
from gateway.mapping.doors import MappingError
from gateway.mapping.entries import Entry, Problems, nearest, read_entries
from gateway.mapping.filters import Searcher
from gateway.mapping.layout import Layout
from gateway.mapping.mapper import ResourceMapping
from gateway.mapping.narrowing import attributes_of, homes, many_valued, narrowed
from gateway.mapping.placement import Place, Placement
from gateway.mapping.pushdown import ALWAYS, Condition, Terms
from gateway.mapping.singles import Constant, Single
from gateway.mapping.spec import DeadMark, ResourceSpec
from gateway.scim.discovery import Override
from gateway.scim.names import lookup, names
from gateway.scim.paths import AttributePath
from gateway.scim.schema import COMMON, Mutability, ResourceType, Type

_NEVER_KEPT = ("active", "password")
"""What has to have a place of its own: whether an account is active, and its password (DESIGN §6)."""


def utc_now() -> datetime:
    """Tell the time; the clock of codecs where no other is given."""
    return datetime.now(UTC)


def compile_mapping(
    resource_type: ResourceType,
    spec: ResourceSpec,
    capabilities: Capabilities,
    fields: Mapping[str, Field] | None = None,
    codecs: Mapping[str, Factory] | None = None,
    *,
    clock: Callable[[], datetime] = utc_now,
    hidden: Collection[str] = (),
) -> ResourceMapping:
    """Compile the mapping of one resource type.

    `fields` is what the backend tells of its entity, None where it cannot (yet). `codecs` are those of one's own, by
    name. `clock` gives aware datetimes. `hidden`: keys of records that are no resources, such as a group another
    mapping owns (`ResourceMapping.owned`). Raises `MappingError` with every problem found.
    """
    return _Compilation(resource_type, spec, capabilities, fields).run(codecs or {}, clock, frozenset(hidden))


class _Compilation:
    """One compilation: what goes in, and the problems found."""

    def __init__(
        self,
        resource_type: ResourceType,
        spec: ResourceSpec,
        capabilities: Capabilities,
        fields: Mapping[str, Field] | None,
    ) -> None:
        self.resource_type = resource_type
        self.spec = spec
        self.capabilities = capabilities
        self.fields = fields
        self.problems = Problems()
        self.paths = dict(_tops(resource_type))

    def run(
        self, codecs: Mapping[str, Factory], clock: Callable[[], datetime], hidden: frozenset[str]
    ) -> ResourceMapping:
        """Do it."""
        for name in sorted(codecs.keys() & BUILT_IN.keys()):
            self.problems.add(("attributes",), f"the codec {name} is built in and cannot be replaced")
        groups = read_entries(self.resource_type, self.spec.attributes, self.problems)
        placement = Placement(
            self.fields, Chains({**codecs, **BUILT_IN}, clock, frozenset(codecs)), self.spec.unmapped, self.problems
        )
        places = placement.compile(groups)
        self._check_active(groups, places)
        self._check_required(groups)
        self._check_native(places)
        mark = self._mark()
        self._check_mark(places, mark)
        kept = self._kept(groups)
        layout = Layout(
            resource_type=self.resource_type,
            capabilities=self.capabilities,
            policy=self.spec.unmapped,
            places=places,
            kept=kept,
            paths=self.paths,
            mark=mark,
            hidden=hidden,
            slow=frozenset(placement.slow),
        )
        terms = Terms.of(self.capabilities, frozenset(many_valued(places.values())))
        dead = self._dead(terms, mark, hidden)
        overrides = self._overrides(places)
        if self.problems.found:
            raise MappingError(*self.problems.found[0], *self.problems.found[1:])
        return ResourceMapping(
            layout,
            Searcher(layout, terms, dead),
            entity=self.spec.entity,
            on_delete=_on_delete(self.spec),
            on_deactivate=self.spec.on_deactivate,
            on_conflict=self.spec.on_conflict,
            supported=self._supported(places, kept),
            overrides=overrides,
            attributes=attributes_of(places.values()),
            owned={name: frozenset(values) for name, values in placement.owned.items()},
        )

    def _check_active(self, groups: Mapping[str, Iterable[Entry]], places: dict[str, Place]) -> None:
        """`active` is never kept or dropped: it has a place, or `on_deactivate` says what becomes of a leaver."""
        attribute = self.resource_type.schema.attribute("active")
        has_active = attribute is not None and attribute.type is Type.BOOLEAN
        policy = self.spec.on_deactivate
        if not has_active:
            if policy is not None:
                self.problems.add(("on_deactivate",), f"{self.resource_type.name} has no attribute active")
            return
        if "active" in groups:
            if policy is not None:
                self.problems.add(("on_deactivate",), "is for systems where active has no place; here it has one")
        elif policy is None:
            reason = "active has no place: map it, or say on_deactivate: delete or refuse"
            self.problems.add(("attributes",), reason)
        else:
            places["active"] = Constant(self.paths["active"], True)

    def _check_required(self, groups: Mapping[str, Iterable[Entry]]) -> None:
        if self.spec.is_resident:
            return  # nobody but the gateway makes such records, and what has no field of its own is kept
        for attribute in self.resource_type.schema.attributes:
            override = self.spec.overrides.get(attribute.name)
            required = attribute.required if override is None or override.required is None else override.required
            if required and attribute.mutability is not Mutability.READ_ONLY and attribute.name not in groups:
                self.problems.add(("attributes",), f"{attribute.name} is required and has no place")

    def _check_native(self, places: Mapping[str, Place]) -> None:
        """Find fields a new record must have and nothing would give it."""
        if self.fields is None or "create" not in self.capabilities.writes:
            return
        written = {name for place in places.values() for name in place.fields}
        written |= {name for place in places.values() if isinstance(place, Single) for name in place.leaf.names}
        for name, field in self.fields.items():
            if field.required and field.write is not Write.NEVER and name not in written:
                reason = f"the entity requires the field {name}, and no attribute fills it; give it a default"
                self.problems.add(("entity",), reason)

    def _mark(self) -> dict[str, Any]:
        if not isinstance(self.spec.on_delete, DeadMark):
            return {}
        mark: dict[str, Any] = {}
        for name, value in self.spec.on_delete.set.items():
            where = ("on_delete", "set", name)
            field = self.fields.get(name) if self.fields is not None else None
            if self.fields is not None and field is None:
                self.problems.add(where, f"the entity has no field {name!r}{nearest(name, self.fields)}")
                continue
            if field is not None and (field.many or field.row is not None or field.write is not Write.ALWAYS):
                self.problems.add(where, "must be a field with one value that can be changed")
                continue
            mark[name] = _converted(value, field)
            if field is not None and not isinstance(mark[name], field.type):
                self.problems.add(where, f"{value!r} is not of the field's type {field.type.__name__}")
        return mark

    def _check_mark(self, places: Mapping[str, Place], mark: Mapping[str, Any]) -> None:
        """The mark of the dead must not be what the merely inactive have: they would vanish (DESIGN §6)."""
        place = places.get("active")
        if isinstance(place, Single) and len(mark) == 1:
            ((name, value),) = mark.items()
            if place.leaf.names == (name,) and value in place.leaf.chain.listed(False):
                reason = f"{value!r} is also what inactive accounts have; deleted ones need a value of their own"
                self.problems.add(("on_delete", "set", name), reason)
        if isinstance(place, Single) and len(mark) == 1 and place.leaf.names == tuple(mark):
            ((name, value),) = mark.items()
            if place.leaf.chain.read(value) is True:
                self.problems.add(("on_delete", "set", name), f"{value!r} means active")

    def _dead(self, terms: Terms, mark: Mapping[str, Any], hidden: frozenset[str]) -> Condition:
        """Make the condition every search carries: not dead, and not hidden."""
        conditions: list[tuple[tuple[str, ...], Condition]] = []
        if mark:
            same = terms.all([terms.ask(name, Ask(Op.EQ, value)) for name, value in mark.items()])
            alive = terms.any([terms.negate(terms.ask(name, Ask(Op.EQ, value))) for name, value in mark.items()])
            found = alive if alive.where is not None and alive.exact else terms.negate(same)
            conditions.append((("on_delete", "set"), found))
        if hidden:
            found = terms.negate(terms.ask(KEY, Ask(Op.IN, tuple(sorted(hidden)))))
            conditions.append((("entity",), found))
        for where, condition in conditions:
            if condition.where is None or not condition.exact:
                reason = "the backend cannot leave out such records in a search; delete them, or mark another field"
                self.problems.add(where, reason)
        return terms.all([condition for _, condition in conditions]) if conditions else ALWAYS

    def _kept(self, groups: Mapping[str, Iterable[Entry]]) -> frozenset[str]:
        """Name what the gateway keeps whole."""
        if self.spec.unmapped != "keep":
            return frozenset()
        common = {attribute.name for attribute in COMMON}
        return frozenset(
            text
            for text, path in self.paths.items()
            if text not in groups
            and not (path.extension is None and (text in common or text in _NEVER_KEPT))
            and path.leaf.mutability is not Mutability.READ_ONLY
        )

    def _supported(self, places: Mapping[str, Place], kept: frozenset[str]) -> frozenset[str]:
        """Name what of the schema is true of this tenant: what has a place, and what is kept."""
        found: set[str] = set(kept)
        for text, place in places.items():
            if not self._is_common(text):
                found.update([text] if place.keeps and self.spec.unmapped == "keep" else homes(place))
        return frozenset(found)

    def _overrides(self, places: Mapping[str, Place]) -> dict[str, Override]:
        """Say what differs from the schema: what the backend narrows, and what the configuration says."""
        found = dict(narrowed(place for text, place in places.items() if not self._is_common(text)))
        for text, given in self.spec.overrides.items():
            known = lookup(self.resource_type, text)
            if known is None or known.attribute is None:
                hint = nearest(text, names(self.resource_type))
                self.problems.add(("overrides", text), f"{self.resource_type.name} has no attribute {text!r}{hint}")
                continue
            before = found.get(known.text, Override())
            found[known.text] = Override(
                mutability=given.mutability or before.mutability,
                required=before.required if given.required is None else given.required,
                returned=given.returned or before.returned,
                uniqueness=given.uniqueness,
                case_exact=given.case_exact,
            )
        return found

    def _is_common(self, text: str) -> bool:
        return self.paths[text].extension is None and text in ("externalId", "meta")


def _tops(resource_type: ResourceType) -> Iterable[tuple[str, AttributePath]]:
    for attribute in (*COMMON, *resource_type.schema.attributes):
        path = AttributePath(attribute)
        yield path.text, path
    for urn, schema in resource_type.extensions.items():
        for attribute in schema.attributes:
            path = AttributePath(attribute, None, urn)
            yield path.text, path


def _on_delete(spec: ResourceSpec) -> Literal["delete", "mark", "refuse"]:
    return "mark" if isinstance(spec.on_delete, DeadMark) else spec.on_delete


def _converted(value: Any, field: Field | None) -> Any:
    """Read a value of the configuration as one of the field: YAML does not know decimals, and 1 may be text."""
    if field is None or isinstance(value, field.type):
        return value
    try:
        if field.type is date and isinstance(value, str):
            return date.fromisoformat(value)
        if field.type is datetime:
            moment = datetime.fromisoformat(value.isoformat() if isinstance(value, date) else str(value))
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, int) and not isinstance(value, bool) and field.type is not bool:
            return field.type(value)
    except (TypeError, ValueError):
        return value
    return value
