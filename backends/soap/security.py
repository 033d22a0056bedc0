"""WS-Security: what is put on a message so that the service knows who sends it."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import Any

from lxml import etree
from zeep.wsse import utils
from zeep.wsse.signature import BinarySignature, MemorySignature, Signature
from zeep.wsse.username import UsernameToken

from backends.kit.settings_errors import SettingsError
from backends.soap.settings import SignatureSettings, UsernameTokenSettings

INSTALL = "needs xmlsec, which is not installed: pip install 'scim-gateway[soap-x509]'"


class Security(ABC):
    """Puts credentials on envelopes; the envelope is altered and given back."""

    @abstractmethod
    def apply(self, envelope: etree._Element) -> etree._Element:
        """Put the credentials on."""


class NoSecurity(Security):
    """None."""

    def apply(self, envelope: etree._Element) -> etree._Element:
        return envelope


class NamedSecurity(Security):
    """A UsernameToken, with a timestamp where one is wanted."""

    def __init__(self, settings: UsernameTokenSettings) -> None:
        self._settings = settings

    def apply(self, envelope: etree._Element) -> etree._Element:
        settings = self._settings
        _understood(envelope)
        if settings.timestamp_seconds is not None:
            utils.get_security_header(envelope).append(_timestamp(settings.timestamp_seconds))
        _name(envelope, settings.username, settings.password.get_secret_value(), digest=settings.digest)
        return envelope


class SignedSecurity(Security):
    """A signature over the body and the timestamp, RSA with SHA-256."""

    def __init__(self, settings: SignatureSettings, signature: MemorySignature) -> None:
        self._settings = settings
        self._signature = signature

    def apply(self, envelope: etree._Element) -> etree._Element:
        settings = self._settings
        _understood(envelope)
        if settings.timestamp_seconds is not None:
            utils.get_security_header(envelope).append(_timestamp(settings.timestamp_seconds))
        if settings.username is not None and settings.password is not None:
            _name(envelope, settings.username, settings.password.get_secret_value(), digest=False)
        signed, _ = self._signature.apply(envelope, {})
        assert isinstance(signed, etree._Element)
        return signed


def security(settings: UsernameTokenSettings | SignatureSettings | None) -> Security:
    """Make what the settings describe; reads the key and certificate. Raises `SettingsError`."""
    if settings is None:
        return NoSecurity()
    if isinstance(settings, UsernameTokenSettings):
        return NamedSecurity(settings)
    try:
        xmlsec = importlib.import_module("xmlsec")
    except ImportError:
        raise SettingsError("security", INSTALL) from None
    kind: Any = BinarySignature if settings.binary_token else Signature
    try:
        signature: Any = kind(
            str(settings.key),
            str(settings.certificate),
            settings.key_password.get_secret_value() if settings.key_password is not None else None,
            signature_method=xmlsec.Transform.RSA_SHA256,
            digest_method=xmlsec.Transform.SHA256,
        )
        envelope = etree.fromstring(
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>'
        )
        SignedSecurity(settings, signature).apply(envelope)
    except (OSError, xmlsec.Error) as error:
        raise SettingsError("security", f"the key or the certificate cannot be used: {error}") from None
    return SignedSecurity(settings, signature)


def _name(envelope: etree._Element, username: str, password: str, *, digest: bool) -> None:
    # A token of its own for every message: nonce and time must differ.
    UsernameToken(username, password, use_digest=digest, zulu_timestamp=True).apply(envelope, {})


def _understood(envelope: etree._Element) -> None:
    header = utils.get_security_header(envelope)
    space = etree.QName(envelope).namespace
    header.set(f"{{{space}}}mustUnderstand", "true" if space.endswith("soap-envelope") else "1")


def _timestamp(seconds: int) -> etree._Element:
    now = datetime.now(UTC).replace(microsecond=0)
    element = utils.WSU.Timestamp()
    for name, moment in (("Created", now), ("Expires", now + timedelta(seconds=seconds))):
        made: Any = getattr(utils.WSU, name)
        element.append(made(moment.isoformat().replace("+00:00", "Z")))
    return element
