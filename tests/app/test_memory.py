"""What the collector of cycles looks at."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from gateway.app import memory


class Cycle:
    """Something only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Leave the collector as it was found."""
    yield
    gc.unfreeze()


def test_what_is_there_is_looked_at_no_more_and_garbage_still_goes() -> None:
    """What was there before is out of the way for the length of the block; what comes after is collected as ever, and
    so is what was garbage at the beginning (promise 10)."""
    garbage = weakref.ref(Cycle())
    with memory.settled():
        assert garbage() is None
        assert gc.get_freeze_count() > 1000
        later = weakref.ref(Cycle())
        gc.collect()
        assert later() is None
    assert gc.get_freeze_count() == 0


def test_a_replaced_configuration_is_freed_when_it_has_settled_again() -> None:
    """What was kept out of the way and is used no more goes with the next settling: reloading does not fill memory
    (M9)."""
    with memory.settled():
        old = Cycle()
        memory.settle()
        kept = weakref.ref(old)
        del old
        gc.collect()
        assert kept() is not None
        memory.settle()
        assert kept() is None
