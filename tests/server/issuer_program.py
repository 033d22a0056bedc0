"""A real issuer of tokens (Canaille) with one user and one client in memory: a program of its own, told its port."""

from __future__ import annotations

import datetime
import sys

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from joserfc import jwk
from werkzeug.serving import make_server


def main(port: int) -> None:
    """Serve until killed; keys are made anew at every start."""
    key = jwk.RSAKey.generate_key(2048, {"kid": "one"})
    settings = {
        "SECRET_KEY": "a secret of a test",
        "SERVER_NAME": f"127.0.0.1:{port}",
        "PREFERRED_URL_SCHEME": "http",
        "CANAILLE": {"DATABASE": "memory"},
        "CANAILLE_OIDC": {"ACTIVE_JWKS": [key.as_dict(private=True)]},
    }
    application = create_app(config=settings)
    with application.app_context():
        robot = models.User(
            user_name="robot",
            family_name="Robot",
            formatted_name="Robot",
            emails=["robot@example.com"],
            password="secret-of-robot",
        )
        client = models.Client(
            client_id="gateway",
            client_secret="secret-of-gateway",
            client_name="gateway",
            grant_types=["client_credentials", "password"],
            response_types=["code"],
            token_endpoint_auth_method="client_secret_basic",
            scope=["openid", "profile"],
            client_id_issued_at=datetime.datetime.now(datetime.UTC),
        )
        Backend.instance.save(robot)
        Backend.instance.save(client)
        client.audience = [client]
        Backend.instance.save(client)
    make_server("127.0.0.1", port, application, threaded=True).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
