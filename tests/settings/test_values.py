"""Addresses, instants and public URLs as people write them."""

from __future__ import annotations

import pytest

from gateway.settings.problems import written
from gateway.settings.secrecy import masked
from gateway.settings.values import Address, address, is_loopback


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("127.8.9.1:1", "127.8.9.1", 1, True),
        ("localhost:0", "localhost", 0, True),
        ("[::1]:8080", "::1", 8080, True),
        ("[::]:8080", "::", 8080, False),
        ("0.0.0.0:80", "0.0.0.0", 80, False),
        ("scim.example.com:443", "scim.example.com", 443, False),
        ("localhost.example.com:443", "localhost.example.com", 443, False),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, host: str, port: int, loopback: bool) -> None:
    """Host and port, IPv6 in brackets; only what this machine alone can reach is loopback."""
    found = address(text)
    assert found == Address(host, port)
    assert str(found) == text
    assert found.is_loopback is loopback is is_loopback(host)


@pytest.mark.parametrize("text", ["", "host", ":80", "host:", "a:b", "[::1]", "[zz]:1", "http://a:1", "a:1/x", 8080])
def test_what_is_no_address_is_refused(text: object) -> None:
    """A mistake in an address never becomes an address that is open to everybody."""
    with pytest.raises(ValueError):
        address(text)


def test_a_path_is_written_as_one_reads_it() -> None:
    """Dots between names, brackets around positions, quotes where a name has dots of its own."""
    trail = ("tenants", "a", "tokens", 0, 'emails[type eq "work"].value', "urn:x:2.0:User:manager", 1.5)
    assert written(trail) == "tenants.a.tokens[0].'emails[type eq \"work\"].value'.'urn:x:2.0:User:manager'.'1.5'"


def test_secrets_are_masked_in_the_words_of_others() -> None:
    """A driver's message loses every known secret, the password of a URL among them, escaped or not (X11)."""
    known = ["postgresql://hr:p%40ss@db.example.com/hr", "sqlite:///plain.db", "token-1234", ""]
    text = (
        "cannot log in with p@ss (p%40ss) at postgresql://hr:p%40ss@db.example.com/hr, token-1234, sqlite:///plain.db"
    )
    assert masked(text, known) == "cannot log in with *** (***) at ***, ***, sqlite:///plain.db"
