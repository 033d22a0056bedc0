"""A real GNU Mailman, in a virtual environment of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.services import free_port

PACKAGES = ("mailman==3.3.10", "sqlalchemy<2.1")
ENVIRONMENT = "SCIM_TEST_MAILMAN"
"""Names a virtual environment that has Mailman, or says with any other value that one may be made."""
CONFIGURATION = """
[mailman]
layout: here
filtered_messages_are_preservable: no
[paths.here]
var_dir: {folder}
[webservice]
port: {port}
admin_user: restadmin
admin_pass: restpass
workers: 1
[mta]
incoming: mailman.mta.null.NullMTA
outgoing: mailman.mta.null.NullMTA
lmtp_port: {lmtp}
"""
UNNEEDED = (
    "archive",
    "bounces",
    "command",
    "digest",
    "in",
    "lmtp",
    "nntp",
    "out",
    "pipeline",
    "retry",
    "task",
    "virgin",
)


def wanted() -> bool:
    """Tell whether Mailman may be installed here: where it was asked for, and where no test may be skipped."""
    return bool(os.environ.get(ENVIRONMENT)) or os.environ.get("SCIM_TEST_SKIPS") == "none"


def python() -> str | None:
    """Find the Python Mailman runs on."""
    return sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")


def installed(folder: Path) -> Path:
    """Give a virtual environment with Mailman, made now unless one is named."""
    named = Path(os.environ.get(ENVIRONMENT, ""))
    if (named / "bin" / "mailman").exists():
        return named
    found = python()
    assert found is not None, "Mailman needs Python 3.11"
    environment = folder / "mailman"
    subprocess.run([found, "-m", "venv", environment], check=True, timeout=120)
    pip = [environment / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
    subprocess.run(pip, check=True, timeout=300)
    return environment


@contextlib.contextmanager
def running(environment: Path, folder: Path) -> Iterator[str]:
    """Start Mailman's REST service alone; yields its URL."""
    port = free_port()
    off = "".join(f"[runner.{name}]\nstart: no\n" for name in UNNEEDED)
    configuration = folder / "mailman.cfg"
    configuration.write_text(CONFIGURATION.format(folder=folder / "var", port=port, lmtp=free_port()) + off)
    program = [environment / "bin" / "mailman", "-C", configuration, "--run-as-root"]
    process = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*program, "start"], check=True, timeout=60, **process)
    try:
        url = f"http://127.0.0.1:{port}/3.1"
        _await(url)
        yield url
    finally:
        subprocess.run([*program, "stop"], check=False, timeout=60, **process)


def _await(url: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            urlopen(url, timeout=5)
        except URLError as error:
            if getattr(error, "code", None) == 401:
                return
        time.sleep(0.1)
    raise AssertionError("Mailman does not start")
