"""What may be reached from where: nothing known to everybody, and nothing that leads nowhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from urllib.parse import urlsplit

from gateway.settings import Configuration, Problem
from gateway.settings.values import is_loopback

DEMO_TOKEN = "demo-token"  # noqa: S105 - no secret, which is the point
"""The demo's bearer token: everybody can read it here, so it opens nothing that others can reach."""
_DEMO_DIGEST = hashlib.sha256(DEMO_TOKEN.encode("ascii")).hexdigest()
_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


def problems(configuration: Configuration) -> Iterator[Problem]:
    """Find what must not be served the way the settings say."""
    server = configuration.settings.server
    outside = None if server.public_url is None else urlsplit(server.public_url).hostname or ""
    exposed = not server.listen.is_loopback or (outside is not None and not is_loopback(outside))
    for name, tenant in configuration.settings.tenants.items():
        for position, token in enumerate(tenant.tokens):
            if exposed and token.sha256 == _DEMO_DIGEST:
                trail = ("tenants", name, "tokens", position, "sha256")
                reason = "is the demo's token, which everybody knows: it is taken on loopback addresses only"
                yield configuration.problem(trail, reason)
    if server.public_url is None and server.listen.host in _ANY:
        reason = f"is missing: {server.listen.host} is no address clients could use"
        yield configuration.problem(("server", "public_url"), reason)
