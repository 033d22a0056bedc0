"""Where the worked configuration files lie: in a checkout's ``config/``, or in an installed wheel."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import gateway

CHECKOUT = "config"
INSTALLED = "examples"


def folders() -> tuple[Path, ...]:
    """Name the folders that may hold them, the checkout's first."""
    package = Path(str(resources.files(gateway)))
    return package.parent / CHECKOUT, package / INSTALLED


def locate(name: str) -> Path:
    """Find a worked file by its name; raise FileNotFoundError saying where it was looked for."""
    for folder in folders():
        if (found := folder / name).is_file():
            return found
    looked = " and ".join(str(folder) for folder in folders())
    raise FileNotFoundError(f"{name} is neither in {looked}")
