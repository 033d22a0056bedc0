"""Noticing that files have changed: by the system's own notices where watchfiles is installed, by looking elsewhere."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

LOOK_SECONDS = 2.0
"""How often files are looked at."""
NOTICED_SECONDS = 30.0
"""How often they are looked at where the system gives notice."""
SETTLE_SECONDS = 0.3
"""How long files must be the same before they count as written."""

Prints = dict[Path, tuple[object, ...]]


def fingerprints(files: Iterable[Path]) -> Prints:
    """Tell files apart from what they were: inode, time and size; links are followed, folders are listed."""
    found: Prints = {}
    for file in files:
        listed = sorted(file.iterdir()) if file.is_dir() else None
        found[file] = _state(file) if listed is None else tuple((one.name, *_state(one)) for one in listed)
    return found


def _state(file: Path) -> tuple[int, ...]:
    try:
        state = os.stat(file)
    except OSError:
        return ()
    return state.st_ino, state.st_mtime_ns, state.st_size


async def changes(files: Callable[[], Iterable[Path]], *, every: float | None = None) -> AsyncIterator[None]:
    """Yield whenever one of the files has changed and they have come to rest; `files` is asked again each time."""
    notices = _notices()
    pause = every or (LOOK_SECONDS if notices is None else NOTICED_SECONDS)
    known = await _looked(files)
    while True:
        await _wait(notices, files(), pause)
        found = await _looked(files)
        # Files that are looked at for the first time have not changed: another configuration names them.
        changed = any(found[file] != known[file] for file in found.keys() & known.keys())
        while changed and (rested := await _looked(files, after=SETTLE_SECONDS)) != found:
            found = rested
        known = known | found
        if changed:
            yield


async def _looked(files: Callable[[], Iterable[Path]], after: float = 0.0) -> Prints:
    await asyncio.sleep(after)
    return await asyncio.to_thread(fingerprints, files())


def _notices() -> Any:
    """Give the library that asks the system, None where it is not installed (the extra ``reload``)."""
    try:
        return importlib.import_module("watchfiles")
    except ImportError:
        return None


async def _wait(notices: Any, files: Iterable[Path], seconds: float) -> None:
    if notices is None:
        await asyncio.sleep(seconds)
        return
    folders = {one if one.is_dir() else one.parent for one in files}
    watched = notices.awatch(
        *(one for one in folders if one.is_dir()), watch_filter=None, recursive=False, step=50, debounce=200,
        rust_timeout=int(seconds * 1000), yield_on_timeout=True,
    )  # fmt: skip
    try:
        await anext(watched)
    finally:
        await watched.aclose()
