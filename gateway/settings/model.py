"""What a configuration may say, section by section (DESIGN §6). Every description here is the one of the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, model_validator

from gateway.mapping.spec import ResourceSpec
from gateway.settings.audit import AuditSettings
from gateway.settings.callers import CallersSettings, ProxySettings
from gateway.settings.traffic import AdminSettings, BrakeSettings, RatesSettings
from gateway.settings.values import BackendName, Listen, Model, PublicUrl, TenantName, address

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class TlsSettings(Model):
    """TLS on the gateway's own listener; version 1.2 at least."""

    certificate: Path = Field(description="The server's certificate and those between it and the root, in PEM.")
    key: Path = Field(description="The certificate's private key, in PEM.")
    client_ca: Path | None = Field(None, description="Asks clients for a certificate one of these has signed (PEM).")
    client_required: bool = Field(False, description="Refuses clients without one; only with `client_ca`.")

    @model_validator(mode="after")
    def _required_by_whom(self) -> TlsSettings:
        if self.client_required and self.client_ca is None:
            raise ValueError("client_required needs client_ca")
        return self


class JsonSettings(Model):
    """Bounds of a JSON body."""

    depth: Count = Field(32, description="Levels of nesting.")
    members: Count = Field(1_000, description="Members of one object.")
    elements: Count = Field(100_000, description="Elements of one array.")
    characters: Count = Field(262_144, description="Characters of one string.")
    digits: Count = Field(64, description="Digits of one number.")


class ServerLimitSettings(Model):
    """What one request may cost before it is refused."""

    body_bytes: Count = Field(1_048_576, description="Bytes of a body; bulk requests have the tenant's own limit.")
    target_bytes: Count = Field(16_384, description="Bytes of the request target, that is path and query.")
    header_bytes: Count = Field(16_384, description="Bytes of one header field.")
    headers: Count = Field(100, description="Header fields of one request.")
    idle_seconds: Seconds = Field(75.0, description="How long a connection may stay without a complete request.")
    inflation: int = Field(0, ge=0, description="How many times a compressed body may grow; 0 refuses any.")
    request_seconds: Seconds = Field(30.0, description="The deadline of one request, its native calls included.")
    body_seconds: Seconds = Field(30.0, description="The time a body may take to arrive.")
    leave_seconds: Annotated[float, Field(ge=0)] = Field(
        0.0, description="How long `/readyz` says so before the listener closes, for balancers to notice."
    )
    drain_seconds: Annotated[float, Field(ge=0)] = Field(
        30.0, description="How long requests under way may take to end after the signal to stop."
    )
    json_: JsonSettings = Field(default_factory=JsonSettings, alias="json", description="Bounds of a JSON body.")


class ServerSettings(Model):
    """Where SCIM is served."""

    listen: Listen = Field(address("127.0.0.1:8080"), validate_default=False, description="Host and port.")
    public_url: PublicUrl | None = Field(
        None, description="The URL clients use, where a proxy stands in front; the address of `listen` if not said."
    )
    tls: TlsSettings | None = Field(None, description="TLS on this listener; without it only plain HTTP is spoken.")
    proxies: ProxySettings | None = Field(None, description="Proxies in front of the gateway that are trusted.")
    hosts: dict[str, str] = Field(
        default_factory=dict, description="Host names that stand for a tenant: `scim.acme.example.com: acme`."
    )
    limits: ServerLimitSettings = Field(default_factory=ServerLimitSettings, description="Bounds of one request.")


class MetricsSettings(Model):
    """The listener of `/metrics`."""

    listen: Listen = Field(description="Host and port; a listener of its own, better not reachable from outside.")
    token: SecretStr | None = Field(None, description="A bearer token whoever scrapes must present.")


class StoreSettings(Model):
    """The gateway's own store: the id map and the attributes it keeps."""

    url: SecretStr = Field(
        description="`sqlite:///folder/file.db` (relative) or `sqlite:////folder/file.db`, for one process; `postgresql://…`."
    )
    id_key: SecretStr = Field(
        min_length=32,
        description="What ids are derived with: a secret, never to be changed; `openssl rand -hex 32` makes one.",
    )
    cache_kept: bool = Field(
        False,
        description="Whether the shared cache may hold what the gateway keeps of accounts, which is personal data: "
        "then a read that finds them there does not ask the store.",
    )


class BreakerSettings(Model):
    """When a backend that fails is left alone."""

    failures: Count = Field(5, description="Failures in a row that open the breaker.")
    rest_seconds: Seconds = Field(10.0, description="How long it stays open before one call may try again.")


class BackendLimitSettings(Model):
    """How much one backend may be asked."""

    concurrency: Count = Field(32, description="Calls under way at once.")
    waiting: Count = Field(256, description="Calls that may wait for a place; of more, tenants with most are refused.")
    call_seconds: Seconds = Field(20.0, description="The time one native operation may take.")
    retries: int = Field(2, ge=0, le=10, description="Further tries of a read that failed; a write is never repeated.")
    breaker: BreakerSettings = Field(default_factory=BreakerSettings, description="When it is left alone.")


class BackendSettings(Model):
    """One system behind the gateway."""

    type: str = Field(description="The kind of backend; `scim-gateway backends` lists those installed.")
    settings: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="The backend's own settings: see the README of its kind."
    )
    limits: BackendLimitSettings = Field(default_factory=BackendLimitSettings, description="How much it may be asked.")


class TenantLimitSettings(Model):
    """Bounds of one tenant."""

    page_size: Count = Field(100, description="Resources on a page where the client does not say.")
    max_page_size: Count = Field(1000, description="Resources on a page at most.")
    scan_rows: Count = Field(10_000, description="Records one request may read to check a filter the backend cannot.")
    scan_seconds: Seconds = Field(5.0, description="The time it may take for that.")
    bulk_operations: Count = Field(1000, description="Operations of one bulk request.")
    bulk_bytes: Count = Field(1_048_576, description="Bytes of one bulk request.")
    cursor_seconds: Count = Field(3600, description="How long a cursor can be used.")

    @model_validator(mode="after")
    def _pages_fit(self) -> TenantLimitSettings:
        if self.page_size > self.max_page_size:
            raise ValueError("page_size is larger than max_page_size")
        return self


class TenantSettings(CallersSettings):
    """One tenant, served at `/{name}/scim/v2`."""

    client: str = Field("default", description="The profile of the client that writes; it says which oddities are met.")
    mode: Literal["compat", "strict"] = Field(
        "compat", description="`compat` takes what real clients send, `strict` holds everybody to the letter."
    )
    quirks: dict[str, bool] = Field(default_factory=dict, description="Oddities met or not, against the profile.")
    limits: TenantLimitSettings = Field(default_factory=TenantLimitSettings, description="Bounds of this tenant.")
    rates: RatesSettings = Field(default_factory=RatesSettings, description="How much it may ask.")
    brake: BrakeSettings = Field(default_factory=BrakeSettings, description="When mass changes are held.")
    protected: dict[str, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict,
        description="Accounts and groups nobody changes through SCIM, by a filter for each resource type: "
        '`User: userName sw "svc-"`.',
    )
    schemas: list[dict[str, Any]] = Field(
        default_factory=list, description="Schemas of one's own, in the form of RFC 7643 section 7."
    )
    resources: dict[str, ResourceSpec] = Field(
        min_length=1, description="What is served: each resource type with the backend behind it and the mapping."
    )


class Settings(Model):
    """A whole configuration."""

    version: Literal[1] = Field(description="The version of this language: 1.")
    server: ServerSettings = Field(default_factory=ServerSettings, description="Where SCIM is served.")
    admin: AdminSettings | None = Field(None, description="The plane of operators; there is none if not said.")
    metrics: MetricsSettings | None = Field(None, description="Where metrics are served; nowhere if not said.")
    audit: AuditSettings | None = Field(None, description="Where the audit trail goes; there is none if not said.")
    store: StoreSettings = Field(description="The gateway's own store.")
    cache: SecretStr = Field(
        SecretStr("memory"), description="`memory`, or `redis://…` where several processes serve the same store."
    )
    backends: dict[BackendName, BackendSettings] = Field(
        default_factory=dict, description="The systems behind the gateway, by name; `gateway` is always there."
    )
    tenants: dict[TenantName, TenantSettings] = Field(min_length=1, description="Who is served, by name.")

    @property
    def shared_cache(self) -> str | None:
        """The URL of the cache all processes share; None where there is none."""
        url = self.cache.get_secret_value()
        return None if url == "memory" else url
