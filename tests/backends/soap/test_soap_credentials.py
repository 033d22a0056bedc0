"""The gateway's own credentials: sessions, HTTP, WS-Security; none of them is ever told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import importlib
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lxml import etree

from backends.contract import BackendError, Change, Query, RejectedError, UnavailableError
from backends.soap import SettingsError, SoapBackend
from tests.backends.soap import systems
from tests.backends.soap.conftest import opened
from tests.backends.soap.servers import STAFF, LegacyServer, StaffServer

WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
WSU = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}"
DS = "{http://www.w3.org/2000/09/xmldsig#}"
PASSWORD = "pässword<&"


def header_login(**more: Any) -> dict[str, Any]:
    """A login whose session goes in a SOAP header of every call."""
    return {
        "secrets": {"password": PASSWORD},
        "login": {
            "operation": "Login",
            "arguments": {"User": "scim", "Password": "{@secret.password}"},
            "session": {"at": "Session"},
            "headers_of_calls": {f"{{{STAFF}}}Session": "{@session}"},
            **more,
        },
    }


async def test_one_login_serves_all_calls_and_is_renewed_when_it_is_over(server: StaffServer) -> None:
    """A session is opened once, however many calls begin at once, and anew when the service says it is over (R-L32)."""
    server.guarded = True
    async with opened(systems.staff(server.url, **header_login())) as backend:
        await asyncio.gather(*(backend.search("teams", Query(frozenset())) for _ in range(8)))
        assert server.calls.count("Login") == 1
        server.sessions.clear()
        key = (await backend.create("teams", {"title": "a"})).key
        assert server.calls.count("Login") == 2
        assert list(server.teams) == [key]
        assert server.envelopes[-1].findtext(f"*/{{{STAFF}}}Session") in server.sessions


async def test_a_login_that_fails_is_unavailable(server: StaffServer, old: LegacyServer) -> None:
    """Refused credentials of the gateway are 503 (R-L34), and neither they nor the service's text are told."""
    settings = systems.staff(server.url, **header_login())
    settings["secrets"]["password"] = "wrong"
    async with opened(settings) as backend:
        with pytest.raises(UnavailableError) as caught:
            await backend.search("teams", Query(frozenset()))
        assert not caught.value.maybe_done
        assert server.calls == ["Login"]
    settings = systems.legacy(old.url)
    settings["secrets"]["password"] = "s3cret-but-wrong"
    async with opened(settings) as legacy:
        with pytest.raises(UnavailableError) as caught:
            await legacy.create("users", {"login": "ann"})
        error: BaseException | None = caught.value
        while error is not None:
            assert "t0psecret" not in str(error)
            assert "s3cret" not in str(error)
            error = error.__cause__


async def test_a_session_that_is_refused_again_is_given_up(server: StaffServer) -> None:
    """A service that never accepts the session it gave is not asked for ever."""
    server.guarded = True
    settings = systems.staff(server.url, **header_login())
    settings["login"]["headers_of_calls"] = {f"{{{STAFF}}}Session": "another"}
    async with opened(settings) as backend:
        with pytest.raises(UnavailableError):
            await backend.create("teams", {"title": "a"})
        assert server.calls == ["Login", "CreateTeam", "Login", "CreateTeam"]
        assert server.teams == {}


class CookieServer(StaffServer):
    """Knows its callers by a cookie."""

    def more_headers(self) -> dict[str, str]:
        return {"set-cookie": "SID=c00kie; Path=/; HttpOnly"} if self.calls[-1] == "Login" else {}


async def test_a_session_may_be_a_cookie() -> None:
    """A session that comes as a cookie goes back as one, and no other cookie is kept."""
    async with CookieServer().running() as server:
        more = header_login(session={"cookie": "SID"}, headers_of_calls={})
        async with opened(systems.staff(server.url, **more)) as backend:
            await backend.create("teams", {"title": "a"})
            assert server.headers[-1]["cookie"] == "SID=c00kie"
            assert "cookie" not in server.headers[0]


async def test_http_credentials_go_with_every_call(server: StaffServer) -> None:
    """HTTP basic authentication is on each call; the repr of settings does not show it."""
    auth = {"type": "basic", "username": "scim", "password": "pass:word"}
    async with opened(systems.staff(server.url, auth=auth)) as backend:
        await backend.search("teams", Query(frozenset()))
        assert server.headers[-1]["authorization"] == "Basic " + base64.b64encode(b"scim:pass:word").decode()
        assert "pass:word" not in repr(backend.settings)


async def test_a_username_token_is_text_or_digest(server: StaffServer) -> None:
    """WS-Security as its profile has it; nonces and times are new for every message."""
    security: dict[str, Any] = {"type": "username_token", "username": "scim", "password": PASSWORD}
    async with opened(systems.staff(server.url, security=security)) as backend:
        await backend.search("teams", Query(frozenset()))
        header = server.envelopes[-1][0][0]
        assert header.tag == f"{WSSE}Security"
        assert header.findtext(f"{WSSE}UsernameToken/{WSSE}Password") == PASSWORD
        assert header.find(f"{WSU}Timestamp") is None
    security |= {"digest": True, "timestamp_seconds": 60}
    async with opened(systems.staff(server.url, security=security)) as backend:
        for _ in range(2):
            await backend.search("teams", Query(frozenset()))
    nonces = set()
    for envelope in server.envelopes[-2:]:
        header = envelope[0][0]
        found = {name: header.findtext(f"{WSSE}UsernameToken/{name}") for name in (f"{WSSE}Nonce", f"{WSU}Created")}
        nonce, created = base64.b64decode(found[f"{WSSE}Nonce"]), found[f"{WSU}Created"]
        digest = base64.b64encode(hashlib.sha1(nonce + created.encode() + PASSWORD.encode()).digest()).decode()
        assert header.findtext(f"{WSSE}UsernameToken/{WSSE}Password") == digest
        nonces.add(nonce)
        moments = [datetime.fromisoformat(one.text) for one in header.find(f"{WSU}Timestamp")]
        assert moments[1] - moments[0] == timedelta(seconds=60)
        assert PASSWORD.encode() not in etree.tostring(envelope)
    assert len(nonces) == 2


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and its certificate."""
    folder = tmp_path_factory.mktemp("pair")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway.example.com")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"unlock"),
        )
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return folder / "key.pem", folder / "certificate.pem"


@pytest.mark.parametrize("binary", [True, False])
async def test_a_signature_covers_body_and_time(server: StaffServer, pair: tuple[Path, Path], binary: bool) -> None:
    """The body and the timestamp are signed with RSA and SHA-256, and whoever alters either is found out."""
    xmlsec: Any = importlib.import_module("xmlsec")
    key, certificate = pair
    security = {
        "type": "signature",
        "key": str(key),
        "certificate": str(certificate),
        "key_password": "unlock",
        "binary_token": binary,
        "username": "scim",
        "password": PASSWORD,
    }
    async with opened(systems.staff(server.url, security=security)) as backend:
        await backend.create("teams", {"title": "Zürich <&>"})
    (team,) = server.teams.values()
    assert team["title"] == "Zürich <&>"
    envelope = next(one for one in server.envelopes if one[-1][0].tag.endswith("CreateTeam"))
    methods = {one.get("Algorithm") for one in envelope.iter(f"{DS}SignatureMethod", f"{DS}DigestMethod")}
    assert methods == {
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        "http://www.w3.org/2001/04/xmlenc#sha256",
    }
    assert len(list(envelope.iter(f"{DS}Reference"))) == 2
    assert bool(list(envelope.iter(f"{WSSE}BinarySecurityToken"))) is binary

    def verify() -> None:
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_file(str(certificate), xmlsec.KeyFormat.CERT_PEM)
        for element in (envelope[-1], envelope.find(f".//{WSU}Timestamp")):
            context.register_id(element, "Id", WSU[1:-1])
        context.verify(envelope.find(f".//{DS}Signature"))

    verify()
    envelope[-1][0][0].text = "Geneva"
    with pytest.raises(xmlsec.Error):
        verify()


async def started(security: Mapping[str, Any]) -> None:
    """Start a backend with these credentials, on a service that is never called."""
    async with opened(systems.staff("http://127.0.0.1:9/", security=security)):
        pass


async def test_a_key_that_cannot_be_used_is_told_at_start(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """A missing file, a wrong passphrase and a certificate for a key are mistakes of the settings."""
    key, certificate = pair
    settings = {"type": "signature", "key": str(key), "certificate": str(certificate), "key_password": "unlock"}
    await started(settings)
    for wrong in ({"key": str(tmp_path / "none.pem")}, {"key_password": "wr0ng"}, {"key": str(certificate)}):
        with pytest.raises(SettingsError) as caught:
            await started({**settings, **wrong})
        assert caught.value.path == "security"
        assert "wr0ng" not in str(caught.value)


async def test_a_missing_extra_says_what_installs_it(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures without xmlsec name the extra that brings it."""
    monkeypatch.setitem(sys.modules, "xmlsec", None)
    with pytest.raises(SettingsError, match=r"scim-gateway\[soap-x509\]"):
        await started({"type": "signature", "key": str(pair[0]), "certificate": str(pair[1]), "key_password": "unlock"})


async def test_what_is_explained_shows_no_secret_and_no_value(old: LegacyServer) -> None:
    """Envelopes are rendered by what sends them, with marks for values, and nothing is sent (promise 9)."""
    settings = systems.legacy(old.url, auth={"type": "basic", "username": "u", "password": "httpsecret"})
    settings["entities"]["users"]["fields"]["note"] = {"secret": True}
    settings["security"] = {"type": "username_token", "username": "scim", "password": "wssecret"}
    async with opened(settings) as backend:
        fields = {"login": "veiled", "note": "hidden", "grade": 7}
        calls = [
            *backend.explain("users", "create", fields),
            *backend.explain("users", "update", "17", Change(set={"note": "hidden"})),
            *backend.explain("users", "get", "17", frozenset({"login"})),
            *backend.explain("users", "delete", "17"),
        ]
        shown = " ".join(f"{call.text} {call.values}" for call in calls)
        assert not any(secret in shown for secret in ("httpsecret", "wssecret", "t0psecret", "hidden"))
        assert "veiled" not in "".join(call.text for call in calls)
        assert ("login", "veiled") in calls[0].values
        assert ("note", None) in calls[0].values
        envelope = etree.fromstring(calls[0].text.partition("\n\n")[2])
        assert [(one.tag, one.text) for one in envelope[-1][0]] == [
            ("ticket", "***"),
            ("login", "{login}"),
            ("note", "{note}"),
            ("grade", "{grade}"),
            ("on", None),
        ]
        assert "WS-Security: username_token ***" in calls[0].text
        assert "authorization: ***" in calls[0].text
        with pytest.raises(BackendError):
            backend.explain("users", "rename")
        assert old.calls == []


async def test_the_real_call_is_what_was_explained(server: StaffServer, staff: SoapBackend) -> None:
    """With its values in place of the marks, what was shown is what is sent."""
    fields = {"login": "ann", "tags": ("a",), "enabled": True, "hired": None}
    (call,) = staff.explain("people", "create", {name: one for name, one in fields.items() if one is not None})
    shown = etree.fromstring(call.text.partition("\n\n")[2].encode())
    await staff.create("people", fields)
    first = next(one for one in server.envelopes if one[-1][0].tag.endswith("CreatePerson"))
    marks = {"{login}": "ann", "{tags}": "a", "{enabled}": "true"}
    seen = [(one.tag, marks.get((one.text or "").strip(), (one.text or "").strip())) for one in shown.iter()]
    assert seen == [(one.tag, (one.text or "").strip()) for one in first.iter()]
    with pytest.raises(RejectedError):
        await staff.create("people", {"login": "", "note": "x"})
