"""Reading a configuration for a command: loaded and drawn, or told what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from gateway.app import Blueprint, draw
from gateway.cli import reporting
from gateway.plugins import PluginError, Plugins
from gateway.settings import SettingsError, load

Config = Annotated[
    Path,
    typer.Argument(metavar="CONFIG", help="The configuration: a YAML file, or a folder of them.", show_default=False),
]


def read(path: Path, environment: Mapping[str, str] | None = None) -> Blueprint:
    """Load and check a configuration, every file and secret anew; raise `SettingsError` or `PluginError`."""
    plugins = Plugins.installed()
    return draw(load(path, environment, plugins.secrets()), plugins)


def blueprint(path: Path, environment: Mapping[str, str] | None = None) -> Blueprint:
    """Load and check a configuration without starting anything; end the program with all problems if there are any."""
    try:
        return read(path, environment)
    except SettingsError as error:
        reporting.refuse(error)
    except PluginError as error:
        reporting.fail(str(error))
