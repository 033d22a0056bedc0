"""Kinds of backends found by entry points."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from backends.contract import Backend
from gateway.plugins import GROUP, Plugin, PluginError, Plugins


def plugin(name: str, value: str, distribution: str = "scim-gateway") -> Plugin:
    return Plugin(name, distribution, EntryPoint(name, value, GROUP))


def test_the_installed_kinds_are_found_by_name() -> None:
    """Every kind of this distribution loads, is a Backend, and has settings of its own."""
    installed = list(Plugins.installed())
    assert {"memory", "sql"} <= {one.name for one in installed}
    for one in installed:
        kind = one.load()
        assert issubclass(kind, Backend)
        assert kind.settings_type.model_fields


def test_an_unknown_kind_names_the_nearest() -> None:
    """A typo is answered with what was probably meant, a guess at random with what there is."""
    plugins = Plugins([plugin("sql", "x:X"), plugin("soap", "x:X"), plugin("memory", "x:X")])
    with pytest.raises(PluginError, match=r"no backend of the type 'sqll'; did you mean sql"):
        plugins.find("sqll")
    with pytest.raises(PluginError, match="installed are memory, soap, sql"):
        plugins.find("quux")


def test_a_missing_driver_names_the_command_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an extra of that name the command installs it, else the package that is missing."""
    (tmp_path / "acme_backend.py").write_text("import nowhere_at_all.deep\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match="needs nowhere_at_all, which is not installed: pip install nowhere_at_all"):
        plugin("other", "acme_backend:Backend").load()
    with pytest.raises(PluginError, match=r"pip install 'scim-gateway\[uvloop\]'"):
        plugin("uvloop", "acme_backend:Backend").load()


@pytest.mark.parametrize("value", ["json:loads", "json:JSONDecoder", "json:Nothing", "nowhere_at_all:Backend"])
def test_what_is_no_backend_is_refused(value: str) -> None:
    """An entry point that leads to something else is told, with where it leads or what is missing."""
    with pytest.raises(PluginError, match="the backend odd of acme-plugins is"):
        plugin("odd", value, "acme-plugins").load()


def test_finding_kinds_imports_none() -> None:
    """Listing what is installed imports no backend: a driver nobody uses costs nothing (never 5)."""
    script = (
        "import sys; from gateway.plugins import Plugins; names = [one.name for one in Plugins.installed()];"
        "assert 'sql' in names; raise SystemExit(bool({'backends.sql', 'sqlalchemy'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
