"""The road of a body through the rewrites of a dialect: compiled once per resource type, one pass over the body.

Every attribute has a chain of the rewrites that can have anything to do there, so a body in the form of the RFC costs
one look-up per attribute. What is readOnly is not looked into: it is ignored or compared, never written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.scim.errors import ScimType, refuse
from gateway.scim.names import AttributePath, find, names, short_names
from gateway.scim.rewrites import Applies, Rewrite, decoded_json, enterprise_urn
from gateway.scim.schema import Attribute, Mutability, ResourceType
from gateway.scim.values import shown

Count = Callable[[str], None]
"""Is told the name of a quirk each time it was met."""
Chain = tuple[tuple[str, Rewrite], ...]
Placed = list[tuple[AttributePath, Any]]

_CORE = "urn:ietf:params:scim:schemas:core:"


@dataclass(frozen=True, slots=True)
class ValueRewrite:
    """A rewrite of values: where it applies, what it does, and whether to the whole, or to each element or object."""

    applies: Applies
    rewrite: Rewrite
    whole: bool = True
    each: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """What is done with the values of one attribute: to the whole, to each element or object, and to its members.

    `idle`: nothing, whatever the value is.
    """

    attribute: Attribute
    whole: Chain = ()
    each: Chain = ()
    subs: Mapping[str, Node] | None = None
    idle: bool = True


class Rewriter:
    """Rewrites the bodies of one resource type.

    `rewrites` are the value rewrites that are on, by quirk; `quirks` the names of all quirks that are; `vendor_urns`
    the schemas that are dropped where `quirks` says so, in lower case.
    """

    def __init__(
        self,
        resource_type: ResourceType,
        rewrites: Sequence[tuple[str, ValueRewrite]],
        quirks: frozenset[str],
        vendor_urns: frozenset[str],
    ) -> None:
        self._type = resource_type
        self._rewrites = rewrites
        self._quirks = quirks
        self._vendor_urns = vendor_urns
        whole = {path.text: path for path in names(resource_type).values() if path.sub is None}
        self._nodes = {text: self._node(path.attribute, None) for text, path in whole.items() if path.attribute}
        self._core = {text.lower(): self._nodes[text] for text, path in whole.items() if path.extension is None}
        self._extensions = {
            urn: {attribute.name.lower(): self._nodes[f"{urn}:{attribute.name}"] for attribute in schema.attributes}
            for urn, schema in resource_type.extensions.items()
        }

    def _node(self, attribute: Attribute, within: Attribute | None) -> Node:
        if attribute.mutability is Mutability.READ_ONLY:
            return Node(attribute)
        rows = [(name, row) for name, row in self._rewrites if row.applies(attribute, within)]
        whole = tuple((name, row.rewrite) for name, row in rows if row.whole)
        each = tuple((name, row.rewrite) for name, row in rows if row.each)
        subs = None
        if attribute.is_complex:
            subs = {sub.name.lower(): self._node(sub, attribute) for sub in attribute.sub_attributes}
        return Node(attribute, whole, each, subs, not (whole or each or subs))

    def resource(self, body: Any, count: Count) -> Any:
        """Rewrite the body of a POST or PUT; give a new one."""
        if not isinstance(body, dict):
            return body
        placed: Placed = []
        result = self._object(body, count, placed)
        for key in result:
            if key.lower() == "schemas":
                result[key] = self._schemas(result[key], count)
        for path, value in placed:
            _place(result, path, value)
        return result

    def patch(self, body: Any, count: Count) -> Any:
        """Rewrite a PATCH message; give a new one."""
        if not isinstance(body, dict):
            return body
        found = next((key for key in body if key.lower() == "operations"), None)
        if found is None or not isinstance(body[found], list):
            return body
        return {**body, found: [self._operation(item, count) for item in body[found]]}

    def _operation(self, item: Any, count: Count) -> Any:
        if not isinstance(item, dict):
            return item
        result = {key.lower(): part for key, part in item.items()}
        if len(result) != len(item):
            return item
        op, path = result.get("op"), result.get("path")
        if "any_case_ops" in self._quirks and isinstance(op, str) and op != op.lower():
            count("any_case_ops")
            op = result["op"] = op.lower()
        if isinstance(path, str):
            path = result["path"] = self._spelled(path, count)
            if result.get("value") is not None:
                result["value"] = self._with_path(op, path, result["value"], count)
        elif path is None and op != "remove" and "value" in result:
            result["value"] = self._without_path(result["value"], count)
        return result

    def _with_path(self, op: Any, text: str, value: Any, count: Count) -> Any:
        path, selected = self._find(text)
        if path is None:
            return value
        if op == "remove":
            if selected or path.sub is not None or not path.is_many:
                return value
            if "remove_by_value" in self._quirks:
                count("remove_by_value")
        return self._at(path, selected, value, count)

    def _without_path(self, value: Any, count: Count) -> Any:
        if "json_in_strings" in self._quirks:
            value = _run((("json_in_strings", decoded_json),), value, count)
        if not isinstance(value, dict):
            return value
        if "pathless_patch" in self._quirks:
            count("pathless_patch")
        return self._object(value, count, None)

    def _object(self, body: Mapping[str, Any], count: Count, placed: Placed | None) -> dict[str, Any]:
        """Rewrite the members of a resource, or of a value that names its attributes.

        Members named by a path go to `placed`; where that is None, as in PATCH, they stay.
        """
        result: dict[str, Any] = {}
        for key, value in body.items():
            node = self._core.get(key.lower())
            if node is not None:
                result[key] = value if node.idle else self._value(node, value, count)
                continue
            spelled = self._spelled(key, count) if key.lower() not in self._type.urns else key
            if spelled != key and any(other.lower() == spelled.lower() for other in body):
                spelled = key
            urn = self._type.urns.get(spelled.lower())
            if urn is not None and urn in self._extensions:
                result[spelled] = self._container(urn, value, count, placed)
            else:
                self._other(spelled, spelled, value, result, count, placed)
        return result

    def _container(self, urn: str, value: Any, count: Count, placed: Placed | None) -> Any:
        """Rewrite what lies under the URN of an extension."""
        if not isinstance(value, dict):
            return value
        result: dict[str, Any] = {}
        for key, part in value.items():
            node = self._extensions[urn].get(key.lower())
            if node is not None:
                result[key] = part if node.idle else self._value(node, part, count)
            else:
                self._other(key, f"{urn}:{key}", part, result, count, placed)
        return result

    def _other(
        self, key: str, text: str, value: Any, result: dict[str, Any], count: Count, placed: Placed | None
    ) -> None:
        """Rewrite under a key that is a path, or that nobody knows."""
        path, selected = self._find(text)
        if path is None:
            if not self._drops(key, count):
                result[key] = value
        elif "dotted_keys" not in self._quirks or (placed is not None and (selected or path.is_many)):
            result[key] = value
        else:
            count("dotted_keys")
            value = self._at(path, selected, value, count)
            if placed is None:
                result[key] = value
            else:
                placed.append((path, value))

    def _find(self, text: str) -> tuple[AttributePath | None, bool]:
        """Find what a path names, and tell whether a filter selects whole elements of it."""
        head, opening, rest = text.partition("[")
        path = find(short_names(self._type), head + rest.rpartition("]")[2] if opening else head)
        return path, bool(opening) and path is not None and path.sub is None

    def _at(self, path: AttributePath, selected: bool, value: Any, count: Count) -> Any:
        if path.attribute is None:
            return self._container(path.extension or "", value, count, None)
        node = self._nodes[path.top.text]
        if path.sub is not None:
            sub = (node.subs or {}).get(path.sub.name.lower())
            return value if sub is None else self._value(sub, value, count)
        if not selected:
            return self._value(node, value, count)
        # A bare string for a selected element could mean the element or its value: left to be refused.
        return self._element(node, value, count) if isinstance(value, dict) else value

    def _value(self, node: Node, value: Any, count: Count) -> Any:
        """Rewrite what lies under an attribute's name."""
        if node.idle:
            return value
        value = _run(node.whole, value, count)
        if not node.attribute.multi_valued:
            return self._element(node, value, count) if node.subs else value
        return [self._element(node, part, count) for part in value] if isinstance(value, list) else value

    def _element(self, node: Node, value: Any, count: Count) -> Any:
        """Rewrite one element, or the object of a single complex attribute."""
        value = _run(node.each, value, count)
        if not node.subs or not isinstance(value, dict):
            return value
        result: dict[str, Any] = {}
        for key, part in value.items():
            sub = node.subs.get(key.lower())
            if sub is not None:
                result[key] = part if sub.idle else self._value(sub, part, count)
            elif not self._drops(key, count):
                result[key] = part
        return result

    def _schemas(self, value: Any, count: Count) -> Any:
        """Correct the list of a body's schemas (S3); what is there is worked out from the body anyway (S4)."""
        if not isinstance(value, list):
            return value
        kept: list[Any] = []
        for urn in value:
            if not isinstance(urn, str):
                kept.append(urn)
                continue
            spelled = self._spelled(urn, count)
            lowered = spelled.lower()
            if lowered in self._vendor_urns and "vendor_schemas" in self._quirks:
                count("vendor_schemas")
            elif lowered not in self._type.urns and not lowered.startswith(_CORE) and self._drops(urn, count):
                continue
            elif spelled == urn or spelled not in value:
                kept.append(spelled)
        return kept

    def _spelled(self, text: str, count: Count) -> str:
        if "misspelt_enterprise_urn" not in self._quirks:
            return text
        spelled = enterprise_urn(text)
        if spelled != text:
            count("misspelt_enterprise_urn")
        return spelled

    def _drops(self, key: str, count: Count) -> bool:
        """Drop what the schema does not have; the names of Python's and JavaScript's own are refused always (P7)."""
        if key.startswith("__"):
            raise refuse(ScimType.INVALID_SYNTAX, f"{shown(key)}: there is no such attribute in the schema")
        if "drop_unknown_attributes" not in self._quirks:
            return False
        count("drop_unknown_attributes")
        return True


def _run(chain: Iterable[tuple[str, Rewrite]], value: Any, count: Count) -> Any:
    for name, rewrite in chain:
        after = rewrite(value)
        if after is not value:
            count(name)
            value = after
    return value


def _place(result: dict[str, Any], path: AttributePath, value: Any) -> None:
    """Put a value where its path says; `result` and what is rewritten in it are copies already."""
    holder: Any = result
    steps = [path.extension, path.attribute.name if path.attribute else None, path.sub.name if path.sub else None]
    *outer, name = [step for step in steps if step is not None]
    for step in outer:
        holder = holder.setdefault(_key(holder, step), {})
        if not isinstance(holder, dict):
            raise refuse(ScimType.INVALID_VALUE, f"{path.text}: {step} is no object")
    if _key(holder, name) in holder:
        raise refuse(ScimType.INVALID_SYNTAX, f"{path.text}: is given twice")
    holder[name] = value


def _key(holder: Mapping[str, Any], name: str) -> str:
    return next((key for key in holder if key.lower() == name.lower()), name)
