"""Log lines: nothing gets out that nobody marked as fit to be seen (X11)."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contract import UnavailableError
from gateway.scim.errors import ScimError
from gateway.telemetry.logs import QUIET, console_logger, install
from gateway.telemetry.redaction import FIELDS, Redaction, scrub, shape
from tests.telemetry.conftest import Log

SECRET = "s3cr3t-MARK-77"


class DriverError(Exception):
    """An error as drivers raise it, with a code."""

    sqlstate = "28P01"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The process's logger, put back afterwards."""
    logger = logging.getLogger()
    handlers, level = logger.handlers, logger.level
    levels = {name: logging.getLogger(name).level for name in QUIET}
    yield logger
    logger.handlers = handlers
    logger.setLevel(level)
    logging.captureWarnings(False)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


@pytest.mark.parametrize(
    "name",
    ["authorization", "Authorization", "cookie", "Set-Cookie", "password", "token", "client_secret", "url", "body"],
)
def test_secret_fields_are_never_written(log: Log, name: str) -> None:
    """A field marked secret shows that it was there and nothing else, at any level."""
    for level in (logging.DEBUG, logging.ERROR):
        log.logger.log(level, "event", **{name: SECRET})
    assert SECRET not in log.text
    assert log.lines[0][name] == "[secret]"


@pytest.mark.parametrize("name", ["userName", "emails", "anything"])
def test_unmarked_fields_are_not_written(log: Log, name: str) -> None:
    """What nobody thought of is not written."""
    log.logger.info("event", **{name: SECRET})
    assert log.lines[0][name] == "[unlisted]"


def test_filters_lose_their_values(log: Log) -> None:
    """A filter is logged as its shape."""
    log.logger.info("slow", filter='userName eq "bjensen" and (emails co "@x\\"y" or active eq true or n gt 5)')
    assert log.lines[0]["filter"] == 'userName eq "?" and (emails co "?" or active eq true or n gt "?")'
    assert shape('userName eq "unterminated') == 'userName eq "?"'


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("connection refused", "connection refused"),
        ('password authentication failed for user "hr"', "password authentication failed for user ?"),
        ("could not connect to postgresql://hr:hunter2@db.internal:5432/hr", "could not connect to ?"),
        ("Duplicate entry 'bjensen' for key 'login'", "Duplicate entry ? for key ?"),
        ("Key (login)=(bjensen) already exists.", "Key (login)? already exists."),
        ("mail bjensen@example.com is bad", "mail ? is bad"),
        ("boom\n[SQL: insert into x values (%s)]\n[parameters: ('bjensen',)]", "boom\n"),
        ("Authorization: Bearer abc.def.ghi", "Authorization: Bearer ?"),
        ("status 500 after 12 tries", "status 500 after 12 tries"),
        ("number 123456789", "number ?"),
        ("password=hunter2", "? ?"),
        ("Password: hunter", "Password:  ?"),
        ("sent Basic YWJj", "sent Basic ?"),
    ],
)
def test_texts_of_strangers_are_scrubbed(text: str, written: str) -> None:
    """Words stay, values go (X11)."""
    assert scrub(text) == written


@given(st.text(st.characters(codec="ascii", exclude_characters=" '\"`()"), min_size=1, max_size=30))
def test_quoted_values_never_survive(value: str) -> None:
    """Whatever stands in quotes is gone."""
    marked = f"Zq{value}qZ"
    assert marked not in scrub(f"bad value '{marked}' given")


def test_exceptions_are_written_without_their_drivers_texts(log: Log) -> None:
    """Class, code and place of every cause are told; a driver's text only as words, our own errors' as they are."""
    try:
        try:
            raise DriverError(f'password "{SECRET}" refused at db://{SECRET}@host')
        except DriverError as error:
            raise UnavailableError("the system cannot be reached") from error
    except UnavailableError as error:
        log.logger.error("failed", exc_info=error)
    [line] = log.lines
    assert SECRET not in log.text
    assert line["error"].endswith("UnavailableError")
    assert "the system cannot be reached" in line["chain"][0]
    assert line["chain"][1].endswith("DriverError sqlstate=28P01 password ? refused at ?")
    assert any("test_exceptions_are_written" in frame for frame in line["frames"])


def test_causes_in_a_circle_end(log: Log) -> None:
    """Exceptions that cause each other do not hang the log."""
    one, two = ValueError("a"), ValueError("b")
    one.__cause__, two.__cause__ = two, one
    log.logger.error("failed", exc_info=one)
    assert len(log.lines[0]["chain"]) == 2


def test_own_errors_keep_their_codes(log: Log) -> None:
    """A refusal shows its status and detail."""
    log.logger.error("failed", exc_info=ScimError(409, "userName: is taken"))
    assert log.lines[0]["chain"] == ["gateway.scim.errors.ScimError status=409 userName: is taken"]


def test_libraries_log_through_the_same_redaction(root: logging.Logger, log: Log) -> None:
    """What libraries log is scrubbed; those that tell statements are held at warnings (X11)."""
    install(log.logger, logging.DEBUG)
    logging.getLogger("sqlalchemy.engine").info("INSERT INTO x %s", SECRET)
    logging.getLogger("aiohttp.access").info('GET /?token="%s"', SECRET)
    logging.getLogger("some.library").warning("cannot open %s for '%s'", f"x://{SECRET}", SECRET)
    try:
        raise DriverError(SECRET)
    except DriverError:
        logging.getLogger("some.library").exception("failed")
    assert SECRET not in log.text
    assert [(line["logger"], line["event"]) for line in log.lines] == [
        ("some.library", "cannot open ? for ?"),
        ("some.library", "failed"),
    ]
    assert log.lines[1]["error"].endswith("DriverError")


def test_console_has_the_same_redaction() -> None:
    """The terminal shows no more than the file."""
    stream = io.StringIO()
    console_logger(stream, colors=False).warning("hello", tenant="acme", password=SECRET)
    assert "tenant=acme" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_level_is_kept(log: Log) -> None:
    """Lines below the level are not made."""
    stream = io.StringIO()
    console_logger(stream, logging.WARNING, colors=False).info("hello")
    assert stream.getvalue() == ""


def test_every_marked_field_is_lower_case() -> None:
    """Fields are looked up in lower case, so they are marked in lower case."""
    assert all(name == name.lower() and "-" not in name for name in FIELDS)
    assert Redaction()(None, "info", {"event": "x", "Proxy-Authorization": SECRET}) == {
        "event": "x",
        "Proxy-Authorization": "[secret]",
    }
