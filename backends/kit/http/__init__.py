"""HTTP towards native systems: one session with timeouts, limits, failover, TLS and outbound authentication.

`HttpSettings` is what an operator writes, `HttpSession` sends. What leaves `HttpSession.send` is an `Answer` of any
status but 401, or a `BackendError` that says whether a write may have been done.
"""

from __future__ import annotations

from backends.kit.http.messages import Answer as Answer
from backends.kit.http.messages import Request as Request
from backends.kit.http.session import HttpSession as HttpSession
from backends.kit.http.settings import HttpSettings as HttpSettings
