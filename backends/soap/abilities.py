"""What an entity can do, by its settings alone: known before the service was reached."""

from __future__ import annotations

from backends.contract import Capabilities, Match, Op
from backends.kit.templates import names, shape
from backends.soap.settings import EntitySettings


def abilities(entity: EntitySettings) -> Capabilities:
    """Work out the capabilities of an entity."""
    lists = [one for one in (entity.list, *(item.call for item in entity.filters)) if one is not None]
    whole = entity.list is not None and all(one.paging.by == "none" for one in lists)
    # What a filter finds is cut and counted here where its own call does neither: only the list must do it itself.
    everything = entity.list is not None and entity.list.paging.by == "none"
    parted = entity.list is not None and entity.list.paging.by == "offset" and not (entity.where or entity.skip)
    single = frozenset(name for name, field in entity.fields.items() if not field.many and field.links is None)
    logic = set()
    if entity.list is not None and entity.list.query is not None:
        logic |= {"and"} if entity.list.query.all_of is not None else set()
        # A choice can be asked for only where every condition is one of the query's.
        every = all(item.query is not None for item in entity.filters)
        logic |= {"or"} if entity.list.query.any_of is not None and every else set()
    writes = {name for name in ("create", "update", "delete") if getattr(entity, name)}
    links = [field.links for field in entity.fields.values() if field.links is not None]
    if any(one.add is not None or one.remove is not None for one in links):
        writes.add("update")
    versions = _versions(entity)
    return Capabilities(
        filters=_filters(entity),
        logic=frozenset(logic),
        sort=single if whole else frozenset(),
        offset=everything or parted,
        total=everything or (parted and entity.list is not None and entity.list.counts),
        deltas=frozenset(
            name
            for name, field in entity.fields.items()
            if field.links is not None
            and field.links.add is not None
            and field.links.remove is not None
            and not field.links.compare
        ),
        versions=versions,
        serialize=bool(entity.update) and not versions,
        writes=frozenset(writes),
    )


def _filters(entity: EntitySettings) -> dict[str, dict[tuple[Op, bool], Match]]:
    found: dict[str, dict[tuple[Op, bool], Match]] = {}
    for item in entity.filters:
        operators = found.setdefault(item.field, {})
        for text in item.op:
            op = Op(text)
            operators[op, False] = Match(item.match)
            if item.case == "ignored" and op is not Op.PR:
                operators[op, True] = Match(item.match)
    return found


def _versions(entity: EntitySettings) -> bool:
    """Versions are honoured where every call that changes a record sends the one it expects."""
    calls = (*entity.update, *entity.delete)
    apart = any(field.links is not None and field.links.add is not None for field in entity.fields.values())
    return (
        entity.version is not None
        and bool(calls)
        and not apart
        and all("@version" in set(names(shape(call.arguments))) for call in calls)
    )
