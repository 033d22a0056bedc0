"""Configurations the laws are held against: from everything in its column to everything squeezed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from backends.contract import Capabilities
from tests.mapping.world import ENTERPRISE, World, linked, user

NAMES = st.sampled_from(["Ada", "ada", "ADA", "Straße", "STRASSE", "Øre", "a b", "x", "O'Neil", "Ann-Lee Smith"])
KINDS = st.sampled_from(["work", "home", "other", "web", "Work"])
ADDRESSES = st.sampled_from(["a@x.com", "A@X.com", "b@x.com", "c@y.org", "ß@x.com"])
ROLES = st.sampled_from(["admin", "Admin", "audit", "fin"])
PEOPLE = {"u1": "11", "u2": "12", "u3": "13"}
TEAMS = {"g1": "t1", "g2": "t2"}


def complex_values(values: st.SearchStrategy[str], *, display: bool = True) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Lists as a client may send them: no pair of type and value twice, one primary at most."""
    optional: dict[str, Any] = {"type": KINDS}
    if display:
        optional |= {"display": NAMES}
    element = st.fixed_dictionaries({"value": values}, optional=optional)
    lists = st.lists(element, max_size=4, unique_by=lambda e: (e.get("type"), e["value"]))
    return st.tuples(lists, st.integers(-4, 3)).map(_with_primary)


def _with_primary(given: tuple[list[dict[str, Any]], int]) -> list[dict[str, Any]]:
    elements, place = given
    return [{**element, "primary": True} if i == place else element for i, element in enumerate(elements)]


@st.composite
def users(draw: st.DrawFn, *, roles: bool = True) -> dict[str, Any]:
    """A User resource in canonical form, with anything left out."""
    found: dict[str, Any] = {"userName": draw(NAMES)}
    names = st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("givenName", "familyName", "formatted", "middleName"), NAMES)
    )
    optional = {
        "active": st.booleans(),
        "name": names.filter(bool),
        "title": NAMES,
        "nickName": NAMES,
        "emails": complex_values(ADDRESSES).filter(bool),
        "phoneNumbers": complex_values(st.sampled_from(["1", "2", "+3"])).filter(bool),
        "addresses": st.lists(
            st.fixed_dictionaries(
                {}, optional={"streetAddress": NAMES, "locality": NAMES, "country": st.just("NO"), "type": KINDS}
            ).filter(bool),
            min_size=1,
            max_size=2,
            unique_by=str,
        ),
        ENTERPRISE: st.fixed_dictionaries(
            {},
            optional={
                "employeeNumber": st.sampled_from(["007", "7", "42"]),
                "department": st.sampled_from(["Human Resources", "Systems", "Sales"]),
                "manager": st.sampled_from(["u1", "u2"]).map(lambda id: {"value": id}),
            },
        ).filter(bool),
    }
    if roles:
        optional["roles"] = complex_values(ROLES).filter(bool)
    return found | draw(st.fixed_dictionaries({}, optional=optional))


def plain(capabilities: Capabilities | None = None) -> World:
    """Each thing in a place that holds it whole, or kept."""
    return user(
        {
            "userName": {"field": "login", "codec": "upper", "keep": "spelling"},
            "name.givenName": "first",
            "name.familyName": {"field": "last", "codec": "empty"},
            "title": "title",
            'emails[type eq "work"].value': "mail",
            'emails[type eq "home"].value': "mail2",
            "emails": {
                "rows": "mails",
                "each": {
                    "value": "address",
                    "type": "kind",
                    "primary": {"field": "std", "codec": "flag"},
                },
            },
            'phoneNumbers[type eq "work"].value': "phone",
            'addresses[type eq "work"]': {"streetAddress": "street", "locality": "city"},
            "roles.value": "roles",
            f"{ENTERPRISE}:employeeNumber": {"field": "number", "codec": {"number": 3}, "keep": "unknown"},
            f"{ENTERPRISE}:department": {
                "field": "code",
                "codec": [{"values": {"HR": "Human Resources", "PE": "Human Resources", "IT": "Systems"}}, "padded"],
                "keep": "unknown",
            },
            f"{ENTERPRISE}:manager.value": {"field": "boss", "reference": "User", "show": "full"},
            "groups.value": {"field": "teams", "reference": "Group"},
            "meta.lastModified": "changed",
        },
        unmapped="keep",
        capabilities=capabilities,
        on_delete={"set": {"status": "D"}},
    )


def squeezed(capabilities: Capabilities | None = None) -> World:
    """Names in one field, lists in one text, an end date for `active`."""
    return user(
        {
            "userName": {"field": "login", "codec": "fold", "keep": "spelling"},
            "active": {"field": "ends", "codec": {"until": {"none": "9999-12-31"}}},
            "name": {
                "field": "full",
                "codec": {"split": {"separator": " ", "into": ["givenName", "familyName"], "rest": "first"}},
                "keep": "parts",
            },
            "title": {"fields": ["first", "last"], "codec": "join", "keep": "unknown"},
            "roles.value": {"field": "role_list", "codec": ["upper", {"split": ","}], "keep": "spelling"},
            "emails.value": "mail",
            'phoneNumbers[type eq "work"]': {"value": "phone", "primary": {"constant": True}},
            f"{ENTERPRISE}:manager.value": {"field": "boss", "reference": ["User"]},
        },
        unmapped="keep",
        capabilities=capabilities,
    )


def contained(capabilities: Capabilities | None = None) -> World:
    """`active` is a special group; the rest in columns of any type."""
    return user(
        {
            "active": {"field": "groups", "codec": {"contains": "t9"}},
            "nickName": {"field": "code", "codec": "padded", "keep": "unknown"},
            "groups.value": {"field": "groups", "reference": "Group"},
            "roles.value": {"field": "roles", "codec": "lower", "keep": "spelling"},
        },
        unmapped="keep",
        capabilities=capabilities,
    )


def locked(capabilities: Capabilities | None = None) -> World:
    """`active` is the absence of a lock row."""
    return user(
        {
            "active": {"rows": "locks", "codec": {"lacks": {"reason": "SCIM", "by": "scim"}}},
            "name.givenName": "first",
            "name.familyName": "last",
            "emails": {"rows": "mails", "each": {"value": "address", "type": "kind", "display": "note"}},
        },
        unmapped="keep",
        capabilities=capabilities,
    )


def dropped(capabilities: Capabilities | None = None) -> World:
    """Nothing is kept: what has no place is dropped, and what has one can be asked for exactly."""
    return user(
        {
            "title": "title",
            "nickName": {"field": "boss_login", "codec": {"empty": "-"}},
            "name.givenName": "first",
            "name.familyName": "last",
            "name.middleName": {"constant": "x"},
            'emails[type eq "work"].value': "mail",
            'emails[type eq "home"]': {"value": "mail2", "primary": {"constant": True}},
            "emails": {
                "rows": "mails",
                "each": {"value": "address", "type": "kind", "primary": {"field": "std", "codec": "flag"}},
            },
            "phoneNumbers.value": "phone",
            'addresses[type eq "work"]': {"streetAddress": "street", "locality": "city"},
            "roles.value": "roles",
            f"{ENTERPRISE}:manager.value": {"field": "boss", "reference": "User"},
            "groups.value": {"field": "teams", "reference": "Group"},
            "externalId": "full",
            "meta.created": "changed",
        },
        unmapped="drop",
        on_delete={"set": {"status": "D"}},
        capabilities=capabilities,
    )


WORLDS: Mapping[str, Callable[..., World]] = {
    "plain": plain,
    "squeezed": squeezed,
    "contained": contained,
    "locked": locked,
}
"""Worlds in which everything comes back."""


def made(name: str, capabilities: Capabilities | None = None) -> World:
    """One of the worlds, with people and teams its references lead to; on a backend that can do everything."""
    found = {**WORLDS, "dropped": dropped}[name](capabilities)
    found.links = linked(PEOPLE, TEAMS)
    return found
