"""References to the environment, to files and to further sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.settings import SettingsError
from gateway.settings.document import read
from gateway.settings.expansion import Expanded, Expansion

Write = Callable[..., Path]


def expand(path: Path, **environment: str) -> Expanded:
    return Expansion(environment, {"vault": vault}).expand(read(path))


def vault(name: str) -> str:
    if name == "down":
        raise OSError(111, "Connection refused")
    if name != "hr/password":
        raise LookupError("there is no such secret")
    return "from-vault"


def test_references_stand_alone_or_inside_text(write: Write) -> None:
    """``${env:X}``, a default, and two references within one text, at any depth."""
    path = write("a: ${env:HOST}\nb: [ 'http://${env:HOST}:${env:PORT:-80}/x' ]\nc: ${env:EMPTY:-}\n")
    expanded = expand(path, HOST="example.com")
    assert expanded.data == {"a": "example.com", "b": ["http://example.com:80/x"], "c": ""}


def test_what_came_from_outside_is_known(write: Write) -> None:
    """A value counts as a reference only if a part of it came from outside: a default stands in the file."""
    expanded = expand(write("a: ${env:X}\nb: ${env:Y:-literal}\nc: x\n"), X="1")
    assert expanded.referenced == {("a",)}


def test_a_file_is_read_without_its_last_line_end(write: Write, tmp_path: Path) -> None:
    """Secrets mounted as files end with a line end nobody means; a relative path starts at the configuration."""
    path = write("a: ${file:secret}\nb: ${file:windows}\n")
    (path.parent / "secret").write_text("one\n\n", encoding="utf-8")
    (path.parent / "windows").write_bytes(b"two\r\n")
    expanded = expand(path)
    assert expanded.data == {"a": "one\n", "b": "two"}
    assert expanded.files == (path.parent / "secret", path.parent / "windows")


def test_a_changed_secret_is_seen_by_the_next_reading(write: Write) -> None:
    """Nothing is remembered: rotation is writing the file and loading again (R-L34)."""
    path = write("a: ${file:secret}\n")
    secret = path.parent / "secret"
    secret.write_text("old", encoding="utf-8")
    assert expand(path).data == {"a": "old"}
    secret.write_text("new", encoding="utf-8")
    assert expand(path).data == {"a": "new"}


def test_further_sources_have_names_of_their_own(write: Write) -> None:
    """A vault is one more kind of reference."""
    expanded = expand(write("a: ${vault:hr/password}\n"))
    assert expanded.data == {"a": "from-vault"}
    assert expanded.referenced == {("a",)}


def test_a_doubled_dollar_is_the_sign_itself(write: Write) -> None:
    """``$${`` writes ``${``; other dollars are text."""
    assert expand(write("a: $${env:X} costs $5 {x}\n")).data == {"a": "${env:X} costs $5 {x}"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("${env:NOBODY}", "the environment variable NOBODY is not set"),
        ("${file:/nowhere/at/all}", "the file /nowhere/at/all cannot be read: No such file or directory"),
        ("${vault:x}", "${vault:x}: there is no such secret"),
        ("${vault:down}", "${vault:down}: Connection refused"),
        ("${enf:X}", "did you mean 'env'?"),
        ("${X}", "is no reference"),
        ("${env:X", "is not closed"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told(write: Write, value: str, reason: str) -> None:
    """File, line and path of every reference that cannot be replaced, all at once."""
    path = write(f"x: 1\na:\n  b: '{value}'\nc: ${{env:ALSO}}\n")
    with pytest.raises(SettingsError) as caught:
        expand(path)
    first, second = caught.value.problems
    assert (first.place.line, first.where) == (3, "a.b")
    assert reason in first.reason
    assert (second.place.line, second.where) == (4, "c")


def test_keys_are_not_expanded(write: Write) -> None:
    """A reference is a value; a key that looks like one stays as it is."""
    assert expand(write("'${env:X}': 1\n")).data == {"${env:X}": 1}
