"""Keeping what is there for good out of the way of Python's collector of cycles.

Modules, schemas and compiled mappings are hundreds of thousands of objects. Looking through them again and again would
cost a fifth of a page's time, and stop everything for as long as it takes.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def settle() -> None:
    """Free what is garbage, and have the collector look at the rest no more; to be called when much has changed."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@contextmanager
def settled() -> Iterator[None]:
    """Settle for the length of the block."""
    settle()
    try:
        yield
    finally:
        gc.unfreeze()
