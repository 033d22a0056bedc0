"""The round-trip laws, for every codec the program has (D10, R-L10 to R-L19)."""

from __future__ import annotations

import base64
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.contract import Compare, Field, Op
from gateway.mapping.chains import Chain, Chains, same
from gateway.mapping.codecs import BUILT_IN, Answer, Ask, Refused
from gateway.mapping.spec import AttributeSpec
from gateway.scim.evaluate import compile_element
from gateway.scim.filters import Comparison
from gateway.scim.filters import Op as ScimOp
from gateway.scim.names import AttributePath
from gateway.scim.schema import Attribute, Type
from tests.mapping.world import NOW, compared

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
WORDS = st.text(string.ascii_letters + "äßøé０İıſ '-", max_size=8)
DIGITS = st.text(string.digits, min_size=1, max_size=6)
BOOLEANS = st.booleans()
DAYS = st.dates(date(1, 1, 2), date(9999, 12, 30))
MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC))
COARSE = MOMENTS.map(lambda moment: moment.replace(microsecond=0))


def stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


@dataclass(frozen=True)
class Case:
    """A codec on an attribute and a field; `values` are sent, `natives` are found."""

    name: str
    codec: Any
    values: st.SearchStrategy[Any]
    natives: st.SearchStrategy[Any]
    type: Type = Type.STRING
    native: type[Any] | None = str
    attribute: str = "nickName"
    keep: str | None = None
    length: int | None = None
    exact: bool = False

    @property
    def scim(self) -> Attribute:
        return Attribute(self.attribute, self.type, case_exact=self.exact)

    def compiled(self) -> Chain:
        spec = AttributeSpec.model_validate({"field": "f", "codec": self.codec, "keep": self.keep})
        known = None if self.native is None else Field(self.native, max_length=self.length)
        return Chains(BUILT_IN, lambda: NOW).compile(spec.codec, self.scim, "x", known, keep=self.keep)


FLAGS = st.sampled_from(["Y", "N", "y", "X", "", None])
CASES = [
    Case("plain text", None, TEXTS, TEXTS, length=8),
    Case("plain text of unknown type", None, TEXTS, TEXTS | st.none(), native=None),
    Case("plain exact text", None, TEXTS, TEXTS, exact=True),
    Case("plain boolean", None, BOOLEANS, BOOLEANS | st.none(), Type.BOOLEAN, bool),
    Case("plain active", None, BOOLEANS, BOOLEANS | st.none(), Type.BOOLEAN, bool, "active"),
    Case("plain integer", None, st.integers(-999, 999), st.integers(), Type.INTEGER, int),
    Case("integer in decimals", None, st.integers(-999, 999), st.decimals(allow_nan=False), Type.INTEGER, Decimal),
    Case("decimal in integers", None, st.floats(-99, 99), st.integers(), Type.DECIMAL, int),
    Case("decimal in floats", None, st.floats(-99, 99), st.floats(), Type.DECIMAL, float),
    Case("plain instant", None, MOMENTS.map(stamp), MOMENTS | st.none(), Type.DATE_TIME, datetime),
    Case("binary in bytes", None, st.binary(max_size=9).map(lambda raw: base64.b64encode(raw).decode()),
         st.binary(max_size=9), Type.BINARY, bytes, exact=True),
    Case("fold", "fold", WORDS, WORDS, keep="spelling"),
    Case("upper", "upper", WORDS, WORDS.map(str.upper), keep="spelling"),
    Case("upper strictly", "upper", WORDS, WORDS.map(str.upper)),
    Case("lower", "lower", WORDS, WORDS.map(str.lower), keep="spelling"),
    Case("upper of exact", "upper", WORDS, WORDS.map(str.upper), keep="spelling", exact=True),
    Case("padded", {"padded": 6}, WORDS, WORDS.map(lambda t: t.strip()[:6].ljust(6)), length=6),
    Case("padded without width", "padded", WORDS, WORDS, native=None),
    Case("padded left with zeros", {"padded": {"width": 5, "fill": "0", "side": "left"}}, DIGITS,
         DIGITS.map(lambda t: t[:5].rjust(5, "0"))),
    Case("prefix", {"prefix": "tel:"}, WORDS, WORDS | WORDS.map("tel:{}".format)),
    Case("suffix", {"suffix": "@x"}, WORDS, WORDS | WORDS.map("{}@x".format)),
    Case("template", {"template": "uid={},o=x"}, WORDS, WORDS | WORDS.map("uid={},o=x".format)),
    Case("regex", {"regex": {"read": "(?i)cn=([^,]*),.*", "write": "CN={},OU=People"}}, WORDS | TEXTS,
         WORDS.map("cn={},OU=X".format) | WORDS),
    Case("charset", {"charset": "cp037"}, TEXTS | WORDS, WORDS),
    Case("charset in bytes", {"charset": "latin-1"}, TEXTS | WORDS, st.binary(max_size=6), native=bytes),
    Case("length in bytes", {"length": {"max": 6, "unit": "bytes"}}, TEXTS | WORDS, WORDS),
    Case("length in utf16", {"length": {"max": 4, "unit": "utf16"}}, TEXTS, TEXTS),
    Case("transliterate", [{"transliterate": {"ä": "ae", "ø": "oe"}}, {"charset": "ascii"}], WORDS,
         st.text(string.ascii_letters, max_size=6), keep="spelling"),
    Case("empty", "empty", WORDS, WORDS | st.none()),
    Case("empty word", {"empty": "-"}, WORDS | st.just("-"), st.sampled_from(["-", "a", "--"]) | st.none()),
    Case("active table", {"values": {"A": True, "I": False, "L": False}}, BOOLEANS,
         st.sampled_from(["A", "I", "L", "X", None]), Type.BOOLEAN, str, "active"),
    Case("flag", "flag", BOOLEANS, FLAGS, Type.BOOLEAN),
    Case("flag of numbers", {"flag": [1, 0]}, BOOLEANS, st.integers(-1, 2) | st.none(), Type.BOOLEAN, int),
    Case("flag of active", {"flag": {"true": "T", "false": "F"}}, BOOLEANS, FLAGS, Type.BOOLEAN, str, "active"),
    Case("values of text", {"values": {"HR": "Human Resources", "PE": "Human Resources", "IT": "Systems"}},
         st.sampled_from(["Human Resources", "human resources", "Systems", "Sales", ""]),
         st.sampled_from(["HR", "PE", "IT", "??", None]), keep="spelling"),
    Case("values and padding", [{"values": {"HR": "Human Resources", "IT": "Systems"}}, {"padded": 6}],
         st.sampled_from(["Human Resources", "Systems", "Sales"]),
         st.sampled_from(["HR    ", "IT    ", "??    ", "      ", None]), keep="unknown", length=6),
    Case("number", "number", DIGITS | WORDS, st.integers(-99, 99), native=int),
    Case("number with zeros", {"number": 6}, DIGITS, st.integers(0, 10**7), native=int),
    Case("number in decimals", "number", DIGITS, st.decimals(allow_nan=False), native=Decimal),
    Case("integer as text", {"number": 4}, st.integers(-99, 99999), DIGITS | WORDS, Type.INTEGER),
    Case("decimal with comma", {"number": {"point": ",", "decimals": 2}},
         st.decimals(-99, 99, places=2).map(float) | st.floats(-9, 9),
         st.sampled_from(["1,50", "1.5", "-3", "x", " 2,00 "]), Type.DECIMAL),
    Case("zeros", {"zeros": 6}, DIGITS | WORDS, DIGITS | WORDS),
    Case("day", "date", DAYS.map(date.isoformat) | WORDS, DAYS, native=date),
    Case("day with magic", {"date": {"none": ["9999-12-31", "1900-01-01"]}}, DAYS.map(date.isoformat),
         DAYS | st.sampled_from([date(9999, 12, 31), date(1900, 1, 1)]) | st.none(), native=date),
    Case("day as text", {"date": "%d.%m.%Y"}, DAYS.map(date.isoformat),
         DAYS.map(lambda d: d.strftime("%d.%m.%Y")) | st.sampled_from(["00.00.0000", "1.1.2024", ""])),
    Case("day as Ymd", {"date": {"format": "%Y%m%d", "none": "00000000"}}, DAYS.map(date.isoformat),
         DAYS.map(lambda d: f"{d:%Y%m%d}") | st.sampled_from(["00000000", "2024113"])),
    Case("day as number", {"date": "%Y%m%d"}, DAYS.map(date.isoformat), st.integers(0, 99999999), native=int),
    Case("two-digit years", {"date": {"format": "%y%m%d", "pivot": 1950}},
         st.dates(date(1949, 1, 1), date(2050, 12, 31)).map(date.isoformat),
         st.sampled_from(["490101", "500101", "240229", "230229", ""])),
    Case("Julian days", {"date": "cyyddd"}, st.dates(date(1899, 1, 1), date(2099, 1, 1)).map(date.isoformat),
         st.sampled_from(["124060", "99001", "099365", "124367", "x"])),
    Case("Julian days in numbers", {"date": "cyyddd"}, DAYS.map(date.isoformat), st.integers(0, 999999), native=int),
    Case("midnights in a zone", {"date": {"zone": "Europe/Berlin"}},
         DAYS.map(lambda d: stamp(datetime(d.year, d.month, d.day, tzinfo=UTC))), DAYS, Type.DATE_TIME, date),
    Case("days in a field of times", {"date": {"zone": "Asia/Tokyo"}}, DAYS.map(date.isoformat), MOMENTS,
         native=datetime),
    Case("14 digits", {"timestamp": "%Y%m%d%H%M%S"}, COARSE.map(stamp) | MOMENTS.map(stamp),
         COARSE.map(lambda m: f"{m:%Y%m%d%H%M%S}") | st.sampled_from(["00000000000000", "2024"]), Type.DATE_TIME),
    Case("14 digits local", {"timestamp": {"format": "%Y%m%d%H%M%S", "zone": "Europe/Berlin"}}, COARSE.map(stamp),
         COARSE.map(lambda m: f"{m:%Y%m%d%H%M%S}"), Type.DATE_TIME),
    Case("iso text", {"timestamp": {"format": "iso", "none": "0000-00-00 00:00:00"}}, MOMENTS.map(stamp),
         MOMENTS.map(stamp) | st.sampled_from(["0000-00-00 00:00:00", "2024-01-01 10:00:00", "x"]), Type.DATE_TIME),
    Case("epoch", {"timestamp": "epoch"}, MOMENTS.map(stamp) | COARSE.map(stamp), st.integers(-10**12, 10**12),
         Type.DATE_TIME, int),
    Case("epoch in text", {"timestamp": "epoch_ms"}, COARSE.map(stamp), DIGITS | WORDS, Type.DATE_TIME),
    Case("filetime", {"timestamp": "filetime"}, MOMENTS.map(stamp), st.integers(0, 2**62), Type.DATE_TIME, int),
    Case("times with magic", {"timestamp": {"none": "9999-12-31"}}, MOMENTS.map(stamp),
         MOMENTS | st.just(datetime(9999, 12, 31, tzinfo=UTC)) | st.none(), Type.DATE_TIME, datetime),
    Case("until", {"until": {"none": "9999-12-31"}}, BOOLEANS,
         DAYS | st.sampled_from([NOW.date(), NOW.date() - timedelta(1), date(9999, 12, 31)]) | st.none(),
         Type.BOOLEAN, date, "active"),
    Case("until, excluded", {"until": {"last": "excluded"}}, BOOLEANS,
         st.sampled_from([NOW.date(), NOW.date() + timedelta(1), NOW.date() - timedelta(1)]) | st.none(),
         Type.BOOLEAN, date, "active"),
    Case("until in text", {"until": {"format": "%Y%m%d", "none": "99991231"}}, BOOLEANS,
         st.sampled_from(["20261101", "20261102", "20261103", "99991231", "junk"]) | st.none(), Type.BOOLEAN, str,
         "active"),
    Case("until in times", {"until": {"zone": "Europe/Berlin"}}, BOOLEANS,
         st.datetimes(datetime(2026, 11, 1), datetime(2026, 11, 4), timezones=st.just(UTC)) | st.none(), Type.BOOLEAN,
         datetime, "active"),
    Case("present", {"present": "x"}, BOOLEANS, st.sampled_from(["", "x", "y", None]), Type.BOOLEAN, str, "active"),
    Case("absent", {"absent": "now"}, BOOLEANS, MOMENTS | st.none(), Type.BOOLEAN, datetime, "active"),
    Case("absent in digits", {"absent": {"write": "now", "format": "%Y%m%d%H%M%S", "zone": "Europe/Oslo"}}, BOOLEANS,
         st.sampled_from(["20261101120000", "junk", "", None]), Type.BOOLEAN, str, "active"),
    Case("absent in a count", {"absent": {"write": "now", "format": "epoch"}}, BOOLEANS,
         st.sampled_from([1793448000, 0, None]), Type.BOOLEAN, int, "active"),
    Case("contains in text", [{"contains": "ADM"}, {"split": ","}], BOOLEANS,
         st.sampled_from(["ADM", "ADM,FIN", "FIN", "", None, "admin"]), Type.BOOLEAN, str, "active"),
    Case("lacks in text", [{"lacks": "OUT"}, {"split": ","}], BOOLEANS,
         st.sampled_from(["OUT", "OUT,FIN", "FIN", "", None]), Type.BOOLEAN, str, "active"),
    Case("part", {"part": {"separator": "|", "index": 2, "of": 3}}, WORDS,
         st.sampled_from(["a|b|c", "|b", "a", "", "||", None, "a| b |c|d"])),
]  # fmt: skip
BY_NAME: Mapping[str, Case] = {case.name: case for case in CASES}
each = pytest.mark.parametrize("name", BY_NAME)


def test_every_codec_has_a_case() -> None:
    """No codec is without its laws; what has no single field or value is tested by name elsewhere."""
    specs = [AttributeSpec.model_validate({"field": "f", "codec": case.codec}) for case in CASES]
    named = {step.name for spec in specs for step in spec.codec}
    assert BUILT_IN.keys() - named == {"hash", "join"}


@each
@settings(max_examples=20)
@given(data=st.data())
def test_what_is_written_reads_back(name: str, data: st.DataObject) -> None:
    """decode(encode(x)) is x, or x is refused; what is kept reads back as the same from then on (D10)."""
    case = BY_NAME[name]
    chain = case.compiled()
    value = data.draw(case.values)
    try:
        native, back = chain.write(value)
    except Refused:
        return
    assert chain.read(native) == back
    if case.keep is None:
        assert same(case.scim, back, value)
    if back is not None:
        again, canonical = chain.write(back)
        assert (again, canonical) == (native, back)


@each
@settings(max_examples=20)
@given(data=st.data())
def test_what_is_read_can_be_written_again(name: str, data: st.DataObject) -> None:
    """Reading never fails, and what was read, written back, reads the same (D10, R-L18)."""
    case = BY_NAME[name]
    chain = case.compiled()
    value = chain.read(data.draw(case.natives))
    if value is None:
        return
    try:
        native, back = chain.write(value)
    except Refused:
        return
    assert chain.read(native) == back
    if case.keep is None:
        assert same(case.scim, back, value)


@each
@settings(max_examples=60)
@given(data=st.data())
def test_a_question_finds_at_least_what_it_should(name: str, data: st.DataObject) -> None:
    """Every native value whose reading satisfies a comparison is found; no other, where the answer says so (R-L23)."""
    case = BY_NAME[name]
    chain = case.compiled()
    attribute = case.scim
    native = data.draw(case.natives)
    read = chain.read(native)
    text = case.type in (Type.STRING, Type.REFERENCE)
    op = data.draw(st.sampled_from(operators(case.type)))
    wanted = None if op is Op.PR else data.draw(case.values.filter(lambda value: value != ""))
    if text and wanted and op not in (Op.EQ, Op.PR):
        wanted = wanted[: data.draw(st.integers(1, len(wanted)))]
    if read is not None and op is Op.EQ and data.draw(st.booleans()):
        wanted = read.swapcase() if text and not case.exact and data.draw(st.booleans()) else read
    folded = text and not case.exact and op is not Op.PR
    answer = chain.ask(Ask(op, wanted, folded))
    test = compile_element(Comparison(AttributePath(attribute), ScimOp(op.value), wanted))
    expected = test(read)
    if answer is None:
        return
    found = answered(answer, native)
    assert found or not expected
    if answer.exact:
        assert found is expected


def operators(kind: Type) -> list[Op]:
    match kind:
        case Type.STRING:
            return [Op.EQ, Op.CO, Op.SW, Op.EW, Op.PR]
        case Type.BOOLEAN | Type.BINARY:
            return [Op.EQ, Op.PR]
    return [Op.EQ, Op.GT, Op.GE, Op.LT, Op.LE, Op.PR]


def answered(answer: Answer, native: Any) -> bool:
    def holds(ask: Ask) -> bool:
        if ask.op is Op.EQ and ask.value is None:
            return native is None
        return compared(Compare("f", ask.op, ask.value, ask.folded), native)

    return any(holds(ask) for ask in answer.asks) is not answer.negated
