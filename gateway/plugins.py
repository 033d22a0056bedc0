"""Entry points -> backend classes, each imported only when a configuration names it; and codecs and secret providers of
others."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from backends.contract import Backend

GROUP = "scim_gateway.backends"
CODECS = "scim_gateway.codecs"
SECRETS = "scim_gateway.secrets"
OWN_SECRETS = ("env", "file")
"""Where secrets come from without any plugin."""
DISTRIBUTION = "scim-gateway"


class PluginError(Exception):
    """A backend that cannot be used here; the text says what to do about it."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One kind of backend that is installed: its name in configurations, and the distribution that brings it."""

    name: str
    distribution: str
    entry: metadata.EntryPoint

    def load(self) -> type[Backend[Any]]:
        """Import the class; raise `PluginError` with the sentence that installs what is missing, or with what is
        wrong with it."""
        try:
            found = self.entry.load()
        except ImportError as error:
            missing = (error.name or "").partition(".")[0]
            if not missing or missing == self.entry.module.partition(".")[0]:
                raise PluginError(f"the backend {self.name} of {self.distribution} is broken: {error}") from error
            raise PluginError(self._remedy(missing)) from error
        except AttributeError as error:
            raise PluginError(f"the backend {self.name} of {self.distribution} is broken: {error}") from error
        if not (isinstance(found, type) and issubclass(found, Backend)):
            raise PluginError(f"the backend {self.name} of {self.distribution} is no Backend: {self.entry.value}")
        return found

    def _remedy(self, missing: str) -> str:
        package = f"'{self.distribution}[{self.name}]'" if self.name in _extras(self.distribution) else missing
        return f"the backend {self.name} needs {missing}, which is not installed: pip install {package}"


class SecretSource:
    """A provider of secrets, imported when the first reference asks it: ``${NAME:argument}``.

    The entry point leads to a callable that takes the argument and gives the text. It is asked anew at every load of a
    configuration, and says why it has none by LookupError or OSError; what it needs to reach its vault it takes from
    the environment.
    """

    def __init__(self, entry: metadata.EntryPoint) -> None:
        self._entry = entry

    def __call__(self, argument: str) -> str:
        """Give a secret; raise LookupError or OSError with the reason."""
        name = self._entry.name
        try:
            provider = self._entry.load()
        except (ImportError, AttributeError) as error:
            raise LookupError(f"the provider {name} ({self._entry.value}) cannot be imported: {error}") from error
        if not callable(provider):
            raise LookupError(f"the provider {name} ({self._entry.value}) is nothing that can be called")
        found = provider(argument)
        if not isinstance(found, str):
            raise LookupError(f"the provider {name} gives {type(found).__name__}, not text")
        return found


class Plugins:
    """The kinds of backends that are installed."""

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        self._plugins: Mapping[str, Plugin] = {plugin.name: plugin for plugin in plugins}

    @classmethod
    def installed(cls) -> Plugins:
        """Find what the entry points of this environment offer; a kind offered twice is an error."""
        found: dict[str, Plugin] = {}
        for entry in metadata.entry_points(group=GROUP):
            distribution = entry.dist.name if entry.dist is not None else DISTRIBUTION
            plugin = Plugin(entry.name, distribution, entry)
            other = found.setdefault(entry.name, plugin)
            if other.entry.value != entry.value:
                raise PluginError(
                    f"the backend {entry.name} comes from two distributions, {other.distribution} and {distribution}; "
                    "remove one"
                )
        return cls(found.values())

    def __iter__(self) -> Iterator[Plugin]:
        return iter([self._plugins[name] for name in sorted(self._plugins)])

    def codecs(self) -> Mapping[str, Any]:
        """Import the codecs other distributions bring, by name: the values are factories of `gateway.mapping`.

        Raises `PluginError` for one that cannot be imported.
        """
        found: dict[str, Any] = {}
        for entry in metadata.entry_points(group=CODECS):
            try:
                found[entry.name] = entry.load()
            except (ImportError, AttributeError) as error:
                raise PluginError(f"the codec {entry.name} ({entry.value}) cannot be imported: {error}") from error
        return found

    @staticmethod
    def secrets() -> Mapping[str, SecretSource]:
        """Find the providers of secrets other distributions bring, by the name references begin with.

        None is imported before it is asked. Raises `PluginError` for two of one name, and for one that would stand in
        the place of `env` or `file`.
        """
        found: dict[str, SecretSource] = {}
        for entry in metadata.entry_points(group=SECRETS):
            if entry.name in found or entry.name in OWN_SECRETS:
                raise PluginError(f"the secret provider {entry.name} is there already; remove {entry.value}")
            found[entry.name] = SecretSource(entry)
        return found

    def find(self, name: str) -> Plugin:
        """Find a kind of backend; raise `PluginError` with the nearest names there are."""
        if (plugin := self._plugins.get(name)) is not None:
            return plugin
        near = difflib.get_close_matches(name.lower(), self._plugins, 2, 0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"installed are {', '.join(sorted(self._plugins))}"
        raise PluginError(f"there is no backend of the type {name!r}; {hint}")


def _extras(distribution: str) -> frozenset[str]:
    try:
        provided = metadata.metadata(distribution).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return frozenset()
    return frozenset(re.sub(r"[-_.]+", "-", extra).lower() for extra in provided)
