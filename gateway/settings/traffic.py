"""How much may come in: rates, shares and the brake on mass changes; and the plane an operator releases it on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.settings.callers import CallerName
from gateway.settings.values import Digest, Instant, ListenHere, Model, Moment

Count = Annotated[int, Field(ge=1)]


class RateSettings(Model):
    """So many requests per second on average, and so many at once; each operation of a bulk request counts."""

    per_second: Annotated[float, Field(gt=0)] = Field(description="Requests per second in the long run.")
    burst: Count = Field(description="Requests that may come at once.")


class RatesSettings(Model):
    """How much a tenant may ask; taking access away is never held back by a rate."""

    tenant: RateSettings | None = Field(None, description="All its callers together; no bound if not said.")
    caller: RateSettings | None = Field(None, description="Each of its callers; no bound if not said.")
    at_once: Count | None = Field(None, description="Requests under way at once in one process; no bound if not said.")


class BrakeSettings(Model):
    """When mass changes are held until an operator says that they are meant; what is not named is not counted."""

    deactivations: Count | None = Field(None, description="Accounts deactivated within the window.")
    deletions: Count | None = Field(None, description="Resources deleted within the window.")
    removals: Count | None = Field(None, description="Members removed from groups within the window.")
    window_seconds: Annotated[float, Field(gt=0)] = Field(3600.0, description="The window.")


class AdminTokenSettings(Model):
    """One bearer token of an operator."""

    sha256: Digest = Field(
        repr=False, description="The SHA-256 of the token in hexadecimal; `scim-gateway token new` prints it."
    )
    name: CallerName | None = Field(None, description="What logs call it.")
    created: Moment | None = Field(None, description="When it was made, for those who look after it.")
    expires: Instant | None = Field(None, description="Until when it holds.")
    read_only: bool = Field(False, description="Whether it may only look.")


class AdminSettings(Model):
    """The plane of operators: status, tokens, brake; nothing of SCIM."""

    listen: ListenHere = Field(
        description="Host and port, or `unix:/path` for a socket only its owner can use; a listener of its own, better "
        "not reachable from outside."
    )
    tokens: list[AdminTokenSettings] = Field(min_length=1, description="The bearer tokens operators come with.")
