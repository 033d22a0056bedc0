"""The audit stream: what is written of an attempt, and what never is."""

from __future__ import annotations

import io
import json
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.engine.audit import Alteration, Attempt, Sensitivity, of_difference, of_operations, of_resource
from gateway.scim import patch, standard
from gateway.telemetry.audit import AuditTrail, FileSink, Sink, StreamSink, SyslogSink

USER = standard.resource_type("User")
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
RESOURCE: dict[str, Any] = {
    "schemas": [USER.schema.id],
    "userName": "bjensen@example.com",
    "password": "t0p-s3cret",
    "active": False,
    ENTERPRISE: {"employeeNumber": "701984", "manager": {"value": "b7c1", "displayName": "A Name"}},
}


@dataclass
class Lines:
    """A sink that keeps what is written, or fails."""

    lines: list[bytes]
    broken: bool = False

    def write(self, line: bytes) -> None:
        if self.broken:
            raise OSError("no space left on device")
        self.lines.append(line)

    def close(self) -> None:
        self.lines.append(b"closed")


def attempt(**changes: Any) -> Attempt:
    fields: dict[str, Any] = {
        "tenant": "acme", "caller": "t1", "address": "127.0.0.1", "request_id": "r1", "operation": "create",
        "resource_type": "User", "id": "i1", "outcome": "done", "status": 201,
        "alterations": of_resource(USER, RESOURCE),
    }  # fmt: skip
    return Attempt(**{**fields, **changes})


def trail(sink: Sink, failures: list[OSError] | None = None) -> AuditTrail:
    return AuditTrail(
        sink,
        key=b"k" * 32,
        now=lambda: datetime(2026, 11, 2, 3, 4, 5, tzinfo=UTC),
        failed=(failures if failures is not None else []).append,
    )


def test_values_are_written_by_their_class() -> None:
    """Flags and ids of others are shown, what tells who somebody is is hashed, secrets leave a mark (M10, X12)."""
    sink = Lines([])
    trail(sink).record(attempt())
    (line,) = sink.lines
    document = json.loads(line)
    assert document["time"] == "2026-11-02T03:04:05.000Z"
    assert (document["seq"], document["prev"], document["schema"]) == (None, None, "scim-gateway/audit/1")
    changes = {change["path"]: change for change in document["changes"]}
    assert changes["active"]["value"] is False
    assert changes["password"] == {"path": "password", "verb": "set", "secret": True}
    assert changes[f"{ENTERPRISE}:manager"]["value"] == "b7c1"
    assert len(changes["userName"]["hash"]) == 32
    for value in (b"bjensen", b"t0p-s3cret", b"701984", b"A Name"):
        assert value not in line


def test_a_hash_tells_equal_values_of_one_attribute_only() -> None:
    """The same value twice has one hash; under another attribute or tenant it has another."""
    sink = Lines([])
    one = Alteration("userName", "set", "x")
    other = Alteration("displayName", "set", "x")
    audit = trail(sink)
    audit.record(attempt(alterations=(one, one, other)))
    audit.record(attempt(tenant="other", alterations=(one,)))
    first, second, third = (change["hash"] for change in json.loads(sink.lines[0])["changes"])
    assert first == second != third
    assert json.loads(sink.lines[1])["changes"][0]["hash"] != first


def test_operations_are_told_by_path() -> None:
    """A PATCH is told as what it wanted, a long list as a number."""
    members = [{"value": f"id{number}"} for number in range(101)]
    group = standard.resource_type("Group")
    body = {
        "schemas": [patch.REQUEST_URN],
        "Operations": [
            {"op": "add", "path": "members", "value": members},
            {"op": "remove", "path": 'members[value eq "u1"]'},
            {"op": "replace", "path": "displayName", "value": "Sales"},
        ],
    }
    sink = Lines([])
    operations = patch.parse(body, group, patch.PatchOptions())
    trail(sink).record(attempt(operation="patch", alterations=of_operations(operations)))
    changes = json.loads(sink.lines[0])["changes"]
    assert changes[0] == {"path": "members", "verb": "add", "value": {"count": 101}}
    assert changes[1]["verb"] == "remove"
    assert changes[2]["path"] == "displayName"
    assert "value" not in changes[2]


def test_a_difference_names_what_changed_and_what_is_gone() -> None:
    """A PUT is told by what differs: unchanged attributes are not there, cleared ones have no value."""
    after = {**RESOURCE, "active": True, ENTERPRISE: {"employeeNumber": "701984"}}
    del after["password"]
    found = {one.path: one for one in of_difference(USER, RESOURCE, after)}
    assert found.keys() == {"active", "password", f"{ENTERPRISE}:manager"}
    assert found["active"].value is True
    assert found["password"].value is None


def test_a_trail_that_cannot_be_written_is_told_and_loses_nobody_their_answer() -> None:
    """A full disk is the operator's to know; the change has happened, so its answer stands."""
    failures: list[OSError] = []
    trail(Lines([], broken=True), failures).record(attempt())
    assert len(failures) == 1


def test_a_file_is_private_and_follows_rotation(tmp_path: Path) -> None:
    """The file is its owner's alone, lines are appended, and a moved file is begun anew (logrotate)."""
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"before\n")
    path.chmod(0o600)
    sink = FileSink(path)
    sink.write(b"one\n")
    os.rename(path, tmp_path / "audit.jsonl.1")
    sink.write(b"two\n")
    sink.close()
    assert (tmp_path / "audit.jsonl.1").read_bytes() == b"before\none\n"
    assert path.read_bytes() == b"two\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_stream_gets_whole_lines() -> None:
    """The standard output, or any stream, gets one object per line."""
    stream = io.StringIO()
    sink = StreamSink(stream)
    trail(sink).record(attempt(alterations=(Alteration("active", "set", True, Sensitivity.SHOWN),)))
    assert json.loads(stream.getvalue())["changes"] == [{"path": "active", "verb": "set", "value": True}]
    sink.close()
    assert not stream.closed


def test_syslog_gets_a_line_over_udp() -> None:
    """A syslog daemon gets the object under the program's name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(5)
        sink = SyslogSink(daemon.getsockname())
        audit = trail(sink)
        audit.record(attempt())
        audit.close()
        message = daemon.recv(65536).rstrip(b"\0")
    assert b"scim-gateway: {" in message
    assert json.loads(message[message.index(b"{") :])["caller"] == "t1"


@pytest.mark.parametrize(
    "value", [1.5, True, ["a"], [{"value": "x", "display": "A Name"}], {"value": "y", "display": "B"}]
)
def test_shown_values_are_ids_and_plain_ones(value: Any) -> None:
    """What is shown never carries a display name along."""
    sink = Lines([])
    trail(sink).record(attempt(alterations=(Alteration("x", "add", value, Sensitivity.SHOWN),)))
    assert b"A Name" not in sink.lines[0]
    assert b"display" not in sink.lines[0]
