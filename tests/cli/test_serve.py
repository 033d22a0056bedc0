"""`scim-gateway serve` as an operator runs it: what it prints, what it logs, how it leaves."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.cli import serve
from tests.certificates import identified
from tests.services import free_port

Start = Callable[..., "tuple[subprocess.Popen[str], list[str]]"]

CONFIG = """\
version: 1
server: { listen: 127.0.0.1:${env:PORT}, tls: ${TLS} }
metrics: { listen: 127.0.0.1:${env:METRICS_PORT} }
store: { url: "sqlite:///${env:FOLDER}/gateway.db", id_key: "${env:ID_KEY}" }
backends:
  hr:
    type: sql
    settings:
      url: sqlite:///${env:FOLDER}/hr.db
      entities: { people: { table: people, key: id } }
  away:
    type: sql
    settings:
      url: postgresql://hr@127.0.0.1:1/hr
      entities: { people: { table: people, key: id } }
tenants:
  acme:
    tokens: [ { sha256: DIGEST } ]
    resources: &resources
      User: { backend: hr, entity: people, attributes: { userName: login }, on_delete: delete, on_deactivate: refuse }
  globex:
    tokens: [ { sha256: DIGEST } ]
    resources:
      User: { backend: away, entity: people, attributes: { userName: login }, on_delete: delete, on_deactivate: refuse }
""".replace("DIGEST", sha256(b"secret-token").hexdigest()).replace(": &resources", ":")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(tmp_path / "hr.db")) as database, database:
        database.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, login TEXT NOT NULL UNIQUE)")
    ports = {"PORT": str(free_port()), "METRICS_PORT": str(free_port())}
    return {"PATH": os.defpath, "ID_KEY": "k" * 40, "FOLDER": str(tmp_path), **ports}


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]) -> Iterator[Start]:
    """Serve the configuration in a process; give it once it serves, with the lines it printed."""
    running: list[subprocess.Popen[str]] = []

    def begin(tls: str = "null", *options: str) -> tuple[subprocess.Popen[str], list[str]]:
        config = tmp_path / "gateway.yaml"
        config.write_text(CONFIG.replace("${TLS}", tls), encoding="utf-8")
        with (tmp_path / "log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli", "serve", str(config), *options],
                stdout=subprocess.PIPE, stderr=log, text=True, env=environment,
            )  # fmt: skip
        running.append(process)
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("metrics"):
                return process, lines
        raise AssertionError((tmp_path / "log").read_text(encoding="utf-8"))

    yield begin
    for process in running:
        process.kill()
        process.communicate(timeout=30)


def fetch(url: str, token: str = "", context: ssl.SSLContext | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def log_lines(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines()]


def test_it_prints_what_it_serves_and_leaves_on_sigterm(
    start: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    """URLs of every tenant, with a note at those whose system is away; SIGTERM ends it with 0 (promise 6)."""
    process, lines = start()
    base = f"http://127.0.0.1:{environment['PORT']}"
    assert [line.strip() for line in lines] == [
        f"serving {tmp_path / 'gateway.yaml'} at {base}",
        f"{base}/acme/scim/v2",
        f"{base}/globex/scim/v2  (its system was not reached yet: 503 until it is)",
        f"metrics at http://127.0.0.1:{environment['METRICS_PORT']}/metrics",
    ]
    assert fetch(f"{base}/acme/scim/v2/Users", "secret-token")[0] == 200
    assert fetch(f"{base}/globex/scim/v2/Users", "secret-token")[0] == 503
    assert fetch(f"{base}/acme/scim/v2/Users", "wrong")[0] == 401
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_it_logs_json_without_secrets(start: Start, environment: dict[str, str], tmp_path: Path) -> None:
    """One line for each request and for the system that is away; no token, no filter value, no key (X11)."""
    process, _ = start()
    url = f"http://127.0.0.1:{environment['PORT']}/acme/scim/v2/Users?filter=userName+eq+%22ada-lovelace%22"
    assert fetch(url, "secret-token")[0] == 200
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    lines = log_lines(tmp_path)
    (request,) = [line for line in lines if line["event"] == "request"]
    assert (request["tenant"], request["operation"], request["status"]) == ("acme", "search", 200)
    assert [line for line in lines if line.get("backend") == "away" and line["level"] == "warning"]
    text = (tmp_path / "log").read_text(encoding="utf-8")
    for secret in ("secret-token", "ada-lovelace", "k" * 40):
        assert secret not in text


def test_a_table_that_is_not_there_stops_the_start(start: Start, environment: dict[str, str], tmp_path: Path) -> None:
    """What the live system does not have is told with file and line, and nothing is served."""
    with closing(sqlite3.connect(tmp_path / "hr.db")) as database, database:
        database.execute("ALTER TABLE people RENAME COLUMN login TO username")
    with pytest.raises(AssertionError, match=r"attributes\.userName") as caught:
        start()
    line = CONFIG[: CONFIG.index("User:")].count("\n") + 1
    assert f"gateway.yaml:{line}: tenants.acme.resources.User.attributes.userName: the entity has no" in str(
        caught.value
    )
    assert "nothing was started" in str(caught.value)


def test_it_serves_tls(start: Start, environment: dict[str, str], tmp_path: Path) -> None:
    """With a certificate only TLS is spoken, and the URLs say so (E14)."""
    certificate(tmp_path)
    process, lines = start(f"{{ certificate: {tmp_path}/cert.pem, key: {tmp_path}/key.pem }}")
    assert f"https://127.0.0.1:{environment['PORT']}/acme/scim/v2" in "".join(lines)
    context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    base = f"https://localhost:{environment['PORT']}"
    assert fetch(f"{base}/acme/scim/v2/Users", "secret-token", context)[0] == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_a_new_certificate_and_a_new_secret_are_taken_on_sighup(
    start: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    """Connections from then on meet the new certificate, one that is open goes on; a certificate that cannot be read is
    refused at its line, and the old one stays (M9, G1)."""
    certificate(tmp_path)
    process, _ = start(f"{{ certificate: {tmp_path}/cert.pem, key: {tmp_path}/key.pem }}")
    old = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    port = int(environment["PORT"])
    users = f"https://localhost:{port}/acme/scim/v2/Users"
    opened = http.client.HTTPSConnection("localhost", port, context=old, timeout=30)
    with closing(opened):
        assert ask(opened) == 200
        certificate(tmp_path)
        process.send_signal(signal.SIGHUP)
        logged(tmp_path, "the configuration was taken")
        assert fetch(users, "secret-token", ssl.create_default_context(cafile=tmp_path / "cert.pem"))[0] == 200
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            fetch(users, "secret-token", old)
        assert ask(opened) == 200
    good = (tmp_path / "cert.pem").read_bytes()
    (tmp_path / "cert.pem").write_text("no certificate", encoding="utf-8")
    process.send_signal(signal.SIGHUP)
    refused = logged(tmp_path, "the configuration was refused, the old one serves on")
    assert (refused["line"], "server.tls" in refused["reason"]) == (2, True)
    (tmp_path / "cert.pem").write_bytes(good)
    assert fetch(users, "secret-token", ssl.create_default_context(cafile=tmp_path / "cert.pem"))[0] == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_systemd_is_told_how_it_goes(start: Start, environment: dict[str, str], tmp_path: Path) -> None:
    """READY once it serves, RELOADING and READY around a reload whatever comes of it, the watchdog fed, STOPPING before
    it drains; `Type=notify` asks for this (M7)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        environment |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        process, _ = start()
        fed = False

        def next_word() -> str:
            nonlocal fed
            while (word := manager.recv(200).decode().split("\n")[0]) == "WATCHDOG=1":
                fed = True
            return word

        assert next_word() == "READY=1"
        process.send_signal(signal.SIGHUP)
        assert [next_word(), next_word()] == ["RELOADING=1", "READY=1"]
        (tmp_path / "gateway.yaml").write_text("version: 1", encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        assert [next_word(), next_word()] == ["RELOADING=1", "READY=1"]
        assert fetch(f"http://127.0.0.1:{environment['PORT']}/acme/scim/v2/Users", "secret-token")[0] == 200
        process.send_signal(signal.SIGTERM)
        assert next_word() == "STOPPING=1"
        assert process.wait(30) == 0
    assert fed


def ask(connection: http.client.HTTPSConnection) -> int:
    """Ask over a connection that is open."""
    connection.request("GET", "/acme/scim/v2/Users", headers={"Authorization": "Bearer secret-token"})
    with connection.getresponse() as answer:
        answer.read()
        return answer.status


def logged(tmp_path: Path, event: str) -> dict[str, Any]:
    """Wait until an event was logged, and give its line."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if found := [line for line in log_lines(tmp_path) if line["event"] == event]:
            return found[-1]
        time.sleep(0.02)
    raise AssertionError((tmp_path / "log").read_text(encoding="utf-8"))


def certificate(folder: Path) -> None:
    """Make a certificate for this machine that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    made = identified(builder, key.public_key(), key.public_key(), authority=True).sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def test_uvloop_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loop where the extra is there, asyncio's own elsewhere; nothing else depends on it."""
    made = asyncio.new_event_loop
    monkeypatch.setitem(sys.modules, "uvloop", SimpleNamespace(new_event_loop=made))
    assert serve._loop_factory() is made
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert serve._loop_factory() is None
