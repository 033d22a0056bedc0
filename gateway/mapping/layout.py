"""Where everything of one resource type is: the result of compiling, shared by reading, writing and searching."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backends.contract import Capabilities
from gateway.mapping.doors import Resource
from gateway.mapping.placement import Place
from gateway.mapping.singles import Policy
from gateway.scim.paths import AttributePath
from gateway.scim.schema import ResourceType


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of a resource type is.

    `paths` holds all its top-level attributes by path text, in the order of the schemas; `places` those with a native
    home, `kept` those the gateway keeps whole. `mark` is what a dead record bears; `hidden` are keys of records that
    are no resources. `slow` names the attributes whose writing blocks.
    """

    resource_type: ResourceType
    capabilities: Capabilities
    policy: Policy
    places: Mapping[str, Place]
    kept: frozenset[str]
    paths: Mapping[str, AttributePath]
    mark: Mapping[str, Any]
    hidden: frozenset[str]
    slow: frozenset[str] = frozenset()

    @property
    def holds_external_id(self) -> bool:
        """Whether a native field has it, so that the store need not."""
        return "externalId" in self.places


def valued(resource: Resource, path: AttributePath) -> Any:
    """Find the value of a top-level attribute in a resource."""
    holder: Any = resource if path.extension is None else resource.get(path.extension) or {}
    return holder.get(path.leaf.name)
