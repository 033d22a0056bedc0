"""Maps in texts: one entry changes, and every other character stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.sql.layouts import Entry
from backends.sql.maps import ABSENT, OTHER, Format, Json, Pairs
from backends.sql.php import Php

JSON, PHP, PAIRS = Json(), Php(), Pairs(";", "=")
NAMES = st.sampled_from(["phone", "active", "7", "é", 'a"b'])
SCALARS = st.one_of(st.booleans(), st.integers(-9, 10**12), st.text(max_size=6))
MAPS = st.dictionaries(
    NAMES,
    st.one_of(SCALARS, st.none(), st.lists(SCALARS, max_size=3), st.dictionaries(NAMES, SCALARS, max_size=2)),
    max_size=4,
)


def php(value: Any) -> str:
    """Write what PHP's `serialize` writes, by the manual."""
    match value:
        case None:
            return "N;"
        case bool():
            return f"b:{int(value)};"
        case int():
            return f"i:{value};"
        case str():
            return f's:{len(value.encode())}:"{value}";'
        case list():
            return php(dict(enumerate(value)))
        case _:
            inner = "".join(php(int(key) if key == "7" else key) + php(one) for key, one in value.items())
            return f"a:{len(value)}:{{{inner}}}"


def spaced(value: Any) -> str:
    """Write JSON as somebody else would."""
    return json.dumps(value, indent=3, ensure_ascii=False)


@pytest.mark.parametrize(("format_", "write"), [(JSON, spaced), (JSON, json.dumps), (PHP, php)])
def test_putting_and_dropping_are_what_they_are_for_maps(format_: Format, write: Any) -> None:
    """Put gives the map with the entry in its place or at its end, drop the map without it, find what is there; read by
    another reader or written by another writer (R-L17)."""

    @settings(max_examples=80)
    @given(MAPS, NAMES, SCALARS)
    def law(there: dict[str, Any], name: str, value: Any) -> None:
        text = write(there)
        after = format_.put(text, (name,), value)
        assert format_.find(after, (name,)) == value
        assert type(format_.find(after, (name,))) is type(value)
        expected = {**there, name: value}
        if format_ is PHP:
            assert after == php(expected)
        else:
            assert json.loads(after) == expected
            assert list(json.loads(after)) == list(expected)
        for other, old in there.items():
            if other != name:
                shown = OTHER if isinstance(old, dict) and (old or format_ is JSON) else old
                assert format_.find(after, (other,)) == ([] if shown == {} else shown)
        without = format_.drop(after, (name,))
        assert format_.find(without, (name,)) is ABSENT
        if format_ is PHP:
            assert without == php({key: one for key, one in expected.items() if key != name})
        else:
            assert json.loads(without) == {key: one for key, one in expected.items() if key != name}

    law()


def test_every_other_character_stays() -> None:
    """Blanks, the order of keys, escapes, digits no float holds and keys nobody knows are as they were."""
    text = '{ "z": 1.00000000000000000001,\n  "phone" : "1",  "\\u00e9":1e2 , "n":{"a":[ ]} }'
    assert JSON.put(text, ("phone",), "2") == text.replace('"1"', '"2"')
    assert JSON.put(text, ("n", "b"), True) == text.replace("[ ]", '[ ],"b":true')
    assert JSON.drop(text, ("phone",)) == text.replace(',\n  "phone" : "1"', "")
    assert JSON.drop('{"a":1, "b":2}', ("a",)) == '{"b":2}'
    assert JSON.put(" {} ", ("a", "b"), [1]) == ' {"a":{"b": [1]}} '
    kept = 'a:2:{s:5:"phone";s:1:"1";s:1:"o";O:4:"Spec":1:{s:4:"\0*\0x";d:0.10000000000000001;}}'
    assert PHP.put(kept, ("phone",), "ü") == kept.replace('s:1:"1"', 's:2:"ü"')
    pairs = " phone = 1 ;x=a=b; room=;"
    assert PAIRS.find(pairs, ("x",)) == "a=b"
    assert PAIRS.put(pairs, ("phone",), "2") == " phone = 2 ;x=a=b; room=;"
    assert PAIRS.put(pairs, ("new",), "2") == " phone = 1 ;x=a=b; room=;new=2;"
    assert PAIRS.put("a=1", ("b",), "2") == "a=1;b=2"
    assert PAIRS.put("", ("b",), "2") == "b=2"
    assert PAIRS.drop(pairs, ("x",)) == " phone = 1 ; room=;"


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        (JSON, "[]"),
        (JSON, "null"),
        (JSON, '{"a":1'),
        (JSON, '{"a":1} x'),
        (JSON, '{"a":NaN}'),
        (JSON, '{"a":1,}'),
        (JSON, '{"phone":1,"phone":2}'),
        (JSON, '{"a":' + "[" * 100_000),
        (JSON, "{'a': 1}"),
        (PHP, "N;"),
        (PHP, 'a:1:{s:5:"phone";s:2:"1";}'),
        (PHP, 'a:2:{s:5:"phone";s:1:"1";}'),
        (PHP, 'a:1:{s:5:"phone";s:1:"1";}x'),
        (PHP, 'a:1:{s:5:"phone";b:2;}'),
        (PHP, 'a:1:{b:1;s:1:"1";}'),
        (PHP, 'a:99999999999:{s:5:"phone";'),
        (PHP, 'a:1:{s:5:"phone";C:1:"X":1:{x}}'),
        (PHP, 'O:4:"User":1:{s:5:"phone";s:1:"1";}'),
        (PHP, 'a:2:{s:1:"a";i:1;s:1:"b";R:2;}'),
        (PHP, "a:1:{i:0;" * 200),
        (PAIRS, "phone"),
        (PAIRS, "phone=1;phone=2"),
    ],
)
def test_what_is_not_understood_is_never_written(format_: Format, text: str) -> None:
    """Broken, ambiguous or unknown content is read as empty and refused on writing, whatever is to be written."""
    entry = Entry(format_, ("phone",), str, many=False)
    for value in ("1", None, "new"):
        if format_ is PHP and "R:" in text and value is None:
            continue  # nothing to write
        with pytest.raises(ValueError, match="there"):
            entry.write(text, value)
    assert entry.read(text) in (None, "1")


def test_a_value_of_another_type_is_shown_and_not_written_over() -> None:
    """A number where a text was expected, a map, or a list in the place of one value: the application means something
    by it."""
    for stored, shown in (('{"phone":7}', 7), ('{"phone":{"a":1}}', None), ('{"phone":["1"]}', None)):
        entry = Entry(JSON, ("phone",), str, many=False)
        assert entry.read(stored) == shown
        with pytest.raises(ValueError, match="another type"):
            entry.write(stored, "1")
    many = Entry(PHP, ("tags",), str, many=True)
    with pytest.raises(ValueError, match="another type"):
        many.write(php({"tags": {"x": "a"}}), ("a",))
    with pytest.raises(ValueError, match="not a text"):
        many.write(None, (7,))


def test_what_is_there_already_is_left_alone() -> None:
    """The same value, the same set in another order, null for empty: the stored text comes back itself (P4)."""
    text = Entry(JSON, ("phone",), str, many=False)
    for stored, value in (('{"phone":"1"}', "1"), ('{"phone":null}', None), ("{}", None), (None, None), ("  ", None)):
        assert text.write(stored, value) is stored
    tags = Entry(JSON, ("tags",), str, many=True)
    for stored, values in (('{"tags":["a","b"]}', ("b", "a")), ("{}", ()), (None, ())):
        assert tags.write(stored, values) is stored
    assert tags.write('{"tags":["a","b"]}', ("c", "b")) == '{"tags":["b", "c"]}'
    assert tags.write('{"tags":["a"]}', ()) == '{"tags":[]}'
    assert Entry(PHP, ("on",), bool, many=False, binary=True).write(b"", True) == b'a:1:{s:2:"on";b:1;}'
