"""What a codec is: a two-way translation of one value, and what it makes of a question about that value.

The laws, tested for every codec under hypothesis:

* *put-get*: ``decode(encode(x)) == x`` for every x that `encode` takes; what it does not take it refuses (D10).
* *get-put*: ``decode(encode(decode(n))) == decode(n)`` for every native n; `decode` never fails, and a native value it
  cannot read counts as unassigned.
* *superset*: every n whose decoded value satisfies a question satisfies what `ask` makes of it; exactly those, where it
  says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from backends.contract import Field, Op
from gateway.scim.schema import Attribute


class Refused(Exception):
    """A value that cannot be written; `reason` completes the sentence "<attribute>: …" and never holds the value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Ask:
    """A question about a value: ``value op it``; `folded` compares text without regard to case.

    `normal`: all native text is in one case, so that a backend that cannot ignore case may be asked all the same.

    `op` is one of eq, co, sw, ew, gt, ge, lt, le, pr and, from codecs only, in; ne is asked as the negation of eq.
    Codecs ask ``eq None`` for "is empty".
    """

    op: Op
    value: Any = field(default=None, repr=False)
    folded: bool = False
    normal: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question becomes one step nearer to the backend: any of `asks` holds, or with `negated` none of them does.

    `exact` is False for a superset. No asks: nothing matches, or with `negated` everything does.
    """

    asks: tuple[Ask, ...] = ()
    exact: bool = True
    negated: bool = False


NEVER = Answer()
ALWAYS = Answer(negated=True)


def identity(value: Any) -> Any:
    """Pass a value on as it is."""
    return value


def unanswered(_: Ask) -> Answer | None:
    """Leave every question to the gateway, which then looks at the decoded values."""
    return None


def same_question(ask: Ask) -> Answer | None:
    """Ask the same one step further: for codecs that do not alter what they pass on."""
    return Answer((ask,))


@dataclass(frozen=True, slots=True)
class Codec:
    """One compiled codec.

    `encode` goes from SCIM to native and raises `Refused`; `decode` goes back and never fails. Neither sees None (which
    is unassigned on one side and empty on the other) unless `handles_none`. `takes` and `gives` are the Python types on
    the SCIM and on the native side, empty for any.

    `many_to_one`: several native values mean the same, so that a change must look at the record first; `sole` tells of
    which values this is not so. `total`: every native value but None reads as some value. `ordered`: native order is
    the order of the values. `one_way`: cannot be read back (hashes). `slow`: blocks; the engine may run it elsewhere.
    `folds`: alters nothing but the case of text. `respells`: alters more of it, with ``keep: spelling``. `merge` is
    what a codec has that writes only a part of the native value: it is given the value and the native value there is.
    `container`: one native value holds all values of a multi-valued attribute; it encodes and decodes tuples. `parts`:
    the value is complex; it encodes and decodes dicts of these sub-attributes. `arity`: native fields it takes
    together; it encodes and decodes tuples of that length on the native side. `listed` names the native values that
    are declared to mean a value, where they are declared. `member`: the value or row whose presence among the native
    values means true, or false.
    """

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    ask: Callable[[Ask], Answer | None] = unanswered
    takes: tuple[type, ...] = ()
    gives: tuple[type, ...] = ()
    handles_none: bool = False
    many_to_one: bool = False
    sole: Callable[[Any], bool] | None = None
    total: bool = False
    ordered: bool = False
    one_way: bool = False
    slow: bool = False
    folds: bool = False
    respells: bool = False
    merge: Callable[[Any, Any], Any] | None = None
    container: bool = False
    parts: tuple[str, ...] = ()
    arity: int = 1
    listed: Callable[[Any], tuple[Any, ...]] | None = None
    member: tuple[Any, bool] | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """Where a codec is to work: the SCIM attribute, the native field if it is known, and the clock (aware datetimes).

    `path` is the attribute's path text, for messages.
    """

    path: str
    attribute: Attribute
    field: Field | None
    clock: Callable[[], datetime]

    @property
    def native(self) -> type | None:
        """The type of the native values, where the backend tells."""
        return self.field.type if self.field is not None else None


Factory = Callable[[Any, Site], Codec]
"""Makes a codec of its arguments (None if there are none) for a site; raises ValueError with the reason."""


def options(arguments: Any, *names: str, short: str | None = None) -> dict[str, Any]:
    """Read the arguments of a codec: an object with these keys, or a single value that stands for the key `short`.

    Raises ValueError for anything else.
    """
    if arguments is None:
        return {}
    if isinstance(arguments, Mapping):
        unknown = [key for key in arguments if key not in names]
        if unknown:
            allowed = ", ".join(names) or "no keys"
            raise ValueError(f"there is no key {unknown[0]!r}; it takes {allowed}")
        return dict(arguments)
    if short is None:
        raise ValueError(f"an object with {', '.join(names)} is expected" if names else "it takes no arguments")
    return {short: arguments}


def text_option(found: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """Read a text argument; ValueError if it is missing or something else."""
    value = found.get(name, default)
    if not isinstance(value, str):
        raise ValueError(f"{name}: must be text" if name in found else f"{name}: is missing")
    return value


def count_option(found: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """Read an argument that counts; ValueError if it is missing or no positive integer."""
    value = found.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: must be a positive number" if name in found else f"{name}: is missing")
    return value
