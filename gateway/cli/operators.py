"""`scim-gateway status`, `ping`, `brake` and `token last-use`: what an operator asks of a gateway that runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from gateway.cli import reporting
from gateway.cli.plane import AsJson, TokenFile, Where, ask, front, send

Tenant = Annotated[str, typer.Argument(metavar="TENANT", show_default=False)]

brake = typer.Typer(no_args_is_help=True)


def status(config: Where, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Print the state of a running gateway: store, cache, backends, tenants, brakes.

    It is asked over its plane of operators (`admin:` of the configuration), with an operator's token. Of several
    workers the one that takes the connection answers, and says which it is. Ends with 1 if the store cannot be used, a
    backend was never reached or is left alone (its breaker is not closed).
    """
    found = ask(config, token_file, "GET", "/status")
    typer.echo(_json(found) if as_json else "\n".join(_state(found)))
    well = [one["reached"] and one["breaker"] == "closed" for one in found["backends"].values()]
    if found["store"] != "usable" or not all(well):
        raise typer.Exit(1)


def ping(config: Where = "http://127.0.0.1:8080") -> None:
    """Ask a gateway whether it takes requests (`/readyz`); ends with 0 if it does. No token is needed.

    A sick backend does not make a gateway unready: its tenants are answered 503, all others are served.
    """
    place = front(config)
    code, data = send(place, "GET", "/readyz", {})
    if code != 200:
        reporting.fail(f"{place} does not take requests: {data[:500].decode('utf-8', 'replace')}")
    try:
        typer.echo(json.loads(data)["status"])
    except (ValueError, KeyError, TypeError):
        reporting.fail(f"{place} answers something that is not of a gateway")


@brake.callback()
def brakes() -> None:
    """Look at the brake on mass changes, and release it.

    When more accounts are deactivated, or resources deleted, or members removed within a window than a tenant's
    settings allow, further changes of the kind are answered 429 until an operator says that they are meant.
    """


@brake.command("status")
def engaged(config: Where, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the brakes that hold changes back; ends with 1 if there are any."""
    found = ask(config, token_file, "GET", "/brake")["engaged"]
    if as_json:
        typer.echo(_json(found))
    for one in found if not as_json else ():
        since = datetime.fromtimestamp(one["since"], UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        typer.echo(f"{one['tenant']}: {one['kind']} are held since {since}, {one['count']} were asked for")
    if found:
        raise typer.Exit(1)
    if not as_json:
        typer.echo("no brake holds anything back")


@brake.command("release")
def release(
    config: Where,
    tenant: Tenant,
    kind: Annotated[str, typer.Option(help="deactivations, deletions or removals.", show_default="all of them")] = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Let a tenant's changes through again, and count anew.

    Look first at what was asked for (the audit trail has every refused attempt): a mistake at the identity provider is
    mended there. What was held back is not done by itself, the client sends it again.
    """
    body = {"tenant": tenant, **({"kind": kind} if kind else {})}
    found = ask(config, token_file, "POST", "/brake/release", body)
    released = found["released"]
    if as_json:
        typer.echo(_json(found))
    elif released:
        typer.echo(f"{tenant}: released {', '.join(released)}")
    else:
        typer.echo(f"{tenant}: no brake held anything back")


def last_use(config: Where, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Print when each tenant's tokens were made and end, and when they were last used.

    Told is what the process that answers has seen since it started; the metric
    `scim_gateway_token_last_use_timestamp_seconds` has all processes. An old token nobody uses any more can go.
    """
    found = ask(config, token_file, "GET", "/tokens")
    if as_json:
        typer.echo(_json(found))
        return
    for tenant, tokens in sorted(found.items()):
        for one in tokens:
            ends = f"ends {one['expires']}" if one["expires"] else "has no end"
            used = f"last used {one['last_used']}" if one["last_used"] else "not used yet"
            made = f"made {one['created']}, " if one["created"] else ""
            typer.echo(f"{tenant}: {one['name']}  {made}{ends}, {used}")


def _json(found: Any) -> str:
    return json.dumps(found, indent=2, ensure_ascii=False)


def _state(found: Mapping[str, Any]) -> Iterator[str]:
    """Write the state one thing a line, what is not well in capitals."""
    worker = "" if found["worker"] is None else f", worker {found['worker']}"
    yield f"scim-gateway {found['version']} on Python {found['python']}{worker}"
    yield f"store      {_marked(found['store'], 'usable')}"
    yield f"cache      {_marked(found['cache'], 'usable', 'in process')}"
    for name, one in found["backends"].items():
        reached = "reached" if one["reached"] else "NOT REACHED YET"
        error = f": {one['error']}" if "error" in one else ""
        yield f"backend    {name}: {reached}, breaker {_marked(one['breaker'], 'closed')}{error}"
    for name, state in found["tenants"].items():
        yield f"tenant     {name}: {_marked(state, 'served')}"
    if found["brakes"] is None:
        yield "brakes     NOT KNOWN: the shared cache cannot be asked"
    for name in found["brakes"] or ():
        yield f"brake      {name} are HELD"


def _marked(word: str, *well: str) -> str:
    return word if word in well else word.upper()
