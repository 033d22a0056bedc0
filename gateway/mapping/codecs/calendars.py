"""How old systems write days and points in time: text patterns, counts, Julian days, magic dates, zones (R-L14)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.mapping.codecs.base import Refused, Site, text_option

Days = tuple[Callable[[date], Any], Callable[[Any], date | None], bool]
"""The writer and the reader of days in a field, and whether its order is that of the days."""
Moments = tuple[Callable[[datetime], Any], Callable[[Any], datetime | None], bool]
"""The writer and the reader of points in time in a field, and whether its order is theirs."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CENTURY_DAY = re.compile(r"([0-9])([0-9]{2})([0-9]{3})")
_NAMES = re.compile("%[aAbBp]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FILETIME = datetime(1601, 1, 1, tzinfo=UTC)
_UNITS = {
    "epoch": (_EPOCH, timedelta(seconds=1)),
    "epoch_ms": (_EPOCH, timedelta(milliseconds=1)),
    "filetime": (_FILETIME, timedelta(microseconds=1)),
}
_SORTABLE_DAYS = ("%Y%m%d", "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d")
_SORTABLE_TIMES = ("%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%SZ", "%Y-%m-%dT%H:%M:%SZ")


def one_spelling(form: Any) -> bool:
    """Tell whether a day has one spelling in a format: the names of months and days are read in any case."""
    return _NAMES.search(str(form or "")) is None


def zone_option(found: dict[str, Any]) -> tzinfo:
    """Read a time zone by its name; UTC if none is given."""
    name = text_option(found, "zone", "UTC")
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"zone: there is no time zone {name!r}") from None


def magic_option(found: dict[str, Any], site: Site) -> tuple[Any, ...]:
    """Read the native values that stand for "none": the first is written (R-L14)."""
    given = found.get("none")
    if given is None:
        return ()
    marks = tuple(given) if isinstance(given, list | tuple) else (given,)
    if site.native is date:
        days = [read_iso_day(mark) if isinstance(mark, str) else mark for mark in marks]
        if not all(isinstance(day, date) for day in days):
            raise ValueError("none: must be days such as 9999-12-31")
        return tuple(days)
    if site.native is str:
        return tuple(m.isoformat() if isinstance(m, date) else str(m) for m in marks)
    if site.native is datetime:
        return tuple(_as_moment(m) for m in marks)
    return marks


def _as_moment(mark: Any) -> datetime:
    if isinstance(mark, datetime):
        return mark if mark.tzinfo else mark.replace(tzinfo=UTC)
    try:
        text = mark.isoformat() if isinstance(mark, date) else str(mark)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"none: {mark!r} is no date") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def day_format(found: dict[str, Any], site: Site, zone: tzinfo) -> Days:
    """Choose how days stand in a field: `format` as the configuration has it, the zone for fields that hold times."""
    form = found.get("format")
    pivot = found.get("pivot")
    if site.native is date or (site.native is None and form is None):
        if form is not None:
            raise ValueError("format: the field holds dates, not text")
        return (lambda day: day), _day_of, True
    if site.native is datetime:
        if form is not None:
            raise ValueError("format: the field holds times, not text")
        return (lambda day: datetime.combine(day, time(), zone)), (lambda native: _day_in(native, zone)), True
    match form:
        case "cyyddd":
            number = site.native is int
            return (lambda day: _write_cyyddd(day, number=number)), _read_cyyddd, True
        case None | "iso":
            return date.isoformat, read_iso_day, True
        case str() if site.native is int:
            _check_format(form)
            return (lambda day: int(_strftime(day, form))), _day_reader(form, pivot), form == "%Y%m%d"
        case str():
            _check_format(form)
            return (lambda day: _strftime(day, form)), _day_reader(form, pivot), form in _SORTABLE_DAYS
    raise ValueError("format: must be iso, cyyddd, or a pattern such as %d.%m.%Y")


def stamp_format(found: dict[str, Any], site: Site, zone: tzinfo) -> Moments:
    """Choose how points in time stand in a field; `zone` is that of native times that name none."""
    form = found.get("format")
    if site.native is datetime or (site.native is None and form is None):
        if form is not None:
            raise ValueError("format: the field holds times, not text")
        return _aware_utc, (lambda native: _read_any(native, zone)), True
    if site.native is date:
        raise ValueError("the field holds days; use the codec date")
    if form in _UNITS:
        start, unit = _UNITS[form]
        number = site.native is not str
        ticks = 10 if form == "filetime" else 1
        return (
            lambda moment: _count(moment, start, unit, ticks) if number else str(_count(moment, start, unit, ticks)),
            lambda native: _from_count(native, start, unit, ticks),
            number,
        )
    if form is None or form == "iso":
        return (
            (lambda moment: shown(moment) if zone is UTC else _local_iso(moment, zone)),
            (lambda native: _read_any(native, zone)),
            False,
        )
    if not isinstance(form, str):
        raise ValueError("format: must be iso, epoch, epoch_ms, filetime, or a pattern such as %Y%m%d%H%M%S")
    _check_format(form)
    pivot = found.get("pivot")
    number = site.native is int
    return (
        lambda moment: _number_or_text(_strftime(moment.astimezone(zone), form), number=number),
        _stamp_reader(form, zone, pivot),
        form in _SORTABLE_TIMES and zone is UTC,
    )


def _number_or_text(text: str, *, number: bool) -> Any:
    return int(text) if number else text


def _strftime(moment: date, form: str) -> str:
    # The C library does not fill years before 1000 with zeros.
    return moment.strftime(form.replace("%Y", f"{moment.year:04d}"))


def shown(moment: datetime) -> str:
    """Write an xsd:dateTime in UTC, as precise as it must be."""
    micros = moment.microsecond
    precision = "seconds" if not micros else "microseconds" if micros % 1000 else "milliseconds"
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def _local_iso(moment: datetime, zone: tzinfo) -> str:
    return moment.astimezone(zone).replace(tzinfo=None).isoformat()


def _aware_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _read_any(native: Any, zone: tzinfo) -> datetime | None:
    if isinstance(native, str):
        try:
            native = datetime.fromisoformat(native)
        except ValueError:
            return None
    if not isinstance(native, datetime):
        return None
    return _in_range(native if native.tzinfo else native.replace(tzinfo=zone))


def _in_range(moment: datetime) -> datetime | None:
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def _count(moment: datetime, start: datetime, unit: timedelta, ticks: int) -> int:
    span = moment - start
    if span % unit:
        raise Refused("is finer than the system behind can hold")
    return (span // unit) * ticks


def _from_count(native: Any, start: datetime, unit: timedelta, ticks: int) -> datetime | None:
    try:
        number = int(native)
        if number != (native if not isinstance(native, str) else number):
            return None
        return start + (number // ticks) * unit if number % ticks == 0 else None
    except (TypeError, ValueError, OverflowError):
        return None


def _day_in(native: Any, zone: tzinfo) -> date | None:
    if not isinstance(native, datetime):
        return _day_of(native)
    try:
        return native.astimezone(zone).date() if native.tzinfo else native.date()
    except OverflowError:
        return None


def _day_of(native: Any) -> date | None:
    if isinstance(native, datetime):
        return native.date()
    if isinstance(native, date):
        return native
    return read_iso_day(native)


def read_iso_day(native: Any) -> date | None:
    """Read ``2026-01-23``; None for anything else."""
    text = str(native)
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def _write_cyyddd(day: date, *, number: bool) -> Any:
    if not 1900 <= day.year < 2900:
        raise Refused("lies outside the years the system behind can hold")
    text = f"{(day.year - 1900) // 100}{day.year % 100:02d}{day.timetuple().tm_yday:03d}"
    return int(text) if number else text


def _read_cyyddd(native: Any) -> date | None:
    match = _CENTURY_DAY.fullmatch(native if isinstance(native, str) else str(native).zfill(6))
    if match is None:
        return None
    year = 1900 + 100 * int(match[1]) + int(match[2])
    number = int(match[3])
    if number < 1:
        return None
    found = date(year, 1, 1) + timedelta(days=number - 1)
    return found if found.year == year else None


def _check_format(form: str) -> None:
    sample = datetime(2001, 2, 3, 4, 5, 6)
    dated = sample.strftime(form) != sample.replace(year=2002).strftime(form)
    probe = form if dated else f"{form} %Y"  # days without a year are read with a warning, some day not at all
    try:
        back = datetime.strptime(sample.strftime(probe), probe)
    except ValueError as error:
        raise ValueError(f"format: {form!r} cannot be read back: {error}") from None
    if not dated or back.date() != sample.date():
        raise ValueError(f"format: {form!r} does not say the whole date")


def _parse(native: Any, form: str, pivot: Any) -> datetime | None:
    text = str(native)
    try:
        found = datetime.strptime(text, form)
    except ValueError:
        return None
    # One day has one spelling: strptime alone would also read "2024113" by %Y%m%d.
    if _strftime(found, form).casefold() != text.casefold():
        return None
    if pivot is not None:
        year = pivot + (found.year - pivot) % 100
        try:
            found = found.replace(year=year)
        except ValueError:
            return None
    return found


def _day_reader(form: str, pivot: Any) -> Callable[[Any], date | None]:
    _check_pivot(form, pivot)

    def read(native: Any) -> date | None:
        found = _parse(native, form, pivot)
        return None if found is None else found.date()

    return read


def _stamp_reader(form: str, zone: tzinfo, pivot: Any) -> Callable[[Any], datetime | None]:
    _check_pivot(form, pivot)

    def read(native: Any) -> datetime | None:
        found = _parse(native, form, pivot)
        if found is None:
            return None
        return _in_range(found if found.tzinfo else found.replace(tzinfo=zone))

    return read


def _check_pivot(form: str, pivot: Any) -> None:
    if pivot is not None and ("%y" not in form or not isinstance(pivot, int) or isinstance(pivot, bool)):
        raise ValueError("pivot: is the first year of a pattern with %y, such as 1950")
