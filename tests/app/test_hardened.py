"""`config/hardened.yaml`, whole: checked, served over TLS, and every door of it tried."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from gateway.app import Observation, Running, draw, running
from gateway.plugins import Plugins
from gateway.server.auth.tokens import PREFIX
from gateway.settings import load
from tests.demo_gateway import recorder
from tests.server.authority import Authority

CONFIG = Path(__file__).parents[2] / "config" / "hardened.yaml"
USER_URN = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
SECRETS = {
    "ACME_TOKEN": f"{PREFIX}marked-acme-token", "ACME_REVIEW": f"{PREFIX}marked-review-token",
    "ACME_PASSWORD": "marked-password", "ACME_CLIENT": "marked-client-secret",
    "GLOBEX_TOKEN": f"{PREFIX}marked-globex-token",
    "SCIM_OPERATOR": "marked-operator-token", "SCIM_DASHBOARD": "marked-dashboard-token",
}  # fmt: skip
"""What clients and operators come with; the gateway has their digests only."""
KEPT = {
    "SCIM_ID_KEY": "marked-id-key-0123456789abcdef0123456789abcdef", "SCIM_METRICS_TOKEN": "marked-metrics-token",
    "ACME_INTROSPECTION_SECRET": "marked-introspection-secret",
}  # fmt: skip
"""What the gateway itself holds."""
TABLES = """
CREATE TABLE PERSON (PERSON_ID INTEGER PRIMARY KEY, COMPANY TEXT NOT NULL, LOGIN TEXT NOT NULL, ACTIVE CHAR(1) NOT NULL,
                     TITLE TEXT, SALARY INTEGER DEFAULT 1000, UNIQUE (COMPANY, LOGIN));
CREATE TABLE TEAM (TEAM_ID INTEGER PRIMARY KEY, COMPANY TEXT NOT NULL, NAME TEXT NOT NULL);
CREATE TABLE TEAM_PERSON (TEAM_ID INTEGER NOT NULL REFERENCES TEAM, PERSON_ID INTEGER NOT NULL REFERENCES PERSON,
                          PRIMARY KEY (TEAM_ID, PERSON_ID));
INSERT INTO PERSON (PERSON_ID, COMPANY, LOGIN, ACTIVE, TITLE) VALUES
  (1, 'ACME', 'svc-backup', 'Y', NULL), (2, 'ACME', 'root', 'Y', 'Administrator'), (3, 'ACME', 'ada', 'Y', 'Engineer'),
  (4, 'GLOBEX', 'bob', 'Y', 'Engineer'), (5, 'GLOBEX', 'ada', 'Y', 'Boss');
INSERT INTO TEAM VALUES (1, 'ACME', 'Administrators'), (2, 'ACME', 'Engineers');
INSERT INTO TEAM_PERSON VALUES (1, 2), (2, 3);
"""
Reply = tuple[int, Any]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass(slots=True)
class Hardened:
    """The file, served; `trail` is the audit trail's file and `logged` what was logged."""

    running: Running
    folder: Path
    authority: Authority
    logged: list[Mapping[str, Any]]
    observation: Observation

    async def send(
        self, method: str, path: str, authorization: str = "", body: Any = None, certificate: str = "", **changes: Any
    ) -> Reply:
        """Send a request over TLS, with a client certificate of that subject if one is named."""
        context = ssl.create_default_context(cafile=str(self.folder / "clients.pem"))
        if certificate:
            context.load_cert_chain(*self.authority.certificate(certificate).save(self.folder, certificate))
        headers = {"Content-Type": "application/scim+json", **changes.pop("headers", {})}
        if authorization:
            headers["Authorization"] = authorization
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        url = f"https://{self.running.address}{path}"
        connector = aiohttp.TCPConnector(ssl=context)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, url, data=data, headers=headers) as answer,
        ):
            raw = await answer.read()
            return answer.status, json.loads(raw) if raw else None

    async def acme(self, method: str, path: str, body: Any = None) -> Reply:
        """Send a request of the tenant acme with its first token."""
        return await self.send(method, f"/acme/scim/v2{path}", f"Bearer {SECRETS['ACME_TOKEN']}", body)

    async def id_of(self, attribute: str, value: str, endpoint: str = "Users") -> str:
        """Find the id of one resource of acme."""
        _, found = await self.acme("GET", f"/{endpoint}?filter={attribute}%20eq%20%22{value}%22")
        (one,) = found["Resources"]
        return str(one["id"])

    def events(self) -> list[dict[str, Any]]:
        """Read the audit trail back."""
        text = (self.folder / "audit.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def rows(self, sql: str) -> list[Any]:
        """Look into the database itself."""
        with closing(sqlite3.connect(self.folder / "hr.db")) as database:
            return database.execute(sql).fetchall()


def environment(folder: Path) -> dict[str, str]:
    """Fill in what the file leaves to the environment."""
    return {
        **{f"{name}_SHA256": sha256(secret) for name, secret in SECRETS.items()},
        **KEPT,
        "SCIM_LISTEN": "127.0.0.1:0",
        "SCIM_ADMIN": "127.0.0.1:0",
        "SCIM_METRICS": "127.0.0.1:0",
        "SCIM_PUBLIC_URL": "https://scim.example.com",
        "SCIM_TLS_FOLDER": str(folder),
        "SCIM_AUDIT_FILE": str(folder / "audit.jsonl"),
        "SCIM_STORE": f"sqlite:///{folder / 'gateway.db'}",
        "HR_DATABASE_URL": f"sqlite:///{folder / 'hr.db'}",
    }


@pytest.fixture
async def hardened(tmp_path: Path) -> AsyncIterator[Hardened]:
    authority = Authority()
    authority.save(tmp_path).rename(tmp_path / "clients.pem")
    certificate, key = authority.certificate("server").save(tmp_path, "own")
    certificate.rename(tmp_path / "server.pem")
    key.rename(tmp_path / "server.key")
    with sqlite3.connect(tmp_path / "hr.db") as database:
        database.executescript(TABLES)
    database.close()
    blueprint = draw(load(CONFIG, environment(tmp_path)), Plugins.installed())
    logged: list[Mapping[str, Any]] = []
    observation = Observation(recorder(logged), CollectorRegistry())
    async with running(blueprint, observation) as served:
        assert served.gateway.pending() == []
        yield Hardened(served, tmp_path, authority, logged, observation)


async def test_every_way_to_call_opens_what_it_may_and_no_more(hardened: Hardened) -> None:
    """Token, password, certificate and the gateway's own OAuth tokens side by side, each with its permissions (O9)."""
    new = {"schemas": [USER_URN], "userName": "new", "active": True}
    root, users, groups = "/acme/scim/v2", "/acme/scim/v2/Users", "/acme/scim/v2/Groups"
    review, script = f"Bearer {SECRETS['ACME_REVIEW']}", basic("old-script", SECRETS["ACME_PASSWORD"])
    assert (await hardened.acme("GET", "/Users"))[0] == 200
    assert [(await hardened.send(verb, users, review, new))[0] for verb in ("GET", "POST")] == [200, 403]
    assert [(await hardened.send("GET", path, script))[0] for path in (users, groups)] == [200, 403]
    assert (await hardened.send("POST", users, script, new))[0] == 403
    status, made = await hardened.send("POST", users, "", new, "hr-batch")
    assert status == 201
    assert (await hardened.send("DELETE", f"{users}/{made['id']}", "", None, "hr-batch"))[0] == 403
    bulk = {"schemas": [BULK_URN], "Operations": [{"method": "DELETE", "path": f"/Users/{made['id']}"}]}
    assert (await hardened.send("POST", f"{root}/Bulk", "", bulk, "hr-batch"))[0] == 403
    form = {"headers": {"Content-Type": "application/x-www-form-urlencoded"}}
    client = basic("directory-sync", SECRETS["ACME_CLIENT"])
    status, token = await hardened.send("POST", "/acme/oauth2/token", client, b"grant_type=client_credentials", **form)
    assert (status, token["expires_in"]) == (200, 600)
    bearer = f"Bearer {token['access_token']}"
    assert (await hardened.send("GET", users, bearer))[0] == 200
    assert (await hardened.send("DELETE", f"{users}/{made['id']}", bearer))[0] == 204
    for stranger in ("", f"Bearer {SECRETS['GLOBEX_TOKEN']}", basic("old-script", "guess"), basic("nobody", "guess")):
        assert (await hardened.send("GET", users, stranger))[0] == 401
    assert (await hardened.send("GET", users, "", None, "somebody-else"))[0] == 401
    assert (await hardened.send("GET", "/globex/scim/v2/Users", "", None, "hr-batch"))[0] == 401
    assert (await hardened.send("GET", "/globex/scim/v2/Users", f"Bearer {SECRETS['ACME_TOKEN']}"))[0] == 401


async def test_tenants_of_one_database_never_meet(hardened: Hardened) -> None:
    """Rows of the other company are not there: in lists, by id, in bulk; and new rows are one's own (X10)."""
    globex, users = f"Bearer {SECRETS['GLOBEX_TOKEN']}", "/globex/scim/v2/Users"
    _, mine = await hardened.send("GET", users, globex)
    assert sorted(one["userName"] for one in mine["Resources"]) == ["ada", "bob"]
    _, theirs = await hardened.acme("GET", "/Users")
    assert {one["id"] for one in mine["Resources"]}.isdisjoint(one["id"] for one in theirs["Resources"])
    change = {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "path": "title", "value": "mine"}]}
    for one in theirs["Resources"]:
        assert (await hardened.send("GET", f"{users}/{one['id']}", globex))[0] == 404
        assert (await hardened.send("PATCH", f"{users}/{one['id']}", globex, change))[0] == 404
    bulk = {"schemas": [BULK_URN], "Operations": [
        {"method": "PATCH", "path": f"/Users/{one['id']}", "data": change} for one in theirs["Resources"]
    ]}  # fmt: skip
    _, answer = await hardened.send("POST", "/globex/scim/v2/Bulk", globex, bulk)
    assert {item["status"] for item in answer["Operations"]} == {"404"}
    new = {"schemas": [USER_URN], "userName": "root", "active": True}
    assert (await hardened.send("POST", users, globex, new))[0] == 201
    assert hardened.rows("SELECT COMPANY FROM PERSON WHERE LOGIN = 'root' ORDER BY COMPANY") == [("ACME",), ("GLOBEX",)]
    assert hardened.rows("SELECT count(*) FROM PERSON WHERE TITLE = 'mine'") == [(0,)]
    assert {event["outcome"] for event in hardened.events() if event["tenant"] == "globex"} == {"refused", "done"}


async def test_protected_accounts_and_groups_stay_as_they_are(hardened: Hardened) -> None:
    """403 for every change, on every path, and nobody becomes one of them; others are changed as ever (X3)."""
    before = hardened.rows("SELECT * FROM PERSON"), hardened.rows("SELECT * FROM TEAM_PERSON")
    ada = await hardened.id_of("userName", "ada")
    admins = await hardened.id_of("displayName", "Administrators", "Groups")

    def patched(*operations: Mapping[str, Any]) -> dict[str, Any]:
        return {"schemas": [PATCH_URN], "Operations": list(operations)}

    off = patched({"op": "replace", "path": "active", "value": False})
    for login in ("svc-backup", "root"):
        id = await hardened.id_of("userName", login)
        body = {"schemas": [USER_URN], "userName": login, "active": False}
        bulk = {"schemas": [BULK_URN], "Operations": [{"method": "PATCH", "path": f"/Users/{id}", "data": off}]}
        assert (await hardened.acme("PATCH", f"/Users/{id}", off))[0] == 403
        assert (await hardened.acme("PUT", f"/Users/{id}", body))[0] == 403
        assert (await hardened.acme("DELETE", f"/Users/{id}"))[0] == 403
        assert (await hardened.acme("POST", "/Bulk", bulk))[1]["Operations"][0]["status"] == "403"
        assert (await hardened.acme("GET", f"/Users/{id}"))[0] == 200
    member = patched({"op": "add", "path": "members", "value": [{"value": ada}]})
    assert (await hardened.acme("PATCH", f"/Groups/{admins}", member))[0] == 403
    assert (await hardened.acme("PATCH", f"/Groups/{admins}", patched({"op": "remove", "path": "members"})))[0] == 403
    for path, value in (("userName", "svc-ada"), ("title", "Administrator")):
        become = patched({"op": "replace", "path": path, "value": value})
        assert (await hardened.acme("PATCH", f"/Users/{ada}", become))[0] == 403
    body = {"schemas": [USER_URN], "userName": "svc-ada", "active": True}
    assert (await hardened.acme("PUT", f"/Users/{ada}", body))[0] == 403
    assert (await hardened.acme("POST", "/Users", body))[0] == 403
    assert (await hardened.acme("POST", "/Groups", {"schemas": [GROUP_URN], "displayName": "Administrators"}))[0] == 403
    assert (hardened.rows("SELECT * FROM PERSON"), hardened.rows("SELECT * FROM TEAM_PERSON")) == before
    assert {(event["outcome"], event["status"]) for event in hardened.events()} == {("refused", 403)}
    engineers = await hardened.id_of("displayName", "Engineers", "Groups")
    root = await hardened.id_of("userName", "root")
    join = patched({"op": "add", "path": "members", "value": [{"value": root}]})
    assert (await hardened.acme("PATCH", f"/Groups/{engineers}", join))[0] in (200, 204)
    assert (await hardened.acme("PATCH", f"/Users/{ada}", off))[0] in (200, 204)
    assert hardened.rows("SELECT ACTIVE FROM PERSON WHERE PERSON_ID = 3") == [("N",)]
    assert len(hardened.rows("SELECT * FROM TEAM_PERSON WHERE TEAM_ID = 2")) == 2


async def test_only_what_is_mapped_is_written(hardened: Hardened) -> None:
    """The mapping is the list of what clients may write: a column nobody named is out of reach (X3), and a value that
    has no place is refused by name (D10)."""
    new = {"schemas": [USER_URN], "userName": "eve", "active": True}
    status, answer = await hardened.acme("POST", "/Users", {**new, "nickName": "x"})
    assert (status, answer["detail"].split(":")[0]) == (400, "nickName")
    extra = {"SALARY": 9, "COMPANY": "GLOBEX", "personId": 4, "id": "4"}
    status, answer = await hardened.acme("POST", "/Users", {**new, **extra})
    assert (status, sorted(answer)) == (201, ["active", "id", "meta", "schemas", "userName"])
    change = {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "value": {"SALARY": 9}}]}
    await hardened.acme("PATCH", f"/Users/{answer['id']}", change)
    await hardened.acme("PUT", f"/Users/{answer['id']}", {**new, **extra})
    assert hardened.rows("SELECT COMPANY, SALARY FROM PERSON WHERE LOGIN = 'eve'") == [("ACME", 1000)]
    assert hardened.rows("SELECT LOGIN FROM PERSON WHERE PERSON_ID = 4") == [("bob",)]


async def test_every_attempt_leaves_exactly_one_event(hardened: Hardened) -> None:
    """Done, unchanged, refused here or before the engine was asked, failed; in bulk each operation (M10)."""
    seen: list[tuple[str, str, int]] = []

    async def told(expected: int) -> None:
        events = hardened.events()
        assert len(events) == len(seen) + expected, events
        seen.extend((event["operation"], event["outcome"], event["status"]) for event in events[len(seen) :])

    users, token = "/acme/scim/v2/Users", f"Bearer {SECRETS['ACME_TOKEN']}"
    new = {"schemas": [USER_URN], "userName": "new@example.com", "active": True, "title": "Marked title"}
    _, made = await hardened.acme("POST", "/Users", new)
    await told(1)
    (created,) = hardened.events()
    assert (created["caller"], created["address"], created["id"]) == ("provisioning", "127.0.0.1", made["id"])
    assert {change["path"] for change in created["changes"]} >= {"userName", "active", "title"}
    await hardened.acme("PUT", f"/Users/{made['id']}", new)
    await hardened.acme("POST", "/Users", new)
    await told(2)
    await hardened.send("POST", users, f"Bearer {SECRETS['ACME_REVIEW']}", new)
    await hardened.send("POST", users, token, b"{")
    await hardened.send("POST", users, token, b'{"userName": "' + b"x" * 300_000 + b'"}')
    await hardened.send("POST", users, token, new, headers={"Content-Type": "text/plain"})
    await told(4)
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {**new, "userName": "a"}},
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": new},
        {"method": "PATCH", "path": "/Users/bulkId:b", "data": {"schemas": [PATCH_URN], "Operations": []}},
        {"method": "DELETE", "path": "/Nothing/1"},
    ]
    await hardened.acme("POST", "/Bulk", {"schemas": [BULK_URN], "Operations": operations})
    await told(4)
    assert (await hardened.acme("GET", f"/Users/{made['id']}"))[0] == 200
    await told(0)
    await hardened.acme("POST", "/Bulk", {"schemas": []})
    await hardened.acme("POST", "/Bulk", {"schemas": [BULK_URN], "Operations": [{}] * 101})
    await told(2)
    assert (await hardened.send("POST", users, "Basic eDp5", new))[0] == 401
    await told(0)
    with sqlite3.connect(hardened.folder / "hr.db") as database:
        database.execute("ALTER TABLE PERSON RENAME TO AWAY")
    database.close()
    assert (await hardened.acme("DELETE", f"/Users/{made['id']}"))[0] >= 500
    await told(1)
    assert seen == [
        ("create", "done", 201), ("replace", "unchanged", 200), ("create", "refused", 409),
        ("create", "refused", 403), ("create", "refused", 400), ("create", "refused", 413), ("create", "refused", 415),
        ("create", "done", 201), ("create", "refused", 409), ("patch", "refused", 409), ("delete", "refused", 404),
        ("bulk", "refused", 400), ("bulk", "refused", 413),
        ("delete", "failed", seen[-1][2]),
    ]  # fmt: skip
    assert seen[-1][2] >= 500
    text = (hardened.folder / "audit.jsonl").read_text(encoding="utf-8")
    assert "new@example.com" not in text
    assert "Marked title" not in text


async def test_the_brake_is_tripped_told_and_released(hardened: Hardened) -> None:
    """Too many deletions are held, the trail has each attempt, and an operator with the right token ends it (X14)."""
    ids = []
    for number in range(5):
        body = {"schemas": [USER_URN], "userName": f"leaver{number}", "active": True}
        ids.append((await hardened.acme("POST", "/Users", body))[1]["id"])
    codes = [(await hardened.acme("DELETE", f"/Users/{id}"))[0] for id in ids]
    assert codes == [204, 204, 204, 429, 429]
    held = [(event["id"], event["outcome"], event["status"]) for event in hardened.events()[-2:]]
    assert held == [(ids[3], "refused", 429), (ids[4], "refused", 429)]
    assert hardened.rows("SELECT count(*) FROM PERSON WHERE LOGIN LIKE 'leaver%'") == [(2,)]
    admin = f"http://{hardened.running.admin}"
    async with aiohttp.ClientSession(
        admin, headers={"Authorization": f"Bearer {SECRETS['SCIM_DASHBOARD']}"}
    ) as looking:
        async with looking.get("/brake") as answer:
            assert [one["kind"] for one in (await answer.json())["engaged"]] == ["deletions"]
        async with looking.post("/brake/release", json={"tenant": "acme"}) as answer:
            assert answer.status == 403
    async with (
        aiohttp.ClientSession(admin, headers={"Authorization": f"Bearer {SECRETS['SCIM_OPERATOR']}"}) as acting,
        acting.post("/brake/release", json={"tenant": "acme"}) as answer,
    ):
        assert (await answer.json())["released"] == ["deletions"]
    assert (await hardened.acme("DELETE", f"/Users/{ids[3]}"))[0] == 204


async def test_no_secret_of_the_file_comes_out(hardened: Hardened, capfd: pytest.CaptureFixture[str]) -> None:
    """Driven through every door, right and wrong, neither digests nor secrets are in answers, logs, metrics, trail,
    state, or what the settings say of themselves (X16, promise 8)."""
    users, answers = "/acme/scim/v2/Users", []
    given = [f"Bearer {secret}" for secret in SECRETS.values() if secret.startswith(PREFIX)]
    given += [basic(user, secret) for user, secret in (("old-script", SECRETS["ACME_PASSWORD"]), ("marked-user", "x"))]
    new = {"schemas": [USER_URN], "userName": "x", "password": "marked-new-password", "active": True}
    for authorization in given:
        for method, body in (("GET", None), ("POST", new), ("POST", b"{marked-broken"), ("PATCH", new)):
            answers.append(await hardened.send(method, users, authorization, body))
    form = {"headers": {"Content-Type": "application/x-www-form-urlencoded"}}
    for secret in (SECRETS["ACME_CLIENT"], "marked-wrong-secret"):
        data = f"grant_type=client_credentials&client_id=directory-sync&client_secret={secret}".encode()
        status, token = await hardened.send("POST", "/acme/oauth2/token", "", data, **form)
        answers.append((status, {name: value for name, value in token.items() if name != "access_token"}))
    said: list[str] = []
    async with aiohttp.ClientSession() as session:
        for path in ("/status", "/tokens", "/brake", "/nothing"):
            headers = {"Authorization": f"Bearer {SECRETS['SCIM_OPERATOR']}"}
            async with session.get(f"http://{hardened.running.admin}{path}", headers=headers) as answer:
                said.append(await answer.text())
        headers = {"Authorization": f"Bearer {KEPT['SCIM_METRICS_TOKEN']}"}
        async with session.get(f"http://{hardened.running.metrics}/metrics", headers=headers) as answer:
            assert answer.status == 200
            said.append(await answer.text())
    configuration = hardened.running.gateway.blueprint.configuration
    said += [repr(configuration), repr(configuration.settings), repr(hardened.running), repr(hardened.running.gateway)]
    said += [json.dumps(answers, default=str), repr(hardened.logged), json.dumps(hardened.events())]
    said += [repr(vars(hardened.running.gateway)), "".join(capfd.readouterr())]
    whole = "\n".join(said)
    for secret in (*SECRETS.values(), *KEPT.values(), "marked-new-password", "marked-wrong-secret", "marked-broken"):
        assert secret.removeprefix(PREFIX) not in whole, secret
    for secret in SECRETS.values():
        assert sha256(secret) not in whole
