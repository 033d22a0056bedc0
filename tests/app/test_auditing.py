"""Where the audit trail goes, as the settings say."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Blueprint
from gateway.app.auditing import open_trail
from gateway.settings import SettingsError
from tests.app.conftest import USER_URN, Document, Served

Drawn = Callable[..., Blueprint]
Serving = Callable[..., AbstractAsyncContextManager[Served]]
ID_KEY = "0123456789abcdef" * 4


@pytest.mark.parametrize("key", [None, "${env:AUDIT_KEY}"])
async def test_lines_are_appended_to_a_file(
    serving: Serving, document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    """Only its owner can read it; hashes are made with a key of their own, or one derived from the ids' key, and so are
    the same after a restart (M10)."""
    path = tmp_path / "audit.jsonl"
    document["audit"] = {"to": "file", "path": str(path)}
    if key is not None:
        document["audit"]["key"] = "${env:PASSWORD}${env:ID_KEY}"
    for login in ("ada", "bob"):
        async with serving(document) as served:
            await served.send("POST", "acme", body={"schemas": [USER_URN], "userName": login, "active": True})
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(one["tenant"], one["operation"], one["outcome"], one["caller"]) for one in events] == [
        ("acme", "create", "done", "first")
    ] * 2
    assert path.stat().st_mode & 0o077 == 0
    secret = hmac.digest(ID_KEY.encode(), b"audit", hashlib.sha256) if key is None else f"s3cret{ID_KEY}".encode()
    for event, login in zip(events, ("ada", "bob"), strict=True):
        text = json.dumps(["acme", "userName", login], separators=(",", ":")).encode()
        hashes = {change["path"]: change.get("hash") for change in event["changes"]}
        assert hashes["userName"] == hmac.digest(secret, text, hashlib.sha256).hex()[:32]


@pytest.mark.parametrize("family", ["unix", "udp"])
async def test_lines_are_sent_to_a_syslog_daemon(
    serving: Serving, document: Document, tmp_path: Path, family: str
) -> None:
    """Over the daemon's socket, or UDP; a daemon that goes away is told and counted, and no change is lost for it."""
    kind = socket.AF_UNIX if family == "unix" else socket.AF_INET
    with socket.socket(kind, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(tmp_path / "log") if family == "unix" else ("127.0.0.1", 0))
        daemon.settimeout(5)
        name = daemon.getsockname()
        document["audit"] = {"to": "syslog", "address": name if family == "unix" else f"127.0.0.1:{name[1]}"}
        async with serving(document) as served:
            await served.create("acme", "ada")
            message = daemon.recv(65536).rstrip(b"\0")
            assert json.loads(message[message.index(b"{") :])["operation"] == "create"
            if family == "unix":
                daemon.close()
                (tmp_path / "log").unlink()
                await served.create("acme", "bob")
                async with served.session.get(f"http://{served.running.metrics}/metrics") as answer:
                    assert "scim_gateway_audit_failures_total 1.0" in await answer.text()
                assert any("audit trail could not be written" in line["event"] for line in served.logged)


def test_a_trail_that_cannot_be_written_stops_the_start(drawn: Drawn, document: Document, tmp_path: Path) -> None:
    """Changes nobody can account for are not begun: file and line are told (M10)."""
    for section, where in (
        ({"to": "file", "path": str(tmp_path / "no" / "where")}, "audit.path: cannot be written to: No such file"),
        ({"to": "syslog", "address": str(tmp_path / "nobody")}, "audit: cannot be written to: No such file"),
    ):
        document["audit"] = section
        with pytest.raises(SettingsError) as refused:
            open_trail(drawn(document).configuration, lambda _: None)
        assert where.partition(":")[2] in str(refused.value)
        assert "config.yaml:" in str(refused.value)


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"to": "file"}, "path goes with `to: file`"),
        ({"to": "stdout", "path": "/x"}, "path goes with `to: file`"),
        ({"to": "stdout", "address": "/dev/log"}, "address goes with `to: syslog`"),
        ({"to": "syslog", "address": "nowhere"}, "write host:port"),
        ({"to": "kafka"}, "audit.to"),
        ({"to": "stdout", "key": "${env:PASSWORD}"}, "at least 32"),
        ({"to": "stdout", "key": "k" * 40}, "a secret must not be written here"),
    ],
)
def test_settings_of_the_trail_that_cannot_be(
    drawn: Drawn, document: Document, section: dict[str, Any], reason: str
) -> None:
    """What does not belong together is told before anything starts."""
    document["audit"] = section
    with pytest.raises(SettingsError) as refused:
        drawn(document)
    assert reason in str(refused.value)
