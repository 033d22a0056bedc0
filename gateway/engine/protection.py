"""Accounts and groups nobody changes through SCIM: a filter says which they are (X3).

Looked at is the resource as it is before the change, so whoever can write an attribute the filter names cannot talk a
protected account out of its protection; and as it would be after it, so that nothing becomes one of them either. A type
without a rule costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.scim import evaluate, filters, project
from gateway.scim.errors import ScimError
from gateway.scim.filters import And, Comparison, Filter, Never, Not, Or, ValuePath
from gateway.scim.paths import AttributePath
from gateway.scim.project import Projection
from gateway.scim.schema import Mutability, ResourceType

if TYPE_CHECKING:
    from gateway.engine.accounts import Accounts
    from gateway.engine.calls import Call
    from gateway.engine.tenants import Served
    from gateway.scim.patch import Operation


@dataclass(frozen=True, slots=True)
class Protection:
    """The rule of one resource type: what is read to judge a resource, and the judgement.

    `names` are the attributes the rule looks at; `foresees` tells whether it can be judged on a resource without its
    memberships, that is on one that is still to be written.
    """

    type_name: str
    names: frozenset[str]
    projection: Projection = field(repr=False)
    test: Callable[[Mapping[str, Any]], bool] = field(repr=False, compare=False)
    foresees: bool = True

    async def check(self, accounts: Accounts, call: Call, served: Served, id: str) -> None:
        """Raise `ScimError` 403 if the resource is protected, and 404 if there is none."""
        identity = await accounts.identity(call, served, id)
        plan = served.mapping.read_plan(self.projection)
        record = await accounts.record(call, served, identity, plan.fields)
        rendered = await accounts.renderer.one(call, served, plan, record, identity)
        if self.test(rendered.resource):
            raise ScimError(403, f"this {self.type_name} is protected: it is not changed or deleted through SCIM")

    def check_new(self, resource: Mapping[str, Any]) -> None:
        """Raise `ScimError` 403 for a resource that would be protected once it is written."""
        if self.foresees and self.test(resource):
            raise ScimError(403, f"a {self.type_name} like this is protected: none is made through SCIM")

    def is_touched(self, operations: Iterable[Operation]) -> bool:
        """Tell whether operations alter what the rule looks at, so that the outcome must be known before."""
        return self.foresees and any(operation.target.path.top.text in self.names for operation in operations)


def compile_rule(resource_type: ResourceType, text: str) -> Protection:
    """Compile a rule in SCIM's filter syntax; `resource_type` holds only what has a place.

    Raises ValueError with the reason, also for a rule that would have to read all members of a group.
    """
    try:
        tree = filters.parse(text, resource_type)
    except ScimError as error:
        raise ValueError(error.detail) from None
    tops = {path.top.text: path.top for path in _paths(tree)}
    memberships = {name for name, path in tops.items() if _is_membership(path)}
    for name in sorted(memberships):
        attribute = tops[name].attribute
        if attribute is not None and attribute.mutability is not Mutability.READ_ONLY:
            raise ValueError(f"{name}: a rule cannot look at members; name the group by another attribute")
    projection = project.parse(resource_type, sorted(tops), None)
    return Protection(resource_type.name, frozenset(tops), projection, evaluate.compile_filter(tree), not memberships)


def _paths(tree: Filter) -> Iterator[AttributePath]:
    match tree:
        case Comparison(path=path) | ValuePath(path=path):
            yield path
        case And(terms=terms) | Or(terms=terms):
            for term in terms:
                yield from _paths(term)
        case Not(term=term):
            yield from _paths(term)
        case Never():
            return


def _is_membership(path: AttributePath) -> bool:
    attribute = path.attribute
    if attribute is None or not attribute.multi_valued or (reference := attribute.sub("$ref")) is None:
        return False
    return bool(set(reference.reference_types) - {"uri", "external"})
