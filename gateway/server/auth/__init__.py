"""Who calls: one small class per method of authentication, tried in turn by `AnyOf`.

Owns the check of what a client presents and what it may then do. Leaves where the secrets come from to `settings`.
"""

from gateway.server.auth.authenticator import AnyOf, Authenticator, Certificate, Grant, Permissions, Presented
from gateway.server.auth.static import StaticToken, StaticTokens

__all__ = [
    "AnyOf",
    "Authenticator",
    "Certificate",
    "Grant",
    "Permissions",
    "Presented",
    "StaticToken",
    "StaticTokens",
]
