"""Where attempts to authenticate come from, and which of them are not listened to for a while (X8)."""

from __future__ import annotations

from typing import Protocol


class Sources(Protocol):
    """Remembers which addresses fail to authenticate."""

    async def blocked(self, address: str) -> float:
        """Tell for how many seconds the address is not listened to; 0.0 if it is."""

    async def failed(self, address: str) -> None:
        """Say that the address presented something wrong."""
