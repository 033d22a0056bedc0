"""Filters: what the backend is asked for is never less than the matches, and exactly them where it says so (R-L23).

Random people, some changed behind the gateway's back; random filters; a backend that answers to the contract and a
store that answers from its index.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.contract import KEY, Capabilities, Match, Op, Record
from gateway.mapping import Held, ResourceMapping
from gateway.mapping.doors import Links
from gateway.scim import filters, standard
from gateway.scim.errors import ScimError
from gateway.scim.evaluate import compile_filter
from gateway.scim.filters import Comparison, Not
from gateway.scim.filters import Op as ScimOp
from gateway.scim.paths import resolve
from gateway.scim.schema import Type
from tests.mapping.world import ENTERPRISE, FIELDS, World, able, index_matches, matches
from tests.mapping.worlds import ADDRESSES, NAMES, PEOPLE, WORLDS, made, users

PATHS = [
    "userName", "active", "title", "nickName", "name.givenName", "name.familyName", "name.formatted",
    "emails.value", "emails.type", "emails.display", "emails.primary", "phoneNumbers.value", "phoneNumbers.type",
    "addresses.locality", "addresses.type", "roles.value", "roles.type", "externalId", "id",
    f"{ENTERPRISE}:employeeNumber", f"{ENTERPRISE}:department", f"{ENTERPRISE}:manager.value", "groups.value",
    "meta.lastModified", "meta.resourceType",
]  # fmt: skip
MANY = ("emails", "phoneNumbers", "addresses", "roles")
WORDS = NAMES | ADDRESSES | st.sampled_from(["work", "Human Resources", "Sales", "007", "1", "User", "e1", "E1", "adm"])
IDS = st.sampled_from([*PEOPLE, "nobody"])
TIMES = st.sampled_from(["2026-01-01T00:00:00Z", "2025-06-01T12:00:00+02:00", "2026-01-01T00:00:00.5Z"])
TEXT_OPS = ("eq", "ne", "co", "sw", "ew", "pr", "gt", "le")
ORDER_OPS = ("eq", "ne", "gt", "ge", "lt", "le", "pr")
USER = standard.resource_type("User")


def poor(only: dict[tuple[Op, bool], Match], logic: frozenset[str] = frozenset()) -> Capabilities:
    """A backend that knows a few operators, and little of logic."""
    rich = able(FIELDS)
    filters = {name: {key: match for key, match in ops.items() if key in only} for name, ops in rich.filters.items()}
    filters = {name: {key: only[key] for key in ops} for name, ops in filters.items()}
    return able(FIELDS, filters=filters, logic=logic)


ABILITIES = {
    "everything": able(FIELDS),
    "no logic": able(FIELDS, logic=frozenset()),
    "and only": able(FIELDS, logic=frozenset({"and"})),
    "or only": able(FIELDS, logic=frozenset({"or"})),
    "no rows": able(FIELDS, logic=frozenset({"and", "or", "not"})),
    "equality": poor({(Op.EQ, False): Match.EXACT, (Op.NE, False): Match.EXACT}, frozenset({"and", "or"})),
    "caseless and loose": poor({(Op.EQ, True): Match.LOOSE, (Op.CO, True): Match.LOOSE, (Op.EQ, False): Match.EXACT,
                                (Op.NE, False): Match.EXACT}, frozenset({"and", "or", "not"})),
    "batches": poor({(Op.IN, False): Match.EXACT, (Op.NE, False): Match.EXACT, (Op.PR, False): Match.EXACT},
                    frozenset({"and", "or", "not", "any_row"})),
    "nothing": Capabilities(),
}  # fmt: skip


@st.composite
def comparisons(draw: st.DrawFn, within: str | None = None) -> str:
    """One comparison as text."""
    names = [path for path in PATHS if within is None or path.startswith(f"{within}.")]
    text = draw(st.sampled_from(names))
    path = resolve(USER, text)
    match path.leaf.type:
        case Type.BOOLEAN:
            op = draw(st.sampled_from(("eq", "ne", "pr")))
            value: Any = draw(st.booleans() | st.none())
        case Type.DATE_TIME:
            op, value = draw(st.sampled_from(ORDER_OPS)), draw(TIMES)
        case _:
            op = draw(st.sampled_from(TEXT_OPS))
            reference = path.text.endswith("manager.value") or path.text in ("id", "groups.value")
            value = draw(IDS if reference else WORDS)
            if op in ("eq", "ne") and draw(st.integers(0, 9)) == 0:
                value = None
    name = text if within is None else text.removeprefix(f"{within}.")
    return f"{name} {op}" if op == "pr" else f"{name} {op} {json.dumps(value)}"


def filters_of() -> st.SearchStrategy[str]:
    """Filters as text."""

    def value_path(name: str) -> st.SearchStrategy[str]:
        return st.recursive(comparisons(name), combined, max_leaves=3).map(f"{name}[{{}}]".format)

    leaves = comparisons() | st.sampled_from(MANY).flatmap(value_path)
    return st.recursive(leaves, combined, max_leaves=4)


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(inner, inner)
    return (
        pairs.map(lambda pair: f"({pair[0]}) and ({pair[1]})")
        | pairs.map(lambda pair: f"({pair[0]}) or ({pair[1]})")
        | inner.map("not ({})".format)
    )


@dataclass(repr=False)
class Account:
    """Somebody in the backend, and what the gateway holds of them."""

    id: str
    record: Record
    kept: dict[str, Any]
    external_id: str | None
    resource: dict[str, Any]


@st.composite
def accounts(draw: st.DrawFn, world: World) -> Account:
    """An account as a client made it, perhaps changed by somebody else since."""
    id = draw(st.sampled_from([*PEOPLE]))
    record, kept = created(world, draw(users()))
    if draw(st.booleans()):
        other, _ = created(world, draw(users()))
        names = draw(st.sets(st.sampled_from(sorted(record.fields))))
        record = Record(record.key, {**record.fields, **{name: other.fields[name] for name in names}})
    changed = draw(st.none() | st.just(datetime(2026, 1, 1, tzinfo=UTC)))
    groups = draw(st.sampled_from([(), ("t1",), ("t1", "t9"), ("t7",)]))
    record = Record(PEOPLE[id], {**record.fields, "changed": changed, "teams": groups, "groups": groups})
    external = draw(st.none() | st.sampled_from(["e1", "E1"]))
    if world.mapping.attribute_of("full") == "externalId":
        record = Record(record.key, {**record.fields, "full": external})
        external = None
    read = world.read(record, kept)
    read["id"] = id
    read["meta"] = {
        "resourceType": "User",
        "created": "2025-06-01T10:00:00Z",
        "lastModified": "2025-06-01T10:00:00Z",
        **read.get("meta", {}),
    }
    read["schemas"] = [world.resource_type.schema.id]
    if external is not None:
        read["externalId"] = external
    return Account(id, record, kept, external, read)


def created(world: World, resource: dict[str, Any]) -> tuple[Record, dict[str, Any]]:
    """A record of a user, as far as the world can take them."""
    try:
        return world.created(held_by(world, resource))
    except ScimError:
        return world.created({"userName": resource["userName"]})


def held_by(world: World, resource: dict[str, Any]) -> dict[str, Any]:
    """What of a user a world can take: where nothing is kept, one thing of each kind."""
    if world.mapping.supported >= {"emails", "name"}:
        return resource
    seen: set[tuple[str, Any]] = set()
    found = {}
    for name, value in resource.items():
        if isinstance(value, list):
            kinds = [(name, element.get("type")) for element in value]
            value = [e for e, kind in zip(value, kinds, strict=True) if kind not in seen and not seen.add(kind)]
            value = value[:1] if name in ("phoneNumbers", "addresses", "roles") else value
        elif name == "name":
            value = {part: text for part, text in value.items() if part != "middleName"} or {"givenName": "Ada"}
        found[name] = value
    return found


def store_finds(mapping: ResourceMapping, held: Held, account: Account) -> bool:
    if held.path.text.startswith("meta."):
        return True  # the store may always find too much
    if held.path.text == "externalId":
        return account.external_id is not None and index_matches(held, [("externalId", account.external_id)])
    return index_matches(held, mapping.index(account.kept))


PAIRS = [
    *((name, "everything") for name in (*WORLDS, "dropped")),
    ("dropped", "no rows"),
    ("dropped", "equality"),
    *(("plain", name) for name in ABILITIES if name not in ("everything", "nothing", "no logic", "or only")),
    *(("locked", name) for name in ABILITIES if name != "everything"),
    ("squeezed", "equality"),
    ("contained", "batches"),
]
COMPILED = {(name, abilities): made(name, ABILITIES[abilities]) for name, abilities in PAIRS}


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
@settings(max_examples=15)
@given(data=st.data())
def test_a_search_finds_every_match_and_no_other(pair: tuple[str, str], told: bool, data: st.DataObject) -> None:
    """Everybody who matches is asked for; nobody else, where nothing is left to check (R-L23, F5, F6, F12).

    `told`: the store was asked before for what did not fit into the records.
    """
    world = COMPILED[pair]
    mapping = world.mapping
    tree = filters.parse(data.draw(filters_of()), USER)
    somebody = data.draw(accounts(world))
    try:
        plan = mapping.translate(tree)
    except ScimError as error:
        assert "cannot be searched" in error.detail  # noqa: PT017
        return
    keys = {
        held: (somebody.record.key,) if store_finds(mapping, held, somebody) else ("other",) for held in plan.spilled
    }
    bound = plan.bind(world.links, keys if told else {})
    expected = compile_filter(tree)(somebody.resource)
    asked = matches(bound.where, somebody.record.fields, somebody.record.key) and not bound.nothing
    held = all(store_finds(mapping, term, somebody) for term in bound.held)
    assert (asked and held) or not expected
    if bound.residual is None:
        assert asked is expected
    else:
        assert bound.residual is tree


def test_dead_accounts_are_in_no_search() -> None:
    """The mark of the dead is part of every question, also of the one without a filter (R-L8, DESIGN §6)."""
    world = made("plain")
    for tree in (None, Comparison(resolve(world.resource_type, "title"), ScimOp.PR)):
        bound = world.mapping.translate(tree).bind(world.links)
        alive = world.record({"login": "A", "status": "I", "title": "x"}).fields
        assert matches(bound.where, alive)
        assert not matches(bound.where, {**alive, "status": "D"})


def test_links_without_answers_match_nothing() -> None:
    """An id nobody has matches nothing, and what is not equal to it everything (F16)."""
    world = made("plain")
    same = Comparison(resolve(world.resource_type, "id"), ScimOp.EQ, "nobody")
    assert world.mapping.translate(same).bind(Links()).nothing
    other = world.mapping.translate(Not(same)).bind(Links())
    assert not other.nothing
    assert other.residual is None
    assert KEY not in repr(other)
