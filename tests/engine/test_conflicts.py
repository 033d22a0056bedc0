"""Creating where somebody is already: whose account it is, and what is never taken over (REQUIREMENTS §4.1)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backends.contract import (
    BackendError,
    ConflictError,
    DeniedError,
    RejectedError,
    UnavailableError,
)
from gateway.scim.errors import ScimError
from tests.engine.conftest import Serve
from tests.engine.watched import failing, losing
from tests.engine.world import Client, body_of, by_login, cut, id_of, key_of, natively, refused

STRANGER = {"login": "ada", "title": "Owner", "mails": ({"address": "ada@example.com", "kind": "work"},)}


@pytest.mark.parametrize("fault", ["maybe", "lost", "cut"])
async def test_an_unclear_create_never_takes_over_an_account_that_was_there(
    client: Client, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """An account of the same name was there before: whatever is cut off, and however often it is repeated, the POST is
    409 and the account is as it was (CVE-2022-1680)."""
    backend = client.world.backends["hr"]
    key = backend.inner.enter("people", STRANGER)
    before = natively(client.world, "people", key)
    if fault == "cut":
        cut(client.world, "after reserving", monkeypatch, asyncio.CancelledError())
    else:
        backend.once("create", failing(UnavailableError(maybe_done=True)) if fault == "maybe" else losing())
    attack = {"userName": "ada", "password": "mine", "emails": [{"value": "evil@example.com"}], "externalId": "x"}
    for _ in range(3):
        with pytest.raises((ScimError, asyncio.CancelledError)) as caught:
            await client.post("User", attack)
        assert getattr(caught.value, "status", None) in ((409, None) if fault == "cut" else (409,))
    assert natively(client.world, "people", key) == before
    assert len(by_login(client.world, "ada")) == 1
    shown = (await client.search("User"))["Resources"]
    assert [one.get("externalId") for one in shown] == [None]


async def test_a_stranger_made_meanwhile_is_a_conflict(client: Client) -> None:
    """Somebody else makes the account between the look and the write: 409, and theirs stays as it is (H2)."""
    backend = client.world.backends["hr"]
    keys: list[str] = []

    async def overtaken(call: Any) -> Any:
        keys.append(backend.inner.enter("people", STRANGER))
        raise ConflictError(field="login")

    backend.once("create", overtaken)
    with refused(409, "uniqueness"):
        await client.post("User", {"userName": "ada", "title": "Mine"})
    with refused(409, "uniqueness"):
        await client.post("User", {"userName": "ada", "title": "Mine"})
    assert natively(client.world, "people", keys[0])["title"] == "Owner"


@pytest.mark.parametrize(
    ("error", "status", "scim_type"),
    [
        (RejectedError("too long", "title"), 400, "invalidValue"),
        (UnavailableError(), 503, None),
        (DeniedError(), 403, None),
        (ConflictError(field="mails"), 409, "uniqueness"),
    ],
)
async def test_a_refused_create_leaves_no_reservation(
    client: Client, error: BackendError, status: int, scim_type: str
) -> None:
    """What was certainly not done is forgotten: an account somebody makes afterwards is not taken for ours."""
    backend = client.world.backends["hr"]
    backend.once("create", failing(error))
    with refused(status, scim_type):
        await client.post("User", {"userName": "ada"})
    key = backend.inner.enter("people", STRANGER)
    with refused(409, "uniqueness"):
        await client.post("User", {"userName": "ada"})
    assert natively(client.world, "people", key)["title"] == "Owner"


async def test_conflicts_are_rejected_unless_said_otherwise(client: Client) -> None:
    """`on_conflict: reject`: an account that was there before is 409 and untouched (CVE-2022-1680)."""
    key = client.world.backends["hr"].inner.enter("people", STRANGER)
    with refused(409, "uniqueness"):
        await client.post("User", {"userName": "ada", "title": "Mine"})
    assert natively(client.world, "people", key)["title"] == "Owner"


@pytest.mark.parametrize("shape", ["full", "blind"])
async def test_adopting_never_rewrites_login_mail_or_password(serve: Serve, shape: str) -> None:
    """`on_conflict: adopt` takes the account over under its one id, and leaves what it is known by (CVE-2022-1680)."""
    client = await serve(shape, user={"on_conflict": "adopt"})
    key = client.world.backends["hr"].inner.enter("people", {**STRANGER, "secret": "old", "status": "I"})
    seen = (await client.search("User"))["Resources"][0]["id"]
    answer = await client.post(
        "User",
        {
            "userName": "ADA",
            "password": "new",
            "title": "Mine",
            "externalId": "x1",
            "emails": [{"value": "e@example.com"}],
        },
    )
    assert answer.status == 201
    assert id_of(answer) == seen
    native = natively(client.world, "people", key)
    assert (native["login"], native["secret"], native["mails"]) == ("ada", "old", STRANGER["mails"])
    assert (native["title"], native["status"]) == ("Mine", "I")
    assert await client.found('externalId eq "x1"') == [seen]


async def test_what_a_client_has_its_own_name_for_is_not_adopted_by_another(serve: Serve) -> None:
    """An account with an externalId has an owner; a POST with another one is 409 and changes nothing."""
    client = await serve("full", user={"on_conflict": "adopt"})
    id = await client.user("ada", externalId="x1", title="Owner")
    with refused(409, "uniqueness"):
        await client.post("User", {"userName": "ada", "externalId": "x2", "title": "Mine"})
    assert (await client.body("User", id))["title"] == "Owner"
    again = await client.post("User", {"userName": "ada", "externalId": "x1", "title": "Other"})
    assert id_of(again) == id


async def test_reactivating_takes_only_inactive_accounts(serve: Serve) -> None:
    """`on_conflict: reactivate` brings a leaver back under the same id; an active account is 409 (R-L8)."""
    client = await serve("full", user={"on_conflict": "reactivate"})
    id = await client.user("ada", active=True)
    with refused(409, "uniqueness"):
        await client.post("User", {"userName": "ada", "title": "New"})
    await client.patch("User", id, {"op": "replace", "path": "active", "value": False})
    answer = await client.post("User", {"userName": "ada", "title": "New"})
    assert id_of(answer) == id
    assert (body_of(answer)["active"], body_of(answer)["title"]) == (True, "New")


async def test_of_two_accounts_none_is_adopted(serve: Serve) -> None:
    """Two accounts of one name: no choice is made, 409 (R-L6)."""
    client = await serve("unindexed", user={"on_conflict": "adopt"})
    inner = client.world.backends["hr"].inner
    keys = [inner.enter("people", {"login": name, "title": "old"}) for name in ("ada", "ADA")]
    with refused(409, "uniqueness"):
        await client.post("User", {"userName": "ada", "title": "Mine"})
    assert [natively(client.world, "people", key)["title"] for key in keys] == ["old", "old"]


async def test_the_numbers_of_an_external_id_mean_nothing(client: Client) -> None:
    """externalId shares no space with ids and keys, however it is written (CVE-2025-41115)."""
    first = await client.user("ada")
    key = await key_of(client, "User", first)
    for number, external in enumerate(dict.fromkeys((key, "1", "01", "1e0", "-1", first))):
        id = await client.user(f"u{number}", externalId=external)
        assert id not in (first, external)
        assert await client.found(f'externalId eq "{external}"') == [id]
    assert (await client.body("User", first)).get("externalId") is None
