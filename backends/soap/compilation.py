"""From settings and WSDL to entities: every name is held against the WSDL, once, at start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from backends.contract import Field, Op
from backends.contract import Write as When
from backends.kit.paths import Path
from backends.kit.settings_errors import SettingsError
from backends.kit.templates import Text, plain
from backends.kit.wire import TYPES, Wire
from backends.soap.abilities import abilities
from backends.soap.call_settings import (
    CallSettings,
    CreateSettings,
    FilterSettings,
    LinksSettings,
    ListSettings,
    WriteSettings,
)
from backends.soap.calls import Call, check_names, compile_call, compile_more, record_shape, walk
from backends.soap.fields import Column, FieldPlan
from backends.soap.model import Entity, FilterPlan, Handle, Links, Lister, Write
from backends.soap.settings import ColumnSettings, EntitySettings, FieldSettings, SoapSettings
from backends.soap.shapes import Leaf, Shape
from backends.soap.wsdl import Wsdl

LISTING = ("@limit", "@offset", "@page", "@token", "@handle", "@query", "@owner")


class Compilation:
    """Compiles the entities of a service; `calls` are all calls there are, to be opened."""

    def __init__(self, settings: SoapSettings, wsdl: Wsdl, secrets: frozenset[str]) -> None:
        self._settings = settings
        self._wsdl = wsdl
        self._secrets = secrets
        self._zone: tzinfo = ZoneInfo(settings.timezone)
        self.calls: list[Call] = []

    def entities(self) -> dict[str, Entity]:
        """Compile all entities."""
        return {name: _EntityCompilation(self, name, one).entity() for name, one in self._settings.entities.items()}

    def ping(self) -> Call | None:
        """Compile the call that proves the system works."""
        ping = self._settings.ping
        return None if ping is None else self.call(ping, "ping", ())

    def call(
        self,
        settings: CallSettings,
        path: str,
        known: Iterable[str],
        entity: EntitySettings | None = None,
        *,
        write: bool = False,
    ) -> Call:
        """Compile one call and note it."""
        everywhere = self._settings.login.headers_of_calls if self._settings.login is not None else {}
        found = compile_call(
            settings,
            self._wsdl,
            path,
            usual=(self._settings.service, self._settings.port),
            known=(*known, *self._secrets),
            rules=(*(entity.errors if entity is not None else ()), *self._settings.errors),
            headers=everywhere,
            write=write,
        )
        self.calls.append(found)
        return found

    def more(self, settings: Any, call: Call, path: str, known: Iterable[str]) -> Call:
        """Compile a call with further arguments."""
        more = compile_more(settings, call, self._wsdl, path, (*known, *self._secrets))
        return call.merged(more, self._wsdl)

    def inside(self, call: Call) -> Shape:
        """Look into a call's answer; what is decoded is nothing the WSDL knows."""
        return Shape(Leaf(), open=True) if call.decode is not None else self._wsdl.shape(call.operation.output)

    def given(self, call: Call) -> Shape | None:
        """Look into what ``{@record}`` is for in a call's arguments."""
        return record_shape(call.arguments, self._wsdl.shape(call.operation.input), self._wsdl)

    def walk(self, path: Path, inside: Shape, where: str) -> Shape:
        """Follow a path of an answer or a record."""
        return walk(path, inside, self._wsdl, where)

    def wire(self, settings: ColumnSettings, leaf: Leaf, where: str) -> Wire:
        """Say how a value is written."""
        kind = TYPES[settings.type] if settings.type is not None else bool if settings.words else leaf.kind
        if settings.words is not None and kind is not bool:
            raise SettingsError(f"{where}.words", "only what is true or false has words")
        return Wire(
            type=kind,
            form="text",
            words=settings.words,
            format=settings.format,
            zone=self._zone,
            letters=settings.letters,
        )


class _EntityCompilation:
    """Compiles one entity."""

    def __init__(self, whole: Compilation, name: str, settings: EntitySettings) -> None:
        self._whole = whole
        self._settings = settings
        self._path = f"entities.{name}"
        self._name = name
        self._record = Shape(Leaf(), open=True)

    def entity(self) -> Entity:
        settings, path = self._settings, self._path
        get = None if settings.get is None else self._call(settings.get, "get", ("key",))
        record = Path.parse(settings.get.record if settings.get is not None else "")
        if get is not None:
            self._record = self._whole.walk(record, self._whole.inside(get), f"{path}.get.record")
        lister = None if settings.list is None else self._lister(settings.list, f"{path}.list", ())
        if get is None and lister is not None:
            self._record = self._whole.walk(lister.records, self._whole.inside(lister.call), f"{path}.list.records")
        fields = (*settings.fields, "@record", "@version")
        creates = tuple(self._write(one, f"create.{place}", fields) for place, one in enumerate(settings.create))
        updates = tuple(
            self._write(one, f"update.{place}", (*fields, "key")) for place, one in enumerate(settings.update)
        )
        deletes = tuple(
            self._write(one, f"delete.{place}", (*fields, "key", "@owner")) for place, one in enumerate(settings.delete)
        )
        key = Path.parse(settings.key)
        key_leaf = self._whole.walk(key, self._record, f"{path}.key").leaf or Leaf()
        plans = {name: self._field(name, one, creates, updates) for name, one in settings.fields.items()}
        if lister is not None and get is not None and not lister.thin:
            self._check_list(lister, plans)
        return Entity(
            name=self._name,
            fields=plans,
            key=key,
            numbered=key_leaf.kind is int,
            where=_conditions(settings.where),
            skip=_conditions(settings.skip),
            defaults=tuple((Path.parse(one), plain(value)) for one, value in settings.defaults.items()),
            version=None if settings.version is None else Path.parse(settings.version),
            get=get,
            record=record,
            list=lister,
            filters=dict(self._filters(lister)),
            creates=creates,
            updates=updates,
            deletes=deletes,
            links={
                name: self._links(one.links, f"{path}.fields.{name}.links")
                for name, one in settings.fields.items()
                if one.links is not None
            },
            look_first=settings.look_first or any(set(settings.fields) & one.call.names for one in deletes),
            capabilities=abilities(settings),
            described={name: plan.declared for name, plan in plans.items()},
        )

    def _call(self, settings: CallSettings, name: str, known: Iterable[str], *, write: bool = False) -> Call:
        return self._whole.call(settings, f"{self._path}.{name}", known, self._settings, write=write)

    def _lister(self, settings: ListSettings, path: str, known: Iterable[str]) -> Lister:
        known = (*LISTING, *known)
        call = self._whole.call(settings, path, known, self._settings)
        inside = self._whole.inside(call)
        records = Path.parse(settings.records)
        self._whole.walk(records, inside, f"{path}.records")
        paging = settings.paging
        handle = None
        if paging.handle is not None:
            opened = self._whole.call(paging.handle.open, f"{path}.paging.handle.open", known, self._settings)
            close = paging.handle.close
            handle = Handle(
                opened,
                Path.parse(paging.handle.handle),
                None if paging.handle.count is None else Path.parse(paging.handle.count),
                None
                if close is None
                else self._whole.call(close, f"{path}.paging.handle.close", known, self._settings),
            )
        if paging.by != "none" and f"@{paging.by}" not in call.names:
            raise SettingsError(f"{path}.arguments", f"paging by {paging.by} needs {{@{paging.by}}}")
        if handle is not None and "@handle" not in call.names:
            raise SettingsError(f"{path}.arguments", "a list through a handle needs {@handle}")
        for text, name in ((paging.next, "paging.next"), (settings.total, "total")):
            if text is not None:
                self._whole.walk(Path.parse(text), inside, f"{path}.{name}")
        return Lister(
            call,
            records,
            paging,
            None if paging.next is None else Path.parse(paging.next),
            None if settings.total is None else Path.parse(settings.total),
            handle,
            settings.each,
            settings.thin,
            settings.query,
        )

    def _write(self, settings: WriteSettings, name: str, known: Iterable[str]) -> Write:
        call = self._call(settings, name, known, write=True)
        own = frozenset(self._settings.fields) & call.names
        whole = "@record" in call.names
        if settings.fields is not None:
            own = frozenset(settings.fields)
        elif whole:
            given = self._whole.given(call)
            own |= {
                field_name
                for field_name, field in self._settings.fields.items()
                if field.links is None and (given is None or self._stands(field_name, field, given))
            }
        other, _, far = (settings.each or "").partition(".")
        return Write(
            call,
            own | frozenset(settings.when),
            whole,
            settings.when,
            (other, far) if settings.each is not None else None,
            settings.changed_only,
            settings.key if isinstance(settings, CreateSettings) else None,
        )

    def _stands(self, name: str, field: FieldSettings, given: Shape) -> bool:
        try:
            self._whole.walk(_path_of(name, field), given, "")
        except SettingsError:
            return False
        return True

    def _field(
        self, name: str, settings: FieldSettings, creates: tuple[Write, ...], updates: tuple[Write, ...]
    ) -> FieldPlan:
        where = f"{self._path}.fields.{name}"
        path = _path_of(name, settings)
        apart = settings.links is not None
        inside = self._record if not apart else Shape(Leaf(), open=True)
        inside = self._whole.walk(path, inside, f"{where}.path") if not apart else inside
        seen = inside.leaf or Leaf()
        if inside.leaf is None and not inside.open and settings.rows is None and not apart:
            raise SettingsError(f"{where}.path", f"elements are there, no text: {', '.join(inside.names)}")
        sent = self._sent(name, path, creates, updates) or seen
        column = Column(path, self._whole.wire(settings, seen, where), sent, settings.empty)
        if settings.refers is not None:
            column = Column(path, Wire(form="text"), sent, settings.empty)
        rows = {
            key: self._column(key, one, inside, f"{where}.rows.{key}") for key, one in (settings.rows or {}).items()
        }
        return FieldPlan(
            name,
            column,
            Field(
                dict if rows else column.wire.type,
                many=settings.many,
                row={key: Field(one.wire.type) for key, one in rows.items()} or None,
                row_key=settings.row_key,
                refers=settings.refers,
                write=self._when(name, settings, creates, updates),
                unique=settings.unique,
                required=settings.required,
                max_length=settings.max_length or (sent.facets.max_length if column.wire.type is str else None),
            ),
            rows,
            settings.secret,
            apart,
        )

    def _column(self, name: str, settings: ColumnSettings, inside: Shape, where: str) -> Column:
        path = Path.parse(settings.path if settings.path is not None else _quoted(name))
        leaf = self._whole.walk(path, inside, f"{where}.path").leaf or Leaf()
        return Column(path, self._whole.wire(settings, leaf, where), leaf, settings.empty)

    def _sent(self, name: str, path: Path, creates: tuple[Write, ...], updates: tuple[Write, ...]) -> Leaf | None:
        """Find what the schema says of the place a field is sent to."""
        for write in (*updates, *creates):
            if name in write.call.leaves:
                return write.call.leaves[name]
            if write.whole and (given := self._whole.given(write.call)) is not None and name in write.fields:
                try:
                    found = self._whole.walk(path, given, "").leaf
                except SettingsError:
                    continue
                if found is not None:
                    return found
        return None

    def _when(self, name: str, settings: FieldSettings, creates: tuple[Write, ...], updates: tuple[Write, ...]) -> When:
        if settings.write is not None:
            return When(settings.write)
        if settings.links is not None:
            return When.ALWAYS if settings.links.add or settings.links.remove else When.NEVER
        if any(name in write.fields for write in updates):
            return When.ALWAYS
        return When.CREATE if any(name in write.fields for write in creates) else When.NEVER

    def _filters(self, lister: Lister | None) -> Iterable[tuple[tuple[str, Op, bool], FilterPlan]]:
        for place, item in enumerate(self._settings.filters):
            path = f"{self._path}.filters.{place}"
            plan = self._filter(item, lister, path)
            for op in item.op:
                yield (item.field, Op(op), False), plan
                if item.case == "ignored":
                    yield (item.field, Op(op), True), plan

    def _filter(self, item: FilterSettings, lister: Lister | None, path: str) -> FilterPlan:
        known = ("value", "values")
        if item.call is not None:
            return FilterPlan(item, self._lister(item.call, f"{path}.call", known), None)
        assert lister is not None
        if item.query is not None:
            condition = Text.parse(item.query)
            check_names(condition.names, ("value",), f"{path}.query")
            return FilterPlan(item, None, condition)
        call = self._whole.more(item.arguments, lister.call, f"{path}.arguments", (*LISTING, *known))
        own = Lister(
            call, lister.records, lister.paging, lister.next, lister.total, lister.handle, lister.each, lister.thin
        )
        return FilterPlan(item, own, None)

    def _links(self, settings: LinksSettings, path: str) -> Links:
        known = ("key", "value", "values")
        calls = [
            None if one is None else self._whole.call(one, f"{path}.{name}", known, self._settings, write=True)
            for name, one in (("add", settings.add), ("remove", settings.remove))
        ]
        for name, call in zip(("add", "remove"), calls, strict=True):
            if call is not None and not call.names & {"value", "values"}:
                raise SettingsError(f"{path}.{name}.arguments", "neither {value} nor {values} is in them")
        return Links(
            self._lister(settings.list, f"{path}.list", ("key",)),
            Path.parse(settings.value),
            calls[0],
            calls[1],
            settings.at_once,
            settings.compare,
        )

    def _check_list(self, lister: Lister, plans: Mapping[str, FieldPlan]) -> None:
        """Fields must lie in what is listed too: what is missing there would look empty."""
        inside = self._whole.walk(lister.records, self._whole.inside(lister.call), f"{self._path}.list.records")
        for name, plan in plans.items():
            if not plan.apart:
                self._whole.walk(plan.column.path, inside, f"{self._path}.fields.{name}.path")


def _path_of(name: str, settings: FieldSettings) -> Path:
    return Path.parse(settings.path if settings.path is not None else _quoted(name))


def _quoted(name: str) -> str:
    return f'"{name}"' if any(sign in name for sign in '.[]" ') else name


def _conditions(settings: Mapping[str, tuple[Any, ...]]) -> tuple[tuple[Path, tuple[str, ...]], ...]:
    return tuple(
        (Path.parse(path), tuple("" if one is None else plain(one) for one in values))
        for path, values in settings.items()
    )
