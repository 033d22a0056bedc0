"""Where the audit trail goes: one line for every attempt to change something."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from gateway.settings.values import Model, address

SYSLOG = "/dev/log"


class AuditSettings(Model):
    """The audit trail: one JSON line for every attempt to change something, done, refused or failed."""

    to: Literal["file", "stdout", "syslog"] = Field(description="Where the lines go.")
    path: Path | None = Field(
        None, description="The file lines are appended to, which only its owner may read; with `to: file`."
    )
    address: str = Field(
        SYSLOG, description="The syslog daemon: the path of its socket, or host:port over UDP; with `to: syslog`."
    )
    key: SecretStr | None = Field(
        None,
        min_length=32,
        description="What values are hashed with; derived from `store.id_key` if not said, so that all replicas agree.",
    )

    @model_validator(mode="after")
    def _what_belongs_together(self) -> AuditSettings:
        if (self.to == "file") != (self.path is not None):
            raise ValueError("path goes with `to: file`, and is needed there")
        if self.to != "syslog" and "address" in self.model_fields_set:
            raise ValueError("address goes with `to: syslog`")
        if not self.address.startswith("/"):
            address(self.address)
        return self

    @property
    def daemon(self) -> str | tuple[str, int]:
        """The syslog daemon as the standard library names it."""
        if self.address.startswith("/"):
            return self.address
        found = address(self.address)
        return found.host, found.port
