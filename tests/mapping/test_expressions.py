"""Expressions, the escape hatch: computed one way or both, checked when they are read, bounded while they run."""

from __future__ import annotations

import builtins
import contextlib
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from backends.contract import Field
from gateway.mapping import Links, MappingError
from gateway.mapping.cel import EXPRESSION_CHARACTERS, FUNCTIONS, LIST_ELEMENTS, TEXT_CHARACTERS, Cel
from gateway.mapping.expressions import ExpressionError
from gateway.mapping.spec import AttributeSpec
from gateway.scim import filters
from gateway.scim.errors import ScimError
from gateway.scim.schema import Mutability, Returned
from tests.mapping.world import FIELDS, World, user

LATIN = "value.split(', ')[1] + ' ' + value.split(', ')[0]"


def evaluated(text: str, **variables: Any) -> Any:
    """Compile an expression and work it out."""
    return Cel().compile(text, dict.fromkeys(variables, ()))(**variables)


@pytest.mark.parametrize(
    ("text", "value", "found"),
    [
        ("value", "x", "x"),
        ("value == null ? 'none' : value", None, "none"),
        ("value.lowerAscii() + '@example.com'", "AdA", "ada@example.com"),
        ("value.lowerAscii()", "ÅSA", "Åsa".replace("s", "s").upper().replace("SA", "sa")),
        ("value.lower()", "ÅSA", "åsa"),
        ("value.upper()", "straße", "STRASSE"),
        ("value.trim().replace(' ', '.')", " a b ", "a.b"),
        ("value.split(' ').filter(x, x != '').map(x, x.upperAscii()).join('-')", "a b  c", "A-B-C"),
        ("value.substring(0, 3)", "hello", "hel"),
        ("value.substring(3)", "hello", "lo"),
        ("value.charAt(1) + string(value.indexOf('l')) + string(value.lastIndexOf('l'))", "hello", "e23"),
        ("value.reverse()", "abc", "cba"),
        ("value.matches('^[A-Z]{2}[0-9]+$') ? 'code' : 'name'", "AB12", "code"),
        ("value > 3 ? 'many' : 'few'", 4, "many"),
        ("value + 1", 2, 3),
        ("value * 2.0", 1.5, 3.0),
        ("value == 3", Decimal(3), True),
        ("value > 2.0", Decimal("2.5"), True),
        ("value.startsWith('2026-')", date(2026, 1, 2), True),
        ("value.getFullYear()", datetime(2026, 1, 2, tzinfo=UTC), 2026),
        ("size(value)", b"abc", 3),
        ("value ? 'Y' : 'N'", True, "Y"),
        ("has(value.a) ? value.a : value.b", {"b": "x"}, "x"),
    ],
)
def test_expressions_compute(text: str, value: Any, found: Any) -> None:
    """The language is CEL, with its functions on texts; native values have its types."""
    assert evaluated(text, value=value) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("value +", "to_scim: is no expression: line 1, column 8"),
        ("valu", "to_scim: there is no variable 'valu'; did you mean value?"),
        ("login", "to_scim: there is no variable 'login'; there are value"),
        ("value.lowerAsci()", "to_scim: there is no function 'lowerAsci'; did you mean lowerAscii?"),
        ("value.exec()", "to_scim: there is no function 'exec'"),
        (f"'{'x' * EXPRESSION_CHARACTERS}'", "to_scim: is longer than 1000 characters"),
        ("[1].map(a, [2].map(b, a + b))[0]", "to_scim: loops inside a loop"),
        ("[1].filter(a, ['('].exists(b, b == ')'))", "to_scim: loops inside a loop"),
    ],
)
def test_what_is_wrong_is_told_when_it_is_read(text: str, reason: str) -> None:
    """Syntax, names and loops in loops are errors of the configuration, at the attribute (DESIGN §6)."""
    with pytest.raises(MappingError) as caught:
        user({"displayName": {"field": "full", "to_scim": text}})
    assert caught.value.where == ("attributes", "displayName")
    assert caught.value.reason.startswith(reason)


def test_loops_one_after_the_other_are_no_loops_in_loops() -> None:
    """A chain of loops costs their sum."""
    text = "value.split(' ').filter(a, a != '(').map(b, '[' + b).all(c, size(c) > 1)"
    assert evaluated(text, value="x ( y") is True


def test_fields_that_are_not_given_are_told_when_it_is_read() -> None:
    """An expression over several fields names them; a name that is none of them is an error with a suggestion."""
    for text in ("fields.frist", "fields['frist']", 'fields["frist"] + fields.last'):
        with pytest.raises(MappingError) as caught:
            user({"displayName": {"fields": ["first", "last"], "to_scim": text}})
        assert caught.value.reason == "to_scim: fields has no 'frist'; did you mean first?"
    with pytest.raises(MappingError) as caught:
        user({"displayName": {"fields": ["first", "nowhere"], "to_scim": "fields.first"}})
    assert "no field 'nowhere'" in caught.value.reason


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"rows": "mails", "to_scim": "value"}, "compute from `field` or `fields`"),
        ({"constant": 1, "to_scim": "value"}, "compute from `field` or `fields`"),
        ({"field": "boss", "reference": "User", "to_scim": "value"}, "is looked up, not computed"),
        ({"field": "full", "keep": "spelling", "to_scim": "value"}, "keep: is for what is written and read"),
        ({"field": "full", "to_scim": ""}, "at least 1 character"),
    ],
)
def test_what_means_nothing_together_is_refused(spec: dict[str, Any], reason: str) -> None:
    """An expression stands where a value in a field of its own does."""
    with pytest.raises(ValidationError) as caught:
        AttributeSpec.model_validate(spec)
    assert reason in str(caught.value)


def test_a_codec_beside_several_fields_is_refused() -> None:
    """Either a codec puts fields together or an expression does."""
    with pytest.raises(MappingError) as caught:
        user({"displayName": {"fields": ["first", "last"], "to_scim": "fields.first", "codec": "join"}})
    assert caught.value.reason == "codec: an expression puts several fields together itself"


def test_what_is_only_read_is_read_only() -> None:
    """`to_scim` alone: computed for every answer, told to be readOnly, ignored in what clients send (H3)."""
    world = user({"displayName": {"fields": ["first", "last"], "to_scim": "fields.last + ', ' + fields.first"}})
    record, kept = world.created({"userName": "a", "displayName": "forged"})
    assert (record.fields.get("first"), kept) == (None, {})
    record = world.record({"login": "a", "first": "Ada", "last": "Lovelace"})
    assert world.read(record)["displayName"] == "Lovelace, Ada"
    assert world.mapping.overrides["displayName"].mutability is Mutability.READ_ONLY
    assert "displayName" not in world.read(world.record({"login": "a"})), "no value of nothing"


def test_what_is_only_written_is_never_read() -> None:
    """`to_backend` alone: written, told to be writeOnly and never returned, and in no plan."""
    world = user({"nickName": {"field": "full", "to_backend": "'~' + value"}})
    record, _ = world.created({"userName": "a", "nickName": "Ada"})
    assert record.fields["full"] == "~Ada"
    assert "nickName" not in world.read(record)
    override = world.mapping.overrides["nickName"]
    assert (override.mutability, override.returned) == (Mutability.WRITE_ONLY, Returned.NEVER)


def test_elements_are_read_or_not_computed_at_all() -> None:
    """In a list, what is never read could not be told from others: a slot, a column, a list of values."""
    one_way = {"to_backend": "value"}
    for attributes in (
        {'emails[type eq "work"].value': {"field": "mail", **one_way}},
        {"emails": {"rows": "mails", "each": {"value": {"field": "address", **one_way}}}},
        {"roles.value": {"field": "roles", **one_way}},
    ):
        with pytest.raises(MappingError) as caught:
            user(attributes)
        assert caught.value.reason.startswith("to_scim: is missing")


def test_both_ways_keep_the_promise_of_codecs() -> None:
    """With both, what would come back as something else is refused by name, or kept where that is said (D10)."""
    ways = {"field": "full", "to_backend": "value.upper()", "to_scim": "value.lower()"}
    world = user({"displayName": ways})
    record, _ = world.created({"userName": "a", "displayName": "ada"})
    assert (record.fields["full"], world.read(record)["displayName"]) == ("ADA", "ada")
    with pytest.raises(ScimError) as caught:
        world.created({"userName": "a", "displayName": "Ada"})
    assert (caught.value.scim_type, caught.value.detail.startswith("displayName: ")) == ("invalidValue", True)
    world = user({"displayName": {**ways, "keep": "spelling"}})
    record, kept = world.created({"userName": "a", "displayName": "Ada"})
    assert record.fields["full"] == "ADA"
    assert world.read(record, kept)["displayName"] == "Ada"


def test_a_whole_complex_attribute_in_one_field() -> None:
    """`value` is the object on the one side and the text on the other; sub-attributes are named as members."""
    name = {
        "field": "full",
        "to_backend": "value.familyName + ', ' + value.givenName",
        "to_scim": "{'familyName': value.split(', ')[0], 'givenName': value.split(', ')[1]}",
    }
    world = user({"name": name, "name.givenName": None, "name.familyName": None})
    sent = {"familyName": "Lovelace", "givenName": "Ada"}
    record, _ = world.created({"userName": "a", "name": sent})
    assert record.fields["full"] == "Lovelace, Ada"
    assert world.read(record)["name"] == sent
    with pytest.raises(MappingError) as caught:
        user({"name": {**name, "to_backend": "value.firstName"}, "name.givenName": None, "name.familyName": None})
    assert "value has no 'firstName'" in caught.value.reason


def test_several_fields_are_written_as_a_map() -> None:
    """`to_backend` gives each field its value; what it leaves out is empty, what it makes up is refused."""
    spec = {
        "fields": ["first", "last"],
        "to_backend": "{'first': value.split(' ')[0], 'last': value.split(' ')[1]}",
        "to_scim": "fields.first + ' ' + fields.last",
    }
    world = user({"displayName": spec, "name.givenName": None, "name.familyName": None})
    record, _ = world.created({"userName": "a", "displayName": "Ada Lovelace"})
    assert (record.fields["first"], record.fields["last"]) == ("Ada", "Lovelace")
    assert world.read(record)["displayName"] == "Ada Lovelace"
    spec["to_backend"] = "{'middle': value}"
    world = user({"displayName": spec, "name.givenName": None, "name.familyName": None})
    with pytest.raises(ScimError) as caught:
        world.created({"userName": "a", "displayName": "Ada"})
    assert caught.value.detail == "displayName: its expression must give a map of first, last"


def test_codecs_stand_between_the_expression_and_the_field() -> None:
    """An expression is nearest to SCIM; codecs behind it know the native form."""
    spec = {"field": "code", "codec": {"padded": 6}, "to_backend": "value.upper()", "to_scim": "value.lower()"}
    world = user({"title": spec})
    record, _ = world.created({"userName": "a", "title": "mgr"})
    assert record.fields["code"] == "MGR   "
    assert world.read(record)["title"] == "mgr"


def test_columns_of_rows_and_lists_take_expressions() -> None:
    """Whatever holds one value may be computed: a column of rows, the values of a list in one text."""
    each = {
        "value": {"field": "address", "to_backend": "'smtp:' + value", "to_scim": "value.substring(5)"},
        "type": "kind",
    }
    roles = {
        "field": "role_list",
        "codec": {"split": ","},
        "to_backend": "'r-' + value",
        "to_scim": "value.substring(2)",
    }
    world = user({"emails": {"rows": "mails", "each": each}, "roles.value": roles})
    sent = {"emails": [{"value": "a@example.com", "type": "work"}], "roles": [{"value": "x"}, {"value": "y"}]}
    record, _ = world.created({"userName": "a", **sent})
    assert [row["address"] for row in record.fields["mails"]] == ["smtp:a@example.com"]
    assert record.fields["role_list"] == "r-x,r-y"
    read = world.read(record)
    assert (read["emails"], [one["value"] for one in read["roles"]]) == (sent["emails"], ["x", "y"])


@pytest.mark.parametrize(
    ("kind", "text", "native"),
    [
        (str, "value", "7"),
        (int, "int(value)", 7),
        (float, "double(value)", 7.0),
        (Decimal, "int(value)", Decimal(7)),
        (Decimal, "double(value) / 2.0", Decimal("3.5")),
        (bool, "value == '7'", True),
        (bytes, "bytes(value)", b"7"),
        (datetime, "timestamp('2026-01-02T03:04:05Z')", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (date, "timestamp('2026-01-02T03:04:05Z')", date(2026, 1, 2)),
        (str, "null", None),
    ],
)
def test_results_have_the_type_of_the_field(kind: type[Any], text: str, native: Any) -> None:
    """What comes out is written as the field's type where it is of it, or nearly."""
    world = user({"nickName": {"field": "free", "to_backend": text}}, fields={**FIELDS, "free": Field(kind)})
    found = world.mapping.encode({"userName": "a", "nickName": "7"}, Links()).fields.get("free")
    assert (found, type(found)) == (native, type(native))


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (str, "1", "gives int where str is expected"),
        (int, "true", "gives bool where int is expected"),
        (int, "'1'", "gives str where int is expected"),
        (str, "value + 1", "puts values of different types together"),
        (int, "1 / (size(value) - size(value))", "does not come to a number"),
        (str, "value.substring(5)", "gives a function what it does not take"),
        (str, "[value][1]", "asks for what is not there"),
        (str, "{'a': value}.b", "asks for what is not there"),
        (int, "int(value)", "cannot be worked out"),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(
    kind: type[Any], text: str, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """400 invalidValue names the attribute and the kind of mistake; the value is in no message, on no stream (X13)."""
    world = user({"nickName": {"field": "free", "to_backend": text}}, fields={**FIELDS, "free": Field(kind)})
    with pytest.raises(ScimError) as caught:
        world.mapping.encode({"userName": "a", "nickName": "§"}, Links())
    assert (caught.value.status, caught.value.scim_type) == (400, "invalidValue")
    assert caught.value.detail == f"nickName: its expression {reason}"
    assert "§" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("text", ["value.substring(9)", "1", "[value]", "value.split('x')[3]", "string(1 / 0)"])
def test_what_cannot_be_read_is_unassigned(text: str) -> None:
    """A record an expression comes to nothing for is still shown, changed and deactivated (promise 2)."""
    world = user({"displayName": {"field": "full", "to_scim": text}})
    record = world.record({"login": "a", "full": "abc", "status": "A"})
    read = world.read(record)
    assert ("displayName" in read, read["userName"]) == (False, "a")
    delta = world.mapping.diff(read, {**read, "active": False}, record, Links())
    assert delta.change.set == {"status": "I"}


@pytest.mark.parametrize(
    ("text", "value", "reason"),
    [
        ("value", "x" * (TEXT_CHARACTERS + 1), "cannot take more than"),
        ("value + value", "x" * TEXT_CHARACTERS, "makes a text of more than"),
        ("value.replace('x', value)", "x" * 1000, "makes a text of more than"),
        ("value.replace('', value)", "y" * 1000, "makes a text of more than"),
        ("[value, value].join(value)", "x" * 4000, "makes a text of more than"),
        ("value.upper()", "ß" * TEXT_CHARACTERS, "makes a text of more than"),
        ("value.split('x').map(a, a)", "x" * LIST_ELEMENTS, "splits a text into more than"),
        ("value + 1", 2**63, "cannot take a number of more than 64 bits"),
    ],
)
def test_what_grows_is_cut_short(text: str, value: Any, reason: str) -> None:
    """Values come from clients and from records: none of them makes an expression long, and it stops at once."""
    begun = time.perf_counter()
    with pytest.raises(ExpressionError) as caught:
        evaluated(text, value=value)
    assert reason in caught.value.reason
    assert time.perf_counter() - begun < 1


def test_the_longest_there_is_does_not_take_long() -> None:
    """The most a single expression can be given to do takes milliseconds."""
    text = "value.split(' ')" + ".map(a, a.lower() + a.upper())" * 5 + ".join('')"
    begun = time.perf_counter()
    assert len(evaluated(text, value=" ".join("x" * LIST_ELEMENTS))) == LIST_ELEMENTS * 32
    assert time.perf_counter() - begun < 1


@given(st.text(max_size=40), st.sampled_from(sorted(FUNCTIONS)))
@settings(max_examples=60)
def test_functions_take_any_text(text: str, name: str) -> None:
    """Every function gives a value or says that it does not, whatever text it is given."""
    for call in (f"value.{name}()", f"value.{name}(value)", f"value.{name}(1)", f"value.{name}('', 'x')"):
        with contextlib.suppress(ExpressionError):
            found = evaluated(call, value=text)
            assert isinstance(found, str | int | list)


def test_searching_by_what_is_computed_is_left_to_the_gateway() -> None:
    """No system is asked to compare what only an expression knows: the gateway looks for itself (F14)."""
    world = user({"displayName": {"field": "full", "to_scim": "value.lower()"}})
    tree = filters.parse('displayName eq "ada"', world.resource_type)
    bound = world.mapping.translate(tree).bind(Links())
    assert bound.where is None
    assert bound.residual is not None


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing needs the library but an expression, and then the error is the command that installs it."""
    real = builtins.__import__

    def absent(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "cel":
            raise ModuleNotFoundError(name="cel")
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    assert isinstance(user({}), World)
    with pytest.raises(MappingError) as caught:
        user({"displayName": {"field": "full", "to_scim": "value"}})
    assert caught.value.reason == (
        "to_scim: expressions need CEL, which is not installed: pip install 'scim-gateway[cel]'"
    )
