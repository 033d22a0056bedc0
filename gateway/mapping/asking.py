"""One filter being translated: what is looked up for it, and what the gateway itself holds of the answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from backends.contract import KEY, Op
from gateway.mapping.codecs import Ask
from gateway.mapping.doors import Held, Links, Wanted
from gateway.mapping.keeping import comparable
from gateway.mapping.leaves import Target
from gateway.mapping.pushdown import NEVER, UNKNOWN, Condition, Terms
from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.filters import Op as ScimOp
from gateway.scim.folding import instant
from gateway.scim.paths import AttributePath
from gateway.scim.schema import Type

_TEXT_OPS = (ScimOp.EQ, ScimOp.CO, ScimOp.SW, ScimOp.EW, ScimOp.PR)
_OTHER_OPS = (ScimOp.EQ, ScimOp.PR)
_TIME_OPS = (ScimOp.EQ, ScimOp.GT, ScimOp.GE, ScimOp.LT, ScimOp.LE)


def homeless(path: AttributePath) -> ScimError:
    """Refuse to search by what has no place: never an unfiltered list, never a silent nothing (F12)."""
    return refuse(ScimType.INVALID_FILTER, f"{path.text}: cannot be searched for, the system behind does not hold it")


class Asking:
    """Knows the terms one filter may be put into, and what was looked up for it.

    `keys`: for a comparison with what the gateway keeps, the keys of the accounts it may hold for. What is not there
    yet is noted in `wanted` and `spilled`, and counts as unknown.
    """

    __slots__ = ("keys", "links", "spilled", "terms", "wanted")

    def __init__(self, terms: Terms, links: Links, keys: Mapping[Held, Collection[str]]) -> None:
        self.terms = terms
        self.links = links
        self.keys = keys
        self.wanted: set[Wanted] = set()
        self.spilled: dict[Held, None] = {}

    def referred(self, name: str, target: Target, id: Any, *, terms: Terms | None = None) -> Condition:
        """Ask for records whose field refers to the resource with an id; an id nobody has matches nothing."""
        if not isinstance(id, str):
            return NEVER
        self.wanted.add(target.wanted(id))
        native = target.native(id, self.links)
        if native is None:
            return NEVER
        return (terms or self.terms).ask(name, Ask(Op.EQ, native.value))

    def key(self, id: str, resource_type: str) -> Condition:
        """Ask for the record of the resource with an id."""
        want = Wanted(id, None, (resource_type,))
        self.wanted.add(want)
        native = self.links.outgoing.get(want)
        return NEVER if native is None else self.terms.ask(KEY, Ask(Op.EQ, native.value))

    def kept(self, held: Sequence[Held] | None) -> Condition:
        """Ask for the accounts of which the store says that one of some comparisons with what it keeps may hold."""
        if held is None:
            return UNKNOWN
        found: dict[str, None] = {}
        known = True
        for one in held:
            keys = self.keys.get(one)
            if keys is None:
                self.spilled[one] = None
                known = False
            else:
                found |= dict.fromkeys(keys)
        if not known:
            return UNKNOWN
        return self.terms.ask(KEY, Ask(Op.IN, tuple(found))).loose if found else NEVER


def held(path: AttributePath, op: ScimOp, value: Any) -> Held | None:
    """Say a comparison so that the store can answer it; None if it cannot."""
    leaf = path.leaf
    text = leaf.type in (Type.STRING, Type.REFERENCE, Type.BINARY)
    if op not in (_TEXT_OPS if text else _OTHER_OPS):
        return None
    if op is ScimOp.PR:
        return Held(path, op)
    compared = comparable(leaf, value)
    return None if compared is None else Held(path, op, compared, text and not leaf.case_exact)


def held_time(path: AttributePath, op: ScimOp, value: Any, *, changed: bool = False) -> Held | None:
    """Say a comparison with a time the gateway keeps."""
    if op not in _TIME_OPS or not isinstance(value, str):
        return None
    return Held(path, op, instant(value).isoformat(), changed=changed)
