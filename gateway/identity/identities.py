"""What the id map hands out: identities, reservations, and the terms it can be searched by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final, Literal, Protocol


class Unchanged(Enum):
    """The type of `UNCHANGED`."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED
"""Leave the externalId as it is; None removes it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One live account as the id map knows it (DESIGN §7).

    `id` is the SCIM id: a UUID in canonical form, unique in the tenant over all types, never given to anybody else
    (S5). `key` is the native key the account has now; `generation` that of the key the id was minted for.
    `created` and `last_modified` are aware (UTC). `counter` rises with every change. `kept` is what the gateway keeps
    of the account, by the path text of a top-level attribute.
    """

    tenant: str
    resource_type: str
    id: str
    backend: str
    entity: str
    key: str = field(repr=False)
    generation: int
    external_id: str | None = field(repr=False)
    created: datetime
    last_modified: datetime
    counter: int
    kept: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reservation:
    """The promise, durable before the backend is called, that an account is about to be created.

    `resumed`: an earlier reservation of the same values was still open, so the account may be there already (R-L21,
    R-L22). `digest`, `token` and `opened` are the map's own.
    """

    tenant: str
    resource_type: str
    resumed: bool
    digest: str = field(repr=False)
    token: str = field(repr=False)
    opened: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class HeldTerm:
    """One conjunct of a filter that only the store can answer.

    `path` is ``externalId``, ``meta.created``, ``meta.lastModified`` or the path text of a kept attribute (or of a
    sub-attribute of one); `op` a SCIM operator in lower case; `value` what is compared with, in the form the index of
    kept attributes has it (folded where `folded` says so), or an xsd:dateTime for ``meta``; None for ``pr``. `changed`
    leaves out accounts that were never changed through the map.
    """

    path: str
    op: str
    value: str | None = field(default=None, repr=False)
    folded: bool = False
    changed: bool = False


Layer = Literal["process", "redis", "store"]
Outcome = Literal["hit", "miss", "negative"]


class LookupObserver(Protocol):
    """Who is told what look-ups cost; telemetry implements it."""

    def lookup(self, layer: Layer, outcome: Outcome, count: int) -> None:
        """`count` look-ups of one batch ended in `layer` with `outcome`."""


class SilentObserver:
    """An observer that is not interested."""

    def lookup(self, layer: Layer, outcome: Outcome, count: int) -> None:
        """Do nothing."""
