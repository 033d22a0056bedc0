"""The program with everything that is secret: what it prints, where secrets come from, and the trail on its output."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli.program import app
from tests.services import free_port

HARDENED = Path(__file__).parents[2] / "config" / "hardened.yaml"
DIGESTS = (
    "SCIM_OPERATOR", "SCIM_DASHBOARD", "ACME_TOKEN", "ACME_REVIEW", "ACME_PASSWORD", "ACME_CLIENT", "GLOBEX_TOKEN",
)  # fmt: skip
MARKED = {
    "SCIM_ID_KEY": "marked-id-key-0123456789abcdef0123456789abcdef",
    "SCIM_METRICS_TOKEN": "marked-metrics-token",
    "ACME_INTROSPECTION_SECRET": "marked-introspection",
    "HR_DATABASE_URL": "postgresql://hr:marked-database@127.0.0.1:1/hr",
    "SCIM_STORE": "postgresql://store:marked-store@127.0.0.1:1/gateway",
    "SCIM_CACHE": "redis://:marked-cache@127.0.0.1:1/0",
}
SECRETS = ("marked-id-key", "marked-metrics", "marked-introspection", "marked-database", "marked-store", "marked-cache")

CONFIG = """\
version: 1
server: { listen: 127.0.0.1:${env:PORT} }
audit: { to: stdout }
store: { url: "sqlite:///${env:FOLDER}/gateway.db", id_key: "${vault:id-key}" }
backends:
  hr:
    type: sql
    settings: { url: "sqlite:///${env:FOLDER}/hr.db", entities: { people: { table: people, key: id } } }
tenants:
  acme:
    tokens: [ { sha256: "${vault:token}" } ]
    resources:
      User: { backend: hr, entity: people, attributes: { userName: login }, on_delete: delete, on_deactivate: refuse }
"""
VAULT = """
import json, os, pathlib

def read(name):
    return json.loads(pathlib.Path(os.environ["VAULT"]).read_text())[name]
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    digests = {f"{name}_SHA256": sha256(name.encode()).hexdigest() for name in DIGESTS}
    return {
        **digests, **MARKED, "SCIM_PUBLIC_URL": "https://scim.example.com", "SCIM_TLS_FOLDER": str(tmp_path),
        "SCIM_LISTEN": "127.0.0.1:0", "SCIM_AUDIT_FILE": str(tmp_path / "audit.jsonl"),
    }  # fmt: skip


def test_the_hardened_file_is_well(environment: dict[str, str]) -> None:
    """`check` finds nothing wrong with it, as it stands."""
    result = CliRunner(env=environment).invoke(app, ["check", str(HARDENED)])
    assert (result.exit_code, "is well" in result.stdout) == (0, True), result.output


@pytest.mark.parametrize("missing", [*(f"{name}_SHA256" for name in DIGESTS), *sorted(MARKED.keys() - {"SCIM_CACHE"})])
def test_every_secret_of_it_is_needed_and_named(environment: dict[str, str], missing: str) -> None:
    """A variable that is not set is named with its line; what the others hold is not told (X16)."""
    del environment[missing]
    result = CliRunner(env={**environment, missing: None}).invoke(app, ["check", str(HARDENED)])
    assert result.exit_code == 1
    assert f"the environment variable {missing} is not set" in result.stderr
    assert not [secret for secret in SECRETS if secret in result.output]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"SCIM_ID_KEY": "marked-id-key"},
        {"SCIM_STORE": "mysql://store:marked-store@127.0.0.1:1/gateway"},
        {"SCIM_CACHE": "memcached://:marked-cache@127.0.0.1:1/0"},
        {"HR_DATABASE_URL": "nothing://hr:marked-database@127.0.0.1:1/hr"},
        {"ACME_TOKEN_SHA256": "marked-metrics"},
        {"SCIM_LISTEN": "marked-store"},
        {"SCIM_AUDIT_FILE": ""},
    ],
    ids=lambda change: ",".join(change) or "as it is",
)
@pytest.mark.parametrize(
    "command",
    [
        ("check",), ("check", "--online"), ("explain", "acme", "DELETE", "/Users/@1"),
        ("explain", "acme", "GET", '/Users?filter=userName eq "marked-database"', "--read"), ("status",), ("ping",),
        ("store", "check"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_nothing_secret_is_printed(
    environment: dict[str, str], command: tuple[str, ...], change: dict[str, str]
) -> None:
    """Sound or not, reached or not: no command prints what the settings hold (X16, promise 8)."""
    line = [command[0], *command[1:2], str(HARDENED)] if command[0] == "store" else [command[0], str(HARDENED)]
    line += command[2:] if command[0] == "store" else command[1:]
    runner = CliRunner(env={**environment, **change, "SCIM_GATEWAY_ADMIN_TOKEN": "marked-operator"})
    result = runner.invoke(app, line)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert not [secret for secret in (*SECRETS, "marked-operator") if secret in result.output], result.output
    for name in DIGESTS:
        assert sha256(name.encode()).hexdigest() not in result.output


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], str]]]:
    """Serve a configuration whose secrets come from a vault that is installed; give process and root."""
    with closing(sqlite3.connect(tmp_path / "hr.db")) as database, database:
        database.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, login TEXT NOT NULL UNIQUE)")
    site = tmp_path / "site"
    info = site / "acme_vault-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "acme_vault.py").write_text(VAULT, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-vault\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[scim_gateway.secrets]\nvault = acme_vault:read\n", encoding="utf-8")
    (tmp_path / "gateway.yaml").write_text(CONFIG, encoding="utf-8")
    running: list[subprocess.Popen[str]] = []

    def begin() -> tuple[subprocess.Popen[str], str]:
        port = free_port()
        environment = {
            "PATH": os.defpath, "FOLDER": str(tmp_path), "PORT": str(port), "VAULT": str(tmp_path / "vault.json"),
            "PYTHONPATH": str(site),
        }  # fmt: skip
        with (tmp_path / "out").open("w", encoding="utf-8") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli", "serve", str(tmp_path / "gateway.yaml")],
                stdout=out, stderr=subprocess.PIPE, text=True, env=environment,
            )  # fmt: skip
        running.append(process)
        assert process.stderr is not None
        for line in process.stderr:
            if "/acme/scim/v2" in line:
                return process, f"http://127.0.0.1:{port}/acme/scim/v2"
        raise AssertionError("it did not come to serve")

    yield begin
    for process in running:
        process.kill()
        process.communicate(timeout=30)


def send(url: str, token: str, body: Any = None) -> int:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers), timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_vault_is_asked_at_start_and_at_every_reload(
    served: Callable[[], tuple[subprocess.Popen[str], str]], tmp_path: Path
) -> None:
    """A rotated secret holds from the next SIGHUP on; the trail has the standard output for itself, one event a line,
    and what the program says goes to the error output (X16, M9, M10)."""

    def keep(token: str) -> None:
        secrets = {"id-key": "k" * 40, "token": sha256(token.encode()).hexdigest()}
        (tmp_path / "vault.json").write_text(json.dumps(secrets), encoding="utf-8")

    keep("first")
    process, root = served()
    new = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada"}
    assert send(f"{root}/Users", "first", new) == 201
    assert send(f"{root}/Users", "first", new) == 409
    keep("second")
    process.send_signal(signal.SIGHUP)
    assert process.stderr is not None
    for line in process.stderr:
        if "the configuration was taken" in line:
            break
    assert send(f"{root}/Users", "second") == 200
    assert send(f"{root}/Users", "first") == 401
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    events = [json.loads(line) for line in (tmp_path / "out").read_text(encoding="utf-8").splitlines()]
    assert [(one["operation"], one["outcome"], one["status"]) for one in events] == [
        ("create", "done", 201), ("create", "refused", 409),
    ]  # fmt: skip
