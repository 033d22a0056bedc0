"""Several calls at once, but not more than a system should bear."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


async def together(call: Callable[[A], Awaitable[T]], arguments: Iterable[A], *, at_once: int) -> list[T]:
    """Call with each argument, so many at once, and give the answers in order.

    The first error ends the others and is raised; being cancelled cancels all.
    """
    waiting = enumerate(arguments)
    found: dict[int, T] = {}

    async def work() -> None:
        for place, argument in waiting:
            found[place] = await call(argument)

    workers = [asyncio.ensure_future(work()) for _ in range(at_once)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return [found[place] for place in sorted(found)]
