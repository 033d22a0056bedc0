"""What a request asks for, seen in its body before anything is done with it: who loses what.

Recognised in the forms clients use (P6); what a body asks in a form nobody uses is not guessed at. `verb` is the HTTP
method, or BULK for a bulk request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.server.traffic.brake import Kind

_ACTIVE = re.compile(r"(?:urn:ietf:params:scim:schemas:core:2\.0:user:)?active", re.IGNORECASE)
_MEMBERS = re.compile(r"(?:urn:[^\[]*:)?members", re.IGNORECASE)
_ONE_MEMBER = re.compile(r"(?:urn:[^\[]*:)?members\[.*\]", re.IGNORECASE | re.DOTALL)
WHOLE = 100
"""What the removal of all members counts as: how many there are is not known without asking."""


def deprovisions(verb: str, body: Any) -> bool:
    """Tell whether a request takes access away: such a one no rate holds back (X15). In bulk, every operation must."""
    match verb:
        case "DELETE":
            return True
        case "PUT" | "PATCH":
            return bool(_counted(verb, body).get("deactivations"))
        case "BULK":
            operations = list(_operations(body))
            return bool(operations) and all(deprovisions(_verb(one), _member(one, "data")) for one in operations)
        case _:
            return False


def changes(verb: str, body: Any) -> dict[Kind, int]:
    """Count what a request asks to take away; in bulk, of all its operations."""
    if verb != "BULK":
        return _counted(verb, body)
    total: dict[Kind, int] = {}
    for one in _operations(body):
        for kind, number in _counted(_verb(one), _member(one, "data")).items():
            total[kind] = total.get(kind, 0) + number
    return total


def bulk_size(body: Any) -> int:
    """Count the operations of a bulk request (B7)."""
    return sum(1 for _ in _operations(body))


def _counted(verb: str, body: Any) -> dict[Kind, int]:
    match verb:
        case "DELETE":
            return {"deletions": 1}
        case "PUT":
            return {"deactivations": 1} if _is_false(_member(body, "active")) else {}
        case "PATCH":
            operations = _member(body, "operations")
            return _of_patch(operations if isinstance(operations, list) else [])
        case _:
            return {}


def _of_patch(operations: list[Any]) -> dict[Kind, int]:
    deactivates, removed = False, 0
    for one in operations:
        op, path, value = _member(one, "op"), _member(one, "path"), _member(one, "value")
        name = op.lower() if isinstance(op, str) else ""
        if path is None:
            deactivates |= name != "remove" and _is_false(_member(value, "active"))
        elif isinstance(path, str) and _ACTIVE.fullmatch(path.strip()):
            deactivates |= name == "remove" or _is_false(value)
        elif isinstance(path, str) and name == "remove":
            if _ONE_MEMBER.fullmatch(path.strip()):
                removed += 1
            elif _MEMBERS.fullmatch(path.strip()):
                removed += WHOLE if value is None else len(value) if isinstance(value, list) else 1
    found: dict[Kind, int] = {}
    if deactivates:
        found["deactivations"] = 1
    if removed:
        found["removals"] = removed
    return found


def _operations(body: Any) -> Iterator[Any]:
    operations = _member(body, "operations")
    yield from operations if isinstance(operations, list) else ()


def _verb(operation: Any) -> str:
    method = _member(operation, "method")
    return method.upper() if isinstance(method, str) and method.upper() in ("PUT", "PATCH", "DELETE") else ""


def _member(holder: Any, name: str) -> Any:
    """Look a member up as the protocol does, in any case (S2), also as one of a URN's."""
    if not isinstance(holder, Mapping):
        return None
    if name in holder:
        return holder[name]
    for key, value in holder.items():
        lowered = key.lower()
        if lowered == name or (name == "active" and _ACTIVE.fullmatch(lowered)):
            return value
    return None


def _is_false(value: Any) -> bool:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, Mapping):
        value = _member(value, "value")
    return value is False or (isinstance(value, str) and value.strip().lower() == "false")
