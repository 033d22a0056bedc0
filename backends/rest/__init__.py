"""The REST backend: records behind HTTP APIs as entities, by settings alone.

It knows each entity's calls, where an answer has what is wanted, and what an error means. Timeouts, TLS, failover and
credentials are `backends.kit.http`'s.
"""

from __future__ import annotations

from backends.rest.backend import RestBackend as RestBackend
from backends.rest.settings import RestSettings as RestSettings
