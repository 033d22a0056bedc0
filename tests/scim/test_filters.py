"""Filters: what is read, as which tree, and what is refused with which words."""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

import pytest

from gateway.scim import filters, paths
from gateway.scim.errors import ScimError
from gateway.scim.filters import And, Comparison, Filter, FilterOptions, Never, Not, Op, Or, ValuePath
from gateway.scim.schema import ENTERPRISE_URN, USER_URN, ResourceType


@pytest.fixture
def term(user_type: ResourceType) -> Any:
    """Make a comparison by hand: `term("userName", "eq", "x")`."""

    def make(name: str, op: str, value: Any = None) -> Comparison:
        return Comparison(paths.resolve(user_type, name), Op(op), value)

    return make


@pytest.mark.parametrize("op", ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"])
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.capitalize, str.swapcase])
def test_operators_ignore_case(user_type: ResourceType, term: Any, op: str, spell: Any) -> None:
    """Every operator is known in every case, and so is every name (F1, S2)."""
    text = f'{spell("userName")} {spell(op)} "Ab"'
    assert filters.parse(text, user_type) == term("userName", op, "Ab")
    assert filters.parse(f"{spell('userName')} {spell('pr')}", user_type) == term("userName", "pr")


@pytest.mark.parametrize("text", ["title pr AND nickName pr", "title PR And nickName Pr", "title pr   and nickName pr"])
def test_connectors_ignore_case(user_type: ResourceType, term: Any, text: str) -> None:
    """`and`, `or` and `not` ignore case, and more than one space separates as well as one does (F1)."""
    assert filters.parse(text, user_type) == And((term("title", "pr"), term("nickName", "pr")))
    assert filters.parse(text.lower().replace("and", "oR"), user_type) == Or(
        (term("title", "pr"), term("nickName", "pr"))
    )
    assert filters.parse("NOT(title pr)", user_type) == Not(term("title", "pr"))


def test_precedence(user_type: ResourceType, term: Any) -> None:
    """Grouping, then `not`, then `and`, then `or` (F2)."""
    a, b, c, d = (term(name, "pr") for name in ("title", "nickName", "locale", "timezone"))

    def read(text: str) -> Filter:
        return filters.parse(text, user_type)

    assert read("title pr or nickName pr and locale pr or timezone pr") == Or((a, And((b, c)), d))
    assert read("title pr and nickName pr or locale pr and timezone pr") == Or((And((a, b)), And((c, d))))
    assert read("(title pr or nickName pr) and (locale pr or timezone pr)") == And((Or((a, b)), Or((c, d))))
    assert read("not (title pr) and nickName pr") == And((Not(a), b))
    assert read("not (title pr and nickName pr) or locale pr") == Or((Not(And((a, b))), c))
    assert read("not (not (title pr))") == Not(Not(a))
    assert read("((title pr))") == a


def test_nested_conjunctions_are_laid_flat(user_type: ResourceType, term: Any) -> None:
    """`a and (b and c)` has three terms, so that every conjunct can be found and pushed down (F2, F16)."""
    a, b, c = (term(name, "pr") for name in ("title", "nickName", "locale"))
    for text in ("title pr and (nickName pr and locale pr)", "((title pr) and nickName pr) and locale pr"):
        assert filters.parse(text, user_type) == And((a, b, c))
        assert filters.parse(text.replace("and", "or"), user_type) == Or((a, b, c))


@pytest.mark.parametrize("text", ["not(title pr)", "not (title pr)", "not   (  title pr  )"])
def test_not_stands_before_a_parenthesis(user_type: ResourceType, term: Any, text: str) -> None:
    """`not` is read with and without a space before its parenthesis (F3)."""
    assert filters.parse(text, user_type) == Not(term("title", "pr"))


@pytest.mark.parametrize("text", ["not title pr", "title pr and not nickName pr", "emails[not type pr]", "not"])
def test_not_without_a_parenthesis_is_refused(user_type: ResourceType, refused: Any, text: str) -> None:
    """`not userName pr` is no filter (F3)."""
    with refused("invalidFilter", "not must be followed by a parenthesis"):
        filters.parse(text, user_type)


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ('"O\'Malley"', "O'Malley"),
        (r'"a\"b"', 'a"b'),
        (r'"\\"', "\\"),
        (r'"\/\b\f\n\r\t"', None),
        (r'"\n\t"', "\n\t"),
        (r'"\u00e9\u20AC"', "é€"),
        (r'"\ud83d\ude00"', "😀"),
        ('"😀 Łódź"', "😀 Łódź"),
        ('"a and b) or [c]"', "a and b) or [c]"),
        ('""', ""),
        ('"\u00a0"', "\u00a0"),
        ('"True"', "True"),
        ('"a+b%2B@example.com"', "a+b%2B@example.com"),
        (r'"\u0000"', None),
        (r'"\ud800"', None),
        (r'"\udc00\ud800"', None),
        (r'"\uffff"', None),
        ('"\ud800"', None),
        ('"a\tb"', None),
        ('"a\nb"', None),
        ('"a\x00b"', None),
        (r'"\x41"', None),
        (r'"\u12"', None),
        (r'"abc\"', None),
        ('"abc', None),
        ('"', None),
        ("'abc'", None),
        ("“abc”", None),
    ],
)
def test_strings_are_json(user_type: ResourceType, term: Any, refused: Any, literal: str, value: str | None) -> None:
    """Strings are JSON's; what is not, lone surrogates and characters XML forbids are refused (F4, X1)."""
    if value is None:
        with refused("invalidFilter", "userName"):
            filters.parse(f"userName eq {literal}", user_type)
    else:
        assert filters.parse(f"userName eq {literal}", user_type) == term("userName", "eq", value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("doors eq 7", 7), ("doors eq -7", -7), ("doors ge 0", 0), ("doors eq 9223372036854775807", 2**63 - 1),
        ("weight eq 7", 7), ("weight lt 0.5", 0.5), ("weight gt -1e3", -1000.0), ("weight eq 1E+2", 100.0),
        ("doors eq 1.0", None), ("doors eq 1e3", None), ("doors eq 9223372036854775808", None), ("doors eq 01", None),
        ("doors eq +1", None), ("doors eq .5", None), ("doors eq 1.", None), ("doors eq 0x10", None),
        ("doors eq NaN", None), ("weight eq Infinity", None), ("weight eq 1e999", None), ('doors eq "7"', None),
        ("doors eq true", None), ("weight eq ٣", None), ("doors eq " + "9" * 3000, None), ('weight eq "1"', None),
    ],
)  # fmt: skip
def test_numbers_are_json(badge_type: ResourceType, refused: Any, text: str, value: float | None) -> None:
    """Numbers are JSON's, and integers have neither fraction nor exponent (F4, S16)."""
    if value is None:
        with refused("invalidFilter", text.split()[0]):
            filters.parse(text, badge_type)
    else:
        tree = filters.parse(text, badge_type)
        assert isinstance(tree, Comparison)
        assert (tree.value, type(tree.value)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("userName eq 7", ("userName", "string")),
        ("userName eq true", ("userName", "string")),
        ('active eq "x"', ("active", "true or false")),
        ('active eq "true"', ("active", "true or false")),
        ("active eq 1", ("active", "true or false")),
        ("active eq True", ("active", "true, false")),
        ("active eq TRUE", ("active",)),
        ('meta.created gt "2024-01-01"', ("meta.created", "2026-01-23T04:56:22Z")),
        ('meta.created gt "2024-13-01T00:00:00Z"', ("meta.created",)),
        ("meta.created gt 2024", ("meta.created",)),
        ('x509Certificates.value eq "é"', ("x509Certificates.value", "base64")),
        ('emails.primary eq "yes"', ("emails.primary",)),
        ('emails[primary eq "yes"]', ("emails.primary",)),
        (f"{ENTERPRISE_URN}:employeeNumber eq 7", (f"{ENTERPRISE_URN}:employeeNumber",)),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(
    user_type: ResourceType, refused: Any, text: str, words: tuple[str, ...]
) -> None:
    """The error names the attribute and what it expects (F4, F12)."""
    with refused("invalidFilter", *words):
        filters.parse(text, user_type)


def test_null_asks_for_presence(user_type: ResourceType, term: Any, refused: Any) -> None:
    """`eq null` and `ne null` take any attribute as it is, complex ones too; nothing else compares with null (F5)."""
    for name in ("title", "active", "name", "emails", "emails.value", "meta.created"):
        assert filters.parse(f"{name} eq null", user_type) == term(name, "eq", None)
        assert filters.parse(f"{name} ne null", user_type) == term(name, "ne", None)
    for op in ("co", "sw", "ew", "gt", "ge", "lt", "le"):
        with refused("invalidFilter", "title", "null"):
            filters.parse(f"title {op} null", user_type)


@pytest.mark.parametrize(
    "text",
    [
        'emails[type eq "work"].value eq "x"',
        'emails[type eq "work" and value eq "x"]',
        'EMAILS[(Type eq "work") and (Value Eq "x")]',
        f'{USER_URN}:emails[type eq "work"].Value EQ "x"',
    ],
)
def test_a_value_path_binds_its_terms_to_one_element(user_type: ResourceType, term: Any, text: str) -> None:
    """Both terms lie within one `ValuePath`; Entra's form with the sub-attribute behind is the same thing (F6, F16)."""
    where = And((term("emails.type", "eq", "work"), term("emails.value", "eq", "x")))
    assert filters.parse(text, user_type) == ValuePath(paths.resolve(user_type, "emails"), where)


def test_a_sub_attribute_behind_brackets_joins_whatever_is_in_them(user_type: ResourceType, term: Any) -> None:
    """`emails[a or b].value pr` means `emails[(a or b) and value pr]`, and it may stand among other terms (F16)."""
    either = Or((term("emails.type", "eq", "work"), term("emails.type", "eq", "home")))
    chosen = ValuePath(paths.resolve(user_type, "emails"), And((either, term("emails.value", "pr"))))
    text = 'emails[type eq "work" or type eq "home"].value pr'
    assert filters.parse(text, user_type) == chosen
    assert filters.parse(f"title pr and ({text}) or not({text})", user_type) == Or(
        (And((term("title", "pr"), chosen)), Not(chosen))
    )


@pytest.mark.parametrize(
    ("text", "name", "op"),
    [
        ('userName eq "v"', "userName", "eq"),
        ('externalId eq "v"', "externalId", "eq"),
        ('id eq "v"', "id", "eq"),
        ('emails.value eq "v"', "emails.value", "eq"),
        ('emails co "v"', "emails.value", "co"),
        ('groups eq "v"', "groups.value", "eq"),
        ('manager eq "v"', f"{ENTERPRISE_URN}:manager.value", "eq"),
        ('manager.value eq "v"', f"{ENTERPRISE_URN}:manager.value", "eq"),
        (f'{ENTERPRISE_URN}:manager eq "v"', f"{ENTERPRISE_URN}:manager.value", "eq"),
        (f'{ENTERPRISE_URN.lower()}:MANAGER.value eq "v"', f"{ENTERPRISE_URN}:manager.value", "eq"),
        ('employeeNumber sw "v"', f"{ENTERPRISE_URN}:employeeNumber", "sw"),
        (f'{USER_URN}:name.familyName ew "v"', "name.familyName", "ew"),
        ('meta.resourceType eq "v"', "meta.resourceType", "eq"),
    ],
)
def test_the_look_ups_clients_make(user_type: ResourceType, term: Any, text: str, name: str, op: str) -> None:
    """Each becomes one comparison of one attribute, whatever its spelling (F7, F10, F11, F16)."""
    assert filters.parse(text, user_type) == term(name, op, "v")


def test_reference_probes(user_type: ResourceType, group_type: ResourceType) -> None:
    """Entra's `id eq … and manager eq …` and `id eq … and members eq …` ask for the referenced id (F16, F7)."""
    probes = ((user_type, "manager", f"{ENTERPRISE_URN}:manager.value"), (group_type, "members", "members.value"))
    for resource_type, name, text in probes:
        tree = filters.parse(f'id eq "x" and {name} eq "y"', resource_type)
        assert isinstance(tree, And)
        assert [(t.path.text, t.value) for t in tree.terms if isinstance(t, Comparison)] == [("id", "x"), (text, "y")]
    by_element = filters.parse('members[value eq "y"]', group_type)
    members = paths.resolve(group_type, "members.value")
    assert by_element == ValuePath(members.top, Comparison(members, Op.EQ, "y"))


@pytest.mark.parametrize("name", ["name", "meta", "addresses", f"{ENTERPRISE_URN}"])
def test_complex_attributes_have_no_value(user_type: ResourceType, refused: Any, name: str) -> None:
    """A complex attribute without a `value` of its own, and a whole extension, cannot be compared (F7)."""
    with refused("invalidFilter", name):
        filters.parse(f'{name} eq "x"', user_type)


def test_presence_is_asked_of_the_attribute_itself(user_type: ResourceType, term: Any) -> None:
    """`emails pr` and `name pr` are about the attribute, not about its `value` (F7, S8)."""
    for name in ("emails", "name", "addresses", "active", "emails.value", f"{ENTERPRISE_URN}:manager"):
        assert filters.parse(f"{name} pr", user_type) == term(name, "pr")


@pytest.mark.parametrize(
    ("name", "ops"),
    [
        ("active", ("co", "sw", "ew", "gt", "ge", "lt", "le")),
        ("emails.primary", ("co", "sw", "ew", "gt", "ge", "lt", "le")),
        ("x509Certificates.value", ("co", "sw", "ew", "gt", "ge", "lt", "le")),
        ("x509Certificates", ("co", "gt")),
        ("meta.created", ("co", "sw", "ew")),
    ],
)
def test_operators_that_do_not_fit_are_refused(
    user_type: ResourceType, refused: Any, name: str, ops: tuple[str, ...]
) -> None:
    """Booleans and binary have no order, and only text has parts; the error names attribute and operator (F8, F12)."""
    for op in ops:
        for value in ("true", '"TWFu"', '"2024-01-01T00:00:00Z"'):
            with refused("invalidFilter", name, op):
                filters.parse(f"{name} {op} {value}", user_type)


def test_numbers_have_order_but_no_parts(badge_type: ResourceType, refused: Any) -> None:
    """`co`, `sw` and `ew` on numbers are refused rather than guessed at (F8, F12)."""
    for name in ("doors", "weight"):
        for op in ("co", "sw", "ew"):
            with refused("invalidFilter", name, op):
                filters.parse(f"{name} {op} 1", badge_type)


def test_urns_in_schemas_ignore_case(user_type: ResourceType, term: Any) -> None:
    """`schemas eq` finds the URN however it is spelled; URNs of others stay as they are (F11, S2)."""
    assert filters.parse(f'schemas eq "{USER_URN.upper()}"', user_type) == term("schemas", "eq", USER_URN)
    assert filters.parse('schemas eq "urn:x:Y"', user_type) == term("schemas", "eq", "urn:x:Y")
    tree = filters.parse(f'schemas[value eq "{USER_URN.lower()}"]', user_type)
    assert tree == ValuePath(paths.resolve(user_type, "schemas"), term("schemas", "eq", USER_URN))


@pytest.mark.parametrize("op", ["gt", "ge", "lt", "le", "eq", "ne"])
def test_times_keep_the_text_they_came_in(user_type: ResourceType, term: Any, op: str) -> None:
    """`meta.lastModified ge "…"` is legitimate; the offset is left for whoever compares (F11, F8)."""
    text = "2024-01-01T01:00:00.5+01:00"
    assert filters.parse(f'meta.lastModified {op} "{text}"', user_type) == term("meta.lastModified", op, text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "userName", "userName eq", 'userName "x"', 'eq "x"', '"x" eq userName', "userName pr pr", "pr"),
        *('userName is "x"', 'userName = "x"', 'userName eqq "x"', 'userName not eq "x"', "userName eq eq"),
        *("userName pr and", "and userName pr", "userName pr or", "userName pr xor title pr", "userName pr title pr"),
        *("(userName pr", "userName pr)", "()", "not ()", "(userName) pr", "((userName pr)", "userName (pr)"),
        *('emails[type eq "work"', 'emails type eq "work"]', "emails[]", "emails[].value pr", 'emails [type eq "x"]'),
        *('emails[type eq "work")', '(title pr]', 'emails[(type pr]', 'emails[type eq "work"].value', "emails[]."),
        *('emails[type eq "work"].nope eq "x"', 'emails[type eq "work"].value.x eq "x"', 'emails[type pr] .value pr'),
        *('emails[emails[type pr]]', "emails[type[value pr]]", 'emails[type eq "work"][value pr]', "emails[title pr]"),
        *('name[givenName eq "x"]', 'userName[value eq "x"]', f'{ENTERPRISE_URN}[employeeNumber eq "x"]', "[type pr]"),
        *('userName eq "x" userName eq "y"', 'userName eq "x""y"', 'userName eq "x"y', "title eq x", "title eq ("),
        *('shoeSize eq "44"', "name.shoe pr", f'{ENTERPRISE_URN}:shoe eq "1"', 'urn:x:y:userName eq "1"', "name. pr"),
        *('emails.value.x eq "y"', 'users.userName eq "x"', '/userName eq "x"', "title\tpr", "title\npr"),
        *("userName pr;", "userName pr --", "userName pr && title pr", "!(title pr)", "*", "1 eq 1", "true"),
        *("title\x00 pr", "title\xa0pr"),
        *("\u212aind pr", "ｕserName pr", "userName\u200b pr", "title pr AND\u017f title pr"),
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused(user_type: ResourceType, refused: Any, text: str) -> None:
    """Nothing that is not understood is left out: 400 invalidFilter, never an unfiltered list (F1, F12, F13)."""
    with refused("invalidFilter"):
        filters.parse(text, user_type)


@pytest.mark.parametrize(
    "text",
    ['password eq "x"', "password pr", "password ne null", 'PASSWORD sw "a"', "not (password pr)",
     f'{USER_URN}:password eq "x"', 'title pr and password eq "x"'],
)  # fmt: skip
def test_what_is_never_returned_cannot_be_searched(user_type: ResourceType, refused: Any, text: str) -> None:
    """A filter on a secret would tell it letter by letter (S13)."""
    with refused("invalidFilter", "password", "never returned"):
        filters.parse(text, user_type)
    with refused("invalidFilter", "password"):
        filters.parse(text, user_type, FilterOptions(unknown="absent"))


def test_secret_parts_cannot_be_searched(badge_type: ResourceType, refused: Any) -> None:
    """The rule holds for sub-attributes and own schemas; what is returned on request may be searched (S13)."""
    for text in ('pin eq "1"', 'holder.secret eq "1"'):
        with refused("invalidFilter", text.split()[0], "never returned"):
            filters.parse(text, badge_type)
    for text in ('notes eq "1"', 'holder.remark eq "1"'):
        assert isinstance(filters.parse(text, badge_type), Comparison)


@pytest.mark.parametrize(
    ("text", "holds_for_absent"),
    [
        ('members eq "x"', False),
        ("members pr", False),
        ("members eq null", True),
        ('members ne "x"', True),
        ("members ne null", False),
        ("members gt 5", False),
        ("members.value eq true", False),
        ('emails.nope co "x"', False),
    ],
)
def test_an_attribute_of_another_type_is_absent(
    user_type: ResourceType, refused: Any, text: str, holds_for_absent: bool
) -> None:
    """On an endpoint of several types it compares as unassigned; on that of a single type it is refused (F13, F5)."""
    with refused("invalidFilter", text.split()[0].split(".")[0]):
        filters.parse(text, user_type)
    expected = Not(Never()) if holds_for_absent else Never()
    assert filters.parse(text, user_type, FilterOptions(unknown="absent")) == expected


def test_absent_attributes_among_others(user_type: ResourceType, term: Any) -> None:
    """Only the absent terms are replaced, brackets of an absent attribute choose nothing (F13)."""
    absent = FilterOptions(unknown="absent")
    assert filters.parse("title pr or members pr", user_type, absent) == Or((term("title", "pr"), Never()))
    assert filters.parse('members[type ne "x" or (value pr)].display eq "y"', user_type, absent) == Never()
    assert filters.parse('emails[shoe ne "x"]', user_type, absent) == ValuePath(
        paths.resolve(user_type, "emails"), Not(Never())
    )


@pytest.mark.parametrize(
    "text",
    ["members is 1", "members eq", "members eq x", "members", "members[value pr", "members[value pr].",
     "not members pr", 'members eq "\\ud800"', "1 pr", "pr", "members co", '"members" pr', "memb\x01ers pr",
     "mémbers pr"],
)  # fmt: skip
def test_absent_attributes_excuse_no_errors(user_type: ResourceType, refused: Any, text: str) -> None:
    """What is no filter is none on an endpoint of several types either (F12, F13)."""
    with refused("invalidFilter"):
        filters.parse(text, user_type, FilterOptions(unknown="absent"))


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("userName eq akadmin", "userName", "akadmin"),
        ("userName eq a.b+c@example.com", "userName", "a.b+c@example.com"),
        ("externalId eq 4711", "externalId", "4711"),
        ("externalId eq true", "externalId", "true"),
        ("userName eq O'Malley", "userName", "O'Malley"),
        ("meta.created gt 2024-01-01T00:00:00Z", "meta.created", "2024-01-01T00:00:00Z"),
        ("title eq null", "title", None),
        ('userName eq "quoted"', "userName", "quoted"),
        ("active eq true", "active", True),
    ],
)
def test_barewords(user_type: ResourceType, term: Any, text: str, name: str, value: Any) -> None:
    """Text without quotes is read where the tenant allows it, whatever it looks like, and counted (D8)."""
    seen: list[str] = []
    options = FilterOptions(barewords=True, on_rewrite=seen.append)
    assert filters.parse(text, user_type, options) == term(name, text.split()[1], value)
    assert seen == ["barewords"] * (isinstance(value, str) and '"' not in text)


def test_barewords_within_brackets_and_groups(user_type: ResourceType, term: Any) -> None:
    """A bareword ends where a parenthesis or bracket closes (D8)."""
    options = FilterOptions(barewords=True)
    tree = filters.parse("(userName eq a) or emails[type eq work].value eq x", user_type, options)
    where = And((term("emails.type", "eq", "work"), term("emails.value", "eq", "x")))
    assert tree == Or((term("userName", "eq", "a"), ValuePath(paths.resolve(user_type, "emails"), where)))


@pytest.mark.parametrize(
    "text", ["userName eq a b", "userName eq", "userName eq (", "userName eq a[", "active eq yes", "active eq True",
             "userName eq a\x00", "userName eq ]", 'userName eq "a', "userName eq and and title pr pr"],
)  # fmt: skip
def test_barewords_have_limits(user_type: ResourceType, refused: Any, text: str) -> None:
    """A word has no spaces, brackets or control characters, and a boolean attribute takes none (D8)."""
    with refused("invalidFilter"):
        filters.parse(text, user_type, FilterOptions(barewords=True))


def test_barewords_are_off_by_default(user_type: ResourceType, refused: Any) -> None:
    """Without the tenant's leave an unquoted string is refused with a word on what is missing (D8)."""
    with refused("invalidFilter", "userName", "double quotes"):
        filters.parse("userName eq akadmin", user_type)


@pytest.mark.parametrize(
    ("text", "value"), [('active eq "True"', True), ('active eq "FALSE"', False), ('active ne "false"', False)]
)
def test_string_booleans(user_type: ResourceType, term: Any, text: str, value: bool) -> None:
    """ "True" and "False" in any case become booleans where the attribute is one, and are counted (D3)."""
    seen: list[str] = []
    options = FilterOptions(string_booleans=True, on_rewrite=seen.append)
    assert filters.parse(text, user_type, options) == term("active", text.split()[1], value)
    assert seen == ["string_booleans"]


def test_string_booleans_are_no_truth_cast(user_type: ResourceType, term: Any, refused: Any) -> None:
    """No other string becomes a boolean, and no boolean-looking string of a text attribute changes (D3)."""
    options = FilterOptions(string_booleans=True, on_rewrite=lambda name: pytest.fail(name))
    for value in ("yes", "1", "", " true", "0", "null"):
        with refused("invalidFilter", "active"):
            filters.parse(f'active eq "{value}"', user_type, options)
    assert filters.parse('title eq "True"', user_type, options) == term("title", "eq", "True")
    assert filters.parse("active eq true", user_type, options) == term("active", "eq", True)


def test_a_python_boolean_needs_both_options(user_type: ResourceType, term: Any) -> None:
    """`active eq True` is a bareword and a string boolean at once, and is counted as both (D3, D8)."""
    seen: list[str] = []
    options = FilterOptions(barewords=True, string_booleans=True, on_rewrite=seen.append)
    assert filters.parse("active eq True", user_type, options) == term("active", "eq", True)
    assert seen == ["barewords", "string_booleans"]


def test_options_are_values() -> None:
    """Two options that say the same are equal and hash alike, whoever listens."""
    assert FilterOptions(on_rewrite=print) == FilterOptions()
    assert len({FilterOptions(on_rewrite=print), FilterOptions(), FilterOptions(barewords=True)}) == 2


def test_a_decoded_query_is_taken_as_it_is(user_type: ResourceType, term: Any) -> None:
    """After the query is decoded, `+` and `%` in the filter are letters like others: plus-addressed logins are found
    (H16)."""
    query = "filter=userName+eq+%22a%2Bb%2550%40example.com%22"
    (text,) = urllib.parse.parse_qs(query)["filter"]
    assert filters.parse(text, user_type) == term("userName", "eq", "a+b%50@example.com")


@pytest.mark.parametrize(
    "text",
    ['userName eq "secret-value" nonsense', 'userName is "secret-value"', 'active eq "secret-value"',
     'userName eq "secret-value', 'userName gt "secret-value" and (', 'emails[value eq "secret-value"].nope pr',
     'meta.created gt "secret-value"', 'doors eq "secret-value"', "userName eq secret-value",
     'userName eq "a" secret-value'],
)  # fmt: skip
def test_errors_tell_no_values(user_type: ResourceType, text: str) -> None:
    """An error says where and why, and holds nothing that was compared with (X13)."""
    with pytest.raises(ScimError) as caught:
        filters.parse(text, user_type)
    assert "secret" not in caught.value.detail
    assert "of the filter)" in caught.value.detail


def test_errors_are_short_and_printable(user_type: ResourceType) -> None:
    """Whatever a client sends, the error stays short and holds no control characters (X13)."""
    for text in ("x" * 4000 + " pr", "a\x1b[31m pr", "userName " + "y" * 4000, "a\u202e pr", "a\x85 pr"):
        with pytest.raises(ScimError) as caught:
            filters.parse(text, user_type)
        assert len(caught.value.detail) < 300
        assert caught.value.detail.isprintable()
        json.dumps(caught.value.detail).encode("ascii")


def test_trees_show_no_values(user_type: ResourceType) -> None:
    """The repr of a filter names attributes and operators; what is searched for stays out of logs."""
    assert "someone" not in repr(filters.parse('userName eq "someone" and emails[value eq "someone"]', user_type))


@pytest.mark.parametrize(
    ("text", "place"),
    [("userName eq 7", "at character 13"), ("userName pr and", "at the end"), ("(title pr", "at character 1"),
     ("title pr) and nickName pr", "at character 9"), ("title pr and nope pr", "at character 14")],
)  # fmt: skip
def test_errors_say_where(user_type: ResourceType, refused: Any, text: str, place: str) -> None:
    """A person can find the place in the filter (E9)."""
    with refused("invalidFilter", place):
        filters.parse(text, user_type)
