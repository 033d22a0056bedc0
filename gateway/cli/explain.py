"""`scim-gateway explain`: what a SCIM request would cause, native call by native call."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from backends.contract import BackendError
from gateway.app.explanation import Explanation
from gateway.app.explanation import explain as rehearse
from gateway.app.rehearsal import Step
from gateway.cli import reporting
from gateway.cli.configuration import Config, blueprint
from gateway.identity import IdentityError
from gateway.settings import SettingsError
from gateway.settings.problems import nearest
from gateway.settings.secrecy import masked

MOST_VALUES = 40
"""Values of one call that are printed; a page's keys would fill the screen."""


def explain(
    config: Config,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", show_default=False)],
    method: Annotated[
        str, typer.Argument(metavar="METHOD", help="GET, POST, PUT, PATCH or DELETE.", show_default=False)
    ],
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="Below the tenant's root: `/Users/@10001`.", show_default=False)
    ],
    body: Annotated[
        str, typer.Argument(metavar="[BODY]", help="JSON, `@file`, or `-` for the standard input.", show_default=False)
    ] = "",
    read: Annotated[
        bool, typer.Option("--read", help="Make the reads the request needs, of the systems and of the store.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a SCIM request would cause, without causing it.

    Printed are the rewrites of the client's dialect and every native call with its values, secrets masked, by the code
    that would really make them. Nothing is written. `@KEY` in the place of an id means the account with that native
    key (`@Group:KEY` for a group in a body), so that neither a store nor a real id is needed.
    """
    drawn = blueprint(config)
    if tenant not in drawn.tenants:
        reporting.fail(f"there is no tenant {tenant!r}{nearest(tenant, drawn.tenants)}")
    if not path.startswith("/"):
        reporting.fail("PATH begins with a slash, such as /Users")
    try:
        found = asyncio.run(rehearse(drawn, tenant, method.upper(), path, _body(body), read=read))
    except SettingsError as error:
        reporting.refuse(error)
    except (IdentityError, BackendError) as error:
        reporting.fail(str(error))
    text = json.dumps(_document(found), indent=2, ensure_ascii=False) if as_json else _page(found)
    typer.echo(masked(text, drawn.secrets()))


def _body(text: str) -> bytes | None:
    if not text:
        return None
    try:
        if text == "-":
            return sys.stdin.buffer.read()
        return Path(text[1:]).read_bytes() if text.startswith("@") else text.encode("utf-8")
    except OSError as error:
        reporting.fail(f"{text[1:]} cannot be read: {error.strerror}")


def _page(found: Explanation) -> str:
    lines: list[str] = []
    for step in found.steps:
        if step.what == "rewrite":
            lines.append(f"rewrite   {step.name}")
            continue
        lines.append(f"{step.effect:<9} {step.name}")
        for call in step.calls:
            lines += [f"            {line}" for line in call.text.splitlines()]
            lines += [f"              {name} = {value!r}" for name, value in call.values[:MOST_VALUES]]
            if len(call.values) > MOST_VALUES:
                lines.append(f"              … and {len(call.values) - MOST_VALUES} more")
        if step.note:
            lines.append(f"            ({step.note})")
    lines.append(f"answer    {found.status}{_reason(found)}")
    return "\n".join(lines)


def _reason(found: Explanation) -> str:
    if found.status < 400 or not isinstance(found.answer, dict):
        return ""
    kind = f" {found.answer['scimType']}" if "scimType" in found.answer else ""
    return f"{kind}: {found.answer.get('detail', '')}"


def _document(found: Explanation) -> dict[str, Any]:
    return {"steps": [_step(step) for step in found.steps], "status": found.status, "answer": found.answer}


def _step(step: Step) -> dict[str, Any]:
    if step.what == "rewrite":
        return {"rewrite": step.name}
    calls = [{"text": call.text, "values": {name: _plain(value) for name, value in call.values}} for call in step.calls]
    document: dict[str, Any] = {"operation": step.name, "made": step.effect == "made", "calls": calls}
    return {**document, "note": step.note} if step.note else document


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
