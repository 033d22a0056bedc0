"""Kinds of backends found by entry points."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from backends.contract import Backend
from gateway.plugins import GROUP, SECRETS, Plugin, PluginError, Plugins
from gateway.settings import SettingsError
from gateway.settings.document import read
from gateway.settings.expansion import Expansion


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


PROVIDER = """
SECRETS = {"acme/id-key": "k" * 32}
asked = []

def read(path):
    asked.append(path)
    if path not in SECRETS:
        raise LookupError("the vault has no such secret")
    return SECRETS[path]

def number(path):
    return 7

nothing = None
"""


def _provide(monkeypatch: pytest.MonkeyPatch, **providers: str) -> None:
    entries = [EntryPoint(name, value, SECRETS) for name, value in providers.items()]
    monkeypatch.setattr("gateway.plugins.metadata.entry_points", lambda group: entries if group == SECRETS else [])


def test_a_provider_of_secrets_is_asked_anew_at_every_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``${NAME:argument}`` asks the provider of that name: imported when it is needed, and a rotated secret is seen
    (X16)."""
    (tmp_path / "acme_vault.py").write_text(PROVIDER, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    _provide(monkeypatch, vault="acme_vault:read", odd="acme_vault:number", none="acme_vault:nothing")
    sources = Plugins.secrets()
    assert "acme_vault" not in sys.modules
    file = tmp_path / "gateway.yaml"
    file.write_text("a: ${vault:acme/id-key}\n", encoding="utf-8")
    expansion = Expansion({}, sources)
    assert expansion.expand(read(file)).data == {"a": "k" * 32}
    sys.modules["acme_vault"].SECRETS["acme/id-key"] = "rotated"
    assert expansion.expand(read(file)).data == {"a": "rotated"}
    file.write_text("a: ${vault:gone}\nb: ${odd:x}\nc: ${none:x}\nd: ${vlt:x}\n", encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        expansion.expand(read(file))
    told = [problem.reason for problem in refused.value.problems]
    assert "the vault has no such secret" in told[0]
    assert "the provider odd gives int, not text" in told[1]
    assert "nothing that can be called" in told[2]
    assert "did you mean 'vault'?" in told[3]


def test_a_provider_that_cannot_be_imported_is_told_where_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken plugin is a problem with file and line, and none at all for who does not use it."""
    _provide(monkeypatch, vault="nowhere_at_all:read")
    file = tmp_path / "gateway.yaml"
    file.write_text("x: 1\na: ${vault:b}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"gateway.yaml:2: a: .*the provider vault .* cannot be imported"):
        Expansion({}, Plugins.secrets()).expand(read(file))


@pytest.mark.parametrize("names", [{"env": "x:y"}, {"file": "x:y"}])
def test_no_provider_stands_in_the_place_of_our_own(monkeypatch: pytest.MonkeyPatch, names: dict[str, str]) -> None:
    """Whoever can install a package must not change what `env` and `file` mean unnoticed."""
    _provide(monkeypatch, **names)
    with pytest.raises(PluginError, match="is there already"):
        Plugins.secrets()
