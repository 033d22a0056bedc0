"""`scim-gateway backends`: which kinds of systems this installation can stand in front of."""

from __future__ import annotations

import inspect

import typer

from backends.contract import Backend, Explains, Introspects, Lists, WritableBackend
from gateway.cli import reporting
from gateway.plugins import PluginError, Plugins

POWERS: dict[str, type] = {
    "reads": Backend,
    "writes": WritableBackend,
    "explains": Explains,
    "introspects": Introspects,
    "lists": Lists,
}
"""What a kind of backend can be asked for, by the part of the contract it fulfils."""


def backends() -> None:
    """List the kinds of backends that are installed, with what each one can do.

    The name is what stands after `type:` in a configuration. A kind whose driver is missing is listed with the command
    that installs it. `scim-gateway new-backend` begins one of your own.
    """
    try:
        installed = list(Plugins.installed())
    except PluginError as error:
        reporting.fail(str(error))
    for plugin in installed:
        typer.secho(f"{plugin.name}", bold=True, nl=False)
        typer.echo(f"  from {plugin.distribution}")
        try:
            kind = plugin.load()
        except PluginError as error:
            typer.echo(f"  not usable: {error}")
            continue
        sentence = (inspect.getdoc(kind) or "").partition("\n")[0]
        powers = [name for name, power in POWERS.items() if issubclass(kind, power)]
        typer.echo(f"  {sentence}\n  {', '.join(powers)}")
        needed = [name for name, field in kind.settings_type.model_fields.items() if field.is_required()]
        typer.echo(
            f"  settings: {', '.join(kind.settings_type.model_fields)}"
            + (f" (needed: {', '.join(needed)})" if needed else "")
        )
