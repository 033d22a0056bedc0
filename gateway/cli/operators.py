"""`scim-gateway status`, `ping` and `brake`: what an operator asks of a gateway that runs, over its admin plane."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import reporting

VARIABLE = "SCIM_GATEWAY_ADMIN_TOKEN"
SECONDS = 10.0

Url = Annotated[str, typer.Option("--admin", metavar="URL", help="Where the admin plane is (`admin.listen`).")]
TokenFile = Annotated[
    Path | None, typer.Option(help="A file with the operator's token.", show_default=f"the variable {VARIABLE}")
]
Tenant = Annotated[str, typer.Argument(metavar="TENANT", show_default=False)]

brake = typer.Typer(no_args_is_help=True)


def status(url: Url = "http://127.0.0.1:8081", token_file: TokenFile = None) -> None:
    """Print the state of a running gateway as JSON: store, backends, tenants, brakes.

    Ends with 1 if the store cannot be used, a backend was never reached or its breaker is not closed.
    """
    found = _ask(url, token_file, "GET", "/status")
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    well = [one["reached"] and one["breaker"] == "closed" for one in found["backends"].values()]
    if found["store"] != "usable" or not all(well):
        raise typer.Exit(1)


def ping(url: Annotated[str, typer.Argument(metavar="URL")] = "http://127.0.0.1:8080") -> None:
    """Ask a gateway whether it takes requests (`/readyz`); ends with 0 if it does. No token is needed."""
    try:
        with urllib.request.urlopen(_checked(f"{url.rstrip('/')}/readyz"), timeout=SECONDS) as answer:  # noqa: S310
            typer.echo(json.loads(answer.read())["status"])
    except urllib.error.HTTPError as error:
        with error:
            reporting.fail(f"{url} does not take requests: {error.read(500).decode('utf-8', 'replace')}")
    except (OSError, ValueError, KeyError) as error:
        reporting.fail(f"{url} does not answer: {error}")


@brake.callback()
def brakes() -> None:
    """Look at the brake on mass changes, and release it.

    When more accounts are deactivated, or resources deleted, or members removed within a window than a tenant's
    settings allow, further changes of the kind are answered 429 until an operator says that they are meant.
    """


@brake.command("status")
def engaged(url: Url = "http://127.0.0.1:8081", token_file: TokenFile = None) -> None:
    """List the brakes that hold changes back; ends with 1 if there are any."""
    found = _ask(url, token_file, "GET", "/brake")["engaged"]
    for one in found:
        typer.echo(f"{one['tenant']}: {one['kind']} are held, {one['count']} were asked for")
    if found:
        raise typer.Exit(1)
    typer.echo("no brake holds anything back")


@brake.command("release")
def release(
    tenant: Tenant,
    kind: Annotated[str, typer.Option(help="deactivations, deletions or removals.", show_default="all of them")] = "",
    url: Url = "http://127.0.0.1:8081",
    token_file: TokenFile = None,
) -> None:
    """Let a tenant's changes through again, and count anew."""
    body = {"tenant": tenant, **({"kind": kind} if kind else {})}
    released = _ask(url, token_file, "POST", "/brake/release", body)["released"]
    typer.echo(f"{tenant}: released {', '.join(released)}" if released else f"{tenant}: no brake held anything back")


def _ask(url: str, token_file: Path | None, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    headers = {"Authorization": f"Bearer {_token(token_file)}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    address = _checked(f"{url.rstrip('/')}{path}")
    request = urllib.request.Request(address, data=data, headers=headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            reporting.fail(f"{url} refuses: {_detail(error.read(2000))}")
    except (OSError, ValueError) as error:
        reporting.fail(f"{url} does not answer: {error}")


def _checked(url: str) -> str:
    """Take http and https only: urllib would read files too."""
    if not url.startswith(("http://", "https://")):
        reporting.fail(f"{url} is no URL such as http://127.0.0.1:8081")
    return url


def _detail(raw: bytes) -> str:
    try:
        return str(json.loads(raw)["detail"])
    except (ValueError, KeyError, TypeError):
        return "no reason is given"


def _token(file: Path | None) -> str:
    try:
        token = os.environ.get(VARIABLE, "") if file is None else file.read_text(encoding="utf-8").strip()
    except OSError as error:
        reporting.fail(f"{file} cannot be read: {error.strerror}")
    if not token:
        reporting.fail(f"an operator's token is needed: in {VARIABLE}, or in a file named by --token-file")
    return token
