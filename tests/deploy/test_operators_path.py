"""The operator's five minutes in `README.md`: every command runs in one shell, and prints what the page shows."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture.modules import ROOT
from tests.console_blocks import commands
from tests.services import free_port

PAGE = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Run it\n")[1].split("\n## ")[0]
PORTS = ("8080", "8081", "9464")
LOOKS = ("tail ", "grep ", "curl -sS http://127.0.0.1:9464/metrics ")
"""Commands that change nothing: what they look at may be there a moment later."""
MARK = "done-with-that-one"
VARIES = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<hash>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "<time>"),
    (re.compile(r'(seconds|sent)":[0-9.e-]+'), '\1":<number>'),
    (re.compile(r"scim-gateway \S+ on Python \S+"), "scim-gateway V on Python V"),
)


def steady(lines: list[str]) -> list[str]:
    """Put a mark in the place of what is another in every run."""
    text = "\n".join(lines)
    for pattern, mark in VARIES:
        text = pattern.sub(mark, text)
    return text.splitlines()


@dataclass(slots=True)
class Shell:
    """A shell that is given one command after the other; the page's ports are others here."""

    process: asyncio.subprocess.Process
    ports: dict[str, str]

    async def run(self, command: str, least: int = 0) -> list[str]:
        """Run a command; give the lines it prints, and of one in the background at least so many."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        for there, here in self.ports.items():
            command = command.replace(f":{there}", f":{here}")
        self.process.stdin.write(f"{command}\necho {MARK}\n".encode())
        found: list[str] = []
        over = False
        async with asyncio.timeout(60):
            while not over or len(found) < least:
                line = (await self.process.stdout.readline()).decode()
                assert line, found
                over |= line.strip() == MARK
                if line.strip() != MARK:
                    found.append(line.rstrip("\n"))
        for there, here in self.ports.items():
            found = [line.replace(f":{here}", f":{there}") for line in found]
        return found


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    """A shell in something like a checkout."""
    ports = {there: str(free_port()) for there in PORTS}
    text = (ROOT / "deploy" / "first.yaml").read_text(encoding="utf-8")
    for there, here in ports.items():
        assert f":{there}" in text
        text = text.replace(f":{there}", f":{here}")
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "first.yaml").write_text(text, encoding="utf-8")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    process = await asyncio.create_subprocess_exec(
        "sh", cwd=tmp_path, env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield Shell(process, ports)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, 9)
        await process.wait()


@pytest.mark.needs("sqlite3")
@pytest.mark.needs("curl")
async def test_the_operators_path_prints_what_the_page_shows(shell: Shell) -> None:
    """From the first token to the end of the process: each command prints what is shown below it (M6, M7, M9, X6)."""
    for command in commands(PAGE):
        wanted = steady(command.output)
        printed = steady(await shell.run(command.text, len(wanted) if command.text.endswith("&") else 0))
        if command.text.startswith(LOOKS):
            end = time.monotonic() + 20
            while printed != wanted and time.monotonic() < end:
                printed = steady(await shell.run(command.text))
        assert printed == wanted, command.text
    assert len(commands(PAGE)) > 15
