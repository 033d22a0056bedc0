"""From settings to entities: every path and template parsed once, every field given to the call that carries it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from backends.contract import KEY, Write
from backends.kit import templates
from backends.kit.paths import Path
from backends.kit.settings_errors import SettingsError
from backends.kit.wire import Wire
from backends.rest.answers import Meanings
from backends.rest.call_settings import CallSettings, FilterSettings, ListSettings, WriteSettings
from backends.rest.calls import Call
from backends.rest.checks import check
from backends.rest.model import Column, Entity, FilterCall, LinkCalls, NativeField, WriteCall, describe
from backends.rest.paging import Listing
from backends.rest.settings import EntitySettings, FieldSettings, RestSettings


class Compilation:
    """Compiles the entities of a system."""

    def __init__(self, settings: RestSettings) -> None:
        self._settings = settings
        self._envelope = templates.shape(settings.envelope)
        self._meanings = Meanings().before(settings.errors)

    def entities(self) -> dict[str, Entity]:
        """Compile all entities; raise `SettingsError` for a setting that does not fit the others."""
        entities = {name: self._entity(name, settings) for name, settings in self._settings.entities.items()}
        check(entities)
        return entities

    def ping(self) -> Call:
        """Compile the call that proves the system works."""
        settings = self._settings.ping
        envelope = None if settings is None else self._envelope
        return Call.of(settings or CallSettings(), self._meanings, envelope, write=False)

    def _entity(self, name: str, settings: EntitySettings) -> Entity:
        meanings = self._meanings.before(settings.errors).about(settings.fields)
        key = Path.parse(settings.key)
        create = _write_calls(settings, settings.create, self._calls(settings.create, meanings), f"{name}.create")
        update = _write_calls(settings, settings.update, self._calls(settings.update, meanings), f"{name}.update")
        delete = _write_calls(settings, settings.delete, self._calls(settings.delete, meanings), f"{name}.delete")
        listing = None if settings.list is None else self._listing(settings.list, meanings, key)
        fields = {
            field_name: self._field(field_name, field, meanings, create, update)
            for field_name, field in settings.fields.items()
        }
        return Entity(
            name=name,
            settings=settings,
            key=key,
            fields=fields,
            where=tuple((Path.parse(path), allowed) for path, allowed in settings.where.items()),
            version=None
            if settings.version is None or settings.version.at is None
            else Path.parse(settings.version.at),
            get=None if settings.get is None else self._call(settings.get, meanings),
            record=Path.parse("" if settings.get is None else settings.get.record),
            listing=listing,
            sorts=self._sorts(settings, meanings, key),
            filters=tuple(self._filter(item, settings, fields, meanings, key) for item in settings.filters),
            create=create,
            update=update,
            delete=delete,
            described={field_name: field.described for field_name, field in fields.items()},
        )

    def _call(self, settings: CallSettings, meanings: Meanings, *, write: bool = False) -> Call:
        return Call.of(settings, meanings, self._envelope, write=write)

    def _calls(self, many: Iterable[WriteSettings], meanings: Meanings) -> list[Call]:
        return [self._call(one, meanings, write=True) for one in many]

    def _listing(self, settings: ListSettings, meanings: Meanings, key: Path) -> Listing:
        return Listing.of(settings, self._call(settings, meanings), key)

    def _sorts(self, settings: EntitySettings, meanings: Meanings, key: Path) -> dict[str, Listing]:
        base = settings.list
        if base is None:
            return {}
        return {
            name: self._listing(base.model_copy(update={"query": {**base.query, **query}}), meanings, key)
            for name, query in base.sort.items()
        }

    def _filter(
        self,
        item: FilterSettings,
        settings: EntitySettings,
        fields: Mapping[str, NativeField],
        meanings: Meanings,
        key: Path,
    ) -> FilterCall:
        call = item.call if item.call is not None else settings.list
        assert call is not None
        merged = call.model_copy(
            update={"query": {**call.query, **item.query}, "json_body": _merged(call.json_body, item.body)}
        )
        return FilterCall(
            field=item.field,
            ops=frozenset(item.op),
            ignores_case=item.case == "ignored",
            exact=item.exact,
            listing=self._listing(merged, meanings, key),
            one=item.one,
            escape=str.maketrans(item.escape),
            values=item.values,
            join=item.join,
            wire=None if item.field == KEY else _wire(fields, item.field),
        )

    def _field(
        self,
        name: str,
        settings: FieldSettings,
        meanings: Meanings,
        create: Sequence[WriteCall],
        update: Sequence[WriteCall],
    ) -> NativeField:
        links = None if settings.links is None else self._links(settings, meanings)
        write = settings.write or _writable(name, settings, create, update)
        return NativeField(
            settings,
            Column.of(name, settings),
            tuple(Column.of(column, item) for column, item in (settings.rows or {}).items()),
            describe(settings, Write(write)),
            links,
        )

    def _links(self, settings: FieldSettings, meanings: Meanings) -> LinkCalls:
        found = settings.links
        assert found is not None
        value = Path.parse(found.value)

        def write(call: WriteSettings | None) -> Call | None:
            return None if call is None else self._call(call, meanings, write=True)

        return LinkCalls(
            self._listing(found.list, meanings, value),
            value,
            write(found.add),
            write(found.remove),
            write(found.replace),
            found.at_once,
            found.compare,
        )


def _write_calls(
    entity: EntitySettings, settings: Sequence[WriteSettings], calls: Sequence[Call], where: str
) -> tuple[WriteCall, ...]:
    """Give each field to the call that names it, and what is left to the one call that names none."""
    owned = [one.fields if one.fields is not None else tuple(one.when) for one in settings]
    plain = {name for name, field in entity.fields.items() if not field.apart}
    rest = frozenset(plain).difference(*owned) if owned else frozenset()
    general = [one for one, names in zip(settings, owned, strict=True) if not names]
    if len(general) > 1 and not where.endswith(".delete"):
        raise SettingsError(f"entities.{where}", "two calls carry all fields; say which `fields` each one has")
    return tuple(
        WriteCall(
            call,
            frozenset(names) if names else rest,
            one.when,
            one.send,
            None if one.record is None else Path.parse(one.record),
        )
        for one, call, names in zip(settings, calls, owned, strict=True)
    )


def _writable(name: str, settings: FieldSettings, create: Sequence[WriteCall], update: Sequence[WriteCall]) -> str:
    if settings.through is not None:
        return "always"
    if settings.links is not None:
        return "always" if settings.links.add or settings.links.remove or settings.links.replace else "never"
    if any(name in call.fields for call in update):
        return "always"
    return "create" if any(name in call.fields for call in create) else "never"


def _wire(fields: Mapping[str, NativeField], name: str) -> Wire:
    field, _, column = name.partition(".")
    if not column:
        return fields[field].column.wire
    return next(one.wire for one in fields[field].columns if one.name == column)


def _merged(base: Any, more: Any) -> Any:
    """Merge a body into another, member by member."""
    if more is None:
        return base
    if not isinstance(base, dict) or not isinstance(more, dict):
        return more
    return {**base, **{name: _merged(base.get(name), value) for name, value in more.items()}}
