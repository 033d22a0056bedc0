"""What certificates of tests need beside their names, so that the strictest verification takes them (Python 3.13)."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes, CertificatePublicKeyTypes


def identified(
    builder: x509.CertificateBuilder,
    public: CertificatePublicKeyTypes,
    issuer: CertificateIssuerPublicKeyTypes,
    *,
    authority: bool,
) -> x509.CertificateBuilder:
    """Add the key identifiers and the key usage that RFC 5280 asks for."""
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=authority, crl_sign=authority, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
        .add_extension(usage, critical=True)
    )
