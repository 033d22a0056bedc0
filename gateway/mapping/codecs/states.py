"""Codecs of true and false that legacy systems spell by what is there: a value, a row, a special group (R-L7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from backends.contract import Op
from gateway.mapping.codecs.base import ALWAYS, Answer, Ask, Codec, Site, options
from gateway.mapping.codecs.calendars import day_format, stamp_format, zone_option
from gateway.scim.schema import Type


def present(arguments: Any, site: Site) -> Codec:
    """True if the field holds anything: `write` is what is written for true, a value, `today` or `now`, these two as
    `format` and `zone` say: see `date` and `timestamp`."""
    return _presence(arguments, site, true_if=True)


def absent(arguments: Any, site: Site) -> Codec:
    """True if the field is empty (a lock date): `write` is what is written for false, a value, `today` or `now`, these
    two as `format` and `zone` say: see `date` and `timestamp`."""
    return _presence(arguments, site, true_if=False)


def _presence(arguments: Any, site: Site, *, true_if: bool) -> Codec:
    _boolean(site)
    found = options(arguments, "write", "format", "zone", short="write")
    if found.get("write") is None:
        raise ValueError("write: is missing: what stands in the field if there is something")
    written = _written(found["write"], site) if found.keys() == {"write"} else _formatted(found, site)

    def encode(value: bool) -> Any:
        return written() if value is true_if else None

    def decode(native: Any) -> bool:
        there = native is not None and native != "" and native != ()
        return there is true_if

    def ask(ask: Ask) -> Answer | None:
        if ask.op is Op.PR:
            return ALWAYS
        if ask.op is not Op.EQ:
            return None
        # An empty text counts as nothing here, for a backend it may be something.
        if site.native in (str, None):
            return Answer((Ask(Op.EQ, ""), Ask(Op.EQ, None)), negated=ask.value is true_if)
        return Answer((Ask(Op.PR),), negated=ask.value is not true_if)

    return Codec(encode, decode, ask, (bool,), (), handles_none=True, many_to_one=True, total=True)


def _written(value: Any, site: Site) -> Callable[[], Any]:
    clock = site.clock
    match value:
        case "now" if site.native in (datetime, None):
            return lambda: clock().astimezone(UTC)
        case "now" if site.native is str:
            return lambda: clock().astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
        case "today" if site.native in (date, None):
            return lambda: clock().astimezone(UTC).date()
        case "today" if site.native is str:
            return lambda: clock().astimezone(UTC).date().isoformat()
    if site.native is not None and not isinstance(value, site.native):
        raise ValueError(f"write: {value!r} is not of the field's type {site.native.__name__}")
    return lambda: value


def _formatted(found: dict[str, Any], site: Site) -> Callable[[], Any]:
    clock, zone = site.clock, zone_option(found)
    match found["write"]:
        case "now":
            write_moment, _, _ = stamp_format(found, site, zone)
            return lambda: write_moment(clock().astimezone(UTC).replace(microsecond=0))
        case "today":
            write_day, _, _ = day_format(found, site, zone)
            return lambda: write_day(clock().astimezone(zone).date())
    raise ValueError("format and zone are for `write: now` and `write: today`")


def contains(arguments: Any, site: Site) -> Codec:
    """True if a special value is among the field's values, or a row with these columns among its rows."""
    return _containment(arguments, site, true_if=True)


def lacks(arguments: Any, site: Site) -> Codec:
    """True if a special value is not among the field's values, or no row with these columns among its rows."""
    return _containment(arguments, site, true_if=False)


def _containment(arguments: Any, site: Site, *, true_if: bool) -> Codec:
    _boolean(site)
    if arguments is None or isinstance(arguments, list | tuple) or (isinstance(arguments, Mapping) and not arguments):
        raise ValueError("a single value is expected, or columns with their values")
    member = dict(arguments) if isinstance(arguments, Mapping) else arguments

    def holds(native: Any) -> bool:
        return any(_is(item, member) for item in native or ())

    def merge(value: Any, current: Any) -> Any:
        found = tuple(current or ())
        if value is None or holds(found) is (value is true_if):
            return found
        return tuple(item for item in found if not _is(item, member)) if holds(found) else (*found, member)

    def ask(ask: Ask) -> Answer | None:
        if ask.op is Op.PR:
            return ALWAYS
        if ask.op is not Op.EQ:
            return None
        return Answer((Ask(Op.EQ, member),), negated=ask.value is not true_if)

    return Codec(
        lambda value: merge(value, None),
        lambda native: holds(native) is true_if,
        ask,
        (bool,),
        (tuple,),
        handles_none=True,
        many_to_one=True,
        total=True,
        merge=merge,
        member=(member, true_if),
    )


def _is(item: Any, member: Any) -> bool:
    if isinstance(member, Mapping):
        return isinstance(item, Mapping) and all(item.get(name) == value for name, value in member.items())
    return bool(item == member)


def _boolean(site: Site) -> None:
    if site.attribute.type is not Type.BOOLEAN:
        raise ValueError(f"stands for true or false; the attribute is of type {site.attribute.type}")
