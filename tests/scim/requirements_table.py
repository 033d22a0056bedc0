"""Write the table of requirements and the tests that hold them: ``python tests/scim/requirements_table.py [--check]``.

Tests name the requirements they hold in their docstrings, as ``(F6)``, ``(F6, P5)`` or ``(S5-S7)``; a recorded exchange
names them under ``cites``. The table lies beside this file as ``README.md``. With ``--check`` nothing is written: the
exit code is 1 if the table is out of date or a requirement is without a test.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
TABLE = Path(__file__).with_name("README.md")
CHAPTERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "D": ("Where the RFC and real clients collide", {
        "D1": "a remove with a value removes those elements, never all",
        "D2": "a path-less replace may repeat read-only values, not change them",
        "D3": "string booleans become booleans where the schema has one, and nothing else does",
        "D4": "two modes, compat and strict",
        "D5": "value filters without a match: replace noTarget, add seeds, remove succeeds",
        "D6": "what a PUT leaves out: kept or cleared",
        "D7": "the media type is negotiated, application/scim+json by default",
        "D8": "unquoted strings in filters only with the tenant's leave",
        "D9": "weak comparison of ETags",
        "D10": "values come back as sent, or are refused",
    }),
    "S": ("Schema model (RFC 7643)", {
        "S1": "defaults of the characteristics",
        "S2": "names and URNs ignore case; two spellings of one name are refused",
        "S3": "`schemas` is mandatory and known; every message has its own",
        "S4": "extension attributes lie under their URN, which comes and goes with them",
        "S5": "`id` is the provider's, unique, exact, read-only",
        "S6": "`externalId` is the client's, exact, and need not be unique",
        "S7": "`meta` is the provider's and agrees with the headers",
        "S8": "unassigned, null and the empty array are the same",
        "S9": "two levels at most; the errata of the schemas",
        "S10": "one primary value at most",
        "S11": "no two values of the same type and value",
        "S12": "canonical values are suggestions unless restricted",
        "S13": "`returned`: always, never, default, request; secrets cannot be searched",
        "S14": "`userName` is unique and found after the same folding",
        "S15": "membership is changed through the group alone",
        "S16": "what each data type takes",
        "S17": "answers to writes carry the whole stored resource",
    }),
    "H": ("HTTP", {
        "H1": "POST answers 201 with Location and body",
        "H2": "a duplicate is 409 uniqueness, on PUT and PATCH too",
        "H3": "read-only is ignored and immutable must be equal; PUT creates nothing",
        "H4": "PATCH answers 200 or 204, 200 when a projection is asked for",
        "H5": "after a DELETE everything is 404 and the name is free",
        "H6": "unknown parameters are ignored; the two projections exclude each other",
        "H7": "every error is a SCIM error, its status a string",
        "H8": "the keywords of scimType",
        "H9": "application/scim+json and application/json are taken, others are 415",
        "H10": "an optional version in the path; trailing slashes",
        "H11": "X-HTTP-Method-Override is ignored",
        "H12": "501 for what is not supported, 405 with Allow for the wrong method",
        "H13": "`/Me` is 501",
        "H14": "no redirects that clients would not follow",
        "H15": "401 with a challenge, 403, and 404 across tenants",
        "H16": "`+` is a space in a query and `%2B` a plus",
    }),
    "F": ("Filters", {
        "F1": "operators, connectors and names in any case",
        "F2": "grouping, then not, then and, then or",
        "F3": "not needs a parenthesis, with or without a space",
        "F4": "values are JSON",
        "F5": "eq null is not present; ne holds for what is absent and for any value that differs",
        "F6": "any value may match; brackets bind terms to one element",
        "F7": "a multi-valued complex attribute stands for its value",
        "F8": "order by type: no booleans or binary, times as instants, numbers as numbers",
        "F9": "case as caseExact says",
        "F10": "URN-qualified names",
        "F11": "schemas, meta.resourceType and meta.lastModified can be asked for",
        "F12": "what is not supported is refused, never an unfiltered list",
        "F13": "unknown attributes: absent on several types, refused on one",
        "F14": "tooMany when a search would scan too much",
        "F15": "limits of size, depth and terms; linear time",
        "F16": "the look-ups clients make, Entra's among them",
    }),
    "P": ("PATCH", {
        "P1": "the grammar of paths",
        "P2": "operations in any case; at least one of them",
        "P3": "one after another, all or nothing",
        "P4": "no effective change changes nothing",
        "P5": "the matrix of targets and operations",
        "P6": "the shapes of values clients send",
        "P7": "names from the schema only",
        "P8": "limits of operations, members and bytes",
        "P9": "absent members are kept, replaced ones go",
    }),
    "Q": ("Query, sort, pagination, projection, search", {
        "Q1": "startIndex and count at and beyond their limits",
        "Q2": "the counts of a list response",
        "Q3": "beyond the end is an empty page",
        "Q4": "the order is stable across pages",
        "Q5": "cursors lose no rows to concurrent deletes",
        "Q6": "sorting",
        "Q7": "projection applies everywhere; excluded members are not loaded",
        "Q8": "`.search` says what GET says",
        "Q9": "no hit is 200",
    }),
    "B": ("Bulk", {
        "B1": "goes on after failures until failOnErrors",
        "B2": "bulkId in values and paths, forward too",
        "B3": "circular references",
        "B4": "413 names the limit",
        "B5": "what an item of the answer holds",
        "B6": "order, no nesting, no GET",
        "B7": "every operation counts",
    }),
    "V": ("Versions", {
        "V1": "ETag, If-None-Match and If-Match",
        "V2": "a version is a hash of what is seen",
    }),
    "C": ("Discovery", {
        "C1": "the three endpoints, in list responses, without filter",
        "C2": "ServiceProviderConfig tells the truth",
        "C3": "what Entra needs of /Schemas",
        "C4": "the id of a resource type is its name",
    }),
    "G": ("Privacy and security of the RFC", {
        "G1": "TLS, limited lifetime of tokens, sensitive filters",
        "G2": "tenants are isolated",
    }),
    "N": ("Cursor pagination (RFC 9865)", {
        "N1": "cursors are of unreserved characters",
        "N2": "an empty cursor asks for the first page",
        "N3": "nextCursor on every page but the last",
        "N4": "the query stays the same between pages",
        "N5": "invalidCursor, expiredCursor, invalidCount",
        "N6": "the default method is said",
        "N7": "`pagination` of the ServiceProviderConfig",
        "N8": "cursors are signed, bound and expire",
        "N9": "`.search` takes cursors in the body",
        "N10": "startIndex and cursor exclude each other",
    }),
}  # fmt: skip
REQUIREMENTS: Mapping[str, str] = {
    number: title for _, numbers in CHAPTERS.values() for number, title in numbers.items()
}
_CITED = re.compile(r"(?<![\w+-])([A-Z])([0-9]{1,2})(?:\s?[-–]\s?\1([0-9]{1,2}))?(?![\w-])")


def cited(text: str) -> set[str]:
    """Find the requirements a text names; a range stands for all between its ends."""
    found: set[str] = set()
    for letter, first, last in _CITED.findall(text):
        found |= {f"{letter}{number}" for number in range(int(first), int(last or first) + 1)}
    return found & REQUIREMENTS.keys()


def named(folder: Path) -> Iterator[tuple[str, set[str]]]:
    """Yield each test below `folder` by its name, with the requirements it names."""
    for path in sorted(folder.rglob("test_*.py")):
        where = path.relative_to(folder).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield f"{where}::{node.name}", cited(ast.get_docstring(node) or "")
    for path in sorted((folder / "clients").glob("*/*.json")):
        where = path.relative_to(folder).as_posix()
        exchange = json.loads(path.read_text(encoding="utf-8"))
        yield where, cited(" ".join(exchange["cites"]))
        for step in exchange["steps"]:
            yield f"{where}: {step['name']}", cited(" ".join(step["cites"]))


def collect(folder: Path = TESTS) -> dict[str, list[str]]:
    """Give the tests of each requirement."""
    held: dict[str, list[str]] = {number: [] for number in REQUIREMENTS}
    for name, numbers in named(folder):
        for number in numbers:
            held[number].append(name)
    return held


def missing(held: Mapping[str, Sequence[str]]) -> list[str]:
    """Name the requirements no test holds."""
    return [number for number, names in held.items() if not names]


def render(held: Mapping[str, Sequence[str]]) -> str:
    """Write the table."""
    lines = [
        "# What the tests hold",
        "",
        "Each requirement of the protocol and the tests that name it, as `file::test` below `tests/`; recorded",
        "exchanges of clients by file and step. Written by `make generate` from the docstrings of the tests;",
        "`test_requirements_table.py` keeps it true.",
    ]
    for title, numbers in CHAPTERS.values():
        lines += ["", f"## {title}", "", "| number | requirement | tests |", "|---|---|---|"]
        for number, requirement in numbers.items():
            names = "<br>".join(name.replace("|", "\\|") for name in sorted(held[number]))
            lines.append(f"| {number} | {requirement} | {names or '**none**'} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write or check the table; say which requirements are without a test."""
    held = collect()
    text, without = render(held), missing(held)
    if without:
        print(f"without a test: {', '.join(without)}", file=sys.stderr)
    if "--check" in arguments:
        current = TABLE.exists() and TABLE.read_text(encoding="utf-8") == text
        if not current:
            print(f"{TABLE.name} is out of date; run make generate", file=sys.stderr)
        return 0 if current and not without else 1
    TABLE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
