"""The language reference says what is so: its tables are generated, its examples compile, its code runs."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ruamel.yaml import YAML

from backends.contract import Compare, Op
from gateway.mapping import BUILT_IN, Links
from gateway.scim import filters
from tests.mapping.world import BASE, World, group, user

FOLDER = Path(__file__).parent
PAGE = (FOLDER.parents[1] / "gateway" / "mapping" / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
(PYTHON,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_reference", FOLDER / "generate_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compiled(block: str) -> World:
    attributes: dict[str, Any] = YAML(typ="safe").load(block)
    return group(attributes) if block.startswith("# of a Group") else user(attributes)


def test_the_tables_are_current() -> None:
    """Every codec and every key has its row, as the program has them today (`make generate`)."""
    assert generator().text(PAGE) == PAGE
    assert all(f"| `{name}` |" in PAGE for name in BUILT_IN)


@pytest.mark.parametrize("block", BLOCKS, ids=[block.strip().splitlines()[0][:50] for block in BLOCKS])
def test_every_example_compiles(block: str) -> None:
    """What the page shows can be copied into a configuration (DESIGN §6)."""
    assert compiled(block).mapping.entity in ("people", "teams")


def test_the_example_of_many_places_does_what_the_page_says() -> None:
    """Work and home go to their columns, everything else to rows, roles to a field with several values (R-L17)."""
    (block,) = (one for one in BLOCKS if "a slot: one element" in one)
    world = compiled(block)
    emails = [
        {"type": "home", "value": "h"},
        {"type": "web", "value": "w", "primary": True},
        {"type": "work", "value": "x"},
    ]
    record, _ = world.created({"userName": "a", "emails": emails, "roles": [{"value": "r"}]})
    assert (record.fields["mail"], record.fields["mail2"], record.fields["roles"]) == ("x", "h", ("r",))
    (row,) = record.fields["mails"]  # type: ignore[misc]
    assert dict(row) == {"address": "w", "kind": "web", "std": "Y", "note": None}  # type: ignore[call-overload]


def test_the_codec_of_ones_own_works_as_shown() -> None:
    """The page's own codec reads, writes, refuses and is asked for (DESIGN §6)."""
    found: dict[str, Any] = {}
    exec(compile(PYTHON, "README.md", "exec"), found)
    world = user({"nickName": {"field": "full", "codec": "reversed"}}, codecs={"reversed": found["reversed_text"]})
    record, _ = world.created({"userName": "a", "nickName": "Ada"})
    assert record.fields["full"] == "adA"
    assert world.read(record)["nickName"] == "Ada"
    tree = filters.parse('nickName eq "Ada"', world.resource_type)
    assert world.mapping.translate(tree).bind(Links()).where == Compare("full", Op.EQ, "adA", ignore_case=True)
    assert set(BASE) == {"userName", "active"}
