"""`scim-gateway explain`: every native call a request would cause, and nothing of it done (promise 9)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import examples
from gateway.cli.demo import Files
from gateway.cli.program import app
from gateway.identity import schema

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
Explain = Callable[..., Any]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path / "demo")
    made.create(empty=False)
    return made


@pytest.fixture
def explain(files: Files) -> Explain:
    """Explain a request to the demo; give the parsed JSON, or what was printed where that is no success."""

    def run(method: str, path: str, body: Any = None, *options: str, code: int = 0) -> Any:
        arguments = ["explain", str(examples.locate("demo.yaml")), "demo", method, path]
        if body is not None:
            arguments.append(body if isinstance(body, str) else json.dumps(body))
        result = CliRunner(env=files.environment("127.0.0.1:0")).invoke(app, [*arguments, *options])
        assert result.exit_code == code, result.output
        return json.loads(result.stdout) if "--json" in options else result.output

    return run


def digest(files: Files) -> tuple[str, bool]:
    return hashlib.sha256(files.database.read_bytes()).hexdigest(), files.store.exists()


def operations(found: Any) -> list[str]:
    return [step["operation"] for step in found["steps"] if "operation" in step]


def texts(found: Any, operation: str) -> list[str]:
    steps = [step for step in found["steps"] if step.get("operation") == operation]
    return [call["text"] for step in steps for call in step["calls"]]


def test_adding_a_member_is_one_insert_and_reads_no_group(explain: Explain) -> None:
    """The statement a group delta really causes, with its values: the members are neither read nor touched."""
    body = {"schemas": [PATCH], "Operations": [{"op": "Add", "path": "members", "value": [{"value": "@10002"}]}]}
    found = explain("PATCH", "/Groups/@Group:101", body, "--json")
    assert found["status"] == 204
    assert [step["rewrite"] for step in found["steps"] if "rewrite" in step] == ["any_case_ops"]
    assert operations(found) == ["hr: update teams"]
    insert = next(text for text in texts(found, "hr: update teams") if text.startswith("INSERT"))
    assert '"TEAM_MEMBER"' in insert
    values = {
        name: value for step in found["steps"][1:] for call in step["calls"] for name, value in call["values"].items()
    }
    assert {101, 10002} <= set(values.values())


def test_a_look_up_by_login_uses_the_column_and_its_index(explain: Explain) -> None:
    """`userName eq` becomes an equality on the column, in the letters the column has (F16)."""
    found = explain("GET", '/Users?filter=userName eq "hbranza"', None, "--json")
    select = texts(found, "hr: search employees")[0]
    assert '"EMPLOYEE"."LOGIN" = ?' in select
    assert "HBRANZA" in found["steps"][0]["calls"][0]["values"].values()


def test_nothing_is_written_and_nothing_is_made(explain: Explain, files: Files) -> None:
    """Creates, changes and deletes are shown, with and without reads; the database and the store stay as they were."""
    before = digest(files)
    deactivate = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": False}]}
    for options in ((), ("--read",)):
        created = explain("POST", "/Users", {"schemas": [USER], "userName": "ada"}, "--json", *options)
        assert created["status"] == 201
        assert any(text.startswith("INSERT") for text in texts(created, "hr: create employees"))
        assert explain("PATCH", "/Users/@10001", deactivate, "--json", *options)["status"] == 200
        assert explain("DELETE", "/Users/@10001", None, "--json", *options)["status"] == 204
    assert digest(files) == before


def test_reads_are_made_only_on_demand(explain: Explain) -> None:
    """With --read the change is worked out against the record there is; without, the note says what is missing."""
    deactivate = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": False}]}
    read = explain("PATCH", "/Users/@10001", deactivate, "--json", "--read")
    assert operations(read)[:2] == ["hr: get employees", "hr: update employees"]
    assert read["steps"][0]["made"] is True
    (update,) = texts(read, "hr: update employees")
    assert update.startswith('UPDATE "EMPLOYEE" SET "STATUS"=?')
    blind = explain("PATCH", "/Users/@10001", deactivate, "--json")
    assert blind["steps"][0]["made"] is False
    assert "not read" in blind["steps"][0]["note"]


def test_a_real_id_is_looked_up_in_the_store(explain: Explain, files: Files) -> None:
    """Without the store a real id is nobody's; --read asks the store there is, and a missing one is not made."""
    id = "5f1c3f4e-0000-8000-8000-000000000000"
    assert explain("GET", f"/Users/{id}", None, "--json", "--read")["status"] == 404
    assert not files.store.exists()


def test_a_refusal_is_shown_as_the_client_would_see_it(explain: Explain) -> None:
    """What would be refused before any native call shows the refusal and no call."""
    page = explain("GET", "/Users?filter=nobody eq 1")
    assert page.startswith("answer    400 invalidFilter: ")
    page = explain("PATCH", "/Users/@10001", "{")
    assert page.startswith("answer    400 invalidSyntax: ")


def test_the_page_shows_calls_with_their_values(explain: Explain, tmp_path: Path) -> None:
    """Rewrites, operations, statements and values, each on a line; the body may come from a file."""
    body = {"schemas": [USER], "userName": "ada", "active": "True"}
    (tmp_path / "body.json").write_text(json.dumps(body), encoding="utf-8")
    lines = explain("POST", "/Users", f"@{tmp_path / 'body.json'}").splitlines()
    assert lines[0] == "rewrite   string_booleans"
    assert any(line.startswith("not made  hr: create employees") for line in lines)
    assert any(line.strip().startswith('INSERT INTO "EMPLOYEE"') for line in lines)
    assert any("= 'ADA'" in line for line in lines)
    assert lines[-1] == "answer    201"


def test_what_cannot_be_explained_is_a_sentence(explain: Explain, files: Files) -> None:
    """An unknown tenant, a path that is none, a file that is not there: one sentence, exit code 1."""
    assert "PATH begins with a slash" in explain("GET", "Users", code=1)
    assert "cannot be read" in explain("POST", "/Users", "@/nowhere", code=1)
    arguments = ["explain", str(examples.locate("demo.yaml")), "dmeo", "GET", "/Users"]
    result = CliRunner(env=files.environment("127.0.0.1:0")).invoke(app, arguments)
    assert (result.exit_code, result.stderr.strip()) == (1, "there is no tenant 'dmeo'; did you mean 'demo'?")


def test_a_store_of_another_version_is_a_sentence(explain: Explain, files: Files) -> None:
    """--read never changes the store's schema: one that is too old is told."""
    files.store.touch()
    assert f"needs step {schema.SCHEMA}" in explain("GET", "/Users", None, "--read", code=1)


def test_secrets_are_masked(tmp_path: Path) -> None:
    """What is secret in the settings is secret in what is printed, wherever it turns up (X11)."""
    config = tmp_path / "gateway.yaml"
    config.write_text(
        f"""
version: 1
store: {{ url: sqlite:///{tmp_path}/g.db, id_key: ${{env:ID_KEY}} }}
backends:
  hr:
    type: sql
    settings: {{ url: "postgresql://hr:${{env:PASSWORD}}@127.0.0.1:1/hr", entities: {{ p: {{ table: p, key: id }} }} }}
tenants:
  acme:
    tokens: [ {{ sha256: {"ab" * 32} }} ]
    resources:
      User:
        {{ backend: hr, entity: p, attributes: {{ userName: login }}, on_delete: delete, on_deactivate: refuse }}
""",
        encoding="utf-8",
    )
    env = {"ID_KEY": "k" * 32, "PASSWORD": "hunter2"}
    query = '/Users?filter=userName eq "hunter2"'
    result = CliRunner(env=env).invoke(app, ["explain", str(config), "acme", "GET", query])
    assert result.exit_code == 0, result.output
    assert "the native calls can be shown once the system is reached" in result.stdout
    assert "hunter2" not in result.output
