"""How each of the small systems is described to the backend: the settings an operator would write."""

from __future__ import annotations

from typing import Any

FIELDS: dict[str, Any] = {
    "login": {"unique": True, "required": True},
    "note": {"max_length": 400},
    "grade": {"type": "int"},
    "enabled": {"type": "bool"},
    "hired": {"type": "date"},
    "seen": {"type": "datetime"},
    "tags": {"many": True},
    "mails": {"rows": {"address": None, "kind": "type"}, "row_key": ["address"]},
}
TITLE = {"unique": True, "required": True}


def proper(url: str) -> dict[str, Any]:
    """REST by the book."""
    paging = {"paging": {"style": "marker", "size": 20}}

    def calls(table: str) -> dict[str, Any]:
        one = f"/{table}/{{key}}"
        return {
            "key": "id",
            "version": {"header": "ETag", "at": "meta.etag"},
            "get": {"path": one},
            "list": {
                "path": f"/{table}",
                "query": {"limit": "{@limit}", "after": "{@token}"},
                "records": "items",
                **paging,
            },
            "create": {"path": f"/{table}", "record": ""},
            "update": {"method": "PATCH", "path": one},
            "delete": {"method": "DELETE", "path": one},
        }

    def rejects(name: str) -> list[dict[str, Any]]:
        names = {"names": {"name": name}, "field_at": "error.field"}
        return [
            {"status": 409, "means": "conflict", **names},
            {"status": 422, "means": "rejected", **names},
        ]

    member = {
        "list": {
            "path": "/teams/{key}/members",
            "query": {"limit": "{@limit}", "after": "{@token}"},
            "records": "items",
            "paging": {"style": "marker", "size": 4, "at": "person.id"},
        },
        "value": "person.id",
        "add": {
            "method": "PUT",
            "path": "/teams/{key}/members/{value}",
            "errors": [{"status": 200, "means": "unchanged"}],
        },
        "remove": {"method": "DELETE", "path": "/teams/{key}/members/{value}"},
    }
    teams = {"list": {"path": "/people/{key}/teams", "records": "items"}, "value": "team.id"}
    return {
        "base_urls": f"{url}/api",
        "auth": {"type": "bearer", "token": "t0psecret"},
        "entities": {
            "people": {
                **calls("people"),
                "fields": {**FIELDS, "teams": {"many": True, "refers": "teams", "links": teams}},
                "filters": [
                    {"field": "login", "query": {"login": "{value}"}, "exact": True},
                    {"field": "login", "op": "sw", "case": "ignored", "query": {"prefix": "{value}"}},
                    {"field": "@key", "op": "in", "query": {"id": "{values}"}, "values": 40},
                ],
                "errors": rejects("login"),
            },
            "teams": {
                **calls("teams"),
                "fields": {"title": TITLE, "members": {"many": True, "refers": "people", "links": member}},
                "errors": rejects("title"),
            },
        },
    }


def ugly(url: str) -> dict[str, Any]:
    """Everything a POST, everything a text, everything a 200."""

    def calls(table: str, name: str) -> dict[str, Any]:
        asked = {"method": "POST", "json": {"id": "{key}"}}
        return {
            "key": "id",
            "get": {**asked, "path": f"/{table}/read.do", "record": "data"},
            "list": {"method": "POST", "path": f"/{table}/list.do"},
            "create": {"path": f"/{table}/add.do", "key": {"at": "newId"}},
            "update": {"path": f"/{table}/save.do", "send": "whole"},
            "delete": {**asked, "path": f"/{table}/drop.do"},
            "look_first": True,
            "errors": [
                {"at": "code", "equals": "DUP", "means": "conflict", "field": name},
                {"at": "code", "equals": "NULL", "means": "rejected", "field": name},
            ],
        }

    fields = {
        "login": {"unique": True, "required": True, "letters": "lower"},
        "note": {"max_length": 400, "blank": True},
        "grade": {"type": "int", "form": "text", "blank": True},
        "enabled": {"type": "bool", "words": ["N", "Y"], "blank": True},
        "hired": {"type": "date", "format": "%d.%m.%Y", "blank": True},
        "seen": {"type": "datetime", "format": "%Y%m%d%H%M%S", "blank": True},
        "tags": {"many": True},
        "mails": {"path": "contact.mails", "rows": {"address": "a", "kind": "k"}, "row_key": ["address"]},
    }
    return {
        "base_urls": url,
        "auth": {
            "type": "login",
            "path": "/login.do",
            "form": {"user": "{username}", "pass": "{password}"},
            "username": "gateway",
            "password": "t0psecret",
            "token": {"cookie": "SID"},
            "send": {"cookie": "SID"},
        },
        "errors": [
            {"at": "code", "equals": "SESSION", "means": "expired"},
            {"at": "code", "equals": 404, "means": "not_found"},
            {"at": "status", "equals": "ERR", "means": "unavailable"},
        ],
        "entities": {
            "people": {**calls("people", "login"), "fields": fields},
            "teams": {
                **calls("teams", "title"),
                "fields": {"title": TITLE, "members": {"many": True, "refers": "people", "path": "members[*]"}},
            },
        },
    }


def rpc(url: str) -> dict[str, Any]:
    """JSON-RPC: one URL, the method in the body; a person names the teams."""

    def calls(table: str, name: str) -> dict[str, Any]:
        return {
            "key": "id",
            "key_type": "int",
            "get": {"name": f"{table}.get", "json": {"id": "{key}"}, "record": "result"},
            "list": {
                "name": f"{table}.list",
                "json": {"skip": "{@offset}", "take": "{@limit}"},
                "records": "result.rows",
                "total": "result.count",
                "paging": {"style": "offset"},
            },
            "create": {"name": f"{table}.add", "json": {"record": "{@record}"}, "key": {"at": "result"}},
            "update": {"name": f"{table}.set", "json": {"id": "{key}", "record": "{@record}"}},
            "delete": {"name": f"{table}.del", "json": {"id": "{key}"}},
            "errors": [
                {"at": "error.code", "equals": -32010, "means": "conflict", "field": name},
                {"at": "error.code", "equals": -32602, "means": "rejected", "field": name},
                {"at": "error.code", "equals": -32004, "means": "not_found"},
            ],
        }

    return {
        "base_urls": f"{url}/rpc",
        "envelope": {"jsonrpc": "2.0", "id": "{@id}", "method": "{@name}", "params": "{@body}"},
        "ping": {"name": "people.ping"},
        "errors": [{"at": "error", "means": "unavailable", "maybe_done": True}],
        "entities": {
            "people": {
                **calls("people", "login"),
                "fields": {**FIELDS, "teams": {"many": True, "refers": "teams", "form": "number"}},
                "filters": [
                    {"field": "login", "json": {"match": {"login": "{value}"}}, "exact": True},
                    {"field": "teams", "json": {"match": {"teams": "{value}"}}},
                ],
            },
            "teams": {
                **calls("teams", "title"),
                "fields": {"title": TITLE, "members": {"many": True, "through": "people.teams"}},
            },
        },
    }


def named(url: str) -> dict[str, Any]:
    """Keys that are names, forms, thin lists, codes in a header."""

    def calls(table: str, name: str) -> dict[str, Any]:
        return {
            "key": name,
            "get": {"path": f"/{table}/{{key}}"},
            "list": {"path": f"/{table}", "thin": True, "paging": {"style": "link"}},
            "create": {"path": f"/{table}", "form": {}, "key": {"location": True}},
            "update": {"path": f"/{table}/{{key}}", "record": ""},
            "delete": {"method": "DELETE", "path": f"/{table}/{{key}}"},
            "errors": [
                {"status": "5xx", "header": {"X-Error": "E17"}, "means": "conflict", "field": name},
                {"status": 500, "header": {"x-error": "E18"}, "means": "rejected", "field": name},
            ],
        }

    found: dict[str, Any] = {
        "base_urls": f"{url}/v1/",
        "entities": {
            "people": {
                **calls("people", "login"),
                "where": {"kind": ["person", "guest"]},
                "fields": {
                    "login": {"unique": True, "required": True},
                    "note": {"max_length": 400},
                    "grade": {"type": "int"},
                    "tags": {"many": True},
                },
            },
            "teams": {
                **calls("teams", "title"),
                "fields": {"title": TITLE, "members": {"many": True, "refers": "people"}},
            },
        },
    }
    for entity, key in (("people", "name"), ("teams", "name")):
        # The list has only names; the record is read one by one, under its own member.
        found["entities"][entity]["list"]["record"] = ""
        found["entities"][entity]["list"]["key"] = key
    return found


def ordered(url: str) -> dict[str, Any]:
    """A read-only directory, sorted and counted by the system."""
    return {
        "base_urls": url,
        "ping": {"path": "/people", "query": {"page": "1", "size": "1"}},
        "entities": {
            "people": {
                "key": "id",
                "fields": FIELDS,
                "list": {
                    "path": "/people",
                    "query": {"page": "{@page}", "size": "{@limit}"},
                    "records": "people",
                    "total_header": "X-Total",
                    "paging": {"style": "page", "size": 4, "first": 1, "more": "more"},
                    "sort": {
                        "login": {"sort": "login", "order": "{@order}"},
                        "grade": {"sort": "grade", "order": "{@order}"},
                    },
                },
                "filters": [
                    {"field": "login", "query": {"login": "{value}"}, "exact": True},
                    {"field": "mails.kind", "query": {"kind": "{value}"}, "exact": True},
                ],
            }
        },
    }
