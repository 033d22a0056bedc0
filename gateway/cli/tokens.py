"""`scim-gateway token new`: a bearer token, shown once, and the lines that make a tenant accept it (X6)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

import typer

from gateway.server.auth.tokens import new_token

app = typer.Typer(help="Make bearer tokens, and see which are used.", no_args_is_help=True)


@app.callback()
def tokens() -> None:
    """Make bearer tokens for tenants and operators, and see which are used."""


@app.command("new")
def new(
    name: Annotated[str, typer.Option(help="What logs and metrics call the token.")] = "",
    expires: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="The last day it holds (UTC).")] = "",
) -> None:
    """Make a token and print it once, with the lines to add to the configuration.

    The token goes to the identity provider, the SHA-256 into the configuration: the gateway never holds the token
    itself. To rotate, add the new one beside the old, change it at the provider, then remove the old.
    """
    token, digest = new_token()
    lines = [f"      - sha256: {digest}"]
    if name:
        lines.append(f"        name: {_quoted(name)}")
    lines.append(f"        created: {datetime.now(UTC).date().isoformat()}")
    if expires:
        lines.append(f"        expires: {_day(expires).isoformat()}")
    typer.echo("The token, shown this once; give it to the identity provider:\n")
    typer.echo(f"  {token}\n")
    typer.echo("The lines for the tenant's configuration:\n")
    typer.echo("\n".join(["    tokens:", *lines]))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is no day such as 2027-06-30", param_hint="--expires") from None


def _quoted(name: str) -> str:
    if not name.isprintable() or len(name) > 64:
        raise typer.BadParameter("a name is at most 64 printable signs", param_hint="--name")
    return name if name.replace("-", "").isalnum() and not name.isdigit() else "'" + name.replace("'", "''") + "'"
