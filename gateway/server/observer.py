"""Who is told what the server does; telemetry implements it, tests record with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Progress:
    """What is known of a request, filled in on its way: names come from the configuration or a closed set, and are
    empty as long as they are not known.

    `tenant` is set once it exists, `caller` and `method` (of authentication) once it is known who calls.
    """

    request_id: str
    verb: str
    address: str = ""
    trace_parent: str | None = None
    tenant: str = ""
    resource_type: str = ""
    operation: str = "other"
    caller: str = ""
    method: str = ""


class ServerObserver(Protocol):
    """Events of the server."""

    def request_began(self, progress: Progress) -> None:
        """A request was read up to its headers; called in the task that answers it."""

    def request_ended(self, progress: Progress, status: int, sent: int, seconds: float) -> None:
        """It was answered with `status` and a body of `sent` bytes."""

    def failure(self, tenant: str, request_id: str, error: BaseException) -> None:
        """A request failed for an internal reason; `error` is for the operator's log only."""

    def authentication(self, tenant: str, method: str, outcome: str) -> None:
        """A caller was granted or refused: `outcome` is granted, refused or limited; `method` is empty where nobody
        was known, `tenant` where none was found."""

    def limited(self, tenant: str, reason: str) -> None:
        """A request was refused for its rate: `reason` is tenant, caller, source or brake."""
