"""Reading YAML 1.2: what values become, where they were written, how several files are one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import SettingsError
from gateway.settings.document import read


def problems(path: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(path)
    return [f"{one.place.file.name}:{one.place.line}: {one.where}: {one.reason}" for one in caught.value.problems]


def test_legacy_codes_stay_text(write: Callable[..., Path]) -> None:
    """YES, NO, ON and 22:30 are words, as keys and as values: flag tables consist of them (DESIGN §6)."""
    path = write("flags: { YES: true, NO: false, ON: on, 22:30: y }\nat: 22:30:07\n")
    assert read(path).data == {"flags": {"YES": True, "NO": False, "ON": "on", "22:30": "y"}, "at": "22:30:07"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), ("0x1F", 31), ("0o17", 15), ("-7", -7), ("1.5", 1.5), ("1e3", 1000.0), ("~", None), ("null", None),
        ("true", True), ("'007'", "007"), ("9999-12-31", date(9999, 12, 31)), ("\"\"", ""), ("0", 0),
        ("2027-06-30T12:00:00Z", datetime(2027, 6, 30, 12, tzinfo=UTC)), ("|\n  a\n  b\n", "a\nb\n"),
    ],
)  # fmt: skip
def test_scalars_are_what_they_look_like(write: Callable[..., Path], text: str, value: Any) -> None:
    """Each form of a scalar gives the plain value, and of the right type."""
    found = read(write(f"a: {text}\n")).data["a"]
    assert found == value
    assert type(found) is type(value)


def test_a_number_with_leading_zeros_is_refused(write: Callable[..., Path]) -> None:
    """007 would silently become 7; the code must be quoted, as key and as value (R-L18)."""
    path = write("a: 007\nb: { 00123: x }\n")
    assert problems(path) == [
        "one.yaml:1: a: 007 is a number whose leading zeros are lost; write '007' for the text",
        "one.yaml:2: b: 00123 is a number whose leading zeros are lost; write '00123' for the text",
    ]


def test_a_key_said_twice_names_the_first_line(write: Callable[..., Path]) -> None:
    """Neither value of a key said twice wins: the second is an error that names the first."""
    assert problems(write("a: 1\nb:\n  c: 1\n  c: 2\n")) == ["one.yaml:4: b.c: is said twice; the first time at line 3"]


def test_every_value_has_a_place(write: Callable[..., Path]) -> None:
    """The place of a value is the line of its key; of an element, its own; of what is missing, what is around it."""
    document = read(write("a:\n  b:\n    - x\n    -\n      c: 1\n"))
    lines = {trail: place.line for trail, place in document.places.items()}
    assert lines == {(): 1, ("a",): 1, ("a", "b"): 2, ("a", "b", 0): 3, ("a", "b", 1): 5, ("a", "b", 1, "c"): 5}
    assert document.place(("a", "b", 1, "missing")).line == 5


def test_what_an_alias_brings_has_the_place_it_was_written_at(write: Callable[..., Path]) -> None:
    """Anchors and ``<<`` let tenants share a mapping; a value's place is where somebody can mend it."""
    document = read(write("base: &base\n  a: 1\n  b: 2\nown:\n  <<: *base\n  b: 3\nsame: *base\n"))
    assert document.data["own"] == {"a": 1, "b": 3}
    assert document.data["same"] == {"a": 1, "b": 2}
    assert document.places[("own", "a")].line == 2
    assert document.places[("own", "b")].line == 6


def test_a_folder_is_one_configuration(write: Callable[..., Path]) -> None:
    """Mappings of several files grow together; each value keeps its file; version may stand in each."""
    path = write("version: 1\ntenants: { a: { x: 1 } }\n", "version: 1\ntenants: { b: 2, a: { y: 3 } }\n", folder=True)
    (path / "notes.txt").write_text("not: [yaml", encoding="utf-8")
    (path / ".hidden.yaml").write_text("not: [yaml", encoding="utf-8")
    document = read(path)
    assert document.data == {"version": 1, "tenants": {"a": {"x": 1, "y": 3}, "b": 2}}
    assert document.places[("tenants", "a", "x")].file.name == "one.yaml"
    assert document.places[("tenants", "a", "y")].file.name == "two.yaml"


def test_what_two_files_say_names_both_places(write: Callable[..., Path]) -> None:
    """A value that two files give is an error with both places, even if both say the same."""
    path = write("server:\n  listen: a\n", "server:\n\n  listen: a\n", folder=True)
    (problem,) = problems(path)
    assert problem.startswith("two.yaml:3: server.listen: is said twice: here and at ")
    assert problem.endswith("one.yaml:2")


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("a: [1\n", 2, "no YAML"),
        ("a: 1\n\tb: 2\n", 2, "no YAML"),
        ("a: *nobody\n", 1, "nobody"),
        ("a: 1\n---\nb: 2\n", 2, "single document"),
        ("", 1, "is empty"),
        ("- a\n", 1, "no keys at its top"),
        ("a: !!python/object 1\n", 1, "means nothing here"),
        ("a: 2027-13-45\n", 1, "is no timestamp"),
        ("? [a, b]\n: 1\n", 1, "a single word"),
        ("a: " + "[" * 3000 + "]" * 3000, 1, "nested too deeply"),
    ],
)
def test_what_is_no_configuration_is_said_with_its_line(
    write: Callable[..., Path], text: str, where: int, words: str
) -> None:
    """Broken YAML, several documents, tags of other programs: a sentence with file and line, never a traceback."""
    found = problems(write(text))
    assert found[0].startswith(f"one.yaml:{where}:")
    assert words in found[0]


def test_aliases_of_aliases_are_bounded(write: Callable[..., Path]) -> None:
    """A few lines that would unfold to millions of values are refused."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    assert "more than" in problems(write("\n".join(lines)))[0]


def test_a_file_that_is_not_text_or_not_there_is_a_sentence(tmp_path: Path) -> None:
    """Latin-1 bytes and a missing file are told, not raised."""
    (tmp_path / "latin.yaml").write_bytes("a: 1\nb: Zo\xeb\n".encode("latin-1"))
    assert problems(tmp_path / "latin.yaml") == ["latin.yaml:2: : is not text in UTF-8"]
    assert "cannot be read" in problems(tmp_path / "nothing.yaml")[0]
    (tmp_path / "empty").mkdir()
    assert "has no .yaml or .yml file" in problems(tmp_path / "empty")[0]


def test_references_need_no_quotes(write: Callable[..., Path]) -> None:
    """``${env:X:-a, b}`` may stand in a flow mapping, whose braces and commas YAML would take for its own."""
    path = write(
        "a: { b: ${env:X}, c: [${file:/x y}, 'q ${env:Z:-a, b}'] }\nd: ${env:X:-#1: \"x\"} # note\ne: ${env:N}5\n"
    )
    assert read(path).data == {
        "a": {"b": "${env:X}", "c": ["${file:/x y}", "q ${env:Z:-a, b}"]},
        "d": '${env:X:-#1: "x"}',
        "e": "${env:N}5",
    }
