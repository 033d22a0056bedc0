"""The pages beside the backends say what the code does."""

from __future__ import annotations

import io
import re
from enum import StrEnum
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, Field, SecretStr
from ruamel.yaml import YAML

from backends.conformance.reference import capability_table, inserted, settings_tables
from backends.contract import Context, Query
from backends.memory import MemoryBackend, MemorySettings
from tests.backends.harnesses import settings
from tests.backends.readme import BACKENDS, pages


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.relative_to(BACKENDS).as_posix())
def test_generated_parts_are_current(path: Path) -> None:
    """Tables and examples are those the code makes; `make generate` writes them anew."""
    assert path.read_text(encoding="utf-8") == pages()[path]


async def test_the_example_of_the_memory_backend_works() -> None:
    """The configuration in the page loads, and has the records it shows."""
    page = (BACKENDS / "memory" / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    trial = YAML(typ="safe").load(io.StringIO(example))["backends"]["trial"]
    assert trial["type"] == "memory"
    backend = MemoryBackend(MemorySettings.model_validate(trial["settings"]), Context("trial"))
    people = await backend.search("people", Query(frozenset({"login", "teams"})))
    assert [record.fields["login"] for record in people.records] == ["ann", "bob"]
    assert all(len(record.fields["teams"] or ()) == 1 for record in people.records)  # type: ignore[arg-type]
    assert not backend.capabilities("people").offset


class Colour(StrEnum):
    RED = "red"


class Inner(BaseModel):
    """Inside."""

    many: tuple[int, ...] = ()
    kind: Literal["a", "b"] | None = None


class Outer(BaseModel):
    """Outside | with a bar."""

    url: str = Field(description="Where\n  it is | or was.")
    token: SecretStr | None = None
    inner: Inner = Inner()
    each: dict[str, Inner] = Field(default_factory=dict)
    colour: Colour = Colour.RED
    on: bool = False


def test_settings_become_tables() -> None:
    """Each model has a table, nested ones once; types are words, defaults as written, bars do not break the table."""
    assert settings_tables(Outer) == "\n".join(
        [
            "### `Outer`",
            "",
            "Outside | with a bar.",
            "",
            "| setting | type | default | meaning |",
            "| --- | --- | --- | --- |",
            "| `url` | text | required | Where it is \\| or was. |",
            "| `token` | secret | – |  |",
            "| `inner` | [`Inner`](#inner) | its defaults |  |",
            "| `each` | map of [`Inner`](#inner) | – |  |",
            "| `colour` | `red` | `red` |  |",
            "| `on` | true or false | `false` |  |",
            "",
            "### `Inner`",
            "",
            "Inside.",
            "",
            "| setting | type | default | meaning |",
            "| --- | --- | --- | --- |",
            "| `many` | list of number | – |  |",
            "| `kind` | `a`, `b` | – |  |",
        ]
    )


def test_capabilities_become_a_table() -> None:
    """A column a backend: all operators, some of them, and loose ones with a star."""
    some = settings(filters={"login": ["eq", "sw"], "note": ["eq"]}, loose=["login"], without=["versions", "delete"])
    table = capability_table({"m": (MemoryBackend(some, Context("m")), "people")})
    assert "|  | `m` |" in table
    assert "| writes | create, update |" in table
    assert "| filters by | eq, sw* |" in table
    assert "| versions | – |" in table


@pytest.mark.parametrize(
    "page", ["", "<!-- begin: x -->", "<!-- end: x --><!-- begin: x -->", "<!-- begin: x --><!-- end: x -->" * 2]
)
def test_a_page_without_its_marks_is_told(page: str) -> None:
    """A text is put between the marks, or nowhere."""
    with pytest.raises(ValueError, match="once each"):
        inserted(page, "x", "text")
    assert (
        inserted("a\n<!-- begin: x -->\nold\n<!-- end: x -->\nb", "x", " new\n")
        == "a\n<!-- begin: x -->\nnew\n<!-- end: x -->\nb"
    )
