"""The nevers of the design, each as a test over the source."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.architecture.modules import ROOT, Module, modules, starts

MODULES = modules()
GATEWAY = [module for module in MODULES if starts(module.name, "gateway")]
SCIM = [module for module in MODULES if module.room == "gateway.scim"]
CLIENTS = ("entra", "azure", "okta", "onelogin", "jumpcloud", "authentik", "sailpoint", "workspace", "keycloak")
BOUNDARIES = {
    "gateway.server": "the outermost middleware",
    "gateway.engine.bulk": "one item of a bulk request",
    "gateway.engine.guard": "the call of a plugin",
    "gateway.engine.reaching": "the start of a plugin",
    "gateway.app": "shutdown, and the runner of background tasks",
}
"""Where `except Exception` may stand (never 6)."""


def names(module: Module) -> Iterator[str]:
    """Yield every identifier and string of a module but its docstrings."""
    documents = {
        id(node.body[0].value)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.value


@pytest.mark.parametrize("module", SCIM, ids=lambda module: module.name)
def test_the_protocol_does_no_io(module: Module) -> None:
    """No `async`, no clock and no network in `gateway.scim`; only its own schemas are read (never 1)."""
    for node in ast.walk(module.tree):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith), node.lineno
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"now", "utcnow", "today", "time_ns", "monotonic", "perf_counter"}, node.lineno
    forbidden = {"asyncio", "socket", "time", "random", "secrets", "os", "threading", "urllib.request", "http"}
    assert not {name for name in module.imports if any(starts(name, root) for root in forbidden)}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_only_the_server_knows_http_servers(module: Module) -> None:
    """`aiohttp.web` is imported by `gateway.server` and `gateway.app` alone (never 2)."""
    if module.room not in {"gateway.server", "gateway.app"}:
        assert not [name for name in module.imports if starts(name, "aiohttp.web")]


@pytest.mark.parametrize("module", GATEWAY, ids=lambda module: module.name)
def test_the_gateway_names_no_concrete_backend(module: Module) -> None:
    """No import of a backend, and no comparison with a backend's type name (never 4)."""
    kinds = {"backends.sql", "backends.rest", "backends.soap", "backends.memory"}
    assert not [name for name in module.imports if any(starts(name, kind) for kind in kinds)]
    if module.room in {"gateway.mapping", "gateway.settings", "gateway.identity"}:
        return  # "rest" and "memory" are words of their own languages; none of these rooms ever sees a backend
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Compare):
            literals = {part.value for part in (node.left, *node.comparators) if isinstance(part, ast.Constant)}
            # A cache may be in memory too: there the word says nothing of a backend.
            kinds_named = {"sql", "rest", "soap"} | (set() if module.room == "gateway.app" else {"memory"})
            assert not literals & kinds_named, node.lineno


@pytest.mark.parametrize("module", GATEWAY, ids=lambda module: module.name)
def test_client_names_stand_in_the_dialects_only(module: Module) -> None:
    """Names of identity providers are data of `scim/dialects.py` (never 7)."""
    if module.name == "gateway.scim.dialects":
        return
    found = [word for word in names(module) for client in CLIENTS if re.search(rf"\b{client}", word.lower())]
    assert found == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_everything_is_caught_at_the_listed_boundaries_only(module: Module) -> None:
    """`except Exception` and wider stand nowhere else (never 6)."""
    allowed = any(starts(module.name, boundary) for boundary in BOUNDARIES)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type is not None else "everything"
            wide = caught == "everything" or re.search(r"\b(Base)?Exception\b", caught) is not None
            reraised = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
            assert not wide or allowed or reraised, f"line {node.lineno}: except {caught}"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_nothing_is_caught_to_be_forgotten(module: Module) -> None:
    """No `suppress(Exception)`, and no handler of a wide class whose body is `pass` (never 6)."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            caught = {ast.unparse(argument) for argument in node.args}
            assert not caught & {"Exception", "BaseException"}, node.lineno
        if isinstance(node, ast.ExceptHandler) and all(isinstance(part, ast.Pass) for part in node.body):
            assert node.type is not None, node.lineno
            assert "Exception" not in ast.unparse(node.type).split("."), node.lineno


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_no_module_keeps_state_of_its_own(module: Module) -> None:
    """No `global` statement: collaborators come through constructors (never 5)."""
    assert not [node.lineno for node in ast.walk(module.tree) if isinstance(node, ast.Global)]


def test_imports_have_no_side_effects() -> None:
    """Importing every module opens no socket, starts no thread and writes nothing (never 5).

    urllib3 (of zeep's) tries out an IPv6 address when it is imported: that one call is told no, any other ends the run.
    """
    script = (
        "import sys, threading, importlib, socket\n"
        "def refuse(*_, **__):\n"
        "    caller = sys._getframe(1)\n"
        "    if (caller.f_globals['__name__'], caller.f_code.co_name) == ('urllib3.util.connection', '_has_ipv6'):\n"
        "        raise OSError('not while importing')\n"
        "    raise SystemExit('an import opened a socket')\n"
        "socket.socket.connect = refuse\nsocket.socket.bind = refuse\n"
        "[importlib.import_module(name) for name in sys.argv[1:]]\n"
        "raise SystemExit(threading.active_count() - 1)\n"
    )
    wanted = [module.name for module in MODULES if not module.name.endswith("__main__")]
    done = subprocess.run(
        [sys.executable, "-c", script, *wanted], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_modules_stay_readable_at_a_sitting(module: Module) -> None:
    """No module is longer than 400 lines; the contract is read whole and stays below 300."""
    lines = module.path.read_text(encoding="utf-8").count("\n")
    assert lines <= (300 if module.name == "backends.contract" else 400)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_every_module_and_public_name_says_what_it_is(module: Module) -> None:
    """Modules, public classes and public functions of modules begin with a sentence."""
    assert ast.get_docstring(module.tree) is not None or not module.tree.body
    silent = [
        node.name
        for node in module.tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
        and not (isinstance(node, ast.ClassDef) and len(node.body) <= 2)
    ]
    assert silent == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_no_name_says_nothing(module: Module) -> None:
    """Names use the terms of the field, not Manager, Helper, Util or Impl."""
    defined = [
        node.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    assert [name for name in (*defined, module.name) if re.search(r"Manager|Helper|Util|Impl\b|utils?$", name)] == []


def test_secrets_are_marked_in_every_settings_model() -> None:
    """A field whose name says it is a secret has the type that does not print it (never 9)."""
    wrong = []
    for module in MODULES:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                name, kind = node.target.id, ast.unparse(node.annotation)
                secret = re.fullmatch(r"(\w+_)?(password|secret|id_key|api_key|token_secret)", name)
                if secret and re.search(r"\bstr\b", kind) and "Settings" in _owner(module.tree, node):
                    wrong.append(f"{module.name}.{name}: {kind}")
    assert wrong == []


def _owner(tree: ast.Module, wanted: ast.AnnAssign) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and wanted in node.body:
            bases = " ".join(ast.unparse(base) for base in node.bases)
            return f"{node.name} {bases}".replace("BaseModel", "Settings")
    return ""
