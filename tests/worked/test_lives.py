"""The worked files for systems that speak HTTP: lives as two identity providers lead them, verified in the systems."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backends.soap.servers import FOLDER, StaffServer
from tests.services import free_port
from tests.worked.accounts import Accounts
from tests.worked.desk import Desk
from tests.worked.lives import LIVES, Seen
from tests.worked.serving import served


@pytest.mark.parametrize("client", LIVES)
async def test_accounts_switched_by_calls(client: str, tmp_path: Path) -> None:
    """config/rest.yaml: a login that yields a token, members as a sub-resource, enable and disable as calls."""
    async with Accounts().running() as system:
        environment = {"ACCOUNTS_PASSWORD": "pässword"}
        # Nobody listens at the first of the two nodes.
        urls = [f"http://127.0.0.1:{free_port()}/v2", f"{system.url}/v2"]
        async with served("rest.yaml", tmp_path, client, environment=environment, settings={"base_urls": urls}) as one:
            await LIVES[client](one, system)
        assert (system.accounts, system.groups) == ({}, {})
        assert system.logins > 1, "the session ran out on the way, and was opened anew"


@pytest.mark.parametrize("client", LIVES)
async def test_a_desk_that_speaks_json_rpc(client: str, tmp_path: Path) -> None:
    """config/jsonrpc.yaml: one URL, whole records, who is in a role stands on the person."""
    async with Desk().running() as system:
        settings = {"base_urls": f"{system.url}/rpc"}
        async with served("jsonrpc.yaml", tmp_path, client, environment={"DESK_KEY": "k3y"}, settings=settings) as one:
            await LIVES[client](one, system)
        assert system.tables == {"user": {}, "role": {}}


class Staff(StaffServer):
    """The HR service, looked into."""

    label = "displayName"
    holds_label = True
    group = "Engineers"
    renamed = "Engineering"
    inactive = True

    async def account(self, login: str) -> Seen | None:
        found = [one for one in self.people.values() if one["Login"] == login]
        return Seen(found[0]["Enabled"] == "true", found[0].get("Note")) if found else None

    async def membership(self, group: str) -> set[str] | None:
        found = [one for one in self.teams.values() if one["title"] == group]
        return {self.people[number]["Login"] for number in found[0]["members"]} if found else None

    def begin_to_count(self) -> None:
        self.calls.clear()

    def lists_read(self) -> int:
        return self.calls.count("ListMembers")


@pytest.mark.parametrize("client", LIVES)
async def test_an_hr_service_that_speaks_soap(client: str, tmp_path: Path) -> None:
    """config/soap.yaml: sessions, whole records, faults, members by operations of their own."""
    async with Staff().running() as system:
        system.guarded = True
        environment = {
            "SCIM_STORE": "sqlite://",
            "STAFF_WSDL": str(FOLDER / "staff.wsdl"),
            "STAFF_URL": system.url,
            "STAFF_PASSWORD": "pässword<&",
        }
        async with served("soap.yaml", tmp_path, client, environment=environment, settings={}) as one:
            await LIVES[client](one, system)
        assert (system.people, system.teams) == ({}, {})
