"""Searching by what only the store knows: a superset, never less, never an unfiltered list where it can be helped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.identity import HeldTerm, IdentityMap
from gateway.identity.held import held_rows, narrowing
from tests.identity.conftest import House, create


@pytest.fixture(params=["sqlite+memory", "postgresql+memory"])
def combination(request: pytest.FixtureRequest) -> str:
    """Both stores; a search asks no cache."""
    chosen: str = request.param
    return chosen


@pytest.fixture
async def staff(identities: IdentityMap, tenant: str) -> None:
    """Three accounts with kept attributes, and one nothing is kept of."""
    await create(
        identities, tenant, "ada", external_id="E-1", kept={"title": "Countess", "phones": [1]},
        index=[("title", "countess"), ("phones.value", "+44 1"), ("phones.value", "+44 2"), ("phones.type", "work")],
    )  # fmt: skip
    await create(identities, tenant, "bob", external_id="e-1", kept={"title": "Count"}, index=[("title", "count")])
    await create(identities, tenant, "long", kept={"title": "x"}, index=[("title", "x" * 300 + "needle")])
    await identities.identify(tenant, "User", "hr", "staff", ["nobody"])


async def keys(identities: IdentityMap, tenant: str, *terms: HeldTerm, limit: int = 100) -> set[str]:
    return {identity.key for identity in await identities.search(tenant, "User", terms, limit)}


ALL = {"ada", "bob", "long", "nobody"}


CASES: list[tuple[list[HeldTerm], set[str]]] = [
    ([HeldTerm("externalId", "eq", "e-1")], {"bob"}),
    ([HeldTerm("externalId", "eq", "E-1")], {"ada"}),
    ([HeldTerm("externalId", "eq", "")], set()),
    ([HeldTerm("externalId", "pr")], {"ada", "bob"}),
    ([HeldTerm("externalId", "ne", "e-1")], ALL),
    ([HeldTerm("title", "eq", "count", True)], {"bob"}),
    ([HeldTerm("title", "sw", "count", True)], {"ada", "bob", "long"}),
    ([HeldTerm("title", "co", "ess", True)], {"ada", "long"}),
    ([HeldTerm("title", "ew", "ess", True)], {"ada", "long"}),
    ([HeldTerm("title", "co", "needle", True)], {"long"}),
    ([HeldTerm("title", "co", "%", True)], {"long"}),
    ([HeldTerm("title", "eq", "x" * 300 + "needle", True)], {"long"}),
    ([HeldTerm("title", "eq", "x" * 300 + "noodle", True)], set()),
    ([HeldTerm("title", "gt", "a", True)], {"ada", "bob", "long"}),
    ([HeldTerm("title", "pr")], {"ada", "bob", "long"}),
    ([HeldTerm("phones.value", "eq", "+44 2")], {"ada"}),
    ([HeldTerm("phones", "eq", "+44 2")], set()),
    ([HeldTerm("nickName", "pr")], set()),
    ([HeldTerm("title", "sw", "count", True), HeldTerm("externalId", "eq", "e-1")], {"bob"}),
    ([HeldTerm("title", "pr"), HeldTerm("externalId", "pr"), HeldTerm("phones.type", "eq", "work")], {"ada"}),
    ([], ALL),
]


@pytest.mark.usefixtures("staff")
async def test_what_a_term_finds(identities: IdentityMap, tenant: str) -> None:
    """Equality is exact on the folded value, presence on the path, substrings without wildcards; conjuncts narrow
    (F9, F12)."""
    for terms, found in CASES:
        assert await keys(identities, tenant, *terms) == found, [(term.path, term.op, term.value) for term in terms]


async def test_instants_are_compared_as_they_are_shown(house: House, tenant: str) -> None:
    """meta.created and meta.lastModified are compared chronologically, and equality meets what is shown (F8, F11)."""
    now = datetime(2026, 5, 1, 10, 0, 0, 123999, tzinfo=UTC)
    identities = await house.open(clock=lambda: now)
    ada = await create(identities, tenant, "ada")
    now += timedelta(seconds=10)
    await create(identities, tenant, "bob")
    await identities.alter(ada)
    shown, later = "2026-05-01T12:00:00.123+02:00", "2026-05-01T10:00:05Z"
    for path, op, value, found in [
        ("meta.created", "eq", shown, {"ada"}),
        ("meta.created", "ge", later, {"bob"}),
        ("meta.created", "lt", later, {"ada"}),
        ("meta.lastModified", "lt", later, set()),
        ("meta.lastModified", "gt", later, {"ada", "bob"}),
        ("meta.created", "ne", shown, {"ada", "bob"}),
        ("meta.created", "pr", None, {"ada", "bob"}),
        ("meta.created", "sw", "2026", {"ada", "bob"}),
    ]:
        assert await keys(identities, tenant, HeldTerm(path, op, value)) == found


@pytest.mark.usefixtures("staff")
async def test_the_index_follows_changes(identities: IdentityMap, tenant: str) -> None:
    """What is changed is found by its new value and no longer by the old; other attributes keep theirs."""
    (ada,) = await identities.search(tenant, "User", [HeldTerm("externalId", "eq", "E-1")], 2)
    ada = await identities.alter(ada, external_id="E-2", kept={"title": "Dr"}, index=[("title", "dr")])
    assert await keys(identities, tenant, HeldTerm("externalId", "eq", "E-1")) == set()
    assert await keys(identities, tenant, HeldTerm("title", "eq", "countess", True)) == set()
    both = [HeldTerm("externalId", "eq", "E-2"), HeldTerm("title", "eq", "dr"), HeldTerm("phones.type", "eq", "work")]
    assert await keys(identities, tenant, *both) == {"ada"}
    ada = await identities.alter(ada, external_id=None, kept={"title": None, "phones": None})
    for path in ("externalId", "title", "phones.type", "phones.value"):
        assert "ada" not in await keys(identities, tenant, HeldTerm(path, "pr"))


@pytest.mark.usefixtures("staff")
async def test_the_limit_tells_one_too_many(identities: IdentityMap, tenant: str) -> None:
    """No more than the limit is read, so that the caller can tell that there is more (F14)."""
    assert len(await identities.search(tenant, "User", [HeldTerm("title", "pr")], 2)) == 2
    assert await identities.search(tenant, "User", [], 0) == ()


@pytest.mark.usefixtures("staff")
async def test_a_search_stays_in_its_tenant_and_type(identities: IdentityMap, tenant: str) -> None:
    """Neither another tenant nor another type finds anything (promise 7)."""
    assert await identities.search(f"{tenant}2", "User", [HeldTerm("externalId", "eq", "e-1")], 9) == ()
    assert await identities.search(tenant, "Group", [HeldTerm("externalId", "eq", "e-1")], 9) == ()


def test_rows_belong_to_the_longest_attribute() -> None:
    """An indexed path belongs to the kept attribute it is of, also where one name begins another."""
    urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"
    rows = held_rows(
        [("nameExtra", "1"), ("name.givenName", "2"), (f"{urn}.displayName", "3")], ["name", "nameExtra", urn]
    )
    assert [row[0] for row in rows] == ["nameExtra", "name", urn]


TEXTS = st.text(max_size=12) | st.text(st.characters(categories=["Cs", "Cc", "Lu"]), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=TEXTS, asked=TEXTS, op=st.sampled_from(["eq", "sw", "co", "ew"]))
async def test_a_search_never_misses(identities: IdentityMap, house: House, value: str, asked: str, op: str) -> None:
    """Whatever texts are held and asked for, who matches is found: the answer is a superset."""
    tenant = f"{house.tenant}-{abs(hash((value, asked, op)))}"
    await identities.identify(tenant, "User", "hr", "staff", ["ada"])
    (ada,) = (await identities.identify(tenant, "User", "hr", "staff", ["ada"])).values()
    await identities.alter(ada, kept={"title": value}, index=[("title", value)])
    holds = {
        "eq": value == asked,
        "sw": value.startswith(asked),
        "co": asked in value,
        "ew": value.endswith(asked),
    }[op]
    found = await keys(identities, tenant, HeldTerm("title", op, asked))
    assert found == {"ada"} if holds else found <= {"ada"}
    if op == "eq":
        assert bool(found) == holds


def test_statements_have_few_shapes() -> None:
    """The text of a search depends on the kinds of its terms alone, so that it is compiled once."""
    one = narrowing([HeldTerm("title", "eq", "a"), HeldTerm("externalId", "co", "b")])
    two = narrowing([HeldTerm("nickName", "eq", "c"), HeldTerm("title", "sw", "d")])
    assert one[0] == two[0] == ("eq", "in")
    assert one[1].keys() == two[1].keys()


async def test_only_the_changed_are_meant(identities: IdentityMap, tenant: str, staff: None) -> None:
    """A term of the last change may leave out who was only met, and never changed (S7)."""
    (ada,) = (await identities.identify(tenant, "User", "hr", "staff", ["ada"])).values()
    always = "2000-01-01T00:00:00+00:00"
    assert await keys(identities, tenant, HeldTerm("meta.lastModified", "ge", always, changed=True)) == set()
    await identities.alter(ada, touched=True)
    assert await keys(identities, tenant, HeldTerm("meta.lastModified", "ge", always, changed=True)) == {"ada"}
    assert await keys(identities, tenant, HeldTerm("meta.lastModified", "ge", always)) == ALL
    assert await keys(identities, tenant, HeldTerm("meta.lastModified", "lt", always, changed=True)) == set()
