"""Values as native systems write them: numbers as texts, words for true and false, dates in formats of their own."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from backends.contract import Scalar

TYPES: Mapping[str, type[Any]] = {
    "str": str,
    "int": int,
    "decimal": Decimal,
    "bool": bool,
    "date": date,
    "datetime": datetime,
    "bytes": bytes,
}


class WireError(ValueError):
    """A value that is not of the declared type, in either direction."""


@dataclass(frozen=True, slots=True)
class Wire:
    """How one field travels.

    `form`: as the type's own JSON, all as ``text``, or texts of digits as ``number``. `words` are what stands for false
    and true. `format` is strptime's, or ``epoch``, ``epoch_ms``. `letters`: the system folds texts to one case.
    `blank`: an empty text means nothing.
    """

    type: type[Any] = str
    form: Literal["native", "text", "number"] = "native"
    words: tuple[Any, Any] | None = None
    format: str | None = None
    zone: tzinfo = UTC
    letters: Literal["lower", "upper"] | None = None
    blank: bool = False

    def read(self, native: Any) -> Scalar | None:
        """Read a native value; None means empty. Raises `WireError`."""
        if native is None or (self.blank and native == ""):
            return None
        if isinstance(native, dict | list):
            raise WireError("not a single value")
        try:
            return self._read(native)
        except (ValueError, TypeError, LookupError, ArithmeticError, OverflowError, OSError) as error:
            raise WireError(f"not a {self.type.__name__}") from error

    def write(self, value: Scalar | None) -> Any:
        """Write a value the native way: text, number or boolean of JSON; None stays None. Raises `WireError`."""
        if value is None:
            return "" if self.blank else None
        try:
            return self._write(self.fold(value))
        except (ValueError, TypeError, ArithmeticError, OverflowError) as error:
            raise WireError(f"not a {self.type.__name__}") from error

    def fold(self, value: Any) -> Any:
        """Bring a text into the letters the system keeps."""
        if self.letters is None or not isinstance(value, str):
            return value
        return value.lower() if self.letters == "lower" else value.upper()

    def _read(self, native: Any) -> Scalar:
        if self.words is not None:
            for truth, word in zip((False, True), self.words, strict=True):
                if native == word and isinstance(native, bool) == isinstance(word, bool):
                    return truth
            raise WireError("an unknown word")
        kind = self.type
        if kind is bool:
            if isinstance(native, bool):
                return native
            return {"true": True, "false": False}[str(native).lower()]
        if kind is str:
            return _text(native)
        if isinstance(native, bool):
            raise WireError("a boolean")
        if kind is int:
            return _whole(native)
        if kind is Decimal:
            return _decimal(native)
        if kind is bytes:
            return base64.b64decode(_text(native), validate=True)
        return self._moment(native)

    def _moment(self, native: Any) -> Scalar:
        if self.format in ("epoch", "epoch_ms"):
            seconds = _decimal(native) / (1000 if self.format == "epoch_ms" else 1)
            whole = int(seconds.to_integral_value(rounding="ROUND_FLOOR"))
            moment = datetime.fromtimestamp(whole, UTC).replace(microsecond=int((seconds - whole) * 1_000_000))
        elif self.format is not None:
            moment = datetime.strptime(_text(native), self.format)
        elif self.type is date:
            return date.fromisoformat(_text(native)[:10])
        else:
            moment = datetime.fromisoformat(_text(native))
        if self.type is date:
            return moment.date()
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=self.zone)

    def _write(self, value: Any) -> Any:
        if self.words is not None or self.type is bool:
            if not isinstance(value, bool):
                raise WireError("not a boolean")
            if self.words is not None:
                return self.words[value]
            return ("true" if value else "false") if self.form == "text" else value
        if self.type in (date, datetime):
            return self._date(value)
        if self.type is bytes:
            return base64.b64encode(value).decode("ascii")
        if self.type is str:
            if not isinstance(value, str):
                raise WireError("not a text")
            value.encode()
            return _whole(value) if self.form == "number" else value
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise WireError("not a number")
        if self.type is int and not isinstance(value, int):
            raise WireError("not a whole number")
        return (
            format(value, "f")
            if self.form == "text" and isinstance(value, Decimal)
            else str(value)
            if self.form == "text"
            else value
        )

    def _date(self, value: Any) -> Any:
        if not isinstance(value, date) or isinstance(value, datetime) != (self.type is datetime):
            raise WireError("not of that kind")
        if self.format in ("epoch", "epoch_ms"):
            moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
            scale = 1000 if self.format == "epoch_ms" else 1
            delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
            number = (delta.days * 86_400 + delta.seconds) * scale + delta.microseconds * scale // 1_000_000
            return str(number) if self.form == "text" else number
        if isinstance(value, datetime) and self.format is not None and "%z" not in self.format:
            value = value.astimezone(self.zone)
        return value.strftime(self.format) if self.format is not None else value.isoformat()


def _text(native: Any) -> str:
    if isinstance(native, str):
        native.encode()
        return native
    if isinstance(native, bool):
        return "true" if native else "false"
    return str(native)


def _whole(native: Any) -> int:
    if isinstance(native, str):
        digits = native.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()):
            raise WireError("not a whole number")
        return int(native)
    if isinstance(native, float | Decimal) and native == int(native):
        return int(native)
    if isinstance(native, int):
        return native
    raise WireError("not a whole number")


def _decimal(native: Any) -> Decimal:
    try:
        found = Decimal(repr(native) if isinstance(native, float) else native)
    except InvalidOperation as error:
        raise WireError("not a number") from error
    if not found.is_finite():
        raise WireError("not a number")
    return found
