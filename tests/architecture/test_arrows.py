"""The arrows of gateway/ARCHITECTURE.md: who may import whom."""

from __future__ import annotations

import sys

import pytest

from tests.architecture.modules import Module, modules, starts

MODULES = modules()
ARROWS: dict[str, tuple[str, ...]] = {
    "gateway": (),
    "gateway.scim": (),
    "gateway.mapping": ("gateway.scim", "backends.contract"),
    "gateway.identity": (),
    "gateway.residence": (
        "gateway.identity.databases",
        "gateway.identity.failures",
        "gateway.identity.held",
        "gateway.identity.statements",
        "gateway.identity.tables",
        "backends.contract",
        "backends.kit",
    ),
    "gateway.engine": ("gateway.mapping", "gateway.identity", "gateway.scim", "backends.contract"),
    "gateway.server": ("gateway.engine", "gateway.scim"),
    "gateway.settings": (
        "gateway.mapping.spec",
        "gateway.scim.schema",
        "gateway.scim.standard",
        "gateway.scim.dialects",
        "gateway.scim.discovery",
    ),
    "gateway.plugins": ("backends.contract",),
    "gateway.telemetry": (),
    "gateway.app": ("gateway", "backends.contract", "backends.pools"),
    "gateway.cli": ("gateway", "backends.contract", "backends.conformance"),
    "backends": (),
    "backends.contract": ("backends.errors",),
    "backends.errors": (),
    "backends.pools": (),
    "backends.kit": ("backends.contract",),
    "backends.conformance": ("backends.contract", "backends.kit"),
}
"""What each room may import beside itself and `gateway.telemetry`; backends may import the contract, pools and kit."""

BACKEND = ("backends.contract", "backends.pools", "backends.kit")


def permitted(module: Module) -> tuple[str, ...]:
    if module.room in ARROWS:
        allowed = ARROWS[module.room]
    else:
        assert module.room.startswith("backends."), f"{module.room}: a room that has no arrows"
        allowed = BACKEND
    if module.room.startswith("gateway."):
        allowed += ("gateway.telemetry",)
    return (*allowed, module.room, "gateway.__version__")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_module_imports_only_along_the_arrows(module: Module) -> None:
    """Every import between rooms follows an arrow of the picture (DESIGN §3, never 3)."""
    ours = [name for name in module.imports if starts(name, "gateway") or starts(name, "backends")]
    wrong = sorted(name for name in ours if not any(starts(name, allowed) for allowed in permitted(module)))
    assert wrong == []


@pytest.mark.parametrize("module", [m for m in MODULES if m.room == "gateway.scim"], ids=lambda module: module.name)
def test_the_protocol_uses_the_standard_library_only(module: Module) -> None:
    """`gateway.scim` imports nothing but the standard library and itself (never 1)."""
    foreign = {name.split(".")[0] for name in module.imports} - set(sys.stdlib_module_names) - {"gateway"}
    assert foreign == set()


def test_the_picture_names_every_room() -> None:
    """A new folder of the gateway needs a row in the table of rooms."""
    rooms = {module.room for module in MODULES if module.room.startswith("gateway.") and module.room != "gateway.app"}
    page = (MODULES[0].path.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    missing = [room for room in sorted(rooms) if f"`gateway/{room.split('.')[1]}" not in page]
    assert missing == []
