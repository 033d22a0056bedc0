"""The configurations of `deploy/` are no illustrations: they are served, before a real database and a real cache."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from hashlib import sha256
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from tests.architecture.modules import ROOT
from tests.gateway_process import GROUP_URN, PATCH_URN, USER_URN, Client, serving
from tests.services import Postgres, free_port

DEPLOY = ROOT / "deploy"
WHERE = {"compose": "http://127.0.0.1:8080", "kubernetes": "https://scim.example.com"}
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def here(name: str, folder: Path, ports: tuple[int, int]) -> Path:
    """Write a configuration for this machine: only addresses, the folder of secrets and the trail are others."""
    text = (DEPLOY / name / "config.yaml").read_text(encoding="utf-8")
    for there, ours in (
        ("0.0.0.0:8080", f"127.0.0.1:{ports[0]}"),
        ("0.0.0.0:9464", f"127.0.0.1:{ports[1]}"),
        ("/run/secrets/", f"{folder}/"),
    ):
        assert there in text
        text = text.replace(there, ours)
    for there, ours in (
        ("unix:/tmp/", f"unix:{folder}/"),
        ("to: stdout ", f"to: file\n  path: {folder}/audit.jsonl "),  # where the program's own words are read from
    ):
        assert there in text
        text = text.replace(there, ours)
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    (folder / "id-key").write_text("k" * 64 + "\n", encoding="utf-8")
    for secret in ("acme-token", "operator-token"):
        digest = sha256(b"secret-token").hexdigest()
        (folder / f"{secret}.sha256").write_text(f"{digest}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", sorted(WHERE))
async def test_a_configuration_of_deploy_serves(name: str, tmp_path: Path, postgres: Postgres, valkey: str) -> None:
    """`check` takes it, and one who is hired, found, made a member and deactivated through SCIM is so in the legacy
    tables, in their own spelling (R-L9, promise 2)."""
    hr, ports = postgres.create_database(), (free_port(), free_port())
    config = here(name, tmp_path, ports)
    environment = {
        "PATH": os.defpath, "STORE_URL": postgres.create_database(), "HR_DATABASE_URL": hr, "CACHE_URL": valkey,
    }  # fmt: skip
    legacy = await asyncpg.connect(hr)
    try:
        await legacy.execute((DEPLOY / "compose" / "legacy.sql").read_text(encoding="utf-8"))
        command = [sys.executable, "-m", "gateway.cli", "check", str(config), "--online"]
        check = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
        assert b"is well, and fits the systems" in (await check.communicate())[0]
        async with serving(config, environment, tmp_path) as served, aiohttp.ClientSession() as session:
            assert served.printed[0].endswith(WHERE[name])
            client = Client(session, f"http://127.0.0.1:{ports[0]}/acme/scim/v2", "secret-token")
            seeded = await client.done("GET", "/Users?filter=userName+eq+%22ada%22")
            assert [(one["userName"], one["active"]) for one in seeded["Resources"]] == [("ADA", True)]
            eve = await client.done("POST", "/Users", {
                "schemas": [USER_URN, ENTERPRISE], "userName": "Eve@example.com", "active": True,
                "name": {"givenName": "Eve"}, "emails": [{"type": "work", "value": "eve@example.com"}],
                ENTERPRISE: {"costCenter": "ACC", "manager": {"value": seeded["Resources"][0]["id"]}},
            })  # fmt: skip
            assert eve["meta"]["location"] == f"{WHERE[name]}/acme/scim/v2/Users/{eve['id']}"
            found = await client.done("GET", "/Users?filter=emails.value+eq+%22eve@example.com%22")
            assert [one["userName"] for one in found["Resources"]] == ["Eve@example.com"]
            team = await client.done("POST", "/Groups", {
                "schemas": [GROUP_URN], "displayName": "Night shift", "members": [{"value": eve["id"]}]
            })  # fmt: skip
            user = await client.done("GET", f"/Users/{eve['id']}")
            assert [one["value"] for one in user["groups"]] == [team["id"]]
            leave = [{"op": "Replace", "path": "active", "value": "False"}]
            await client.done("PATCH", f"/Users/{eve['id']}", {"schemas": [PATCH_URN], "Operations": leave})
            row = await legacy.fetchrow(
                "SELECT e.login, e.status, e.last_name, e.mail, e.cost_centre, b.login AS boss, e.created_by, "
                "e.end_date FROM hr.employee e JOIN hr.employee b ON b.emp_no = e.boss_no WHERE e.first_name = 'Eve'"
            )
            assert tuple(map(str, row)) == (
                "EVE@EXAMPLE.COM", "I", "", "eve@example.com", "ACC       ", "ADA", "scim", "9999-12-31"
            )  # fmt: skip
            members = await legacy.fetchval(
                "SELECT count(*) FROM hr.team_member m JOIN hr.team t USING (team_id) WHERE t.title = 'Night shift'"
            )
            assert members == 1
            trail = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
            assert [(one["operation"], one["caller"]) for one in trail] == [
                ("create", "idp"), ("create", "idp"), ("patch", "idp")
            ]  # fmt: skip
            assert await served.end() == 0
    finally:
        await legacy.close()
