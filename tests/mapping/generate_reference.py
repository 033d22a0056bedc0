"""Write the tables of gateway/mapping/README.md, between their marks; `make generate` runs it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML

from backends.contract import Field
from gateway.mapping.chains import Chains
from gateway.mapping.codecs import BUILT_IN
from gateway.mapping.spec import AttributeSpec, ResourceSpec
from gateway.scim.schema import Attribute, Type

TARGET = Path(__file__).parents[2] / "gateway" / "mapping" / "README.md"
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
_HIDDEN = {"parts", "sources"}
"""What a file has without naming it: an object of sub-attributes, a list of places."""

Example = tuple[str, Type, type[Any], Any]
EXAMPLES: Mapping[str, Example] = {
    "absent": ("{ absent: now }", Type.BOOLEAN, datetime, False),
    "charset": ("{ charset: cp037 }", Type.STRING, bytes, "Ada"),
    "contains": ("{ contains: ADM }", Type.BOOLEAN, tuple, True),
    "date": ('{ date: { format: "%d.%m.%Y", none: 31.12.9999 } }', Type.STRING, str, "2026-01-23"),
    "empty": ("empty", Type.STRING, str, None),
    "flag": ("{ flag: [Y, N] }", Type.BOOLEAN, str, True),
    "fold": ("fold", Type.STRING, str, "Straße"),
    "hash": ("{ hash: ssha512 }", Type.STRING, str, "pencil"),
    "join": ('{ join: " " }', Type.STRING, str, "Ada Love"),
    "lacks": ("{ lacks: OUT }", Type.BOOLEAN, tuple, False),
    "length": ("{ length: { max: 8, charset: utf-8 } }", Type.STRING, str, "Straße"),
    "lower": ("lower", Type.STRING, str, "Ada"),
    "number": ("{ number: 5 }", Type.STRING, int, "00123"),
    "padded": ("{ padded: 6 }", Type.STRING, str, "HR"),
    "part": ('{ part: { separator: ";", index: 2, of: 3 } }', Type.STRING, str, "Ada"),
    "prefix": ('{ prefix: "tel:" }', Type.STRING, str, "+47 1"),
    "present": ("{ present: X }", Type.BOOLEAN, str, True),
    "regex": ('{ regex: { read: "CN=([^,]+),.*", write: "CN={},O=x" } }', Type.STRING, str, "ada"),
    "split": ('{ split: "," }', Type.STRING, str, ("FIN", "ADM")),
    "suffix": ('{ suffix: "@x.com" }', Type.STRING, str, "ada"),
    "template": ('{ template: "uid={},o=x" }', Type.STRING, str, "ada"),
    "timestamp": (
        '{ timestamp: { format: "%Y%m%d%H%M%S", zone: Europe/Oslo } }',
        Type.DATE_TIME,
        str,
        "2026-01-23T04:56:22Z",
    ),
    "transliterate": ("{ transliterate: { ü: ue } }", Type.STRING, str, "Müller"),
    "until": ("{ until: { none: 9999-12-31 } }", Type.BOOLEAN, date, True),
    "upper": ("upper", Type.STRING, str, "Ada"),
    "values": ("{ values: { A: true, I: false } }", Type.BOOLEAN, str, False),
    "zeros": ("{ zeros: 6 }", Type.STRING, str, "123"),
}
"""How each codec is written, the type of the attribute and of the field, and a value."""


def shown(value: Any) -> str:
    match value:
        case None:
            return "no value"
        case bool():
            return str(value).lower()
        case bytes():
            return f"`{value.hex(' ')}`"
        case date() | Decimal():
            return f"`{value}`"
        case tuple():
            return ", ".join(shown(item) for item in value) or "none"
        case str() if value != value.strip() or not value:
            return f"`{value!r}`"
    return f"`{value}`"


def codecs() -> Iterator[str]:
    """A row for each codec: what it does, how it is written, and what it makes of a value."""
    yield "| codec | what it does | for example | SCIM | native |\n|---|---|---|---|---|\n"
    for name in sorted(BUILT_IN):
        text, kind, native, value = EXAMPLES[name]
        codec = YAML(typ="safe").load(text)
        keep = "spelling" if kind is Type.STRING else None
        spec = AttributeSpec.model_validate({"field": "f", "codec": codec, "keep": keep})
        chain = Chains(BUILT_IN, lambda: NOW).compile(
            spec.codec, Attribute("x", kind), "x", Field(native), keep=spec.keep
        )
        written = "`{SSHA512}…`" if name == "hash" else shown(chain.write(value)[0])
        yield f"| `{name}` | {sentence(BUILT_IN[name])} | `{text}` | {shown(value)} | {written} |\n"


def sentence(thing: Any) -> str:
    """What a docstring says, on one line, without the numbers it cites."""
    text = " ".join((inspect.getdoc(thing) or "").split()).replace("``", "`").replace("|", "\\|")
    return re.sub(r" \((?:R-L|[SXD])[0-9][^)]*\)", "", text)


def settings(model: type[BaseModel]) -> Iterator[str]:
    """A row for each key of a section."""
    yield "| key | default | meaning |\n|---|---|---|\n"
    for name, known in model.model_fields.items():
        if name not in _HIDDEN:
            default = "**needed**" if known.is_required() else word(known.get_default())
            yield f"| `{known.alias or name}` | {default} | {known.description} |\n"


def word(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str) and value else ""


def text(page: str) -> str:
    """The page with its tables as they are today."""
    tables = {"resource": settings(ResourceSpec), "attribute": settings(AttributeSpec), "codecs": codecs()}
    for name, rows in tables.items():
        begin, end = f"<!-- {name}: generated, do not edit below -->\n", f"<!-- {name}: end -->"
        head, _, rest = page.partition(begin)
        page = head + begin + "".join(rows) + end + rest.partition(end)[2]
    return page


if __name__ == "__main__":
    TARGET.write_text(text(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
