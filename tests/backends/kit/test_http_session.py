"""HTTP sessions: faults said truly, limits, failover, TLS."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from backends.contract import UnavailableError
from backends.kit.http import HttpSettings, Request
from tests.backends.kit.scripted import GET, PUT, Scripted, raw, session, tls_server
from tests.certificates import identified
from tests.services import free_port


async def fails(urls: Any, request: Request, **settings: Any) -> UnavailableError:
    """Send a request that must fail, and give its error."""
    async with session(urls, **settings) as opened:
        with pytest.raises(UnavailableError) as caught:
            await opened.send(request)
    assert "127.0.0.1" not in caught.value.detail
    return caught.value


@pytest.mark.parametrize("request_", [GET, PUT], ids=["read", "write"])
async def test_a_refused_connection_did_nothing(request_: Request) -> None:
    """Nobody listens: unavailable, and nothing can be done (R-L21)."""
    error = await fails(f"http://127.0.0.1:{free_port()}", request_)
    assert not error.maybe_done


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    ],
    ids=["nothing", "cut", "bad chunk", "bad gzip", "not http", "endless header"],
)
async def test_a_broken_answer_leaves_a_write_open(sent: bytes) -> None:
    """Once a request is sent a write may be done, whatever came back; it is not sent again (R-L21)."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()

    async with raw(talk) as (url, seen):
        assert (await fails(url, PUT)).maybe_done
        assert len(seen) == 1
        assert not (await fails(url, GET)).maybe_done


async def test_a_write_on_a_connection_that_breaks_is_sent_once() -> None:
    """A PUT on a kept connection that the server drops is not repeated behind the caller's back."""
    answers = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        await reader.readuntil(b"\r\n\r\n")
        answers += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")

    async with raw(talk) as (url, seen), session(url) as opened:
        assert (await opened.send(GET)).status == 200
        with pytest.raises(UnavailableError) as caught:
            await opened.send(PUT)
        assert caught.value.maybe_done
        assert (answers, len(seen)) == (1, 1)


@pytest.mark.parametrize("body", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"], ids=["silent", "slow body"])
async def test_a_silent_system_is_left_in_time(body: bytes) -> None:
    """A connection that says nothing, or half of it, ends with the time there is; a write may be done."""
    over = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(body)
        await writer.drain()
        await over.wait()

    async with raw(talk) as (url, _):
        for request, done in ((GET, False), (PUT, True)):
            error = await fails(url, request, limits={"answer_seconds": 0.05})
            assert (error.maybe_done, error.detail) == (done, "the system did not answer in time")
        over.set()


async def test_a_trickle_is_cut_off_by_the_whole_time() -> None:
    """A byte now and then does not keep a call alive: the time in all is bounded."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with raw(talk) as (url, _):
        await fails(url, GET, limits={"answer_seconds": 5, "total_seconds": 0.15})


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("told", [False, True])
async def test_a_long_answer_is_not_read_to_its_end(packed: bool, told: bool) -> None:
    """Answers over the limit are refused by their declared length, by what arrives, and by what they unpack to."""
    body = b" " * 300_000

    async def script(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Encoding": "gzip"} if packed else {}
        answer = web.StreamResponse(headers=headers)
        sent = gzip.compress(body) if packed else body
        if told:
            answer.content_length = len(sent)
        await answer.prepare(request)
        await answer.write(sent)
        return answer

    async with Scripted(script).running() as server:
        error = await fails(server.url, PUT, limits={"response_bytes": 100_000})
    assert (error.detail, error.maybe_done) == ("the system's answer is too long", True)


async def test_the_next_base_url_is_asked_when_one_cannot_be_connected_to() -> None:
    """Failover happens before anything is sent, sticks while it lasts, and is undone after a while."""

    async def script(request: web.Request) -> web.StreamResponse:
        return web.Response(text="{}")

    now = 0.0
    port = free_port()
    async with Scripted(script).running() as server:
        urls = [f"http://127.0.0.1:{port}", server.url]
        async with session(urls, lambda: now) as opened:
            for _ in range(3):
                assert (await opened.send(PUT)).status == 200
            assert server.calls == ["PUT /x"] * 3
            first = await asyncio.start_server(lambda reader, writer: writer.transport.abort(), "127.0.0.1", port)
            assert (await opened.send(PUT)).status == 200, "the one that works is asked while it does"
            now = 61.0
            with pytest.raises(UnavailableError) as caught:
                await opened.send(PUT)
            assert caught.value.maybe_done, "the first one is asked again, and took the request"
            first.close()
    assert len(server.calls) == 4


async def test_nobody_to_fail_over_to() -> None:
    """With all base URLs refused the error says that nothing was done."""
    error = await fails([f"http://127.0.0.1:{free_port()}" for _ in range(3)], PUT)
    assert (error.maybe_done, error.detail) == (False, "the system cannot be reached")


async def test_redirects_are_not_followed() -> None:
    """A redirect comes back as it is: nothing is sent to where it points (credentials least of all)."""

    async def script(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with Scripted(script).running() as server, session(server.url) as opened:
        assert (await opened.send(GET)).status == 302
        assert server.calls == ["GET /x"]


async def test_cookies_are_not_kept() -> None:
    """A cookie the system sets is not sent back: calls of different tenants share a session."""

    async def script(request: web.Request) -> web.StreamResponse:
        return web.Response(headers={"Set-Cookie": "a=b"})

    async with Scripted(script).running() as server, session(server.url) as opened:
        await opened.send(GET)
        await opened.send(GET)
        assert "cookie" not in server.headers[1]


async def test_fixed_headers_go_with_every_call_and_stay_out_of_sight() -> None:
    """Headers of the settings are sent, and shown masked (promise 8)."""

    async def script(request: web.Request) -> web.StreamResponse:
        return web.Response()

    async with (
        Scripted(script).running() as server,
        session(server.url, secret_headers={"X-Key": "s3cret"}, headers={"X-Tenant": "a"}) as opened,
    ):
        await opened.send(GET)
        assert (server.headers[0]["x-key"], server.headers[0]["x-tenant"]) == ("s3cret", "a")
        assert opened.shown == ("x-tenant: a", "x-key: ***")


async def test_a_proxy_is_used() -> None:
    """With a proxy the request goes to it, with the whole URL; without one the environment's is not used."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with raw(talk) as (url, seen):
        async with session("http://people.example.com", proxy=url) as opened:
            assert (await opened.send(GET)).status == 200
        assert seen == [b"GET http://people.example.com/x HTTP/1.1\r\n"]


async def test_a_session_not_open_is_unavailable() -> None:
    """Before start and after stop nothing is sent; stop may be called twice."""
    async with session("http://127.0.0.1:9") as opened:
        await opened.stop()
        with pytest.raises(UnavailableError):
            await opened.send(GET)


@pytest.mark.parametrize(
    "url",
    ["ftp://a.example.com", "//a", "https://user:word@a.example.com", "https://a.example.com/#x", "https://a/?x=1", ""],
)
def test_a_base_url_must_be_one(url: str) -> None:
    """Other schemes, credentials, queries and fragments are refused at load; the error does not repeat them."""
    with pytest.raises(ValidationError):
        HttpSettings.model_validate({"base_urls": url})


@pytest.mark.parametrize("headers", [{"X Y": "a"}, {"X": "a\r\nY: b"}, {"Authorization": "Bearer x"}, {"": "a"}])
def test_headers_of_every_call_must_be_headers(headers: dict[str, str]) -> None:
    """Names and values that would break a header are refused at load, and so are credentials in plain sight."""
    with pytest.raises(ValidationError):
        HttpSettings.model_validate({"base_urls": "https://a.example.com", "headers": headers})


# TLS


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """A private CA that signs what it is asked to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign(_name("ca"), self._key, None)
        self.path = self._write("ca.pem", self._certificate)

    def issue(self, host: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        path = self._write(f"{host}.pem", self._sign(_name(host), key, host))
        private = self._folder / f"{host}.key"
        encryption = serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encryption))
        return path, private

    def _write(self, name: str, certificate: x509.Certificate) -> Path:
        path = self._folder / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def _sign(self, subject: x509.Name, key: Any, host: str | None) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_name("ca"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        )
        if host is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        builder = identified(builder, key.public_key(), self._key.public_key(), authority=host is None)
        return builder.sign(self._key, hashes.SHA256())


async def test_certificates_are_verified(tmp_path: Path) -> None:
    """A private CA is trusted if named; an unknown one, or another host's certificate, is no connection at all."""
    authority = Authority(tmp_path)
    for host, settings, works in (
        ("localhost", {"tls": {"ca": authority.path}}, True),
        ("localhost", {}, False),
        ("other.example.com", {"tls": {"ca": authority.path}}, False),
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue(host))
        async with tls_server(context) as url, session(url, **settings) as opened:
            if works:
                assert (await opened.send(PUT)).status == 200
            else:
                with pytest.raises(UnavailableError) as caught:
                    await opened.send(PUT)
                assert not caught.value.maybe_done


async def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    """Mutual TLS: with its certificate the gateway gets an answer, without one it does not."""
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("localhost"))
    context.load_verify_locations(authority.path)
    context.verify_mode = ssl.CERT_REQUIRED
    certificate, key = authority.issue("gateway")
    tls = {"ca": authority.path, "certificate": certificate, "key": key}
    async with tls_server(context) as url:
        async with session(url, tls=tls) as opened:
            assert (await opened.send(GET)).status == 200
        async with session(url, tls={"ca": authority.path}) as opened:
            with pytest.raises(UnavailableError):
                await opened.send(GET)


async def test_certificates_that_cannot_be_read_are_unavailable(tmp_path: Path) -> None:
    """A missing CA file is told at start, without its path."""
    with pytest.raises(UnavailableError) as caught:
        async with session("https://localhost", tls={"ca": tmp_path / "missing.pem"}):
            pass
    assert "missing" not in caught.value.detail
