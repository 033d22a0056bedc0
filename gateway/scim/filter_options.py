"""How filters are read: what a tenant's dialect allows beyond the letter of the RFC, and how large they may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """How a filter is read; the defaults are the letter of the RFC and the limits of F15.

    `barewords`: text values may stand without quotes (D8). `string_booleans`: ``"True"`` is taken for true where the
    attribute is boolean (D3). `on_rewrite` is told the name of the option, ``barewords`` or ``string_booleans``, each
    time one of the two was needed. `unknown`: an attribute the type does not have is refused, or, on endpoints of
    several types, evaluated as absent (F13). `max_depth` counts the parentheses and brackets around one term.
    """

    barewords: bool = False
    string_booleans: bool = False
    unknown: Literal["refuse", "absent"] = "refuse"
    max_bytes: int = 4096
    max_depth: int = 40
    max_terms: int = 100
    on_rewrite: Callable[[str], None] | None = field(default=None, compare=False, repr=False)

    def rewritten(self, option: str) -> None:
        """Report that `option` was needed."""
        if self.on_rewrite is not None:
            self.on_rewrite(option)
