"""What an entity can do, worked out from the calls there are."""

from __future__ import annotations

from typing import Any

from backends.contract import KEY, Capabilities, Match, Op, Write
from backends.kit.evaluate import operators
from backends.rest.model import Entity

LOGIC = frozenset({"and", "or", "not", "any_row"})
Answers = dict[tuple[Op, bool], Match]


def abilities(entity: Entity) -> Capabilities:
    """Work out what an entity can do.

    A list that comes whole is filtered, sorted, counted and cut here, exactly. Of one in parts only what the settings
    declare is offered; its filters are exact where the settings promise it.
    """
    whole = entity.listing is not None and entity.listing.whole and not entity.listing.settings.thin
    writable = [field for field in entity.fields.values() if field.described.write is not Write.NEVER]
    apart = [field for field in writable if field.settings.apart]
    arrays = any(field.array and not field.settings.apart for field in writable)
    calls = (*entity.create, *entity.update)
    return Capabilities(
        filters=_filters(entity, whole=whole),
        logic=LOGIC if whole else frozenset({"and"}) | ({"any_row"} if _row_filters(entity) else frozenset()),
        sort=_sortable(entity) if whole else frozenset(entity.sorts),
        offset=whole or _offset(entity),
        total=whole or _total(entity),
        deltas=frozenset(field.name for field in apart if field.links is None or field.links.deltas),
        versions=entity.settings.version is not None,
        atomic=len(entity.create) <= 1 and len(entity.update) <= 1 and not apart and not entity.settings.leave,
        serialize=(bool(entity.update) and (arrays or any(call.send != "changed" for call in entity.update)))
        or any(field.links is not None and not field.links.deltas for field in apart),
        writes=frozenset(
            name
            for name, there in (
                ("create", entity.create),
                ("update", entity.update or apart),
                ("delete", entity.delete),
            )
            if there
        )
        if calls or apart or entity.delete
        else frozenset(),
    )


def _filters(entity: Entity, *, whole: bool) -> dict[str, Answers]:
    found: dict[str, Answers] = {}
    if whole:
        for name, kind in _types(entity).items():
            found[name] = dict.fromkeys(operators(kind), Match.EXACT)
        for name, field in entity.fields.items():
            if field.columns:
                found[name] = {(Op.PR, False): Match.EXACT}
    elif entity.get is not None:
        found[KEY] = {(Op.EQ, False): Match.EXACT, (Op.IN, False): Match.EXACT}
    for item in entity.filters:
        answers = found.setdefault(item.field, {})
        names = {*item.ops, "in"} if "eq" in item.ops else set(item.ops)
        for op in (Op(name) for name in names):
            for ignore_case in (False, True) if item.ignores_case and op is not Op.PR else (False,):
                sure = item.exact and (ignore_case or not item.ignores_case)
                answers.setdefault((op, ignore_case), Match.EXACT if sure else Match.LOOSE)
    return found


def _types(entity: Entity) -> dict[str, type[Any]]:
    types: dict[str, type[Any]] = {KEY: str}
    for name, field in entity.fields.items():
        if field.settings.apart or field.settings.secret:
            continue
        if field.columns:
            types |= {f"{name}.{column.name}": column.wire.type for column in field.columns}
        else:
            types[name] = field.described.type
    return types


def _sortable(entity: Entity) -> frozenset[str]:
    return frozenset(
        name
        for name, field in entity.fields.items()
        if not field.described.many and field.described.type is not bytes and not field.settings.secret
    )


def _row_filters(entity: Entity) -> bool:
    return any("." in item.field for item in entity.filters)


def _offset(entity: Entity) -> bool:
    return entity.listing is not None and entity.listing.numbered and not entity.where


def _total(entity: Entity) -> bool:
    """Tell whether the list counts; what a filter finds is counted here where its own call does not."""
    return entity.listing is not None and entity.listing.counts and not entity.where
