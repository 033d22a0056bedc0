"""Dialects: what real clients send that the RFC does not know, as rows of data (DESIGN §3, never 7).

Each `Quirk` is a row: what is tolerated, which requirement says so, and the recorded exchange it was seen in. A profile
is a set of them; a tenant may switch each one on or off. The names are stable: they are the labels of a counter and
stand in configurations.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.scim import rewrites
from gateway.scim.filters import FilterOptions
from gateway.scim.operations import PatchOptions
from gateway.scim.rewriting import Count, Rewriter, ValueRewrite
from gateway.scim.schema import Mutability, ResourceType
from gateway.scim.validate import ValidateOptions


@dataclass(frozen=True, slots=True)
class Quirk:
    """One oddity: `does` in one sentence, the requirements it answers, and an exchange under ``tests/clients``.

    `value` is what is done to values; a row without one is an option of the rooms that read messages. `fixture` is
    None only for what a specification says and no client was recorded with.
    """

    name: str
    does: str
    cites: tuple[str, ...]
    fixture: str | None
    value: ValueRewrite | None = None


QUIRKS: Mapping[str, Quirk] = {
    row.name: row
    for row in (
        Quirk("any_case_ops", "Takes `Add`, `Replace` and `Remove` for the operations they are.",
              ("P2", "E4"), "entra/user_life.json"),
        Quirk("pathless_patch", "Takes operations without a path.",
              ("D4", "O4", "O5"), "okta/oin_users_patch.json"),
        Quirk("dotted_keys", "Takes `name.givenName`, `urn:…:User:department` and `manager` as keys of an object.",
              ("P6", "E5"), "entra/flag_aadOptscim062020.json"),
        Quirk("remove_by_value", "Removes from a list only what the value of a remove operation names.",
              ("D1", "E4"), "entra/groups.json"),
        Quirk("json_in_strings", "Takes an object or a list written as JSON in a string.",
              ("P6",), "entra/shapes.json",
              ValueRewrite(rewrites.is_complex, rewrites.decoded_json, each=True)),
        Quirk("array_for_object", "Takes a list of one element for a single object.",
              ("P6", "E6"), "entra/manager.json",
              ValueRewrite(rewrites.is_singular_complex, rewrites.single_of_array)),
        Quirk("empty_string_clears", "Takes an empty string for null where a single value is expected.",
              ("P6", "E6"), "entra/manager.json",
              ValueRewrite(rewrites.is_clearable, rewrites.empty_string)),
        Quirk("object_for_array", "Takes a single value for a list of one.",
              ("P6",), "entra/shapes.json",
              ValueRewrite(rewrites.is_many, rewrites.array_of_single)),
        Quirk("bare_values", "Takes a bare string for an object with that `value`.",
              ("P6", "E6"), "entra/manager.json",
              ValueRewrite(rewrites.has_value, rewrites.object_of_value, whole=False, each=True)),
        Quirk("display_names", "Takes `displayName` for the `display` of an element.",
              ("P6",), "entra/shapes.json",
              ValueRewrite(rewrites.has_display, rewrites.display_name, whole=False, each=True)),
        Quirk("manager_id", "Takes the `managerId` of SCIM 1.1 for the manager's `value`.",
              ("P6",), "onelogin/template.json",
              ValueRewrite(rewrites.is_manager, rewrites.manager_id, whole=False, each=True)),
        Quirk("string_booleans", "Takes \"True\" and \"False\" for booleans, in values and in filters.",
              ("D3", "E4", "E15"), "entra/user_life.json",
              ValueRewrite(rewrites.is_boolean, rewrites.string_boolean)),
        Quirk("vendor_schemas", "Drops the schema URNs of a vendor's own.",
              ("S3",), "entra/groups.json"),
        Quirk("misspelt_enterprise_urn", "Takes `…:enterprise:2.0User` for `…:enterprise:2.0:User`.",
              ("S3",), "entra/shapes.json"),
        Quirk("drop_unknown_attributes", "Drops attributes and schemas the resource type does not have.",
              ("D4",), "entra/shapes.json"),
        Quirk("passwords", "Takes passwords; where it is off, they are refused.",
              ("D4", "O2"), "okta/oin_users_patch.json"),
        Quirk("no_content_for_groups", "Answers a PATCH of a resource with members with 204.",
              ("H4", "E10"), "entra/groups.json"),
        Quirk("barewords", "Takes text in filters without quotes.",
              ("D8",), "authentik/unquoted_filter.json"),
        Quirk("upsert_on_replace", "Adds the element a replace operation selects where there is none.",
              ("D5",), None),
        Quirk("replace_whole_complex", "Clears the sub-attributes that a replaced complex attribute is not given.",
              ("P5",), None),
    )
}  # fmt: skip
"""Every quirk by name."""

_REFUSE_PASSWORDS = ("passwords", ValueRewrite(rewrites.is_password, rewrites.no_password))
VENDOR_URNS = frozenset({"http://schemas.microsoft.com/2006/11/resourcemanagement/adscim/2.0/group"})
"""The schema URNs `vendor_schemas` drops, in lower case."""

STRICT = frozenset({"replace_whole_complex"})
COMPAT = frozenset(QUIRKS) - {"barewords", "upsert_on_replace", "replace_whole_complex"}
PROFILES: Mapping[str, frozenset[str]] = {
    "compat": COMPAT,
    "strict": STRICT,
    "entra": COMPAT,
    "okta": COMPAT,
    "onelogin": COMPAT,
    "jumpcloud": COMPAT,
    "authentik": COMPAT | {"barewords"},
    "ping": COMPAT,
}
"""The profiles: a named client has all of `compat`, and what only it needs. Clients of which no exchange was recorded
have none of their own. `strict` rewrites nothing and keeps to the interoperability profile, as discovery says (D4)."""
_ALIASES: Mapping[str, str] = {"default": "compat"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one tenant's clients are spoken with; `quirks` names what is tolerated.

    `filter_options`, `patch_options` and `validate_options` are for the functions that read what this one rewrote. The
    engine sets `on_rewrite` of the first two, so that what is met inside filters is counted under the same names.
    """

    name: str
    quirks: frozenset[str] = COMPAT
    filter_options: FilterOptions = field(init=False)
    patch_options: PatchOptions = field(init=False)
    validate_options: ValidateOptions = field(init=False)

    def __post_init__(self) -> None:
        on = self.quirks
        filters = FilterOptions(barewords="barewords" in on, string_booleans="string_booleans" in on)
        patches = PatchOptions(
            filters=filters,
            pathless="pathless_patch" in on,
            dotted_keys="dotted_keys" in on,
            remove_by_value="remove_by_value" in on,
            replace_whole="replace_whole_complex" in on,
            upsert="upsert_on_replace" in on,
        )
        unknown: Literal["ignore", "refuse"] = "ignore" if "drop_unknown_attributes" in on else "refuse"
        object.__setattr__(self, "filter_options", filters)
        object.__setattr__(self, "patch_options", patches)
        object.__setattr__(self, "validate_options", ValidateOptions(unknown=unknown))

    def resource(self, resource_type: ResourceType, body: Any, count: Count) -> Any:
        """Rewrite the body of a POST or PUT; `count` is told each quirk met.

        What is no known shape stays as it is, for `validate` to refuse. Raises `ScimError` 400 for the names of
        Python's own (P7) and for passwords where they are off.
        """
        return self._rewriter(resource_type).resource(body, count)

    def patch(self, resource_type: ResourceType, body: Any, count: Count) -> Any:
        """Rewrite a PATCH message; `count` is told each quirk met. Raises as `resource` does."""
        return self._rewriter(resource_type).patch(body, count)

    def patch_status(self, resource_type: ResourceType) -> int:
        """Choose the status of a successful PATCH that asked for no attributes: 200, or 204 without a body (H4)."""
        return 204 if "no_content_for_groups" in self.quirks and _has_members(resource_type) else 200

    def _rewriter(self, resource_type: ResourceType) -> Rewriter:
        compiled: dict[frozenset[str], Rewriter] = resource_type.compiled.setdefault("rewriters", {})
        rewriter = compiled.get(self.quirks)
        if rewriter is None:
            rows = [(row.name, row.value) for row in QUIRKS.values() if row.value and row.name in self.quirks]
            if "passwords" not in self.quirks:
                rows.append(_REFUSE_PASSWORDS)
            rewriter = compiled[self.quirks] = Rewriter(resource_type, rows, self.quirks, VENDOR_URNS)
        return rewriter


def profile(client: str = "compat", overrides: Mapping[str, bool] | None = None, *, strict: bool = False) -> Dialect:
    """Give the dialect of a client, with single quirks switched on or off; `strict` starts from that profile.

    Raises ValueError for an unknown client or quirk, naming the known ones and the nearest.
    """
    name = _ALIASES.get(client, client)
    if name not in PROFILES:
        raise ValueError(_unknown("client", client, profiles()))
    quirks = set(STRICT if strict else PROFILES[name])
    for quirk, on in (overrides or {}).items():
        if quirk not in QUIRKS:
            raise ValueError(_unknown("quirk", quirk, tuple(QUIRKS)))
        (quirks.add if on else quirks.discard)(quirk)
    return Dialect("strict" if strict and name == "compat" else name, frozenset(quirks))


def profiles() -> tuple[str, ...]:
    """Name the profiles a configuration may ask for."""
    return (*PROFILES, *_ALIASES)


def _unknown(what: str, given: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(given.lower(), known, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no {what} {given!r}{hint} Known are {', '.join(known)}."


def _has_members(resource_type: ResourceType) -> bool:
    """Tell whether a type has a writable list of references, which an answer should not have to carry."""
    return any(
        attribute.multi_valued and attribute.sub("$ref") and attribute.mutability is not Mutability.READ_ONLY
        for attribute in resource_type.schema.attributes
    )
