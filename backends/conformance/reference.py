"""Tables for the documentation, made from what the code says: settings of a backend, and backends x capabilities."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from backends.contract import KEY, Backend, Capabilities, Explains, Introspects, Lists, Match, Op


def settings_tables(model: type[BaseModel]) -> str:
    """Write one Markdown table for a settings model and for each model in it: setting, type, default, description."""
    parts = []
    for each in _models(model, []):
        sentence = " ".join((each.__doc__ or "").split())
        parts.append(f"### {_title(each)}\n\n{sentence}\n\n{_settings_table(each)}")
    return "\n\n".join(parts)


def capability_table(backends: Mapping[str, tuple[Backend[Any], str]]) -> str:
    """Write a Markdown table of what backends declare for an entity of each: a row a power, a column a backend."""
    rows: list[list[str]] = []
    for label, read in _POWERS.items():
        rows.append([label, *(read(backend, backend.capabilities(entity)) for backend, entity in backends.values())])
    return _table(["", *(f"`{name}`" for name in backends)], rows)


def inserted(page: str, name: str, text: str) -> str:
    """Put a text between the marks ``<!-- begin: name -->`` and ``<!-- end: name -->`` of a page.

    Raises `ValueError` if the page does not have them once each, in this order.
    """
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise ValueError(f"the page needs {begin} and {end} once each")
    return f"{page[: page.index(begin)]}{begin}\n{text.strip()}\n{page[page.index(end) :]}"


def _operators(capabilities: Capabilities, *, ignore_case: bool) -> str:
    found: dict[Op, set[Match]] = {}
    for operators in capabilities.filters.values():
        for (op, folded), match in operators.items():
            if folded is ignore_case:
                found.setdefault(op, set()).add(match)
    named = [f"{op.value}*" if found[op] == {Match.LOOSE} else op.value for op in Op if op in found]
    possible = [op for op in Op if not (ignore_case and op is Op.PR)]
    return "all" if len(named) == len(possible) and not any("*" in name for name in named) else ", ".join(named) or "–"


def _yes(value: object) -> str:
    return "yes" if value else "–"


def _list(words: frozenset[str], order: Sequence[str]) -> str:
    return ", ".join(word for word in order if word in words) or "–"


_POWERS: Mapping[str, Callable[[Backend[Any], Capabilities], str]] = {
    "writes": lambda _, can: _list(can.writes, ("create", "update", "delete")),
    "filters by": lambda _, can: _operators(can, ignore_case=False),
    "… ignoring case by": lambda _, can: _operators(can, ignore_case=True),
    "… on columns of rows": lambda _, can: _yes(any("." in name for name in can.filters)),
    "… on keys, in batches": lambda _, can: _yes((Op.IN, False) in can.filters.get(KEY, {})),
    "… combined by": lambda _, can: _list(can.logic, ("and", "or", "not", "any_row")),
    "sorts by fields": lambda _, can: _yes(can.sort),
    "skips to an offset": lambda _, can: _yes(can.offset),
    "counts the matches": lambda _, can: _yes(can.total),
    "deltas cost what they change": lambda _, can: _yes(can.deltas),
    "versions": lambda _, can: _yes(can.versions),
    "atomic changes": lambda _, can: _yes(can.atomic),
    "needs updates one at a time": lambda _, can: _yes(can.serialize),
    "describes its fields": lambda backend, _: _yes(type(backend).describe is not Backend.describe),
    "lists long fields in pages": lambda backend, _: _yes(isinstance(backend, Lists)),
    "introspects": lambda backend, _: _yes(isinstance(backend, Introspects)),
    "explains its calls": lambda backend, _: _yes(isinstance(backend, Explains)),
}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _title(model: type[BaseModel]) -> str:
    return f"`{model.__name__}`"


def _settings_table(model: type[BaseModel]) -> str:
    rows = [
        [
            f"`{field.alias or name}`",
            _type(field.annotation),
            _default(field),
            " ".join((field.description or "").split()),
        ]
        for name, field in model.model_fields.items()
    ]
    return _table(["setting", "type", "default", "meaning"], rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined:
        return "–"
    if isinstance(value, enum.Enum):
        return f"`{value.value}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Sequence | Mapping | frozenset) and not value:
        return "–"
    if isinstance(value, BaseModel):
        return "its defaults"
    return f"`{value}`"


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(item) for item in arguments if item is not type(None)))
    if origin in (dict, Mapping):
        return f"map of {_type(arguments[1])}"
    if origin in (tuple, list, set, frozenset):
        return f"list of {_type(arguments[0])}"
    if annotation is Any:
        return "anything"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return ", ".join(f"`{item.value}`" for item in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{_title(annotation)}](#{annotation.__name__.lower()})"
    names = {"str": "text", "bool": "true or false", "int": "number", "float": "number", "SecretStr": "secret"}
    name = getattr(annotation, "__name__", str(annotation))
    return names.get(name, name)


def _models(model: type[BaseModel], seen: list[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """Visit a model and the models of its fields, each once, the outermost first."""
    if model in seen:
        return
    seen.append(model)
    yield model
    for field in model.model_fields.values():
        for inner in _inner(field.annotation):
            yield from _models(inner, seen)


def _inner(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _inner(argument)
