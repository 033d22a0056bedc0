"""Who calls: one small class per method of authentication, tried in turn by `AnyOf`.

Owns the check of what a client presents and what it may then do. Leaves where the secrets come from to `settings`.
"""

from gateway.server.auth.authenticator import AnyOf, Authenticator, Certificate, Grant, Permissions, Presented
from gateway.server.auth.basic import Basic, BasicLogin
from gateway.server.auth.certificates import Certificates, ClientCertificate
from gateway.server.auth.introspection import Introspection, IntrospectionRules
from gateway.server.auth.jwt import Jwt, JwtIssuer
from gateway.server.auth.static import StaticToken, StaticTokens

__all__ = [
    "AnyOf",
    "Authenticator",
    "Basic",
    "BasicLogin",
    "Certificate",
    "Certificates",
    "ClientCertificate",
    "Grant",
    "Introspection",
    "IntrospectionRules",
    "Jwt",
    "JwtIssuer",
    "Permissions",
    "Presented",
    "StaticToken",
    "StaticTokens",
]
