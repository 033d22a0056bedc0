"""What is generated from the settings is what is checked in."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parent


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_schema_for_editors_is_current() -> None:
    """config/schema.json is what the settings and the installed backends give today (`make generate`)."""
    generator = script("generate_schema")
    assert generator.TARGET.read_text(encoding="utf-8") == generator.text()


def test_the_tables_of_settings_are_current() -> None:
    """config/README.md has a row for every setting (`make generate`)."""
    generator = script("generate_tables")
    page = generator.TARGET.read_text(encoding="utf-8")
    assert page == generator.text(page)
    assert page.count("### `tenants.<name>.tokens[]`") == 1


def test_every_setting_is_described() -> None:
    """No setting is without a sentence that ends with a full stop."""
    generator = script("generate_tables")
    for path, model in generator.sections(generator.Settings):
        for name, field in model.model_fields.items():
            assert field.description, f"{path}.{name}"
            assert field.description.endswith("."), f"{path}.{name}"


@pytest.mark.parametrize("key", ["version", "server", "metrics", "store", "cache", "backends", "tenants"])
def test_the_schema_knows_every_section(key: str) -> None:
    """Editors complete each section, and take a reference where a number belongs."""
    document = json.loads(script("generate_schema").TARGET.read_text(encoding="utf-8"))
    assert key in document["properties"]
    port = document["$defs"]["TenantLimitSettings"]["properties"]["page_size"]
    assert {"type": "string", "pattern": r"\$\{[a-z][a-z0-9_-]*:"} in port["anyOf"]
