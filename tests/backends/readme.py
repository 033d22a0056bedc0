"""The generated parts of the backends' pages. `make generate` writes them anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backends.conformance.reference import capability_table, inserted, settings_tables
from backends.conformance.scaffold import scaffold
from backends.contract import Backend, Context
from backends.memory import MemoryBackend, MemorySettings
from backends.rest import RestBackend, RestSettings
from backends.soap import SoapBackend, SoapSettings
from backends.sql import SqlBackend, SqlSettings
from tests.backends.harnesses import settings
from tests.backends.poor import PoorBackend, PoorSettings, PoorSystem
from tests.backends.rest import systems
from tests.backends.soap.systems import staff
from tests.backends.sql.features import feature_table

BACKENDS = Path(__file__).parents[2] / "backends"
SQL: Mapping[str, Any] = {
    "url": "sqlite://",
    "entities": {
        "people": {
            "table": "person",
            "key": "id",
            "fields": {"login": "login", "teams": {"inverse": "teams.members"}},
            "rows": {"mails": {"table": "mail", "owner": "person", "key": "address"}},
        },
        "teams": {"table": "team", "key": "id", "members": {"table": "member", "owner": "team", "member": "person"}},
    },
}


def backends() -> dict[str, tuple[Backend[Any], str]]:
    """Construct one of each kind, with the entity that can do most."""
    rest = RestSettings.model_validate(systems.proper("https://people.example.com"))
    soap = SoapSettings.model_validate(staff("https://people.example.com"))
    return {
        "memory": (MemoryBackend(settings(), Context("memory")), "people"),
        "rest": (RestBackend(rest, Context("rest")), "people"),
        "soap": (SoapBackend(soap, Context("soap")), "people"),
        "sql": (SqlBackend(SqlSettings.model_validate(SQL), Context("sql")), "people"),
        "poorest": (PoorBackend(PoorSettings(), Context("poor"), PoorSystem()), "people"),
    }


def pages() -> dict[Path, str]:
    """Make the pages as they should be: path -> text."""
    files = scaffold("phone-book")
    made = {BACKENDS / "README.md": {
        "backend": _code(files["phone_book_backend/backend.py"]),
        "test": _code(files["tests/test_conformance.py"]),
        "capabilities": capability_table(backends()),
    }, BACKENDS / "memory" / "README.md": {"settings": settings_tables(MemorySettings)},
       BACKENDS / "rest" / "README.md": {"settings": settings_tables(RestSettings)},
       BACKENDS / "sql" / "README.md": {"settings": settings_tables(SqlSettings), "features": feature_table()},
       BACKENDS / "soap" / "README.md": {"settings": settings_tables(SoapSettings)}}  # fmt: skip
    found = {}
    for path, parts in made.items():
        text = path.read_text(encoding="utf-8")
        for name, part in parts.items():
            text = inserted(text, name, part)
        found[path] = text
    return found


def _code(text: str) -> str:
    return f"```python\n{text.rstrip()}\n```"
