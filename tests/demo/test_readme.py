"""What README.md says is tried: every command in it runs, and what it prints is what the page shows."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.console_blocks import commands

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TRY = README.split("\n## Run it\n")[0]
"""What is tried here; `tests/deploy/test_operators_path.py` walks the operator's path."""
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
VARIES = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r'W/\\"[^"\\]+\\"'), "<version>"),
)


def steady(text: str) -> str:
    """Put a mark in the place of what is another in every run."""
    for pattern, mark in VARIES:
        text = pattern.sub(mark, text)
    return text.strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Program:
    """The demo as its user starts it: a process, its port and its folder."""

    port: int
    data: Path
    banner: str


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    data, port = tmp_path_factory.mktemp("demo"), free_port()
    arguments = [sys.executable, "-m", "gateway.cli", "demo", "--port", str(port), "--data", str(data)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        yield Program(port, data, "".join(lines))
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def test_the_quickstart_prints_what_the_page_shows(program: Program, tmp_path: Path) -> None:
    """Every curl and sqlite3 command of the page, one after the other, prints what is shown below it (E4, R-L4)."""
    script, shown = [], []
    for command in commands(TRY):
        if "curl" not in command.text and "sqlite3" not in command.text:
            continue
        text = command.text.replace("127.0.0.1:8080", f"127.0.0.1:{program.port}")
        script.append(re.sub(r"~/\S*/hr\.db", shlex.quote(str(program.data / "hr.db")), text))
        shown += command.output
    assert len(script) >= 3
    done = subprocess.run(
        ["sh", "-eu", "-c", "\n".join(script)],
        check=True, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    printed = done.stdout.replace(f"127.0.0.1:{program.port}", "127.0.0.1:8080")
    assert steady(printed) == steady("\n".join(shown))


def test_every_make_target_named_exists() -> None:
    """`make` knows every target the page names."""
    targets = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert {"demo", "test"} <= targets
    for target in sorted(targets):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_every_subcommand_named_exists() -> None:
    """`scim-gateway` knows every command the page names."""
    named = set(re.findall(r"`scim-gateway ([a-z-]+)", README))
    assert {"serve", "check", "demo"} <= named
    for name in sorted(named):
        done = subprocess.run([sys.executable, "-m", "gateway.cli", name, "--help"], capture_output=True, check=False)
        assert done.returncode == 0, name


def test_every_link_leads_somewhere() -> None:
    """Every file and folder the page points to is there."""
    assert [target for target in LINK.findall(README) if not (ROOT / target).exists()] == []
