"""A configuration held against everything that can be known without starting anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backends.memory import MemoryBackend
from gateway.app import Blueprint
from gateway.app.exposure import DEMO_TOKEN
from gateway.settings import SettingsError
from tests.app.conftest import Document, tenant

Drawn = Callable[..., Blueprint]


def problems(drawn: Drawn, document: Document, **own: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        drawn(document, **own)
    assert all(problem.place.line > 1 for problem in caught.value.problems)
    return [f"{problem.where}: {problem.reason}" for problem in caught.value.problems]


def test_a_sound_configuration_is_drawn_without_starting_anything(drawn: Drawn, document: Document) -> None:
    """Backends are constructed, mappings compiled, and no system is met."""

    class Untouched(MemoryBackend):
        async def start(self) -> None:
            raise AssertionError("a check must not start anything")

    document["backends"]["hr"]["type"] = "untouched"
    blueprint = drawn(document, untouched=Untouched)
    assert set(blueprint.backends) == {"hr", "crm"}
    assert blueprint.tenants["acme"].backends == {"hr"}
    assert blueprint.entities("hr") == {"people"}


def test_an_unknown_kind_of_backend_names_the_nearest(drawn: Drawn, document: Document) -> None:
    """A typo in `type` is told at its line."""
    document["backends"]["hr"]["type"] = "memry"
    assert problems(drawn, document)[0].startswith("backends.hr.type: there is no backend of the type 'memry'; did you")


def test_a_backend_that_is_not_configured_names_the_nearest(drawn: Drawn, document: Document) -> None:
    """A resource that names no backend is told where it does."""
    document["tenants"]["acme"]["resources"]["User"]["backend"] = "hrr"
    found = problems(drawn, document)
    assert found == ["tenants.acme.resources.User.backend: there is no backend 'hrr'; did you mean 'hr'?"]


def test_the_left_side_of_a_mapping_is_held_against_the_schema(drawn: Drawn, document: Document) -> None:
    """A SCIM path that does not exist is told without meeting any system (DESIGN §6)."""
    document["tenants"]["acme"]["resources"]["User"]["attributes"]["usrName"] = "login"
    (found,) = problems(drawn, document)
    assert found.startswith("tenants.acme.resources.User.attributes.usrName: ")


def test_an_unknown_client_and_an_unknown_quirk_are_told(drawn: Drawn, document: Document) -> None:
    """A dialect that is not there would quietly be another one."""
    document["tenants"]["acme"] |= {"client": "compatt", "quirks": {"string_bools": True, "barewords": True}}
    client, quirk = problems(drawn, document)
    assert client.startswith("tenants.acme.client: there is no client 'compatt'; did you mean compat?")
    assert quirk.startswith("tenants.acme.quirks.string_bools: there is no quirk 'string_bools'")


def test_quirks_and_mode_make_the_dialect(drawn: Drawn, document: Document) -> None:
    """Single quirks are switched per tenant; `strict` meets none."""
    document["tenants"]["acme"]["quirks"] = {"barewords": True, "remove_by_value": False}
    document["tenants"]["globex"]["mode"] = "strict"
    blueprint = drawn(document)
    acme, globex = blueprint.tenants["acme"].dialect, blueprint.tenants["globex"].dialect
    assert "barewords" in acme.quirks
    assert "remove_by_value" not in acme.quirks
    assert "string_booleans" not in globex.quirks


def test_a_host_name_leads_to_a_tenant_that_is_there(drawn: Drawn, document: Document) -> None:
    """A host name for nobody would be a 401 nobody understands."""
    document["server"]["hosts"] = {"scim.acme.example.com": "acne"}
    (found,) = problems(drawn, document)
    assert found == "server.hosts.'scim.acme.example.com': there is no tenant 'acne'; did you mean 'acme'?"


def test_tokens_of_one_tenant_have_names_of_their_own(drawn: Drawn, document: Document) -> None:
    """Logs, cursors and metrics tell callers by the names of their tokens."""
    tokens = document["tenants"]["acme"]["tokens"]
    tokens += [{**tokens[0]}, {"sha256": "0" * 64, "resource_types": ["Usr"]}]
    assert problems(drawn, document) == [
        "tenants.acme.tokens[1]: another credential of the tenant has the name first",
        "tenants.acme.tokens[2].resource_types: there is no Usr; did you mean 'User'?",
    ]


def test_a_tenant_nobody_can_use_is_a_mistake(drawn: Drawn, document: Document) -> None:
    """A tenant without credentials is forgotten, not open."""
    document["tenants"]["acme"]["tokens"] = []
    assert problems(drawn, document) == ["tenants.acme: has no tokens and no other callers: nobody could use it"]


@pytest.mark.parametrize(
    ("server", "refused"),
    [
        ({"listen": "127.0.0.1:0"}, False),
        ({"listen": "[::1]:0"}, False),
        ({"listen": "localhost:0", "public_url": "http://localhost:8080"}, False),
        ({"listen": "192.0.2.1:8080"}, True),
        ({"listen": "0.0.0.0:8080", "public_url": "https://scim.example.com"}, True),
        ({"listen": "127.0.0.1:0", "public_url": "https://scim.example.com"}, True),
    ],
)
def test_the_demo_token_opens_nothing_others_can_reach(
    drawn: Drawn, document: Document, server: Document, refused: bool
) -> None:
    """Everybody knows the demo's token: on any address but loopback it is refused, behind a proxy too."""
    document["server"] = server
    document["tenants"]["acme"] = tenant("hr", DEMO_TOKEN)
    if not refused:
        assert drawn(document)
        return
    (found,) = problems(drawn, document)
    assert found.startswith("tenants.acme.tokens[0].sha256: is the demo's token, which everybody knows")


def test_an_address_that_is_none_needs_a_public_url(drawn: Drawn, document: Document) -> None:
    """Locations that begin with 0.0.0.0 lead nowhere."""
    document["server"]["listen"] = "0.0.0.0:8080"
    assert problems(drawn, document) == ["server.public_url: is missing: 0.0.0.0 is no address clients could use"]


def test_all_rooms_tell_their_problems_at_once(drawn: Drawn, document: Document) -> None:
    """What the backend, the mapping, the dialects and the addresses refuse comes in one list."""
    document["backends"]["crm"]["settings"]["entities"]["people"]["fields"]["login"] = {"type": "strng"}
    document["tenants"]["acme"]["resources"]["User"]["attributes"]["nickname2"] = "login"
    document["tenants"]["globex"]["client"] = "nobody"
    found = " ".join(problems(drawn, document))
    for where in ("backends.crm.settings.entities.people.fields.login.type", "nickname2", "tenants.globex.client"):
        assert where in found


def test_a_type_of_ones_own_needs_a_schema(drawn: Drawn, document: Document) -> None:
    """Custom schemas are read from the configuration; one that is broken or missing is told."""
    badge = {"backend": "hr", "entity": "people", "attributes": {"number": "login"}, "on_delete": "delete"}
    document["tenants"]["acme"]["resources"]["Badge"] = badge
    assert problems(drawn, document) == [
        "tenants.acme.resources.Badge: Badge: schema is missing; only User and Group have one of their own"
    ]
    badge["schema"] = "urn:example:params:scim:schemas:Badge"
    document["tenants"]["acme"]["schemas"] = [{"id": badge["schema"], "attributes": [{"name": "number"}]}]
    plan = {one.name: one for one in drawn(document).tenants["acme"].resources}["Badge"]
    assert (plan.resource_type.endpoint, plan.resource_type.schema.id) == ("/Badges", badge["schema"])
    document["tenants"]["acme"]["schemas"][0]["attributes"] = [{"name": "number", "type": "text"}]
    assert any(found.startswith("tenants.acme.schemas[0]: ") for found in problems(drawn, document))


def test_two_types_cannot_share_an_endpoint(drawn: Drawn, document: Document) -> None:
    """The second would never be reached."""
    user = document["tenants"]["acme"]["resources"]["User"]
    document["tenants"]["acme"]["resources"]["Group"] = {
        **user, "endpoint": "/users", "attributes": {"displayName": "login"}
    }  # fmt: skip
    assert problems(drawn, document) == ["tenants.acme.resources.Group: has the endpoint /users, as User has"]


def test_secrets_of_backends_are_among_those_to_be_masked(drawn: Drawn, document: Document) -> None:
    """What must be kept out of texts includes what only a backend knows to be secret."""
    document["backends"]["db"] = {
        "type": "sql",
        "settings": {
            "url": "postgresql://hr:${env:PASSWORD}@db.example.com/hr",
            "entities": {"people": {"table": "people", "key": "id"}},
        },
    }
    assert "postgresql://hr:s3cret@db.example.com/hr" in set(drawn(document).secrets())
