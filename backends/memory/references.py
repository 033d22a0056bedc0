"""Who refers to whom, found from the side that is referred to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backends.memory.shapes import Shape


class References:
    """An index of references: field of an entity, record referred to, records that refer to it."""

    def __init__(self, shapes: Iterable[Shape]) -> None:
        self._targets: dict[tuple[str, str], str] = {}
        self._owners: dict[tuple[str, str], dict[str, dict[str, None]]] = {}
        self._shown: set[tuple[str, str]] = set()
        for shape in shapes:
            self._shown |= set(shape.inverses.values())
            for name, field in shape.fields.items():
                if field.refers is not None and name not in shape.inverses:
                    self._targets[shape.name, name] = field.refers
                    self._owners[shape.name, name] = {}

    def target(self, entity: str, name: str) -> str | None:
        """Name the entity a field refers to, or None."""
        return self._targets.get((entity, name))

    def shown(self, entity: str, name: str) -> bool:
        """Tell whether a field is also seen from the other side."""
        return (entity, name) in self._shown

    def owners(self, entity: str, name: str, key: str) -> tuple[str, ...]:
        """Name the records of `entity` whose field `name` refers to `key`."""
        return tuple(self._owners[entity, name].get(key, ()))

    def towards(self, entity: str, key: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Visit every field that refers to a record of `entity`: the field's entity, its name, and who refers."""
        for (source, name), target in self._targets.items():
            if target == entity and (owners := self.owners(source, name, key)):
                yield source, name, owners

    def link(self, entity: str, name: str, owner: str, key: str) -> None:
        self._owners[entity, name].setdefault(key, {})[owner] = None

    def unlink(self, entity: str, name: str, owner: str, key: str) -> None:
        owners = self._owners[entity, name]
        del owners[key][owner]
        if not owners[key]:
            del owners[key]
