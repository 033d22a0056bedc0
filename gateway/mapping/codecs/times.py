"""Codecs of dates and times: days, points in time, and days that end something (R-L7, R-L14)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from backends.contract import Op
from gateway.mapping.codecs.base import ALWAYS, NEVER, Answer, Ask, Codec, Refused, Site, options
from gateway.mapping.codecs.calendars import (
    day_format,
    magic_option,
    one_spelling,
    read_iso_day,
    shown,
    stamp_format,
    zone_option,
)
from gateway.scim.folding import instant
from gateway.scim.schema import Type

_ORDER = (Op.GT, Op.GE, Op.LT, Op.LE)
_STAMP_KEYS = ("format", "zone", "none", "pivot")
_FAR = date(9000, 1, 1)
"""Days that stand for "no end" lie beyond this one."""


def day(arguments: Any, site: Site) -> Codec:
    """A day: ISO text for a text attribute, midnight in `zone` for a dateTime. `format`: iso, a pattern (%Y%m%d),
    cyyddd; `none`: native values that mean "no date", the first is written (9999-12-31); `pivot`: first year of %y
    (R-L14)."""
    found = options(arguments, *_STAMP_KEYS, short="format")
    zone = zone_option(found)
    marks = magic_option(found, site)
    write, read, ordered = day_format(found, site, zone)
    # A field of times may hold any hour of a day.
    sole = one_spelling(found.get("format")) and site.native is not datetime
    total = site.native in (date, datetime) and not marks
    ordered = ordered and sole
    text = site.attribute.type is Type.STRING
    if not text and site.attribute.type is not Type.DATE_TIME:
        raise ValueError(f"is for text and dateTime; the attribute is of type {site.attribute.type}")

    def encode(value: Any) -> Any:
        if value is None:
            return marks[0] if marks else None
        native = write(_whole_day(value, zone, text=text))
        if native in marks:
            raise Refused("stands for no date in the system behind")
        return native

    def decode(native: Any) -> Any:
        if native is None or native in marks:
            return None
        found = read(native)
        if found is None:
            return None
        return found.isoformat() if text else shown(datetime.combine(found, time(), zone))

    def ask(ask: Ask) -> Answer | None:
        if ask.op is Op.PR:
            return _present(ask, marks, total=total)
        if ask.op is Op.EQ:
            return Answer((Ask(Op.EQ, encode(ask.value)),)) if sole else None
        if ask.op not in _ORDER or text or not ordered:
            return None
        moment = instant(ask.value).astimezone(zone)
        near = moment.date()
        midnight = moment.time() == time()
        # A day counts as its midnight: later on the same day is already after it.
        op = ask.op if midnight else Op.GT if ask.op in (Op.GT, Op.GE) else Op.LE
        return Answer((Ask(op, write(near)),), exact=not marks and site.native is date)

    kinds = (site.native,) if site.native else ()
    return Codec(
        encode,
        decode,
        ask,
        (str,),
        kinds,
        handles_none=bool(marks),
        many_to_one=len(marks) > 1 or not sole,
        total=total,
        ordered=ordered and not marks,
    )


def timestamp(arguments: Any, site: Site) -> Codec:
    """A point in time. `format`: iso, a pattern (%Y%m%d%H%M%S), epoch, epoch_ms, filetime; `zone`: of native times that
    have none; `none`: native values that mean "no time", the first is written; `pivot`: first year of %y (R-L14)."""
    found = options(arguments, *_STAMP_KEYS, short="format")
    zone = zone_option(found)
    marks = magic_option(found, site)
    write, read, ordered = stamp_format(found, site, zone)
    total = site.native is datetime and not marks
    if site.attribute.type is not Type.DATE_TIME:
        raise ValueError(f"is for dateTime; the attribute is of type {site.attribute.type}")

    def encode(value: Any) -> Any:
        if value is None:
            return marks[0] if marks else None
        native = write(instant(value))
        if native in marks:
            raise Refused("stands for no time in the system behind")
        return native

    def decode(native: Any) -> Any:
        if native is None or native in marks:
            return None
        moment = read(native)
        return None if moment is None else shown(moment)

    def ask(ask: Ask) -> Answer | None:
        if ask.op is Op.PR:
            return _present(ask, marks, total=total)
        if ask.op is Op.EQ:
            native = encode(ask.value)
            if read(native) != instant(ask.value):
                return NEVER
            return Answer((Ask(Op.EQ, native),)) if ordered else None
        if ask.op not in _ORDER or not ordered:
            return None
        moment = instant(ask.value)
        native = write(moment)
        back = read(native)
        if back is None:
            return None
        # What is finer than the field can hold lies between two of its values.
        op = ask.op if back == moment else Op.GT if ask.op in (Op.GT, Op.GE) else Op.LE
        if back > moment:
            return None
        return Answer((Ask(op, native),), exact=not marks and site.native is datetime)

    kinds = (site.native,) if site.native else ()
    return Codec(
        encode,
        decode,
        ask,
        (str,),
        kinds,
        handles_none=bool(marks),
        many_to_one=not ordered or len(marks) > 1,
        total=total,
        ordered=ordered and not marks,
    )


def until(arguments: Any, site: Site) -> Codec:
    """True as long as the day in the field has not passed, or there is none. `none`: what is written for true
    (9999-12-31), `format` and `zone` as for `date`; `last: excluded`: the day itself no longer counts (R-L7)."""
    found = options(arguments, "none", "format", "zone", "pivot", "last")
    if site.attribute.type is not Type.BOOLEAN:
        raise ValueError(f"stands for true or false; the attribute is of type {site.attribute.type}")
    if found.get("last", "included") not in ("included", "excluded"):
        raise ValueError("last: must be included or excluded")
    zone = zone_option(found)
    marks = magic_option(found, site)
    write, read, ordered = day_format(found, site, zone)
    included = found.get("last", "included") == "included"
    clock = site.clock

    def today() -> date:
        return clock().astimezone(zone).date()

    def passed(native: Any) -> bool:
        if native is None or native in marks:
            return False
        last = read(native)
        # A date nobody can read must not keep a leaver active (promise 2).
        return True if last is None else last < today() if included else last <= today()

    def encode(value: bool) -> Any:
        if value:
            return marks[0] if marks else None
        return write(today() - timedelta(days=1) if included else today())

    def near(mark: Any) -> bool:
        day = read(mark)
        return day is None or day <= _FAR

    # In text the order is that of a collation, and what nobody can read is passed: only real dates can be asked for.
    askable = ordered and site.native in (date, datetime) and not any(near(mark) for mark in marks)

    def ask(ask: Ask) -> Answer | None:
        if ask.op is Op.PR:
            return ALWAYS
        if ask.op is not Op.EQ or not askable:
            return None
        first = write(today() if included else today() + timedelta(days=1))
        return Answer((Ask(Op.LT, first),), negated=bool(ask.value))

    return Codec(
        encode,
        lambda native: not passed(native),
        ask,
        (bool,),
        (site.native,) if site.native else (),
        handles_none=True,
        many_to_one=True,
        total=True,
    )


def _present(ask: Ask, marks: tuple[Any, ...], *, total: bool) -> Answer:
    """Present is what is neither empty nor a mark; in a field of text, something nobody can read may be among it."""
    if not marks:
        return Answer((ask,), exact=total)
    return Answer((*(Ask(Op.EQ, mark) for mark in marks), Ask(Op.EQ, None)), exact=False, negated=True)


def moment(site: Site) -> Codec:
    """Aware datetimes; the codec of dateTime attributes in a field of datetimes that name none."""
    return timestamp(None, site)


def _whole_day(value: str, zone: tzinfo, *, text: bool) -> date:
    if text:
        found = read_iso_day(value)
        if found is None:
            raise Refused("must be a date such as 2026-01-23")
        return found
    moment = instant(value).astimezone(zone)
    if moment.time() != time():
        raise Refused("must be midnight: the system behind holds days only")
    return moment.date()
