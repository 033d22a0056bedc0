"""A configuration held against everything that can be known without starting anything.

Backends are constructed (which does no I/O), resource types built, dialects chosen, mappings compiled against what the
backends declare. Every problem is told with file and line, all of them at once. What a live system says of its fields
is compared later, by the same function, at first contact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from backends.contract import Backend, BackendError, Capabilities, Context, UnavailableError
from gateway import identity
from gateway.app import callers, exposure, protected, residence
from gateway.app.contact import Described
from gateway.app.types import known_schemas, resource_type
from gateway.mapping import Factory, MappingError, ResourceMapping, compile_mapping
from gateway.mapping.spec import GATEWAY, ResourceSpec
from gateway.plugins import PluginError, Plugins
from gateway.residence import EntitySettings
from gateway.scim import dialects
from gateway.scim.dialects import Dialect
from gateway.scim.schema import ResourceType
from gateway.settings import Configuration, Problem, SettingsError, secrecy
from gateway.settings.problems import Trail, nearest


@dataclass(frozen=True, slots=True)
class ResourcePlan:
    """One resource type of one tenant, before any system was met; `resident` is set for one that lives with the
    gateway."""

    name: str
    trail: Trail
    spec: ResourceSpec
    resource_type: ResourceType
    resident: EntitySettings | None = None


@dataclass(frozen=True, slots=True)
class TenantPlan:
    """One tenant: how its clients are understood and what it serves."""

    name: str
    dialect: Dialect
    resources: tuple[ResourcePlan, ...]

    @property
    def backends(self) -> frozenset[str]:
        """The names of the backends it needs."""
        return frozenset(resource.spec.backend for resource in self.resources)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a configuration comes to; nothing of it is open or running."""

    configuration: Configuration
    backends: Mapping[str, Backend[Any]]
    tenants: Mapping[str, TenantPlan]
    codecs: Mapping[str, Factory]

    def mappings(
        self, tenant: TenantPlan, described: Mapping[str, Described] | None = None
    ) -> dict[str, ResourceMapping]:
        """Compile the mappings of a tenant, against the fields of the live systems where those are known.

        `described` holds what the backends said, by their names. Raises `SettingsError` with everything that cannot
        work.
        """
        found, problems = self._compiled(tenant, described, {})
        hidden = _hidden(tenant, found, described or {})
        if hidden and not problems:
            found, problems = self._compiled(tenant, described, hidden)
        if problems:
            raise SettingsError(problems)
        return found

    def _compiled(
        self, tenant: TenantPlan, described: Mapping[str, Described] | None, hidden: Mapping[tuple[str, str], set[str]]
    ) -> tuple[dict[str, ResourceMapping], list[Problem]]:
        found: dict[str, ResourceMapping] = {}
        problems: list[Problem] = []
        for plan in tenant.resources:
            backend, entity = plan.spec.backend, plan.spec.entity
            if backend not in self.backends or (described is not None and backend not in described):
                continue
            fields = None if described is None else described[backend].get(entity)
            keys = hidden.get((backend, entity), set())
            try:
                found[plan.name] = compile_mapping(
                    plan.resource_type, plan.spec, self.capabilities(plan), fields, self.codecs, hidden=keys
                )
            except MappingError as error:
                problems += [self.configuration.problem((*plan.trail, *where), why) for where, why in error.problems]
            except SettingsError as error:
                problems += error.problems
        return found, problems

    def capabilities(self, plan: ResourcePlan) -> Capabilities:
        """Ask a backend what it can do with an entity; raise `SettingsError` where it has no such entity."""
        try:
            return self.backends[plan.spec.backend].capabilities(plan.spec.entity)
        except (ValueError, BackendError) as error:
            problem = self.configuration.problem((*plan.trail, "entity"), reason_of(error))
            raise SettingsError([problem]) from None

    def misfit(self, backend: str, error: BaseException, entity: str | None = None) -> SettingsError | None:
        """Tell whether an error of a backend means that the configuration does not fit the live system.

        A backend that finds a mistake in its own settings raises a ValueError with the `path` to it; one that does not
        have an entity says so when it is to describe it.
        """
        fault = error if isinstance(error, ValueError) else error.__cause__
        if isinstance(fault, ValueError) and (path := path_of(fault)):
            trail = ("backends", backend, "settings", *path)
            return SettingsError([self.configuration.problem(trail, reason_of(fault))])
        if entity is None or isinstance(error, UnavailableError):
            return None
        return SettingsError(
            self.configuration.problem((*plan.trail, "entity"), str(error))
            for tenant in self.tenants.values()
            for plan in tenant.resources
            if (plan.spec.backend, plan.spec.entity) == (backend, entity)
        )

    def secrets(self) -> Iterator[str]:
        """Yield every secret of the configuration, those of the backends among them: what must be masked in texts."""
        for model in (self.configuration.settings, *(backend.settings for backend in self.backends.values())):
            yield from (secret for _, secret in secrecy.secrets(model))

    def entities(self, backend: str) -> frozenset[str]:
        """Name the entities of a backend that some tenant uses."""
        return frozenset(
            plan.spec.entity
            for tenant in self.tenants.values()
            for plan in tenant.resources
            if plan.spec.backend == backend
        )


def draw(configuration: Configuration, plugins: Plugins) -> Blueprint:
    """Check a configuration as far as that goes without starting anything; raise `SettingsError` with all problems."""
    problems: list[Problem] = []
    backends = _backends(configuration, plugins, problems)
    tenants = {name: _tenant(configuration, name, problems) for name in configuration.settings.tenants}
    backends |= _own_backend(configuration, tenants)
    _check_hosts(configuration, problems)
    problems += [
        *exposure.problems(configuration),
        *callers.problems(configuration),
        *_store_problems(configuration),
    ]
    blueprint = Blueprint(configuration, backends, tenants, plugins.codecs())
    for tenant in tenants.values():
        try:
            mappings = blueprint.mappings(tenant)
        except SettingsError as error:
            problems += error.problems
        else:
            problems += protected.problems(configuration, tenant, mappings)
    if problems:
        raise SettingsError(problems)
    return blueprint


def _hidden(
    tenant: TenantPlan, mappings: Mapping[str, ResourceMapping], described: Mapping[str, Described]
) -> dict[tuple[str, str], set[str]]:
    """Find records that are no resources because a codec owns them: the group whose members are the active ones."""
    hidden: dict[tuple[str, str], set[str]] = {}
    for plan in tenant.resources:
        owned = mappings[plan.name].owned if plan.name in mappings else {}
        fields = described.get(plan.spec.backend, {}).get(plan.spec.entity) or {}
        for name, values in owned.items():
            if name in fields and (entity := fields[name].refers) is not None:
                hidden.setdefault((plan.spec.backend, entity), set()).update(str(value) for value in values)
    return hidden


def _backends(configuration: Configuration, plugins: Plugins, problems: list[Problem]) -> dict[str, Backend[Any]]:
    found: dict[str, Backend[Any]] = {}
    for name, section in configuration.settings.backends.items():
        trail: Trail = ("backends", name)
        try:
            kind = plugins.find(section.type).load()
        except PluginError as error:
            problems.append(configuration.problem((*trail, "type"), str(error)))
            continue
        try:
            settings = configuration.validated((*trail, "settings"), kind.settings_type)
        except SettingsError as error:
            problems += error.problems
            continue
        try:
            found[name] = kind(settings, Context(name))
        except (ValueError, ImportError) as error:
            problems.append(configuration.problem((*trail, "settings", *path_of(error)), reason_of(error)))
    return found


def _own_backend(configuration: Configuration, tenants: Mapping[str, TenantPlan]) -> dict[str, Backend[Any]]:
    """Make the backend of what lives with the gateway, if anything does."""
    plans = (plan for tenant in tenants.values() for plan in tenant.resources)
    entities = {plan.spec.entity: plan.resident for plan in plans if plan.resident is not None}
    if not entities:
        return {}
    try:
        return {GATEWAY: residence.backend(entities, configuration.settings.store.url.get_secret_value())}
    except ValueError:
        return {}  # the store's URL is wrong, which is told at its line


def path_of(error: BaseException) -> Trail:
    """Read where in its settings a backend found the error, if it tells (``entities.employees.key``)."""
    path = getattr(error, "path", None)
    return tuple(path.split(".")) if isinstance(path, str) and path else ()


def reason_of(error: BaseException) -> str:
    """Read why a backend refuses its settings."""
    reason = getattr(error, "reason", None)
    return reason if isinstance(reason, str) else str(error)


def _tenant(configuration: Configuration, name: str, problems: list[Problem]) -> TenantPlan:
    section = configuration.settings.tenants[name]
    trail: Trail = ("tenants", name)
    known = known_schemas(configuration, name, problems)
    resources = []
    endpoints: dict[str, str] = {}
    for kind, spec in section.resources.items():
        at: Trail = (*trail, "resources", kind)
        if spec.backend not in (GATEWAY, *configuration.settings.backends):
            hint = nearest(spec.backend, (GATEWAY, *configuration.settings.backends))
            problems.append(configuration.problem((*at, "backend"), f"there is no backend {spec.backend!r}{hint}"))
        try:
            built = resource_type(kind, spec, known, strict=section.mode == "strict")
        except ValueError as error:
            problems.append(configuration.problem(at, str(error)))
            continue
        if (other := endpoints.setdefault(built.endpoint.lower(), kind)) != kind:
            problems.append(configuration.problem(at, f"has the endpoint {built.endpoint}, as {other} has"))
        if not spec.is_resident:
            resources.append(ResourcePlan(kind, at, spec, built))
            continue
        own = residence.residence(name, spec, built, section.resources)
        problems += [configuration.problem((*at, *where), reason) for where, reason in own.problems]
        resources.append(ResourcePlan(kind, at, own.spec, built, own.entity))
    _check_types(configuration, name, problems)
    return TenantPlan(name, _dialect(configuration, name, problems), tuple(resources))


def _dialect(configuration: Configuration, name: str, problems: list[Problem]) -> Dialect:
    section = configuration.settings.tenants[name]
    strict = section.mode == "strict"
    client = section.client
    try:
        dialects.profile(client)
    except ValueError as error:
        problems.append(configuration.problem(("tenants", name, "client"), str(error)))
        client = "default"
    quirks = {}
    for quirk, on in section.quirks.items():
        try:
            dialects.profile(client, {quirk: on})
        except ValueError as error:
            problems.append(configuration.problem(("tenants", name, "quirks", quirk), str(error)))
        else:
            quirks[quirk] = on
    return dialects.profile(client, quirks, strict=strict)


def _check_types(configuration: Configuration, name: str, problems: list[Problem]) -> None:
    """What a caller may use must be there."""
    section = configuration.settings.tenants[name]
    for at, caller in section.callers():
        trail: Trail = ("tenants", name, *at, "resource_types")
        problems += [
            configuration.problem(trail, f"there is no {kind}{nearest(kind, section.resources)}")
            for kind in sorted(set(caller.resource_types or ()) - section.resources.keys())
        ]


def _store_problems(configuration: Configuration) -> Iterator[Problem]:
    """Find out whether the id map understands where it is to be; nothing is opened."""
    settings = configuration.settings
    url, cache = settings.store.url.get_secret_value(), settings.cache.get_secret_value()
    try:
        identity.connect(url, id_key=settings.store.id_key.get_secret_value().encode("utf-8"))
    except ValueError as error:
        yield configuration.problem(("store", "url"), str(error))
        return
    try:
        identity.connect(url, id_key=settings.store.id_key.get_secret_value().encode("utf-8"), cache=cache)
    except ValueError as error:
        yield configuration.problem(("cache",), str(error))


def _check_hosts(configuration: Configuration, problems: list[Problem]) -> None:
    settings = configuration.settings
    for host, tenant in settings.server.hosts.items():
        if tenant not in settings.tenants:
            at: Trail = ("server", "hosts", host)
            problems.append(
                configuration.problem(at, f"there is no tenant {tenant!r}{nearest(tenant, settings.tenants)}")
            )
