"""Who is told what the engine does; telemetry implements it, tests record with it."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Events of the engine; every name comes from the configuration or a closed set, never from a request."""

    def backend_call(self, backend: str, entity: str, operation: str, outcome: str, seconds: float) -> None:
        """A call to a backend ended: `outcome` is ok, refused, cancelled, unavailable, error or the contract error's
        name."""

    def backend_fault(self, backend: str, entity: str, operation: str, error: BaseException) -> None:
        """A backend could not be used or broke its contract; `error` is for the operator's log only."""

    def rewrite(self, tenant: str, client: str, quirk: str) -> None:
        """A dialect rewrote something a client sent."""

    def road(self, tenant: str, resource_type: str, road: str, rows: int) -> None:
        """A search was answered: `road` is pushed, residual or refused; `rows` were read from the backend."""

    def hidden(self, tenant: str, resource_type: str, count: int) -> None:
        """References that lead to no account the gateway can show were left out of an answer."""

    def dropped(self, tenant: str, resource_type: str, attribute: str) -> None:
        """A value a client sent was left out, because the system has no place for it and the configuration says so; the
        attribute is named by its path."""

    def failure(self, tenant: str, request_id: str, error: BaseException) -> None:
        """A part of a request failed for an internal reason; `error` is for the operator's log only."""
