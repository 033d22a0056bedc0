"""Calls, compiled: a setting held against the WSDL, ready to be filled and sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from backends.kit.paths import Path
from backends.kit.settings_errors import SettingsError, unknown
from backends.kit.templates import Text, fill, names, shape
from backends.soap.call_settings import CallSettings, ErrorSettings
from backends.soap.envelopes import settle
from backends.soap.faults import Rule
from backends.soap.shapes import Leaf, Shape
from backends.soap.wsdl import Operation, Wsdl

EVERYWHERE = frozenset({"@session"})
"""Placeholders that have a meaning in every call."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation with what it is given."""

    path: str
    operation: Operation
    arguments: Any = field(repr=False)
    headers: Mapping[str, Any] = field(repr=False)
    names: frozenset[str]
    leaves: Mapping[str, Leaf] = field(repr=False)
    decode: Path | None
    json: bool
    rules: tuple[Rule, ...]
    write: bool

    def fill(self, values: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
        """Fill the arguments and the SOAP headers."""
        return fill(self.arguments, values), fill(self.headers, values)

    def merged(self, more: Any, wsdl: Wsdl) -> Call:
        """Make the call with further arguments merged in."""
        arguments = _merged(self.arguments, more)
        return replace(
            self,
            arguments=arguments,
            names=self.names | frozenset(names(more)),
            leaves=dict(leaves(arguments, wsdl.shape(self.operation.input), wsdl)),
        )


def compile_call(
    settings: CallSettings,
    wsdl: Wsdl,
    path: str,
    *,
    usual: tuple[str | None, str | None],
    known: Iterable[str],
    rules: tuple[ErrorSettings, ...] = (),
    headers: Mapping[str, Any] | None = None,
    write: bool = False,
) -> Call:
    """Hold a call's settings against the WSDL.

    `usual` are the service and port where the call names none, `known` the placeholders that have a meaning here,
    `headers` the SOAP headers of every call. Raises `SettingsError` with the nearest right name of what is not there.
    """
    usual_service, usual_port = usual
    port = settings.port or (usual_port if settings.service in (None, usual_service) else None)
    places = (
        f"{path}.service" if settings.service else "service",
        f"{path}.port" if settings.port else "port",
    )
    operation = wsdl.operation(settings.operation, settings.service or usual_service, port, path, places=places)
    inside = wsdl.shape(operation.input)
    arguments = settle(shape(settings.arguments), inside, wsdl.shapes, f"{path}.arguments")
    all_headers = {name: shape(one) for name, one in {**(headers or {}), **settings.headers}.items()}
    placeholders = frozenset((*names(arguments), *names(all_headers)))
    check_names(placeholders, known, f"{path}.arguments")
    return Call(
        path,
        operation,
        arguments,
        all_headers,
        placeholders,
        dict(leaves(arguments, inside, wsdl)),
        None if settings.decode is None else Path.parse(settings.decode.at),
        settings.decode is not None and settings.decode.format == "json",
        tuple(Rule.of(one) for one in (*settings.errors, *rules)),
        write if settings.write is None else settings.write,
    )


def compile_more(settings: Any, call: Call, wsdl: Wsdl, path: str, known: Iterable[str]) -> Any:
    """Hold further arguments of a call, such as those of a filter, against the WSDL."""
    more = settle(shape(settings), wsdl.shape(call.operation.input), wsdl.shapes, path)
    check_names(frozenset(names(more)), known, path)
    return more


def check_names(placeholders: Iterable[str], known: Iterable[str], path: str) -> None:
    """Check that every placeholder has a meaning; raise `SettingsError` with the nearest one."""
    allowed = {*known, *EVERYWHERE}
    for name in placeholders:
        if name not in allowed:
            raise unknown(path, "placeholder", name, allowed)


def leaves(template: Any, inside: Shape, wsdl: Wsdl) -> Iterable[tuple[str, Leaf]]:
    """Name the fields that stand alone in a settled template, with the leaf each goes to."""
    if isinstance(template, Text):
        if template.alone is not None and inside.leaf is not None:
            yield template.alone, inside.leaf
        return
    if isinstance(template, list):
        for one in template:
            yield from leaves(one, inside, wsdl)
        return
    if not isinstance(template, dict):
        return
    for name, one in template.items():
        slot = inside.attributes.get(name[1:]) if name.startswith("@") else inside.children.get(name)
        if slot is not None:
            yield from leaves(one, wsdl.shapes.of(slot.type), wsdl)


def record_shape(template: Any, inside: Shape, wsdl: Wsdl) -> Shape | None:
    """Find the shape that ``{@record}`` goes to, if the template has it."""
    if isinstance(template, Text):
        return inside if template.alone == "@record" else None
    if isinstance(template, dict):
        for name, one in template.items():
            slot = inside.children.get(name)
            if slot is not None and (found := record_shape(one, wsdl.shapes.of(slot.type), wsdl)) is not None:
                return found
    return None


def walk(path: Path, inside: Shape, wsdl: Wsdl, where: str) -> Shape:
    """Follow a path of an answer through the WSDL; raise `SettingsError` with the nearest right name.

    Where the schema says nothing of what is inside, the shape is open.
    """
    for step in path.steps:
        name = getattr(step, "name", None)
        if name is None:
            continue
        if name == "#" and inside.leaf is not None:
            inside = Shape(inside.leaf)
            continue
        slot = inside.attributes.get(name[1:]) if name.startswith("@") else inside.children.get(name)
        if slot is None:
            if inside.open:
                return Shape(Leaf(), open=True)
            if not inside.names:
                raise SettingsError(where, f"{path.text}: there is nothing inside, so no {name}")
            raise unknown(where, "element" if not name.startswith("@") else "attribute", name, inside.names)
        inside = wsdl.shapes.of(slot.type)
    return inside


def _merged(base: Any, more: Any) -> Any:
    if isinstance(base, dict) and isinstance(more, dict):
        return {**base, **{name: _merged(base.get(name), value) for name, value in more.items()}}
    return more
