"""TLS towards the database: a private CA, a client certificate."""

from __future__ import annotations

import ssl

from backends.kit.settings_errors import SettingsError
from backends.sql.settings import TlsSettings


def tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """Make the context of new connections; raise `SettingsError` for files that cannot be read."""
    try:
        context = ssl.create_default_context(cafile=settings.ca)
        context.check_hostname = settings.check_host
        if settings.certificate is not None:
            context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError("tls", f"the certificates cannot be read: {error}") from None
    return context
