"""Client certificates (mutual TLS): TLS has verified the chain, here it is told whose they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.server.auth.authenticator import EVERYTHING, Certificate, Grant, Permissions, Presented


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """One accepted certificate: by its hex SHA-256, by its subject (RFC 4514), or by an alternative name (DNS or URI).

    Exactly one of the three is given. `name` stands for it in logs. A subject or a name is only as good as the
    authority that gives them out: everybody who can have such a certificate signed gets in.
    """

    name: str
    sha256: str | None = field(default=None, repr=False)
    subject: str | None = None
    alternative: str | None = None
    expires: datetime | None = None
    permissions: Permissions = EVERYTHING

    def __post_init__(self) -> None:
        if sum(one is not None for one in (self.sha256, self.subject, self.alternative)) != 1:
            raise ValueError("exactly one of sha256, subject and alternative name must be given")

    def fits(self, certificate: Certificate) -> bool:
        if self.sha256 is not None:
            return certificate.sha256 == self.sha256.lower().replace(":", "")
        if self.subject is not None:
            return certificate.subject == self.subject
        return self.alternative in certificate.names


class Certificates:
    """Knows callers by the certificate of their connection."""

    def __init__(self, accepted: Iterable[ClientCertificate], *, now: Callable[[], datetime]) -> None:
        self._accepted = tuple(accepted)
        self._now = now

    async def authenticate(self, presented: Presented) -> Grant | None:
        certificate = presented.certificate
        if certificate is None or presented.scheme:
            # Who sends an Authorization header wants to be known by that.
            return None
        for one in self._accepted:
            if one.fits(certificate) and (one.expires is None or self._now() < one.expires):
                return Grant(one.name, "certificate", one.permissions)
        return None


def read(der: bytes) -> Certificate:
    """Read a certificate in DER; raises ValueError for what is none."""
    made = x509.load_der_x509_certificate(der)
    try:
        names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        alternatives = (
            *names.get_values_for_type(x509.DNSName),
            *names.get_values_for_type(x509.UniformResourceIdentifier),
        )
    except x509.ExtensionNotFound:
        alternatives = ()
    return Certificate(made.fingerprint(SHA256()).hex(), made.subject.rfc4514_string(), alternatives)
