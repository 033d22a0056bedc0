"""The services of `servers`, described in settings."""

from __future__ import annotations

import copy
from typing import Any

from tests.backends.soap.servers import FOLDER

PERSON: dict[str, Any] = {
    "login": {"path": "Login", "unique": True, "required": True},
    "note": "Note",
    "grade": "Grade",
    "enabled": "Enabled",
    "hired": "Hired",
    "seen": "Seen",
    "site": "Site",
    "tags": {"path": "Tags.Tag[*]", "many": True},
    "mails": {
        "path": "Mails.Mail[*]",
        "rows": {"address": "Address", "kind": '"@kind"'},
        "row_key": ["address"],
    },
    "teams": {
        "refers": "teams",
        "links": {"list": {"operation": "TeamsOf", "arguments": ["{key}"], "records": "Team[*]"}},
    },
}
STAFF_ERRORS: list[dict[str, Any]] = [
    {"fault": ["NoSuchPerson", "NoSuchTeam"], "means": "not_found"},
    {
        "fault": "Duplicate",
        "field_at": "detail.DuplicateFault.field",
        "names": {"Login": "login", "Title": "title"},
        "means": "conflict",
    },
    {"fault": "EmptyFault", "field_at": "detail.EmptyFault.field", "names": {"Login": "login"}, "means": "rejected"},
    {"fault": ["AlreadyMember", "NoMember"], "means": "unchanged"},
    {"fault": "SessionExpired", "means": "expired"},
]
MEMBERS: dict[str, Any] = {
    "list": {"operation": "ListMembers", "arguments": {"Team": "{key}"}, "records": "Person[*]"},
    "add": {"operation": "AddMember", "arguments": {"Team": "{key}", "Person": "{value}"}},
    "remove": {"operation": "RemoveMember", "arguments": {"Team": "{key}", "Person": "{value}"}},
}


def staff(url: str, **more: Any) -> dict[str, Any]:
    """Whole records over document/literal; lists by offset; members by operations of their own."""
    return copy.deepcopy(
        {
            "wsdl": str(FOLDER / "staff.wsdl"),
            "endpoint": url,
            "errors": STAFF_ERRORS,
            "entities": {
                "people": {
                    "key": "Number",
                    "fields": PERSON,
                    "get": {"operation": "GetPerson", "arguments": {"Number": "{key}"}, "record": "Person"},
                    "list": {
                        "operation": "FindPeople",
                        "arguments": {"Start": "{@offset}", "Count": "{@limit}"},
                        "records": "People.Person[*]",
                        "paging": {"by": "offset", "size": 50},
                        "total": "Total",
                    },
                    "filters": [
                        {"field": "login", "op": "eq", "case": "ignored", "arguments": {"Login": "{value}"}},
                        {"field": "@key", "op": "in", "arguments": {"Number": "{values}"}, "values": 100},
                    ],
                    "create": {
                        "operation": "CreatePerson",
                        "arguments": {"Person": "{@record}"},
                        "key": {"at": "Number"},
                    },
                    "update": {"operation": "UpdatePerson", "arguments": {"Person": "{@record}"}},
                    "delete": {"operation": "DeletePerson", "arguments": ["{key}"]},
                },
                "teams": {
                    "key": "Number",
                    "fields": {
                        "title": {"path": "Title", "required": True},
                        "members": {"refers": "people", "links": MEMBERS},
                    },
                    "get": {"operation": "GetTeam", "arguments": {"Number": "{key}"}, "record": "Team"},
                    "list": {"operation": "ListTeams", "records": "Team[*]"},
                    "create": {
                        "operation": "CreateTeam",
                        "arguments": {"Title": "{title}"},
                        "key": {"at": "Number"},
                    },
                    "update": {"operation": "RenameTeam", "arguments": {"Number": "{key}", "Title": "{title}"}},
                    "delete": {"operation": "DeleteTeam", "arguments": {"Number": "{key}"}},
                },
            },
            **more,
        }
    )


LEGACY_ERRORS: list[dict[str, Any]] = [
    {"at": "status.code", "equals": "TICKET", "means": "expired"},
    {"at": "status.code", "equals": "NOTFOUND", "means": "not_found"},
    {
        "at": "status.code",
        "equals": "DUP",
        "means": "conflict",
        "field_at": "status.about",
        "names": {"LOGIN": "login"},
    },
    {
        "at": "status.code",
        "equals": "BADVALUE",
        "means": "rejected",
        "field_at": "status.about",
        "names": {"LOGIN": "login", "GRADE": "grade"},
    },
    {"at": "status.code", "differs": "OK", "means": "unavailable", "maybe_done": True},
]


def legacy(url: str, **more: Any) -> dict[str, Any]:
    """Positional texts over rpc/literal, a ticket as argument, handles, query texts, records inside texts."""
    user = ["{@session}", "{login}", "{note}", "{grade}", "{on}"]
    return copy.deepcopy(
        {
            "wsdl": str(FOLDER / "legacy.wsdl"),
            "endpoint": url,
            "secrets": {"password": "t0psecret"},
            "login": {
                "operation": "logon",
                "arguments": ["scim", "{@secret.password}"],
                "session": {"at": "ticket"},
            },
            "ping": {"operation": "closeQuery", "arguments": ["{@session}", "none"]},
            "errors": LEGACY_ERRORS,
            "entities": {
                "users": {
                    "key": "id",
                    "skip": {"id": "0"},
                    "fields": {
                        "login": {"unique": True, "required": True},
                        "note": {"max_length": 60},
                        "grade": {"type": "int"},
                        "on": {"words": ["N", "Y"]},
                    },
                    "get": {
                        "operation": "getUser",
                        "arguments": ["{@session}", "{key}"],
                        "decode": {"at": "xml", "format": "xml"},
                        "record": "xml",
                    },
                    "list": {
                        "operation": "fetch",
                        "arguments": ["{@session}", "{@handle}", "{@offset}", "{@limit}"],
                        "records": "rows.item[*]",
                        "paging": {
                            "by": "offset",
                            "first": 1,
                            "size": 10,
                            "handle": {
                                "open": {"operation": "openQuery", "arguments": ["{@session}", "{@query}"]},
                                "handle": "handle",
                                "count": "count",
                                "close": {"operation": "closeQuery", "arguments": ["{@session}", "{@handle}"]},
                            },
                        },
                        "query": {"every": "ALL", "all_of": " AND ", "any_of": " OR "},
                    },
                    "filters": [
                        {
                            "field": "login",
                            "op": "eq",
                            "case": "ignored",
                            "query": "login is '{value}'",
                            "escape": {"'": "''"},
                        },
                        {"field": "note", "op": "co", "query": "note has '{value}'", "escape": {"'": "''"}},
                    ],
                    "create": {"operation": "addUser", "arguments": user, "key": {"at": "status.id"}},
                    "update": {"operation": "setUser", "arguments": ["{@session}", "{key}", *user[1:]]},
                    "delete": {"operation": "dropUser", "arguments": ["{@session}", "{key}"]},
                }
            },
            **more,
        }
    )
