"""Errors of validation -> problems: where it stands in which file, in words, with the nearest name for a wrong one."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Union

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.settings.document import Document
from gateway.settings.problems import Problem, Trail, nearest

_KINDS = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must have keys of its own",
    "model_type": "must have keys of its own",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "frozen_set_type": "must be a list",
    "path_type": "must be the path of a file",
}


def problems(error: ValidationError, model: type[BaseModel], document: Document, at: Trail = ()) -> list[Problem]:
    """Tell every error of validating what is written at `at` against `model`."""
    found: dict[Trail, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False, include_input=False):
        found.setdefault(_trail(detail, _value(document.data, at)), []).append(detail)
    return [
        document.problem((*at, *trail), reason)
        for trail, details in found.items()
        for reason in _reasons(trail, details, found, model)
    ]


def _reasons(
    trail: Trail, details: Sequence[ErrorDetails], found: Iterable[Trail], model: type[BaseModel]
) -> Iterable[str]:
    """Of the branches of a union, leave out those that only say the value is of another kind, where one says more."""
    telling = [detail for detail in details if detail["type"] not in _KINDS]
    if telling:
        return [_reason(detail, model, trail) for detail in telling]
    if any(len(other) > len(trail) and other[: len(trail)] == trail for other in found):
        return []
    return [", or ".join(dict.fromkeys(_KINDS[detail["type"]] for detail in details))]


def _reason(detail: ErrorDetails, model: type[BaseModel], trail: Trail) -> str:
    if detail["type"] == "extra_forbidden":
        names = sorted(_fields(model, trail[:-1]))
        return f"there is no such setting here{nearest(trail[-1], names)}"
    if detail["type"] == "missing":
        return "is missing"
    text = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return text[:1].lower() + text[1:] if text[:2] != text[:2].upper() else text


def _trail(detail: ErrorDetails, value: Any) -> Trail:
    """Leave out of a location what names the branch of a union and not a key that was written."""
    trail: list[object] = []
    for part in detail["loc"]:
        if isinstance(value, dict):
            key = next((key for key in value if key == part or str(key) == part), None)
            if key is not None:
                trail.append(key)
                value = value[key]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            trail.append(part)
            value = value[part]
    if detail["type"] == "missing":
        trail.append(detail["loc"][-1])
    return tuple(trail)


def _value(data: Any, trail: Trail) -> Any:
    for part in trail:
        data = data[part]
    return data


def _fields(model: Any, trail: Trail) -> set[str]:
    """Name the settings that may stand at a trail, in any branch of a union."""
    states = set(_models(model))
    for part in trail:
        states = {inner for state in states for inner in _step(state, part)}
    return {
        field.alias or name
        for state in states
        if isinstance(state, type) and issubclass(state, BaseModel)
        for name, field in state.model_fields.items()
    }


def _step(state: Any, part: object) -> Iterator[Any]:
    if isinstance(state, type) and issubclass(state, BaseModel):
        for name, field in state.model_fields.items():
            if part in (name, field.alias):
                yield from _models(field.annotation)
        return
    arguments = typing.get_args(state)
    origin = typing.get_origin(state)
    if isinstance(origin, type) and issubclass(origin, Mapping) and len(arguments) == 2:
        yield from _models(arguments[1])
    elif isinstance(origin, type) and issubclass(origin, list | tuple | set | frozenset):
        for argument in arguments:
            yield from _models(argument)


def _models(annotation: Any) -> Iterator[Any]:
    """Unfold unions and annotations."""
    annotation = getattr(annotation, "__value__", annotation)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _models(typing.get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for argument in typing.get_args(annotation):
            yield from _models(argument)
    else:
        yield annotation
