"""`scim-gateway token new`: what is shown is what the gateway accepts."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from gateway.cli import tokens
from gateway.server.auth.tokens import PREFIX, is_well_formed
from gateway.settings.callers import TokenSettings
from gateway.settings.traffic import AdminTokenSettings


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(tokens.app, ["new", *arguments])
    return result.exit_code, result.output


def parsed(output: str) -> tuple[str, dict[str, Any]]:
    """Take the token and the lines for the configuration out of what was printed."""
    token = next(line.strip() for line in output.splitlines() if line.strip().startswith(PREFIX))
    lines = output[output.index("    tokens:") :]
    return token, YAML(typ="safe").load(lines)["tokens"][0]


def test_the_lines_printed_accept_the_token_printed() -> None:
    """The digest is the token's, the lines are a token of the configuration, and the token stands in them nowhere."""
    code, output = run("--name", "okta-2027", "--expires", "2027-06-30")
    assert code == 0
    token, lines = parsed(output)
    assert lines == {
        "sha256": hashlib.sha256(token.encode()).hexdigest(),
        "name": "okta-2027",
        "expires": date(2027, 6, 30),
        "created": datetime.now(UTC).date(),
    }
    settings = TokenSettings.model_validate(lines)
    assert settings.name == "okta-2027"
    assert settings.created is not None
    assert settings.created <= datetime.now(UTC)
    assert AdminTokenSettings.model_validate(lines).created == settings.created
    assert output.count(token) == 1


def test_no_two_tokens_are_alike() -> None:
    """Each run makes another token, of the form the gateway and scanners know (X6)."""
    made = {parsed(run()[1])[0] for _ in range(20)}
    assert len(made) == 20
    assert all(is_well_formed(token) for token in made)


@pytest.mark.parametrize("name", ["it's", "a: b", "123", "käse", "- x"])
def test_an_odd_name_stays_the_name_it_was(name: str) -> None:
    """Whatever name is given, the lines are YAML and say that name."""
    code, output = run("--name", name)
    assert code == 0
    assert parsed(output)[1]["name"] == name


@pytest.mark.parametrize("arguments", [("--expires", "tomorrow"), ("--expires", "2027-02-30"), ("--name", "a\nb")])
def test_what_cannot_be_is_refused_before_a_token_is_made(arguments: tuple[str, str]) -> None:
    """A wrong day or name ends with 2 and prints no token."""
    code, output = run(*arguments)
    assert code == 2
    assert PREFIX not in output
