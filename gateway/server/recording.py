"""Attempts to change something that ended before the engine was asked: the audit trail is told of them here (M10).

A body too large, a caller who may only read, a brake that holds: each is one event, with what is known by then. What
the engine was asked it records itself, so that every attempt leaves exactly one event. Whoever is not let in at all is
counted and logged, and leaves none: anybody could fill the trail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from gateway.engine.audit import Attempt, Notes, Outcome, Trail, Verb
from gateway.scim.errors import ScimError
from gateway.server import handlers
from gateway.server.observer import Progress
from gateway.server.routes import Handler

VERBS: Mapping[Handler, Verb] = {
    handlers.create: "create",
    handlers.replace: "replace",
    handlers.patch: "patch",
    handlers.delete: "delete",
    handlers.bulk: "bulk",
}
"""What each handler attempts; the others change nothing."""


@contextmanager
def recorded(
    trail: Trail, progress: Progress, notes: Notes, handler: Handler, *, resource_type: str, id: str
) -> Iterator[None]:
    """Write down how an attempt ended, unless the engine did; `notes` are those of the engine's call."""
    verb = VERBS.get(handler)
    status, reason = 500, None
    outcome: Outcome | None = "failed"
    try:
        yield
        outcome = None
    except ScimError as error:
        status, reason = error.status, error.scim_type
        outcome = "refused" if status < 500 else "failed"
        raise
    finally:
        if verb is not None and outcome is not None and not notes.recorded:
            notes.recorded = True
            trail.record(
                Attempt(
                    tenant=progress.tenant,
                    caller=progress.caller,
                    address=progress.address,
                    request_id=progress.request_id,
                    operation=verb,
                    resource_type=resource_type,
                    id=id or None,
                    outcome=outcome,
                    status=status,
                    reason=reason,
                )
            )
