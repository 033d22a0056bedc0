"""Searching: what the backend is asked for each filter clients send, what the store answers, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from backends.contract import KEY, And, AnyRow, Capabilities, Compare, Match, Not, Op, Or, Sort
from gateway.mapping import BoundFilter, Held, Links, Wanted
from gateway.scim import filters
from gateway.scim.errors import ScimError, ScimType
from gateway.scim.filters import Comparison
from gateway.scim.filters import Op as ScimOp
from gateway.scim.paths import resolve
from tests.mapping.world import ENTERPRISE, FIELDS, World, able, group, linked, matches, user

PEOPLE = {"u1": "11"}
LINKS = linked(PEOPLE, {"g1": "t1"})
DEAD = Compare("status", Op.NE, "D")


def everyone() -> World:
    return user(
        {
            "userName": {"field": "login", "codec": "upper", "keep": "spelling"},
            "name.givenName": "first",
            'emails[type eq "work"].value': "mail",
            "emails": {"rows": "mails", "each": {"value": "address", "type": "kind"}},
            f"{ENTERPRISE}:manager.value": {"field": "boss", "reference": "User"},
            f"{ENTERPRISE}:employeeNumber": {"field": "number", "codec": {"number": 3}},
            "groups.value": {"field": "teams", "reference": "Group"},
            "meta.lastModified": "changed",
        },
        on_delete={"set": {"status": "D"}},
    )


def bound(world: World, text: str, links: Links = LINKS) -> BoundFilter:
    tree = filters.parse(text, world.resource_type)
    return world.mapping.translate(tree).bind(links)


ASKED: list[tuple[str, Any]] = [
    ('userName eq "Ada@X.com"', Compare("login", Op.EQ, "ADA@X.COM", ignore_case=True)),
    ('id eq "u1"', Compare(KEY, Op.EQ, "11")),
    ('emails.value eq "a@x.com"', Or((
        Compare("mail", Op.EQ, "a@x.com", ignore_case=True),
        Compare("mails.address", Op.EQ, "a@x.com", ignore_case=True)))),
    ('emails[value eq "a@x.com"]', Or((
        Compare("mail", Op.EQ, "a@x.com", ignore_case=True),
        Compare("mails.address", Op.EQ, "a@x.com", ignore_case=True)))),
    ('emails eq "a@x.com"', Or((
        Compare("mail", Op.EQ, "a@x.com", ignore_case=True),
        Compare("mails.address", Op.EQ, "a@x.com", ignore_case=True)))),
    ('emails[type eq "work" and value eq "a"]', Or((
        Compare("mail", Op.EQ, "a", ignore_case=True),
        AnyRow("mails", And((
            Compare("kind", Op.EQ, "work", ignore_case=True), Compare("address", Op.EQ, "a", ignore_case=True))))))),
    ('emails[type eq "work"].value eq "a"', Or((
        Compare("mail", Op.EQ, "a", ignore_case=True),
        AnyRow("mails", And((
            Compare("kind", Op.EQ, "work", ignore_case=True), Compare("address", Op.EQ, "a", ignore_case=True))))))),
    ('emails[type eq "web" and value eq "a"]', AnyRow("mails", And((
        Compare("kind", Op.EQ, "web", ignore_case=True), Compare("address", Op.EQ, "a", ignore_case=True))))),
    ("active eq true", Compare("status", Op.EQ, "A")),
    ("active eq false", Compare("status", Op.NE, "A")),
    (f'{ENTERPRISE}:manager eq "u1"', Compare("boss", Op.EQ, "11")),
    (f'{ENTERPRISE}:manager.value eq "u1"', Compare("boss", Op.EQ, "11")),
    ('groups.value eq "g1"', Compare("teams", Op.EQ, "t1")),
    (f'{ENTERPRISE}:employeeNumber eq "007"', Compare("number", Op.EQ, 7)),
    ('name.givenName sw "A"', Compare("first", Op.SW, "A", ignore_case=True)),
    ('name.givenName ne "A"', Compare("first", Op.NE, "A", ignore_case=True)),
    ("name.givenName pr", Compare("first", Op.PR)),
    ("name.givenName eq null", Not(Compare("first", Op.PR))),
    ('id eq "u1" and manager eq "u1"', And((Compare(KEY, Op.EQ, "11"), Compare("boss", Op.EQ, "11")))),
    ('not (userName eq "a")', Compare("login", Op.NE, "A", ignore_case=True)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "where"), ASKED, ids=[row[0] for row in ASKED])
def test_what_clients_ask_is_asked_of_the_backend(text: str, where: Any) -> None:
    """The filters clients live by are pushed down whole, beside the mark of the dead (F16, F6, F7, R-L7, R-L8)."""
    found = bound(everyone(), text)
    terms = where.terms if isinstance(where, And) else (where,)
    assert found == BoundFilter(where=And((DEAD, *terms)))


def test_groups_are_found_by_name_and_by_member() -> None:
    """displayName and the two forms of the membership probe are pushed down (F16)."""
    world = group()
    assert bound(world, 'displayName eq "T"').where == Compare("title", Op.EQ, "T", ignore_case=True)
    for text in ('members.value eq "u1"', 'members[value eq "u1"]', 'members eq "u1"'):
        assert bound(world, text) == BoundFilter(where=Compare("members", Op.EQ, "11"))
    both = bound(world, 'id eq "g1" and members eq "u1"')
    assert both.where == And((Compare(KEY, Op.EQ, "t1"), Compare("members", Op.EQ, "11")))
    typed = bound(world, 'members[value eq "u1" and type eq "User"]')
    assert typed.where == Compare("members", Op.EQ, "11")
    assert typed.residual is not None


def test_ids_are_named_before_they_are_needed() -> None:
    """What must be looked up is named once, in one batch (DESIGN §6: pure in two steps)."""
    world = everyone()
    tree = filters.parse(f'id eq "u1" or {ENTERPRISE}:manager.value eq "u2"', world.resource_type)
    wanted = world.mapping.translate(tree).wanted
    assert wanted == {Wanted("u1", None, ("User",)), Wanted("u2", None, ("User",))}


@pytest.mark.parametrize("text", ['id eq "x"', 'manager.value eq "x"', 'groups.value eq "x"', 'employeeNumber eq "7"',
                                  'id eq "x" and active eq true', "id eq null"])  # fmt: skip
def test_what_nobody_can_be_is_not_asked_at_all(text: str) -> None:
    """An unknown id, or a value the codec would refuse, matches nothing; that is no error (F16)."""
    assert bound(everyone(), text) == BoundFilter(nothing=True)


def test_nothing_under_or_leaves_the_rest() -> None:
    """A branch that cannot match goes, the other stays; negated, it is everybody."""
    world = everyone()
    assert bound(world, 'id eq "x" or active eq true').where == And((DEAD, Compare("status", Op.EQ, "A")))
    assert bound(world, 'not (id eq "x")') == BoundFilter(where=DEAD)


REFUSED = ["nickName eq \"x\"", "name.formatted eq \"x\"", "emails.display eq \"x\"", "emails[primary eq true]",
           'emails[not (display eq "x")]', 'not (nickName eq "x")', 'active eq true or title pr', "ims pr",
           'ims[value eq "x"]', "name.formatted pr"]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
@pytest.mark.parametrize("policy", ["drop", "refuse"])
def test_what_has_no_place_cannot_be_searched_for(text: str, policy: str) -> None:
    """400 invalidFilter: neither an unfiltered list nor an empty one, which clients take for "not there" (F12)."""
    world = everyone()
    world = user(
        {"name.givenName": "first", "emails": {"rows": "mails", "each": {"value": "address"}}}, unmapped=policy
    )
    tree = filters.parse(text, world.resource_type)
    with pytest.raises(ScimError, match="cannot be searched for") as caught:
        world.mapping.translate(tree)
    assert (caught.value.status, caught.value.scim_type) == (400, ScimType.INVALID_FILTER)


def test_passwords_are_no_oracle() -> None:
    """A mapped password cannot be searched for (S13, X12)."""
    world = user({"password": "full"})
    tree = Comparison(resolve(world.resource_type, "password"), ScimOp.SW, "a")
    with pytest.raises(ScimError, match="password: cannot be searched for"):
        world.mapping.translate(tree)


def kept() -> World:
    return user(
        {
            "userName": {"field": "login", "codec": "fold", "keep": "spelling"},
            "name.givenName": "first",
            'emails[type eq "work"].value': "mail",
        },
        unmapped="keep",
    )


HELD: list[tuple[str, list[tuple[str, str, str | None, bool]]]] = [
    ('externalId eq "E"', [("externalId", "eq", "E", False)]),
    ("externalId pr", [("externalId", "pr", None, False)]),
    ('nickName sw "ÄB"', [("nickName", "sw", "äb", True)]),
    ('ims.value eq "X"', [("ims.value", "eq", "x", True)]),
    ('ims[type eq "a" and value co "X"]', [("ims.type", "eq", "a", True)]),
    ('active eq true and externalId eq "E" and nickName eq "n"',
     [("externalId", "eq", "E", False), ("nickName", "eq", "n", True)]),
    (f'{ENTERPRISE}:costCenter eq "4"', [(f"{ENTERPRISE}:costCenter", "eq", "4", True)]),
    ('meta.created gt "2026-01-01T01:00:00+01:00"', [("meta.created", "gt", "2026-01-01T01:00:00+01:00", False)]),
    ('profileUrl eq "http://X"', [("profileUrl", "eq", "http://X", False)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "terms"), HELD, ids=[row[0] for row in HELD])
def test_what_the_gateway_holds_is_asked_of_the_store(text: str, terms: list[Any]) -> None:
    """Conjuncts about what the store keeps go to the store, and are checked again afterwards (DESIGN §7)."""
    found = bound(kept(), text)
    assert [(one.path.text, one.op.value, one.value, one.folded) for one in found.held] == terms
    assert found.residual is not None


@pytest.mark.parametrize("text", ['externalId eq "E" or active eq true', 'not (externalId eq "E")', 'externalId ne "E"',
                                  'nickName gt "a"', "nickName eq null", 'ims[not (value eq "x")]'])  # fmt: skip
def test_what_the_store_cannot_narrow_is_checked_here(text: str) -> None:
    """Under `or` and `not`, and for orders, what is held is a matter of the residual road (DESIGN §7)."""
    found = bound(kept(), text)
    assert found.held == ()
    assert found.where is None
    assert found.residual is not None


def test_what_did_not_fit_is_asked_of_both() -> None:
    """E-mails the columns cannot hold are found by the store, the others by the backend, in one search (F16, R-L17)."""
    world = kept()
    tree = filters.parse('emails[type eq "work" and value eq "A@x.com"]', world.resource_type)
    plan = world.mapping.translate(tree)
    value = Held(resolve(world.resource_type, "emails.value"), ScimOp.EQ, "a@x.com", folded=True)
    assert plan.spilled == (value,)
    column = Compare("mail", Op.EQ, "A@x.com", ignore_case=True)
    assert plan.bind(Links(), {value: ("7", "8")}).where == Or((column, Compare(KEY, Op.IN, ("7", "8"))))
    assert plan.bind(Links(), {value: ()}).where == column
    untold = plan.bind(Links())
    assert (untold.where, untold.residual) == (None, tree)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('emails[value co "a@x.com" and display gt "a"]', None),
        ('emails[value co "a@x.com" and (display gt "a" or value sw "b")]', None),
        ('emails[value co "a@x.com" and display gt "a" and display sw "a"]', "emails.display"),
    ],
)
def test_a_part_that_is_kept_is_never_looked_for_by_a_part_that_is_not(text: str, path: str | None) -> None:
    """Of an address in a column only the display name is in the index: found by that or by nothing (F6)."""
    world = user({"userName": "login", 'emails[type eq "work"].value': "mail"}, unmapped="keep")
    tree = filters.parse(text, world.resource_type)
    plan = world.mapping.translate(tree)
    assert [held.path.text for held in plan.spilled] == ([] if path is None else [path])
    if path is None:
        assert plan.bind(Links()) == BoundFilter(None, (), tree)


def test_the_store_indexes_what_the_backend_cannot_find() -> None:
    """Of what is kept only that is indexed which no column holds (DESIGN §7)."""
    world = kept()
    resource = {
        "userName": "Ada",
        "name": {"givenName": "Ada", "formatted": "Dr. Ada"},
        "nickName": "AD",
        "profileUrl": "http://X",
        "emails": [
            {"type": "work", "value": "A@x.com", "display": "Office", "primary": True},
            {"type": "home", "value": "H@x.com"},
        ],
        ENTERPRISE: {"costCenter": "4", "manager": {"value": "u1"}},
    }
    kept_of_it = world.mapping.encode(resource, Links()).kept
    assert set(world.mapping.index(kept_of_it)) == {
        ("name.formatted", "dr. ada"),
        ("nickName", "ad"),
        ("profileUrl", "http://X"),
        ("emails.display", "office"),
        ("emails.primary", "true"),
        ("emails.value", "h@x.com"),
        ("emails.type", "home"),
        (f"{ENTERPRISE}:costCenter", "4"),
        (f"{ENTERPRISE}:manager.value", "u1"),
    }
    assert world.mapping.index({"nickName": None, "unheardOf": "x"}) == ()


def test_what_the_gateway_knows_by_itself_is_not_asked() -> None:
    """The type, the base schema and the presence of an id are no question (F11)."""
    world = everyone()
    base = f'schemas eq "{world.resource_type.schema.id}"'
    for text in ('meta.resourceType eq "User"', base, "id pr", "meta.created pr"):
        assert bound(world, text) == BoundFilter(where=DEAD)
    assert bound(world, 'meta.resourceType eq "Group"').nothing
    assert bound(world, f'schemas eq "{ENTERPRISE}"').residual is not None


def test_order_of_letters_is_not_left_to_a_collation() -> None:
    """gt and lt on text are decided here; on times and numbers by the backend (F8, R-L13)."""
    world = everyone()
    assert bound(world, 'name.givenName gt "A"').residual is not None
    found = bound(world, 'meta.lastModified ge "2026-01-01T00:00:00Z"')
    assert found.residual is not None
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    later = Or((Compare("changed", Op.GE, moment), Not(Compare("changed", Op.PR))))
    assert found.where == And((DEAD, later))


def test_a_case_sensitive_backend_is_not_asked_for_caseless_matches() -> None:
    """What the backend would compare byte for byte, and we without case, it cannot be asked (F9, R-L13)."""
    only = {"first": {(Op.EQ, False): Match.EXACT}, "login": {(Op.EQ, False): Match.EXACT}}
    world = user(
        {"userName": {"field": "login", "codec": "upper", "keep": "spelling"}, "name.givenName": "first"},
        capabilities=able(FIELDS, filters=only),
    )
    assert bound(world, 'name.givenName eq "A"') == BoundFilter(
        residual=filters.parse('name.givenName eq "A"', world.resource_type)
    )
    assert bound(world, 'userName eq "a"') == BoundFilter(where=Compare("login", Op.EQ, "A"))


def test_a_loose_answer_is_checked_again() -> None:
    """A backend that finds too much is asked all the same (R-L23)."""
    world = user({"title": "title"}, capabilities=able(FIELDS, filters={"title": {(Op.EQ, True): Match.LOOSE}}))
    found = bound(world, 'title eq "x"')
    assert found.where == Compare("title", Op.EQ, "x", ignore_case=True)
    assert found.residual is not None


def test_without_and_the_dead_are_left_out_and_the_rest_is_checked_here() -> None:
    """A backend that cannot combine is asked for the living (R-L8, R-L23)."""
    world = user({"title": "title"}, on_delete={"set": {"status": "D"}}, capabilities=able(FIELDS, logic=frozenset()))
    found = bound(world, 'title eq "x"')
    assert found.where == DEAD
    assert found.residual is not None


def test_a_backend_that_can_do_nothing_is_read_through() -> None:
    """Nothing is pushed, everything is checked, nothing is lost (R-L23)."""
    world = user({"title": "title"}, capabilities=Capabilities())
    found = bound(world, 'title eq "x"')
    assert found == BoundFilter(residual=filters.parse('title eq "x"', world.resource_type))
    assert world.mapping.translate(None).bind(Links()) == BoundFilter()


def test_duplicates_by_case_are_all_found() -> None:
    """Two accounts whose logins differ in case are both found; the choice is not the mapping's (R-L6)."""
    world = everyone()
    where = bound(world, 'userName eq "ada"').where
    for login in ("ADA", "Ada"):
        assert matches(where, world.record({"login": login, "status": "A"}).fields)


def test_hidden_records_are_in_no_search() -> None:
    """A record that another mapping owns is left out of every search, and never alive (DESIGN §6)."""
    world = user(hidden=["t9"])
    found = world.mapping.translate(None).bind(Links())
    assert found.where == Not(Compare(KEY, Op.IN, ("t9",)))
    assert world.mapping.is_dead(world.record({"login": "a"}, key="t9"))
    assert not world.mapping.is_dead(world.record({"login": "a"}, key="t8"))


SORTS: list[tuple[str, Sort | None]] = [
    ("userName", Sort("login", True)),
    ("name.givenName", Sort("first", True, ignore_case=True)),
    ("meta.lastModified", Sort("changed", True)),
    ("active", None),
    ("emails.value", None),
    ("id", None),
]


@pytest.mark.parametrize(("text", "expected"), SORTS, ids=[row[0] for row in SORTS])
def test_orders_are_pushed_down_where_they_are_the_same(text: str, expected: Sort | None) -> None:
    """The backend sorts where its order is ours; else the gateway does (Q6)."""
    world = everyone()
    assert world.mapping.sort(resolve(world.resource_type, text), True) == expected


def test_what_the_store_holds_cannot_be_sorted_by() -> None:
    """Sorting by what the gateway keeps, or by what nobody holds, is 400 (DESIGN §7, Q6)."""
    world = kept()
    for text in ("externalId", "nickName", "meta.created", "name.formatted"):
        with pytest.raises(ScimError, match="sortBy") as caught:
            world.mapping.sort(resolve(world.resource_type, text), False)
        assert (caught.value.status, caught.value.scim_type) == (400, ScimType.INVALID_VALUE)
    with pytest.raises(ScimError, match="does not hold title"):
        everyone().mapping.sort(resolve(world.resource_type, "title"), False)
    unsorted = user({"title": "title"}, capabilities=able(FIELDS, sort=frozenset()))
    assert unsorted.mapping.sort(resolve(world.resource_type, "title"), False) is None
