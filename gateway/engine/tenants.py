"""Tenants as the engine sees them: what each one serves, under which rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backends.contract import Capabilities
from gateway.engine.guard import Guard
from gateway.engine.protection import Protection
from gateway.mapping import ResourceMapping
from gateway.scim.dialects import Dialect
from gateway.scim.project import Projection, parse
from gateway.scim.schema import Mutability, ResourceType


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one tenant.

    `page_size` and `max_page_size` count resources; `scan_rows` and `scan_seconds` bound what a filter that cannot
    be pushed down may look at (F14); `bulk_operations` and `bulk_bytes` are those of discovery (B4);
    `cursor_seconds` is how long a cursor lives (N7).
    """

    page_size: int = 100
    max_page_size: int = 1000
    scan_rows: int = 10_000
    scan_seconds: float = 5.0
    bulk_operations: int = 1000
    bulk_bytes: int = 1_048_576
    cursor_seconds: int = 3600


@dataclass(frozen=True, slots=True)
class Served:
    """One resource type of one tenant: its schema, its mapping, and the guarded backend that holds it.

    `checked` names the unique attributes no index of the backend guards: the gateway looks before it writes (H2).
    `heavy` names the multi-valued references (``members``, ``groups``): they are loaded only where asked for and are
    no part of a version (DESIGN §7, ETags). `counts_members`: the version must carry the gateway's counter, because a
    writable membership is no part of its hash. `protection` says which of its resources nobody changes (X3).
    `placeless` names what clients may not set because it has no place and the configuration refuses that (D10).
    """

    resource_type: ResourceType
    mapping: ResourceMapping
    guard: Guard
    capabilities: Capabilities
    checked: tuple[str, ...] = ()
    protection: Protection | None = None
    placeless: frozenset[str] = frozenset()
    heavy: tuple[str, ...] = field(init=False, default=())
    counts_members: bool = field(init=False, default=False)
    whole: Mapping[frozenset[str], Projection] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        heavy = tuple(
            attribute.name
            for attribute in self.resource_type.schema.attributes
            if attribute.multi_valued
            and (ref := attribute.sub("$ref")) is not None
            and set(ref.reference_types) - {"uri", "external"}
        )
        object.__setattr__(self, "heavy", heavy)
        counts = any(
            attribute.name in heavy and attribute.mutability is not Mutability.READ_ONLY
            for attribute in self.resource_type.schema.attributes
        )
        object.__setattr__(self, "counts_members", counts)
        subsets = [frozenset[str]()]
        for name in heavy:
            subsets += [subset | {name} for subset in subsets]
        whole = {
            wanted: parse(self.resource_type, None, [name for name in heavy if name not in wanted])
            for wanted in subsets
        }
        object.__setattr__(self, "whole", whole)

    @property
    def name(self) -> str:
        return self.resource_type.name

    @property
    def entity(self) -> str:
        return self.mapping.entity


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant: a name, a dialect, and the resource types it serves by name.

    `cursor_key` signs its cursors (32 bytes).
    """

    name: str
    dialect: Dialect
    served: Mapping[str, Served]
    limits: Limits
    cursor_key: bytes = field(repr=False)
    by_endpoint: Mapping[str, Served] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        by_endpoint = {served.resource_type.endpoint.strip("/").lower(): served for served in self.served.values()}
        object.__setattr__(self, "by_endpoint", by_endpoint)
