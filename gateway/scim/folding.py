"""The two comparisons that are not byte for byte: text that ignores case and form, and instants (S14, S16, F9)."""

from __future__ import annotations

import functools
import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

_DATE_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_LONGEST = 64
"""More than any sensible timestamp has: what follows the sixth digit of a fraction is not compared anyway."""


@functools.cache
def _widths() -> dict[int, str]:
    """Map each full-width and half-width character to its ordinary one (RFC 8265 §3.3.2, rule 1)."""
    found: dict[int, str] = {}
    for code in (0x3000, *range(0xFF01, 0xFFEF)):
        kind, _, target = unicodedata.decomposition(chr(code)).partition(" ")
        if kind in ("<wide>", "<narrow>"):
            found[code] = "".join(chr(int(part, 16)) for part in target.split())
    return found


def fold(text: str) -> str:
    """Fold text so that two spellings of one name become equal (S14).

    The folding of ``userName``, of its uniqueness and of every string that is not caseExact, after the
    UsernameCaseMapped profile of PRECIS (RFC 8265 §3.3): full-width and half-width characters become ordinary ones,
    then Unicode's canonical caseless form: decompose (NFD), full case folding, compose (NFC).

    Wider than the profile in one point: it lower-cases, which leaves ``Straße`` and ``STRASSE`` apart; case folding
    makes them equal. Narrower than NFKC on purpose: ``x²`` and ``x2``, ``ﬀ`` apart (which case folding writes out),
    stay different names. ``İ`` equals ``i`` with a dot above (U+0307), not ``i``; the dotless ``ı`` equals itself only.
    Folding twice is folding once. Never fails: what PRECIS would disallow is compared as it is.
    """
    if text.isascii():
        return text.lower()
    wide = text.translate(_widths())
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", wide).casefold())


def instant(text: str) -> datetime:
    """Read an xsd:dateTime (RFC 7643 §2.3.5, S16) as an aware datetime that keeps its offset.

    Date and time are both needed, the ``T`` and the ``Z`` in capitals. A fraction of any length is read to the
    microsecond. Without an offset the time is taken as UTC. ``24:00:00`` is midnight of the next day; a leap second
    (``:60``), a year of more than four digits and an offset beyond 14 hours are refused, as by XML Schema or because
    no datetime can hold them. Raises ValueError with the reason.
    """
    match = _DATE_TIME.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError("not a date and time such as 2026-01-23T04:56:22Z")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, offset = match.group(7), match.group(8)
    micros = int(fraction[:6].ljust(6, "0")) if fraction else 0
    midnight = hour == 24
    if midnight and (minute or second or (fraction and fraction.strip("0"))):
        raise ValueError("24:00:00 is the only time in hour 24")
    moment = datetime(year, month, day, 0 if midnight else hour, minute, second, micros, _zone(offset))
    try:
        return moment + timedelta(days=1) if midnight else moment
    except OverflowError:
        raise ValueError("the year lies beyond 9999") from None


def _zone(offset: str | None) -> timezone:
    if offset is None or offset == "Z":
        return UTC
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    if minutes > 59 or hours * 60 + minutes > 14 * 60:
        raise ValueError("the offset must lie between -14:00 and +14:00")
    span = timedelta(hours=hours, minutes=minutes)
    return timezone(-span if offset[0] == "-" else span)
