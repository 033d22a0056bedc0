"""The console blocks of a page: commands, and what the page shows of their output."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a page, with the lines shown below it."""

    text: str
    output: list[str] = field(default_factory=list)


def commands(page: str) -> list[Command]:
    """Read the console blocks: a line that begins with a dollar is a command, a backslash at its end continues it."""
    found: list[Command] = []
    for block in re.findall(r"```console\n(.*?)```", page, flags=re.DOTALL):
        continued = False
        for line in block.splitlines():
            if continued:
                found[-1] = Command(f"{found[-1].text}\n{line}")
            elif line.startswith("$ "):
                found.append(Command(line[2:]))
            else:
                found[-1].output.append(line)
            continued = line.endswith("\\") and not found[-1].output
    return found
