"""Changes worked out in memory."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.contract import Change, Field, RejectedError
from backends.kit.merging import about, difference, merge, same

MAIL = {"address": Field(str), "kind": Field(str), "main": Field(bool)}
FIELDS = {
    "name": Field(str),
    "grade": Field(int),
    "tags": Field(str, many=True),
    "mails": Field(dict, many=True, row=MAIL, row_key=("address",)),
    "notes": Field(dict, many=True, row={"text": Field(str)}),
}
NOW: dict[str, Any] = {
    "name": "ann",
    "grade": 1,
    "tags": ("a", "b"),
    "mails": ({"address": "a@", "kind": "work", "main": True}, {"address": "b@", "kind": "home", "main": False}),
    "notes": ({"text": "x"},),
}


def test_what_is_not_named_stays() -> None:
    """Only the fields of the change differ, and the record given is not altered."""
    before = dict(NOW)
    merged = merge(NOW, Change(set={"grade": 2}), FIELDS)
    assert merged.fields == {**NOW, "grade": 2}
    assert merged.changed == {"grade"}
    assert before == NOW


@pytest.mark.parametrize(
    "change",
    [
        Change(),
        Change(set={"name": "ann", "tags": ("b", "a", "b")}),
        Change(add={"tags": ("a",)}, remove={"tags": ("z",)}),
        Change(remove={"tags": ("z",)}),
        Change(add={"mails": ({"address": "a@"},)}),
        Change(add={"mails": ({"address": "b@", "kind": "home"},)}),
        Change(remove={"mails": ({"address": "a@", "kind": "home"},)}),
        Change(set={"mails": ({"address": "b@"}, {"address": "a@", "main": True})}),
        Change(add={"notes": ({"text": "x"},)}),
    ],
)
def test_what_is_so_already_is_no_change(change: Change) -> None:
    """Adding what is there, removing what is not, setting the same in another order: nothing changed (P4)."""
    merged = merge(NOW, change, FIELDS)
    assert merged.changed == frozenset()
    assert all(same(merged.fields[name], NOW[name]) for name in FIELDS)


def test_values_are_added_and_removed_together() -> None:
    """One change adds some and removes others; a value twice is there once."""
    merged = merge(NOW, Change(add={"tags": ("c", "c")}, remove={"tags": ("a",)}), FIELDS)
    assert merged.fields["tags"] == ("b", "c")
    assert merged.changed == {"tags"}


def test_rows_are_told_apart_by_their_key() -> None:
    """Add merges a row, remove takes a part, set leaves columns it does not name."""
    added = merge(NOW, Change(add={"mails": ({"address": "a@", "kind": "other"}, {"address": "c@"})}), FIELDS)
    assert added.fields["mails"] == (
        {"address": "a@", "kind": "other", "main": True},
        {"address": "b@", "kind": "home", "main": False},
        {"address": "c@", "kind": None, "main": None},
    )
    removed = merge(NOW, Change(remove={"mails": ({"kind": "home"},)}), FIELDS)
    assert removed.fields["mails"] == (NOW["mails"][0],)
    replaced = merge(NOW, Change(set={"mails": ({"address": "b@", "main": True}, {"address": "d@"})}), FIELDS)
    assert replaced.fields["mails"] == (
        {"address": "b@", "kind": "home", "main": True},
        {"address": "d@", "kind": None, "main": None},
    )
    both = merge(NOW, Change(add={"mails": ({"address": "z@"},)}, remove={"mails": ({"kind": "work"},)}), FIELDS)
    assert [row["address"] for row in both.fields["mails"]] == ["b@", "z@"]  # type: ignore[union-attr,index,call-overload]


def test_rows_without_a_key_are_compared_as_wholes() -> None:
    """Two rows that differ in anything are two."""
    merged = merge(NOW, Change(add={"notes": ({"text": "y"}, {"text": "y"})}), FIELDS)
    assert merged.fields["notes"] == ({"text": "x"}, {"text": "y"})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (Change(set={"other": 1}), "other"),
        (Change(add={"name": ("x",)}), "name"),
        (Change(set={"name": ("x",)}), "name"),
        (Change(set={"tags": "x"}), "tags"),
        (Change(add={"mails": ({"kind": "work"},)}), "mails"),
        (Change(add={"mails": ({"address": "a@", "colour": "red"},)}), "mails"),
    ],
)
def test_a_change_that_does_not_fit_names_its_field(change: Change, field: str) -> None:
    """Unknown fields, one value for many, and rows without their key are rejected."""
    with pytest.raises(RejectedError) as caught:
        merge(NOW, change, FIELDS)
    assert caught.value.field == field


def test_kinds_are_not_mixed_up() -> None:
    """One is not true, and an empty text is not an empty field."""
    assert not same(1, True)
    assert not same("", None)
    assert same((), None)
    assert same(({"a": 1}, {"a": 2}), ({"a": 2}, {"a": 1}))


def test_a_change_is_split_by_field() -> None:
    """The part about one field has what the whole has of it."""
    change = Change(set={"name": "x", "grade": 2}, add={"tags": ("a",)}, remove={"tags": ("b",)})
    assert about("tags", change) == Change(add={"tags": ("a",)}, remove={"tags": ("b",)})
    assert about("grade", change) == Change(set={"grade": 2})


tags = st.lists(st.sampled_from("abcdef"), max_size=6).map(tuple)


@settings(max_examples=150, deadline=None)
@given(tags, tags, tags)
def test_a_delta_is_idempotent_and_exact(start: Any, add: Any, remove: Any) -> None:
    """The same delta again changes nothing, and `difference` finds the way from before to after."""
    remove = tuple(tag for tag in remove if tag not in add)
    change = Change(add={"tags": add}, remove={"tags": remove})
    once = merge({"tags": start}, change, FIELDS)
    again = merge(once.fields, change, FIELDS)
    assert again.changed == frozenset()
    assert set(once.fields["tags"]) == (set(start) - set(remove)) | set(add)  # type: ignore[arg-type]
    added, gone = difference(start, once.fields["tags"])
    assert (set(start) | set(added)) - set(gone) == set(once.fields["tags"])  # type: ignore[arg-type]
    assert not set(added) & set(start)
