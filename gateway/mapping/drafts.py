"""A change being put together: what of one record is to be written, against what there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from backends.contract import Change, Fields
from gateway.mapping.doors import Kept, Links
from gateway.scim.errors import ScimError, ScimType, refuse


def invalid(where: str, reason: str) -> ScimError:
    """Make the refusal of a value, which names the attribute and the reason and never the value (D10, X13)."""
    return refuse(ScimType.INVALID_VALUE, f"{where}: {reason}")


class Draft:
    """Collects what a resource comes to in native terms.

    `current` holds the native fields there are, None for a record that is to be created. `blind` says that they are not
    known, and that nothing written depends on them (the fast road).
    """

    __slots__ = ("_added", "_owners", "_removed", "blind", "current", "dropped", "kept", "links", "set")

    def __init__(self, links: Links, current: Fields | None = None, *, blind: bool = False) -> None:
        self.links = links
        self.current = current
        self.blind = blind
        self.set: dict[str, Any] = {}
        self.kept: dict[str, Kept | None] = {}
        self.dropped: list[str] = []
        self._added: dict[str, dict[Any, Any]] = {}
        self._removed: dict[str, dict[Any, Any]] = {}
        self._owners: dict[str, str] = {}

    @property
    def creating(self) -> bool:
        return self.current is None and not self.blind

    def native(self, field: str) -> Any:
        """Give what a field holds once the change so far is made."""
        if field in self.set:
            return self.set[field]
        return self.current.get(field) if self.current is not None else None

    def put(self, field: str, value: Any, where: str) -> None:
        """Write a field; two attributes that share one must agree on it."""
        owner = self._owners.setdefault(field, where)
        if owner != where and self.set[field] != value:
            raise invalid(where, f"shares a field of the system behind with {owner}, and they differ")
        self.set[field] = value

    def merge(self, field: str, value: Any) -> None:
        """Write a field of which each attribute writes its own part."""
        self.set[field] = value

    def add(self, field: str, value: Any) -> None:
        """Add a value, or a row, to a field with several."""
        identity = _identity(value)
        self._removed.get(field, {}).pop(identity, None)
        self._added.setdefault(field, {})[identity] = value

    def remove(self, field: str, value: Any) -> None:
        """Take a value, or a row, out of a field with several."""
        identity = _identity(value)
        self._added.get(field, {}).pop(identity, None)
        self._removed.setdefault(field, {})[identity] = value

    def fields(self) -> dict[str, Any]:
        """Give the record to be created."""
        found = dict(self.set)
        for field, added in self._added.items():
            if added:
                found[field] = tuple(added.values())
        return found

    def change(self) -> Change:
        """Give the change of a record that is there."""
        return Change(set=dict(self.set), add=_tuples(self._added), remove=_tuples(self._removed))

    def drop(self, paths: Iterable[str]) -> None:
        """Note what the configuration leaves out."""
        self.dropped += paths


def _identity(value: Any) -> Any:
    return tuple(sorted(value.items(), key=lambda item: item[0])) if isinstance(value, Mapping) else value


def _tuples(found: Mapping[str, Mapping[Any, Any]]) -> dict[str, tuple[Any, ...]]:
    return {field: tuple(values.values()) for field, values in found.items() if values}
