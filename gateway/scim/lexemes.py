"""Lexemes of a filter: text -> names, operators, values and brackets, in one linear pass (F15)."""

from __future__ import annotations

import re

_LEXEME = re.compile(
    r"""
      "[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+"  # a string
    | "(?s:.*)                       # what is no string takes all the rest with it, so that nothing is read twice
    | \](?:\.[^ "\[\]()]*)?          # the end of a value path, and the sub-attribute after it
    | [()\[]
    | [^ "\[\]()]+\[?                # a name, operator, number or word; or a name and the bracket after it
    """,
    re.VERBOSE,
)


def split(text: str) -> list[str]:
    """Split a filter into its lexemes; a last one, empty, stands for the end. Only spaces separate."""
    found: list[str] = _LEXEME.findall(text)
    found.append("")
    return found


def place(text: str, number: int) -> str:
    """Say where the `number`-th lexeme stands, for an error."""
    starts = [match.start() for match in _LEXEME.finditer(text)]
    return f"at character {starts[number] + 1}" if number < len(starts) else "at the end"
