"""What stands under `codec:`, completed and divided for where it is to work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backends.contract import Field
from gateway.mapping.spec import CodecSpec


def joined(codec: Sequence[CodecSpec], size: int) -> tuple[CodecSpec, ...]:
    """Tell the codec join how many fields there are."""
    found = []
    for step in codec:
        if step.name == "join":
            given = step.arguments if isinstance(step.arguments, Mapping) else {}
            if step.arguments is not None and not given:
                given = {"separator": step.arguments}
            step = CodecSpec(name="join", arguments={"fields": size, **given})
        found.append(step)
    return tuple(found)


def common(fields: Sequence[Field | None]) -> Field | None:
    """Give what several fields have in common, as far as a codec is concerned."""
    kinds = {one.type for one in fields if one is not None}
    return Field(kinds.pop()) if len(kinds) == 1 and None not in fields else None


def around_list(codec: Sequence[CodecSpec]) -> tuple[tuple[CodecSpec, ...], tuple[CodecSpec, ...]]:
    """Divide codecs at the one that makes several values of one text: before it they work on single values."""
    for place, step in enumerate(codec):
        if step.name == "split":
            return tuple(codec[:place]), tuple(codec[place:])
    return tuple(codec), ()
