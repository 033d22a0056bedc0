"""PATCH messages (RFC 7644 §3.5.2): a body -> checked operations; their effect is worked out in `patch_apply` (P1-P9).

What can be refused without knowing the resource is refused here: the structure, paths, types, and what mutability and
`required` say about the operation itself. The rewriting of what real clients send comes before (`dialects`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.names import AttributePath, find, lookup, short_names
from gateway.scim.operations import STANDARD, Operation, PatchOptions, Verb
from gateway.scim.patch_apply import apply
from gateway.scim.patch_checks import settle
from gateway.scim.paths import TargetPath
from gateway.scim.paths import parse as parse_path
from gateway.scim.schema import Attribute, Mutability, ResourceType, Schema
from gateway.scim.values import Check, checker, refuse_unknown, shown

__all__ = ["REQUEST_URN", "Operation", "PatchOptions", "Verb", "apply", "parse", "settle"]

REQUEST_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_VERBS: Mapping[str, Verb] = {"add": "add", "remove": "remove", "replace": "replace"}
_ABSENT: Any = object()


def parse(body: Any, resource_type: ResourceType, options: PatchOptions = STANDARD) -> tuple[Operation, ...]:
    """Read a PATCH message into operations on single attributes, in the order they are to be applied.

    A value without a path becomes one operation per attribute, a whole extension one per attribute of it (P5).
    Raises `ScimError` 400: invalidSyntax for the structure and unknown attributes in values, invalidPath,
    invalidFilter, noTarget for a remove without a path, mutability and invalidValue; and 413 for too many operations
    (P8). The detail names the attribute and, if there are several operations, the place of the one, counted from 0.
    """
    message = _members(body, "the body")
    urns = message.get("schemas")
    if not isinstance(urns, list) or [_lower(urn) for urn in urns] != [REQUEST_URN.lower()]:
        raise refuse(ScimType.INVALID_SYNTAX, f"schemas: must hold {REQUEST_URN} and nothing else")
    found = message.get("operations")
    if not isinstance(found, list) or not found:
        raise refuse(ScimType.INVALID_SYNTAX, "Operations: must be a list of at least one operation")
    if len(found) > options.max_operations:
        detail = f"the request has {len(found)} operations; the limit is {options.max_operations}"
        raise ScimError(413, detail)
    reader = _Reader(resource_type, options)
    done = 0
    try:
        for item in found:
            reader.read(_members(item, "the operation"))
            done += 1
    except ScimError as error:
        if len(found) == 1:
            raise
        raise ScimError(error.status, f"Operations[{done}]: {error.detail}", error.scim_type) from error
    return tuple(reader.operations)


class _Reader:
    """Reads one message, operation by operation."""

    __slots__ = ("checks", "operations", "options", "resource_type")

    def __init__(self, resource_type: ResourceType, options: PatchOptions) -> None:
        self.resource_type = resource_type
        self.options = options
        self.operations: list[Operation] = []
        self.checks: dict[tuple[str, str], Check] = resource_type.compiled.setdefault("patch", {})

    def read(self, item: Mapping[str, Any]) -> None:
        """Read one operation, its members named in lower case."""
        given = item.get("op")
        op = _VERBS.get(given) if isinstance(given, str) else None
        if op is None:
            raise refuse(ScimType.INVALID_SYNTAX, "op: must be add, remove or replace")
        path, value = item.get("path"), item.get("value", _ABSENT)
        if path is None:
            self._without_path(op, value)
            return
        if not isinstance(path, str):
            raise refuse(ScimType.INVALID_PATH, "path: must be a string")
        target = parse_path(self.resource_type, path, self.options.filters)
        if value is _ABSENT and op != "remove":
            raise refuse(ScimType.INVALID_VALUE, f"{target.path.text}: op {op} needs a value")
        self._targeted(op, target, None if value is _ABSENT else value)

    def _targeted(self, op: Verb, target: TargetPath, value: Any) -> None:
        if target.where is not None:
            self._selected(op, target, value)
        elif target.path.attribute is None:
            self._extension(op, target.path.extension or "", value, explicit=True)
        else:
            self._plain(op, target, value)

    def _without_path(self, op: Verb, value: Any) -> None:
        """Expand a value that names its attributes itself; what is not named stays as it is (P9)."""
        if op == "remove":
            raise refuse(ScimType.NO_TARGET, "path: a remove operation needs one")
        if not self.options.pathless:
            raise refuse(ScimType.INVALID_SYNTAX, "path: every operation needs one")
        if not isinstance(value, dict):
            reason = "must be an object that names attributes where there is no path"
            raise refuse(ScimType.INVALID_VALUE, f"value: {reason}")
        seen: set[str] = set()
        for key, part in value.items():
            path = self._key(key, seen)
            if path is None:
                self._dotted(op, key, part, seen)
            elif path.attribute is None:
                self._extension(op, path.extension or "", part)
            else:
                self._member(op, path, part)

    def _key(self, text: str, seen: set[str], urn: str | None = None) -> AttributePath | None:
        """Find what a key of a value names: a whole attribute of this container or, at the top, an extension."""
        path = lookup(self.resource_type, text)
        if path is None or path.sub is not None or path.text.lower() != text.lower():
            return None
        if path.extension != urn and path.attribute is not None:
            return None
        self._once(path.text, seen)
        return path

    def _dotted(self, op: Verb, text: str, value: Any, seen: set[str]) -> None:
        """Read a key that is a whole path (P6); refuse any other one, the names of Python's own included (P7)."""
        if not self.options.dotted_keys or (find(short_names(self.resource_type), text) is None and "[" not in text):
            raise refuse(ScimType.INVALID_SYNTAX, f"{shown(text)}: there is no such attribute in the schema")
        self._once(text.lower(), seen)
        target = parse_path(self.resource_type, text, self.options.filters)
        path = target.path
        if path.attribute is not None and path.attribute.mutability is Mutability.READ_ONLY and not path.is_many:
            self.operations.append(Operation(op, target, value, check=True))
        else:
            self._targeted(op, target, value)

    def _once(self, text: str, seen: set[str]) -> None:
        if text in seen:
            raise refuse(ScimType.INVALID_SYNTAX, f"{shown(text)}: is given twice (names ignore case)")
        seen.add(text)

    def _member(self, op: Verb, path: AttributePath, value: Any) -> None:
        """Read what a value without a path says about one attribute; about a readOnly one it is a check (D2)."""
        if path.leaf.mutability is Mutability.READ_ONLY:
            self.operations.append(Operation(op, TargetPath(path), value, check=True))
        else:
            self._plain(op, TargetPath(path), value)

    def _extension(self, op: Verb, urn: str, value: Any, *, explicit: bool = False) -> None:
        """Expand what is said about a whole extension: its attributes, as if it were a complex one."""
        schema = self.resource_type.extensions[urn]
        if op == "remove" or value is None:
            if urn in self.resource_type.required:
                scim_type = ScimType.MUTABILITY if op == "remove" else ScimType.INVALID_VALUE
                raise refuse(scim_type, f"{urn}: the extension is required")
            self._clear(urn, schema, frozenset())
            return
        if not isinstance(value, dict):
            raise refuse(ScimType.INVALID_SYNTAX, f"{urn}: the attributes of an extension must lie in an object")
        seen: set[str] = set()
        for key, part in value.items():
            path = self._key(f"{urn}:{key}", seen, urn)
            if path is None:
                self._dotted(op, f"{urn}:{key}", part, seen)
            else:
                self._member(op, path, part)
        if op == "replace" and explicit and self.options.replace_whole:
            self._clear(urn, schema, frozenset(seen))

    def _clear(self, urn: str, schema: Schema, but: frozenset[str]) -> None:
        for attribute in schema.attributes:
            path = AttributePath(attribute, None, urn)
            if attribute.mutability is not Mutability.READ_ONLY and path.text not in but:
                self.operations.append(Operation("remove", TargetPath(path)))

    def _plain(self, op: Verb, target: TargetPath, value: Any) -> None:
        """Read an operation on a target without brackets."""
        path = target.path
        if path.text == "schemas":
            self._schemas(op, target, value)
            return
        self._writable(path)
        if op != "remove":
            self.operations.append(Operation(op, target, self._value(path, value)))
            return
        _removable(path)
        attribute = path.leaf
        named = value is not None and attribute.multi_valued and path.sub is None
        if named and not self.options.remove_by_value:
            reason = "a remove operation takes no value; select what to remove by a filter in the path"
            raise refuse(ScimType.INVALID_SYNTAX, f"{path.text}: {reason}")
        self.operations.append(Operation(op, target, self._named(path, value) if named else None))

    def _schemas(self, op: Verb, target: TargetPath, value: Any) -> None:
        """`schemas` follows the extensions that are there (S4), so a message can only say what it will be anyway."""
        if op == "remove":
            raise refuse(ScimType.MUTABILITY, "schemas: follows the attributes that are there")
        if not isinstance(value, list) or not all(isinstance(urn, str) for urn in value):
            raise refuse(ScimType.INVALID_VALUE, "schemas: must be a list of URNs")
        self.operations.append(Operation(op, target, value, check=True))

    def _selected(self, op: Verb, target: TargetPath, value: Any) -> None:
        """Read an operation on the elements a filter selects."""
        path = target.selected
        self._writable(path)
        if op == "remove":
            if target.sub is not None:
                _removable(path)
            self.operations.append(Operation(op, target))
        elif target.sub is not None:
            self.operations.append(Operation(op, target, self._value(path, value)))
        elif value is None:
            self.operations.append(Operation(op, target))
        elif op == "add":
            self.operations.append(Operation(op, target, self._part(path, value)))
        else:
            self.operations.append(
                Operation(op, target, self._check("element", path, path.leaf)(value, refuse_unknown))
            )

    def _writable(self, path: AttributePath) -> None:
        for attribute in (path.attribute, path.sub):
            if attribute is not None and attribute.mutability is Mutability.READ_ONLY:
                raise refuse(ScimType.MUTABILITY, f"{path.text}: is read-only")

    def _value(self, path: AttributePath, value: Any) -> Any:
        """Check what an attribute is to get; None and [] unassign it (S8)."""
        attribute = path.leaf
        if attribute.multi_valued:
            checked = self._check("all", path, attribute)(value, refuse_unknown) or []
        elif value is not None and attribute.is_complex:
            return self._part(path, value)
        else:
            checked = self._check("all", path, attribute)(value, refuse_unknown)
        _present(path.text, attribute, checked)
        return checked

    def _part(self, path: AttributePath, value: Any) -> Any:
        """Check what is to be merged into a complex value: required sub-attributes may be missing, null unassigns."""
        attribute = path.leaf
        checked = self._check("part", path, attribute)(value, refuse_unknown)
        if not attribute.is_complex:
            return checked
        checked = checked or {}
        for key, part in value.items():
            sub = attribute.sub(key)
            if sub is None or sub.mutability is Mutability.READ_ONLY:
                continue
            if part is None or (sub.multi_valued and not part):
                checked[sub.name] = None
            _present(f"{path.text}.{sub.name}", sub, checked.get(sub.name))
        return checked

    def _named(self, path: AttributePath, value: Any) -> list[Any]:
        """Check which elements a remove names (D1): an element that names nothing is refused, never taken for all."""
        attribute = path.leaf
        if not isinstance(value, list):
            raise refuse(ScimType.INVALID_VALUE, f"{path.text}: what to remove must be a list of values")
        check = self._check("part", path, attribute)
        found = [check(part, refuse_unknown) for part in value]
        by_value = attribute.sub("value") is not None
        if any(part is None or (by_value and "value" not in part) for part in found):
            raise refuse(ScimType.INVALID_VALUE, f"{path.text}: what to remove must be named by its value")
        return found

    def _check(self, kind: str, path: AttributePath, attribute: Attribute) -> Check:
        """Find the compiled check of ``all`` an attribute's values, of one ``element``, or of a ``part`` of one."""
        key = (kind, path.text)
        check = self.checks.get(key)
        if check is None:
            if kind != "all":
                attribute = replace(attribute, multi_valued=False)
            if kind == "part":
                subs = tuple(replace(sub, required=False) for sub in attribute.sub_attributes)
                attribute = replace(attribute, sub_attributes=subs)
            check = self.checks[key] = checker(attribute, path.text)
        return check


def _removable(path: AttributePath) -> None:
    attribute = path.leaf
    if attribute.required:
        raise refuse(ScimType.MUTABILITY, f"{path.text}: is required and cannot be removed")
    if attribute.mutability is Mutability.IMMUTABLE:
        raise refuse(ScimType.MUTABILITY, f"{path.text}: is immutable and cannot be removed")


def _present(where: str, attribute: Attribute, value: Any) -> None:
    """Refuse to leave a required attribute without a value, or with an empty one (S14)."""
    if not attribute.required:
        return
    if value is None or value == []:
        raise refuse(ScimType.INVALID_VALUE, f"{where}: a value is required")
    if isinstance(value, str) and not value.strip():
        raise refuse(ScimType.INVALID_VALUE, f"{where}: must not be empty")


def _members(value: Any, where: str) -> dict[str, Any]:
    """Fold the names of a message's members (S2: ``operations`` is ``Operations``), refusing two spellings of one."""
    if not isinstance(value, dict):
        raise refuse(ScimType.INVALID_SYNTAX, f"{shown(where)}: must be a JSON object")
    members = {name.lower(): member for name, member in value.items()}
    if len(members) != len(value):
        raise refuse(ScimType.INVALID_SYNTAX, f"{where}: a member is given twice (names ignore case)")
    return members


def _lower(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) else None
