"""Write the settings tables of config/README.md, between its two marks; `make generate` runs it."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from gateway.settings.model import Settings
from gateway.settings.values import Address

TARGET = Path(__file__).parents[2] / "config" / "README.md"
BEGIN = "<!-- settings: generated, do not edit below -->\n"
END = "<!-- settings: end -->"
_ELSEWHERE = {"resources"}
"""What has a reference of its own: the language of mappings."""


def sections(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every section with the path it stands at, from the outside in."""
    yield path, model
    for name, field in model.model_fields.items():
        shown = field.alias or name
        inner, suffix = _inner(field.annotation)
        if inner is not None and shown not in _ELSEWHERE:
            yield from sections(inner, f"{path}.{shown}{suffix}" if path else f"{shown}{suffix}")


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        found = [_inner(argument) for argument in arguments]
        return next((one for one in found if one[0] is not None), (None, ""))
    if origin is dict:
        return _inner(arguments[1])[0], ".<name>"
    if origin is list:
        return _inner(arguments[0])[0], "[]"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    return None, ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = field.get_default(call_default_factory=True)
    match value:
        case None | BaseModel() | "":
            return ""
        case dict() | list() | frozenset() if not value:
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case SecretStr():
            return f"`{value.get_secret_value()}`"
        case Address():
            return f"`{value}`"
        case float():
            return f"`{value:g}`"
        case frozenset():
            return ", ".join(f"`{one}`" for one in sorted(value))
        case _:
            return f"`{value}`"


def tables() -> str:
    """Write one table for each section."""
    lines: list[str] = []
    for path, model in sections(Settings):
        if not model.model_fields:
            continue
        sentence = (model.__doc__ or "").partition("\n")[0]
        lines += [f"### {f'`{path}`' if path else 'At the top'}", "", sentence, ""]
        lines += ["| setting | default | meaning |", "|---|---|---|"]
        for name, field in model.model_fields.items():
            meaning = (field.description or "").replace("|", "\\|")
            lines.append(f"| `{field.alias or name}` | {_default(field)} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


def text(page: str) -> str:
    """Put the tables into a page."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


if __name__ == "__main__":
    TARGET.write_text(text(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
