"""Every attribute of the three schemas goes into the demo and comes back as it was sent."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gateway.scim import standard
from gateway.scim.schema import ENTERPRISE_URN, GROUP_URN, USER_URN, Attribute, Mutability

CERTIFICATE = base64.b64encode(bytes(range(256)) * 4).decode("ascii")
MAXIMAL: dict[str, Any] = {
    "schemas": [USER_URN, ENTERPRISE_URN],
    "externalId": "701984",
    "userName": "Bjørn.O'Malley+hr@Example.com",
    "name": {
        "formatted": "Dr. Bjørn J. O'Malley-Großmann, III",
        "familyName": "O'Malley-Großmann",
        "givenName": "Bjørn",
        "middleName": "José",
        "honorificPrefix": "Dr.",
        "honorificSuffix": "III",
    },
    "displayName": "Bjørn O'Malley",
    "nickName": "Björni",
    "profileUrl": "https://login.example.com/bjørn?x=1&y=%20",
    "title": "Vice President, \"Special\" Projects",
    "userType": "Employee",
    "preferredLanguage": "en-US, da;q=0.8",
    "locale": "en-US",
    "timezone": "America/Los_Angeles",
    "active": True,
    "emails": [
        {"value": "Bjorn@Example.com", "display": "at work", "type": "work", "primary": True},
        {"value": "bjorn@example.org", "type": "home"},
        {"value": "b.omalley@example.net", "type": "other"},
        {"value": "shop@shop.example.com", "type": "webshop", "display": "the shop"},
        {"value": "second.office@example.com", "type": "work"},
        {"value": "no.type@example.com"},
    ],
    "phoneNumbers": [
        {"value": "tel:+1-202-555-0100;ext=7", "type": "work", "primary": True},
        {"value": "+1 202 555 0101", "display": "mobile (private)", "type": "mobile"},
        {"value": "+1 202 555 0102", "type": "home"},
        {"value": "+1 202 555 0103", "type": "fax"},
        {"value": "+1 202 555 0104", "type": "pager"},
    ],
    "ims": [{"value": "bjorn-im", "display": "Bjørn", "type": "xmpp", "primary": True}],
    "photos": [{"value": "https://photos.example.com/b.jpg", "display": "passport", "type": "photo", "primary": True}],
    "addresses": [
        {
            "formatted": "100 Universal City Plaza\nHollywood, CA 91608 USA",
            "streetAddress": "100 Universal City Plaza\nBuilding 7",
            "locality": "Hollywood",
            "region": "CA",
            "postalCode": "91608",
            "country": "US",
            "type": "work",
            "primary": True,
        },
        {"streetAddress": "456 Hollywood Blvd", "locality": "Hollywood", "country": "US", "type": "home"},
        {"formatted": "c/o The Boathouse", "type": "summer"},
    ],
    "entitlements": [{"value": "payroll-read", "display": "Payroll", "type": "app", "primary": True}],
    "roles": [
        {"value": "auditor", "display": "Auditor", "type": "app", "primary": True},
        {"value": "{\"id\":\"r2\"}", "display": "Reader"},
    ],
    "x509Certificates": [{"value": CERTIFICATE, "display": "badge", "type": "smartcard", "primary": True}],
    ENTERPRISE_URN: {
        "employeeNumber": "007019840",
        "costCenter": "4130",
        "organization": "Universal Studios",
        "division": "Theme Park",
        "department": "Human Resources",
    },
}  # fmt: skip
MINIMAL: dict[str, Any] = {"schemas": [USER_URN], "userName": "m"}
DERIVED = {"members.display", "members.$ref", "manager.displayName", "manager.$ref"}


def written(attributes: tuple[Attribute, ...], prefix: str = "") -> Iterator[str]:
    """Name everything a client may write and read again."""
    for attribute in attributes:
        readable = attribute.mutability in (Mutability.READ_WRITE, Mutability.IMMUTABLE)
        if not readable or f"{prefix}{attribute.name}" in DERIVED:
            continue
        if attribute.sub_attributes:
            yield from written(attribute.sub_attributes, f"{attribute.name}.")
        else:
            yield f"{prefix}{attribute.name}"


def named(resource: Mapping[str, Any]) -> set[str]:
    """Name everything a resource has a value for, extensions included."""
    found: set[str] = set()
    for name, value in resource.items():
        elements = value if isinstance(value, list) else [value]
        parts = [part for part in elements if isinstance(part, dict)]
        if name == ENTERPRISE_URN:
            found |= named(value)
        elif parts:
            found |= {f"{name}.{sub}" for part in parts for sub in part}
        else:
            found.add(name)
    return found


def without_meta(resource: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name not in ("id", "meta")}


def alike(one: Any, other: Any) -> bool:
    """Equal but for the order of the elements of multi-valued attributes."""
    if isinstance(one, list) and isinstance(other, list):
        left = list(other)
        for element in one:
            match = next((candidate for candidate in left if alike(element, candidate)), None)
            if match is None:
                return False
            left.remove(match)
        return not left
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    return bool(one == other) and type(one) is type(other)


def test_the_maximal_user_leaves_nothing_out() -> None:
    """The user of these tests has a value for every attribute and sub-attribute a client may write (D10, E9)."""
    user_type = standard.resource_type("User")
    wanted = set(written(user_type.schema.attributes))
    for extension in user_type.extensions.values():
        wanted |= set(written(extension.attributes))
    assert wanted - named(MAXIMAL) == {"manager.value"}


async def test_the_maximal_user_comes_back_as_sent(demo: Any) -> None:
    """What POST took, POST, GET and a list return, value by value (D10, E9, O6, S17)."""
    manager = (await demo.post("/Users", {**MINIMAL, "userName": "boss"})).body["id"]
    user = copy.deepcopy(MAXIMAL)
    user[ENTERPRISE_URN]["manager"] = {"value": manager}
    created = await demo.post("/Users", user)
    assert created.status == 201
    read = (await demo.get(f"/Users/{created.body['id']}")).body
    (listed,) = (await demo.get('/Users?filter=externalId eq "701984"')).body["Resources"]
    assert created.body == read == listed
    got = without_meta(read)
    shown = got[ENTERPRISE_URN]["manager"]
    assert shown.pop("$ref").endswith(f"/Users/{manager}")
    shown.pop("displayName", None)
    assert {name for name in user if not alike(user[name], got.get(name))} == set()
    assert got.keys() == user.keys()


async def test_the_natural_columns_are_really_used(demo: Any) -> None:
    """The old application sees the values in its own columns, in its own spelling (R-L10, R-L11, R-L15, R-L17)."""
    await demo.post("/Users", MAXIMAL)
    columns = "LOGIN, LAST_NAME, STATUS, DEPT_CODE, RTRIM(COST_CENTRE), PERS_NO, TEL_OFFICE, OFF_CITY, HOME_STREET"
    assert demo.native(f"SELECT {columns} FROM EMPLOYEE") == [
        (
            "BJØRN.O'MALLEY+HR@EXAMPLE.COM",
            "O'Malley-Großmann",
            "A",
            "HR    ",
            "4130",
            "007019840",
            "tel:+1-202-555-0100;ext=7",
            "Hollywood",
            "456 Hollywood Blvd",
        )
    ]


async def test_put_of_what_get_returned_changes_nothing(demo: Any) -> None:
    """A client that reads, alters nothing and writes back finds the same version (O6, P4, V1)."""
    created = await demo.post("/Users", MAXIMAL)
    before = demo.native("SELECT * FROM EMPLOYEE")
    answer = await demo.put(f"/Users/{created.body['id']}", created.body)
    assert answer.status == 200
    assert answer.body == created.body
    assert demo.native("SELECT * FROM EMPLOYEE") == before


async def test_everything_can_be_taken_away_again(demo: Any) -> None:
    """PUT of a minimal user clears what it does not name, but active, in the columns and in the store (D6)."""
    created = await demo.post("/Users", MAXIMAL)
    answer = await demo.put(f"/Users/{created.body['id']}", {**MINIMAL, "userName": MAXIMAL["userName"]})
    assert answer.status == 200
    assert without_meta(answer.body) == {"schemas": [USER_URN], "userName": MAXIMAL["userName"], "active": True}
    columns = "FIRST_NAME, LAST_NAME, DEPT_CODE, MAIL_OFFICE, TEL_OFFICE, OFF_CITY, STATUS"
    assert demo.native(f"SELECT {columns} FROM EMPLOYEE") == [(None, "", None, None, None, None, "A")]
    assert demo.native("SELECT COUNT(*) FROM EMPLOYEE_MAIL") == [(0,)]


@pytest.mark.parametrize("name", sorted(set(MAXIMAL) - {"schemas", "userName", "active", ENTERPRISE_URN}))
async def test_each_attribute_alone_comes_by_patch_and_goes_again(demo: Any, name: str) -> None:
    """One attribute added to a minimal user is there alone; removed, the user is minimal again (P5, D10)."""
    user = (await demo.post("/Users", MINIMAL)).body
    operations = [{"op": "add", "path": name, "value": MAXIMAL[name]}]
    answer = await demo.patch(f"/Users/{user['id']}", operations)
    assert answer.status == 200
    assert alike(answer.body[name], MAXIMAL[name])
    again = (await demo.get(f"/Users/{user['id']}")).body
    assert {key for key in again if key not in user} == {name}
    answer = await demo.patch(f"/Users/{user['id']}", [{"op": "remove", "path": name}])
    assert answer.status == 200
    assert without_meta(answer.body) == without_meta(user)


@pytest.mark.parametrize("name", sorted(MAXIMAL[ENTERPRISE_URN]))
async def test_each_attribute_of_the_extension_comes_and_goes(demo: Any, name: str) -> None:
    """The extension's URN appears with its first attribute and goes with its last (S4, P5)."""
    user = (await demo.post("/Users", MINIMAL)).body
    path = f"{ENTERPRISE_URN}:{name}"
    value = MAXIMAL[ENTERPRISE_URN][name]
    body = (await demo.patch(f"/Users/{user['id']}", [{"op": "add", "path": path, "value": value}])).body
    assert body[ENTERPRISE_URN] == {name: value}
    assert set(body["schemas"]) == {USER_URN, ENTERPRISE_URN}
    body = (await demo.patch(f"/Users/{user['id']}", [{"op": "remove", "path": path}])).body
    assert without_meta(body) == without_meta(user)


async def test_a_leaver_loses_access_in_the_table(demo: Any) -> None:
    """Whatever shape the order has, the status in the table is no longer A afterwards (R-L7, D3, E4, O4)."""
    shapes: list[dict[str, Any]] = [
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "replace", "value": {"active": False}},
        {"op": "add", "path": "active", "value": "false"},
        {"op": "replace", "path": f"{USER_URN}:active", "value": False},
    ]
    for number, shape in enumerate(shapes):
        user = (await demo.post("/Users", {**MINIMAL, "userName": f"leaver{number}", "active": True})).body
        answer = await demo.patch(f"/Users/{user['id']}", [shape])
        assert answer.status == 200
        assert answer.body["active"] is False
        assert demo.native(f"SELECT STATUS FROM EMPLOYEE WHERE LOGIN = 'LEAVER{number}'") == [("I",)]
        found = await demo.get(f'/Users?filter=userName eq "leaver{number}" and active eq true')
        assert found.body["totalResults"] == 0


async def test_a_password_is_never_kept(demo: Any) -> None:
    """A password nobody mapped makes no credential and is in no file, whichever way it comes (X12, O2)."""
    user = (await demo.post("/Users", {**MINIMAL, "userName": "p", "password": "Marked-s3cret"})).body
    change = [{"op": "replace", "path": "password", "value": "Marked-s3cret"}]
    assert (await demo.patch(f"/Users/{user['id']}", change)).status < 500
    answer = await demo.put(f"/Users/{user['id']}", {**MINIMAL, "userName": "p", "password": "Marked-s3cret"})
    assert "password" not in answer.body
    assert demo.native("SELECT PASSWORD_HASH FROM EMPLOYEE WHERE LOGIN = 'P'") == [("*",)]
    for file in demo.files.folder.rglob("*"):
        assert not file.is_file() or b"Marked-s3cret" not in file.read_bytes(), file.name


async def test_a_group_comes_back_as_sent(demo: Any) -> None:
    """Name, externalId and members of a group come back; what is derived of a member is added (E10, S15, P6)."""
    ada = (await demo.post("/Users", {**MINIMAL, "userName": "ada"})).body["id"]
    group = {
        "schemas": [GROUP_URN],
        "externalId": "g-1",
        "displayName": "Night \"Shift\" 100% & Ömer's",
        "members": [{"value": ada, "type": "User", "display": "ada"}],
    }  # fmt: skip
    created = await demo.post("/Groups", group)
    assert created.status == 201
    read = (await demo.get(f"/Groups/{created.body['id']}")).body
    assert read == created.body
    assert {name: read[name] for name in ("schemas", "externalId", "displayName")} == {
        name: group[name] for name in ("schemas", "externalId", "displayName")
    }
    (member,) = read["members"]
    assert (member["value"], member["type"]) == (ada, "User")
    assert member["$ref"].endswith(f"/Users/{ada}")
