"""What can be wrong in settings that each look right: placeholders nobody fills, lists that cannot go on, references
that cannot be found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from backends.contract import Op
from backends.kit.settings_errors import SettingsError, unknown
from backends.rest.abilities import abilities
from backends.rest.calls import Call
from backends.rest.model import Entity
from backends.rest.paging import Listing

POSITIONS = {"offset": "@offset", "page": "@page", "token": "@token", "marker": "@token"}
ALWAYS = frozenset({"@id"})
KEY = frozenset({"key"})
ASKED = frozenset({"@limit", "@offset", "@page", "@token"})
WRITTEN = frozenset({"@record", "@version"})


def check(entities: Mapping[str, Entity]) -> None:
    """Raise `SettingsError` for the first setting that cannot work."""
    for name, entity in entities.items():
        _entity(f"entities.{name}", entity)
        for field_name, field in entity.fields.items():
            if field.settings.through is not None:
                _through(f"entities.{name}.fields.{field_name}", field.settings.through, entities)


def _entity(path: str, entity: Entity) -> None:
    fields = frozenset(entity.fields)
    if entity.get is not None:
        _names(f"{path}.get", entity.get, KEY)
    if entity.listing is not None:
        _listing(f"{path}.list", entity.listing, frozenset())
    for listing in entity.sorts.values():
        _names(f"{path}.list.sort", listing.call, ASKED | {"@order"})
    for number, item in enumerate(entity.filters):
        _listing(f"{path}.filters.{number}", item.listing, KEY | {"value", "values"}, one=item.one)
    for operation, calls in (("create", entity.create), ("update", entity.update), ("delete", entity.delete)):
        for number, call in enumerate(calls):
            names = fields | WRITTEN | (KEY if operation != "create" or number else frozenset())
            if operation == "delete":
                names = KEY | {"@version"}
            _names(f"{path}.{operation}.{number}", call.call, names)
    for name, field in entity.fields.items():
        if field.links is None:
            continue
        where = f"{path}.fields.{name}.links"
        _listing(f"{where}.list", field.links.listing, KEY)
        for kind, link in (("add", field.links.add), ("remove", field.links.remove), ("replace", field.links.replace)):
            if link is not None:
                _names(f"{where}.{kind}", link, KEY | {"value", "values", "@record", name})


def _listing(path: str, listing: Listing, names: Iterable[str], *, one: bool = False) -> None:
    _names(path, listing.call, ASKED | frozenset(names))
    needed = POSITIONS.get(listing.settings.paging.style)
    if needed is not None and needed not in listing.call.names and not one:
        raise SettingsError(f"{path}.paging", f"the call has no {{{needed}}}: every part would be the first")


def _names(path: str, call: Call, allowed: Iterable[str]) -> None:
    known = ALWAYS | frozenset(allowed)
    for name in sorted(call.names - known):
        raise unknown(path, "placeholder", name, known)


def _through(path: str, through: str, entities: Mapping[str, Entity]) -> None:
    other, _, far = through.partition(".")
    if (Op.EQ, False) not in abilities(entities[other]).filters.get(far, {}):
        raise SettingsError(f"{path}.through", f"there is no filter eq on {through}, by which its values are found")
