"""Whole configurations: what is accepted, and how each mistake is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr

from gateway.settings import Configuration, SettingsError, load

Refused = Callable[..., list[str]]
Loaded = Callable[..., Configuration]


class Backend(BaseModel):
    """A backend's settings as a plugin would declare them."""

    model_config = ConfigDict(extra="forbid")
    url: SecretStr
    nested: dict[str, Inner] = {}


class Inner(BaseModel):
    """A part of them."""

    model_config = ConfigDict(extra="forbid")
    table: str
    key: str | list[str] = "id"


def test_a_whole_configuration_is_typed(loaded: Loaded, whole: str) -> None:
    """Every section has its type and its defaults; secrets are secrets."""
    settings = loaded(whole).settings
    assert str(settings.server.listen) == "127.0.0.1:8080"
    assert settings.server.public_url is None
    assert settings.store.id_key.get_secret_value() == "k" * 32
    tenant = settings.tenants["acme"]
    assert (tenant.client, tenant.mode, tenant.limits.page_size) == ("default", "compat", 100)
    assert tenant.tokens[0].expires == datetime(2027, 7, 1, tzinfo=UTC)
    assert tenant.resources["User"].attributes["userName"].field == "login"


def test_secrets_are_in_no_representation(loaded: Loaded, whole: str) -> None:
    """What is printed of a configuration has no secret in it, the digests of tokens included (X11)."""
    configuration = loaded(whole)
    for text in (repr(configuration), str(configuration.settings), repr(configuration.settings.tenants)):
        assert "k" * 32 not in text
        assert "s3cret" not in text
        assert "abab" not in text


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("version: 1", "version: 2"), "2: version: should be 1"),
        (("id_key:", "id_kez:"), "3: store.id_kez: there is no such setting here; did you mean 'id_key'?"),
        (("tokens:", "tokns:"), "8: tenants.acme.tokns: there is no such setting here; did you mean 'tokens'?"),
        (("    tokens:", "    colour: red\n    tokens:"), "8: tenants.acme.colour: there is no such setting here"),
        (("name: first", "nam: first"), "9: tenants.acme.tokens[0].nam: there is no such setting here; did you mean"),
        (("2027-06-30", "tomorrow"), "9: tenants.acme.tokens[0].expires: write a day"),
        (("2027-06-30", "2027-06-30T12:00:00"), "9: tenants.acme.tokens[0].expires: say the zone"),
        (("abab", "zzzz"), "9: tenants.acme.tokens[0].sha256: write the SHA-256 of the token: 64 hexadecimal digits"),
        (("acme:", "Acme_Inc:"), "7: tenants.Acme_Inc: a tenant's name is part of its URL"),
        (("on_delete: delete", "on_delete: remove"), "15: tenants.acme.resources.User.on_delete: "),
        (("        backend: hr", "        bakend: hr"), "12: tenants.acme.resources.User.bakend: there is no such"),
        (("        backend: hr", "        entity_: hr"), "11: tenants.acme.resources.User.backend: is missing"),
        (("type: memory", "typ: memory"), "5: backends.hr.typ: there is no such setting here; did you mean 'type'?"),
        (("type: memory", "type: [memory]"), "5: backends.hr.type: must be text"),
        (("backend: hr", "backend: hr\n        unmapped: kep"), "13: tenants.acme.resources.User.unmapped: should be"),
    ],
)
def test_a_mistake_is_told_with_its_line(refused: Refused, whole: str, change: tuple[str, str], problem: str) -> None:
    """File, line, path, reason and the nearest right name for every kind of mistake (DESIGN §6)."""
    assert change[0] in whole
    found = refused(whole.replace(*change))
    assert [line for line in found if line.startswith(problem)], found


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("server: { listen: 8080 }", "server.listen: write host:port"),
        ("server: { listen: '::1:8080' }", "server.listen: write host:port"),
        ("server: { listen: 127.0.0.1:99999 }", "server.listen: a port is at most 65535"),
        ("server: { public_url: scim.example.com }", "server.public_url: write the URL clients use"),
        ("server: { limits: { json: { depht: 3 } } }", "server.limits.json.depht: there is no such setting here; did"),
        ("server: { limits: { body_bytes: many } }", "server.limits.body_bytes: must be a whole number"),
        ("server: { limits: { body_bytes: 0 } }", "server.limits.body_bytes: should be greater than or equal to 1"),
        ("server: { tls: { certificate: a.pem } }", "server.tls.key: is missing"),
        ("server: { tls: { certificate: a, key: b, client_required: true } }", "server.tls: client_required needs"),
        ("server: []", "server: must have keys of its own"),
        ("metrics: {}", "metrics.listen: is missing"),
    ],
)
def test_every_section_is_checked(refused: Refused, whole: str, section: str, problem: str) -> None:
    """The sections around tenants and backends tell their mistakes the same way."""
    found = refused(f"{whole}{section}\n")
    assert [line for line in found if line.startswith(f"16: {problem}")], found


def test_all_problems_come_at_once(refused: Refused, whole: str) -> None:
    """Nobody has to run a check ten times for ten mistakes; they come in the order of the lines."""
    text = whole.replace("type: memory", "typ: memory").replace("acme:", "ACME:").replace("on_delete", "on_delet")
    lines = [int(line.partition(":")[0]) for line in refused(text)]
    assert len(lines) >= 5
    assert lines == sorted(lines)


def test_a_page_larger_than_the_largest_is_refused(refused: Refused, whole: str) -> None:
    """Limits that contradict each other are told where they stand."""
    text = whole.replace("    tokens:", "    limits: { page_size: 500, max_page_size: 100 }\n    tokens:")
    assert refused(text) == ["8: tenants.acme.limits: page_size is larger than max_page_size"]


def test_a_configuration_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    """A wrong path is told like any other problem."""
    with pytest.raises(SettingsError, match="there is no such file or folder"):
        load(tmp_path / "nothing.yaml")


@pytest.mark.parametrize(
    ("secret", "fine"),
    [
        ("${env:PASSWORD}", True),
        ("postgresql://hr:${env:PASSWORD}@db.example.com/hr", True),
        ("sqlite:////data/hr.db", True),
        ("postgresql://hr@db.example.com/hr", True),
        ("postgresql://hr:hunter2@db.example.com/hr", False),
        ("hunter2", False),
        ("${env:UNSET:-hunter2}", False),
    ],
)
def test_a_literal_where_a_secret_belongs_is_refused(loaded: Loaded, whole: str, secret: str, fine: bool) -> None:
    """Secrets come by reference; a URL is one only for the password in it (DESIGN §6, X16)."""
    text = whole.replace('secret: "${env:PASSWORD}"', f'url: "{secret}"')
    configuration = loaded(text)
    trail = ("backends", "hr", "settings")
    if fine:
        assert configuration.validated(trail, Backend).url.get_secret_value()
        return
    with pytest.raises(SettingsError) as caught:
        configuration.validated(trail, Backend)
    (problem,) = caught.value.problems
    assert (problem.place.line, problem.where) == (5, "backends.hr.settings.url")
    assert "hunter2" not in str(problem)


def test_the_id_key_must_not_be_written_out(refused: Refused, whole: str) -> None:
    """The gateway's own secrets are held to the same rule."""
    text = whole.replace('"${env:ID_KEY}"', "k" * 32)
    assert refused(text) == [
        "3: store.id_key: a secret must not be written here; refer to it by ${env:NAME} or ${file:/path}"
    ]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ("{ url: 'a://b', nestd: {} }", "nestd: there is no such setting here; did you mean 'nested'?"),
        ("{ url: 'a://b', nested: { x: { tabel: t } } }", "nested.x.tabel: there is no such setting here; did you"),
        ("{ url: 'a://b', nested: { x: {} } }", "nested.x.table: is missing"),
        ("{ url: 'a://b', nested: { x: { table: t, key: 1 } } }", "nested.x.key: must be text, or must be a list"),
        ("{ url: 'a://b', nested: { x: { table: t, key: [1] } } }", "nested.x.key[0]: must be text"),
        ("{}", "url: is missing"),
    ],
)
def test_a_backend_has_its_settings_checked_the_same_way(
    loaded: Loaded, whole: str, settings: str, problem: str
) -> None:
    """What a plugin's own model refuses has file, line, path and the nearest name too."""
    configuration = loaded(whole.replace('{ secret: "${env:PASSWORD}" }', settings))
    with pytest.raises(SettingsError) as caught:
        configuration.validated(("backends", "hr", "settings"), Backend)
    found = [f"{one.place.line}: {one.where}: {one.reason}" for one in caught.value.problems]
    assert [line for line in found if line.startswith(f"5: backends.hr.settings.{problem}")], found


def test_a_folder_keeps_the_file_of_every_problem(write: Any, whole: str) -> None:
    """A mistake in the second file of a folder is told with that file's name."""
    top, _, tenants = whole.partition("tenants:")
    path = write(top, f"tenants:{tenants.replace('on_delete: delete', 'on_delete: 1')}", folder=True)
    with pytest.raises(SettingsError) as caught:
        load(path, {"ID_KEY": "k" * 32, "PASSWORD": "x"})
    assert {problem.place.file.name for problem in caught.value.problems} == {"two.yaml"}
    assert {problem.place.line for problem in caught.value.problems} == {10}


def test_an_error_is_one_text_with_a_line_for_each_problem(refused: Refused, loaded: Loaded, whole: str) -> None:
    """The exception's own text is what a person reads: file:line: path: reason."""
    with pytest.raises(SettingsError) as caught:
        loaded(whole.replace("type: memory", "typ: memory"))
    lines = str(caught.value).splitlines()
    assert len(lines) == len(caught.value.problems) == 2
    assert "one.yaml:5: backends.hr.type: is missing" in str(caught.value)


def test_a_secret_in_the_wrong_place_is_named_by_its_reference(refused: Refused, loaded: Loaded, whole: str) -> None:
    """Whoever puts a reference where something else belongs is told which reference, and never what it holds (X16)."""
    environment = {"ID_KEY": "k" * 32, "PASSWORD": "sesame-sesame"}
    listening = whole + "server: { listen: x${env:PASSWORD} }\n"
    (problem,) = refused(listening, environment)
    assert "sesame" not in problem
    one = loaded(whole, environment).problem(("backends", "hr"), "there is no backend 'xsesame-sesame'; nor sesame")
    assert one.reason == "there is no backend 'x${env:PASSWORD}'; nor sesame"
