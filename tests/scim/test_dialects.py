"""Dialects: the rows, the profiles, and every recorded request read as its client needs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.scim import dialects, filters, patch, standard, validate
from gateway.scim.dialects import COMPAT, PROFILES, QUIRKS, STRICT
from gateway.scim.errors import ScimError
from gateway.scim.patch import REQUEST_URN
from gateway.scim.rewrites import MISSPELT, enterprise_urn
from gateway.scim.schema import ENTERPRISE_URN, USER_URN, ResourceType

CLIENTS = Path(__file__).parents[1] / "clients"
EXCHANGES = sorted(CLIENTS.glob("*/*.json"))
LATER = {None, "uniqueness", "invalidValue"}
"""What a step may be refused for only where the accounts are known: a login that is taken, a manager nobody is."""


def load(path: Path) -> dict[str, Any]:
    """Read an exchange; the ids it would save stand for themselves."""
    content: dict[str, Any] = json.loads(re.sub(r"\$\{(\w+)\}", r"id-\1", path.read_text(encoding="utf-8")))
    return content


def test_every_row_cites_a_requirement_and_a_recorded_exchange() -> None:
    """A quirk without evidence is an invention; its name is a stable label (DESIGN §3, never 7)."""
    for name, row in QUIRKS.items():
        assert name == row.name
        assert re.fullmatch(r"[a-z][a-z_]+", name)
        assert row.does.endswith(".")
        assert row.cites
        assert all(re.fullmatch(r"[A-Z][A-Z-]*\d+", cite) for cite in row.cites), name
        if row.fixture is None:
            assert name not in COMPAT, f"{name}: nobody was recorded with it"
        else:
            assert (CLIENTS / row.fixture).is_file(), row.fixture


def test_profiles_are_sets_of_rows() -> None:
    """compat is the default, strict rewrites nothing, every other profile is a client that was recorded (D4)."""
    assert set(PROFILES) == {"compat", "strict"} | {path.parent.name for path in EXCHANGES}
    assert all(quirks <= set(QUIRKS) for quirks in PROFILES.values())
    assert all(row.value is None for name, row in QUIRKS.items() if name in STRICT)
    assert dialects.profile() == dialects.profile("compat") == dialects.profile("default")
    assert dialects.profile().name == "compat"
    assert dialects.profile("entra").name == "entra"
    assert set(dialects.profiles()) == {*PROFILES, "default"}


def test_a_mode_of_its_own_is_strict_too() -> None:
    """The letter holds for a named client as well, and what is switched on again is on (D4)."""
    assert dialects.profile(strict=True) == dialects.profile("strict")
    mixed = dialects.profile("okta", {"pathless_patch": True}, strict=True)
    assert mixed.name == "okta"
    assert mixed.quirks == STRICT | {"pathless_patch"}


def test_quirks_are_switched_one_by_one() -> None:
    """Per tenant, on and off, without touching the others."""
    off = dialects.profile("entra", {"string_booleans": False})
    assert off.quirks == PROFILES["entra"] - {"string_booleans"}
    on = dialects.profile("entra", {"upsert_on_replace": True, "dotted_keys": True})
    assert on.quirks == PROFILES["entra"] | {"upsert_on_replace"}
    assert on.patch_options.upsert
    assert not dialects.profile("entra").patch_options.upsert


@pytest.mark.parametrize(
    ("client", "overrides", "words"),
    [
        ("entrra", {}, ("client 'entrra'", "did you mean entra?", "compat, strict", "okta")),
        ("", {}, ("client ''", "Known are")),
        ("OKTA", {}, ("did you mean okta?",)),
        ("google", {}, ("there is no client 'google'",)),
        ("entra", {"string_bools": True}, ("quirk 'string_bools'", "string_booleans")),
        ("entra", {"x" * 9: False}, ("there is no quirk", "any_case_ops")),
    ],
)
def test_what_nobody_knows_is_an_error_that_helps(
    client: str, overrides: dict[str, bool], words: tuple[str, ...]
) -> None:
    """An unknown client or quirk is a ValueError with the known ones and the nearest."""
    with pytest.raises(ValueError) as caught:
        dialects.profile(client, overrides)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_status_of_a_patch(user_type: ResourceType, group_type: ResourceType, badge_type: ResourceType) -> None:
    """Users 200 and groups 204 in compat, 200 with the resource in strict (H4, E10)."""
    compat, strict = dialects.profile(), dialects.profile("strict")
    assert [compat.patch_status(kind) for kind in (user_type, group_type, badge_type)] == [200, 204, 200]
    assert [strict.patch_status(kind) for kind in (user_type, group_type)] == [200, 200]
    assert dialects.profile("entra", {"no_content_for_groups": False}).patch_status(group_type) == 200


STRICTLY = [
    ({"op": "Replace", "path": "title", "value": "x"}, "invalidSyntax"),
    ({"op": "replace", "value": {"title": "x"}}, "invalidSyntax"),
    ({"op": "replace", "path": "active", "value": "False"}, "invalidValue"),
    ({"op": "remove", "path": "emails", "value": [{"value": "w"}]}, "invalidSyntax"),
    ({"op": "add", "path": "emails", "value": {"value": "x"}}, "invalidValue"),
    ({"op": "replace", "path": "manager", "value": "7"}, "invalidValue"),
    ({"op": "replace", "path": "password", "value": "t0p"}, "invalidValue"),
    ({"op": "add", "path": 'roles[primary eq "True"].value', "value": "x"}, "invalidFilter"),
    ({"op": "add", "path": "shoeSize", "value": 1}, "invalidPath"),
    ({"op": "add", "path": "emails", "value": [{"value": "x", "shoe": 1}]}, "invalidSyntax"),
]


@pytest.mark.parametrize(("item", "keyword"), STRICTLY)
def test_strict_refuses_what_the_rfc_does_not_know(
    user_type: ResourceType, refused: Any, item: dict[str, Any], keyword: str
) -> None:
    """The letter of the RFC, paths mandatory, unknown attributes and passwords refused (D4)."""
    dialect = dialects.profile("strict")
    body = {"schemas": [REQUEST_URN], "Operations": [item]}

    def never(quirk: str) -> None:
        raise AssertionError(f"{quirk} is off")

    with refused(keyword):
        patch.parse(dialect.patch(user_type, body, never), user_type, dialect.patch_options)


def test_strict_replaces_complex_values_whole(user_type: ResourceType) -> None:
    """strict keeps to the interoperability profile, as its discovery says (D4, P5)."""
    item = {"op": "replace", "path": "name", "value": {"givenName": "B"}}
    body = {"schemas": [REQUEST_URN], "Operations": [item]}
    state = {"userName": "u", "name": {"familyName": "J"}}
    for mode, expected in (("strict", {"givenName": "B"}), ("compat", {"givenName": "B", "familyName": "J"})):
        options = dialects.profile(mode).patch_options
        assert patch.apply(patch.parse(body, user_type, options), state, user_type, options)["name"] == expected


def test_strict_refuses_unknown_attributes_in_bodies(user_type: ResourceType, refused: Any) -> None:
    """invalidSyntax, as the interoperability profile has it (D4, S3)."""
    dialect = dialects.profile("strict")
    base = {"schemas": [USER_URN], "userName": "u"}
    for body in ({"shoeSize": 44}, {"name": {"first": "x"}}, {"schemas": [USER_URN, "urn:example:x"]}):
        with refused("invalidSyntax"):
            rewritten = dialect.resource(user_type, {**base, **body}, lambda _: None)
            validate.create(user_type, rewritten, dialect.validate_options)
    with refused("invalidValue", "password"):
        dialect.resource(user_type, {**base, "PASSWORD": "t0p"}, lambda _: None)
    assert dialect.resource(user_type, {**base, "password": None}, lambda _: None)["password"] is None


def read(dialect: dialects.Dialect, step: dict[str, Any], counted: list[str]) -> str | None:
    """Read one request as the engine does, up to where a backend would be needed; give the keyword of a refusal."""
    try:
        _read(dialect, step, counted)
    except ScimError as error:
        return str(error.scim_type)
    return None


def _read(dialect: dialects.Dialect, step: dict[str, Any], counted: list[str]) -> None:
    url = urlsplit(step["path"])
    resource_type = standard.resource_type("Group" if url.path.startswith("/Groups") else "User")
    if step["method"] == "PATCH":
        rewritten = dialect.patch(resource_type, step["request"], counted.append)
        operations = patch.parse(rewritten, resource_type, dialect.patch_options)
        patch.settle(operations, {"id": url.path.rpartition("/")[2]})
    elif "request" in step:
        rewritten = dialect.resource(resource_type, step["request"], counted.append)
        validate.create(resource_type, rewritten, dialect.validate_options)
    for text in parse_qs(url.query).get("filter", ()):
        filters.parse(text, resource_type, replace(dialect.filter_options, on_rewrite=counted.append))


@pytest.mark.parametrize("path", EXCHANGES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_recorded_request_is_read_as_its_client_needs(path: Path) -> None:
    """What succeeded is taken, what was refused for its form is refused with its keyword (E1-E15, O1-O7, D2, D8).

    The client's own profile takes all that the profile of the exchange does.
    """
    exchange = load(path)
    for step in exchange["steps"]:
        keyword = step.get("response", {}).get("scimType")
        for name in (exchange.get("profile", "compat"), exchange["client"]):
            counted: list[str] = []
            dialect = dialects.profile(name)
            found = read(dialect, step, counted)
            expected = {keyword, None} if keyword in LATER else {keyword}
            if name == "authentik" and keyword == "invalidFilter":
                expected = {None}  # what only its own profile takes
            assert found in expected, f"{name}: {step['name']}"
            assert set(counted) <= dialect.quirks


def test_each_fixture_shows_the_quirk_it_is_cited_for() -> None:
    """The exchange a row cites meets the quirk; two rows are options that no body shows."""
    options = {"passwords", "no_content_for_groups"}
    for name, row in QUIRKS.items():
        if row.fixture is None or name in options:
            continue
        exchange = load(CLIENTS / row.fixture)
        dialect = dialects.profile(exchange.get("profile", "compat"))
        met: list[str] = []
        for step in exchange["steps"]:
            found = read(dialect, step, met)
            assert found is None or step["status"] == 400, step["name"]
        assert name in met, f"{row.fixture} does not show {name}"


def test_the_enterprise_extension_is_named_once() -> None:
    """The misspelt URN differs from the right one in one colon (S3)."""
    assert ENTERPRISE_URN.replace("2.0:User", "2.0User") == MISSPELT
    assert enterprise_urn(MISSPELT.upper()) == ENTERPRISE_URN
    assert enterprise_urn(f"{MISSPELT}:manager") == f"{ENTERPRISE_URN}:manager"
    assert enterprise_urn(f"{MISSPELT}s") == f"{MISSPELT}s"
    assert enterprise_urn(ENTERPRISE_URN) == ENTERPRISE_URN
