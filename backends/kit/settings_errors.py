"""Settings that do not fit the system they speak of, told with the way to them and the nearest right name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SettingsError(ValueError):
    """A setting that is wrong: `path` is the way to it (``entities.people.get.operation``)."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


def unknown(path: str, what: str, name: str, known: Iterable[str]) -> SettingsError:
    """Say that there is no `name`, and which name was probably meant, or which there are if there are few."""
    names = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(name.casefold(), names, n=1, cutoff=0.6)
    if close:
        return SettingsError(path, f"there is no {what} {name!r}; did you mean {names[close[0]]!r}?")
    few = f"; there is {', '.join(sorted(names.values()))}" if 0 < len(names) <= 8 else ""
    return SettingsError(path, f"there is no {what} {name!r}{few}")
