"""The commands put together, and the help that teaches them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import gateway
from gateway.cli import authors, check, demo, explain, operators, plugins, serve, store, tokens

EPILOGUE = """Begin with `scim-gateway demo`, then read the file it names: it is an ordinary configuration, and the
place to copy from. `scim-gateway check my.yaml` says what is wrong with yours, with file and line, before anything
starts; `scim-gateway serve my.yaml` serves it."""

app = typer.Typer(
    name="scim-gateway",
    help="Put standard SCIM 2.0 in front of systems that do not speak it, by configuration alone.",
    epilog=EPILOGUE,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"scim-gateway {gateway.__version__}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Put standard SCIM 2.0 in front of systems that do not speak it, by configuration alone."""


app.command("demo")(demo.demo)
app.command("check")(check.check)
app.command("serve")(serve.serve)
app.command("explain")(explain.explain)
app.command("backends")(plugins.backends)
app.command("new-backend")(authors.new_backend)
app.command("status")(operators.status)
app.command("ping")(operators.ping)
app.add_typer(operators.brake, name="brake")
tokens.app.command("last-use")(operators.last_use)
app.add_typer(tokens.app, name="token")
app.add_typer(store.app, name="store")


def run() -> None:
    """Run the program with the arguments of the process."""
    try:
        app()
    except BrokenPipeError:
        # Whoever read our output (head, less) has gone: end as a pipe's writer does, without a traceback.
        sys.stderr.close()
        sys.exit(141)
