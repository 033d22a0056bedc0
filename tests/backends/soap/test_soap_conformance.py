"""The SOAP backend keeps the rules of the contract on services of two ages, by settings alone (DESIGN §5)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

from backends.conformance import ConformanceSuite, Group, Harness, Roles, RowRole
from backends.contract import Backend, Context
from backends.soap import SoapBackend, SoapSettings
from tests.backends.soap import systems
from tests.backends.soap.servers import LegacyServer, SoapServer, StaffServer

NOWHERE = "http://127.0.0.1:9/service"


class SoapHarness(Harness):
    """A service of `server`, described by `system`."""

    secrets = ("t0psecret", "127.0.0.1", "pässword")
    ordered = False
    shifting = True
    server: ClassVar[type[SoapServer]]
    system: ClassVar[Callable[..., dict[str, Any]]]
    more: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        self._running: Any = None

    def world(self, place: Any) -> AbstractAsyncContextManager[Any]:
        self._running = self.server()
        running: AbstractAsyncContextManager[Any] = self._running.running()
        return running

    def build(self, place: Any) -> Backend[Any]:
        return self._at(self._running.url if self._running is not None else NOWHERE)

    def unreachable(self) -> Backend[Any]:
        return self._at(NOWHERE)

    def _at(self, url: str) -> Backend[Any]:
        settings = SoapSettings.model_validate(type(self).system(url or NOWHERE, **self.more))
        return SoapBackend(settings, Context("soap"))

    def order(self, key: str) -> Any:
        return int(key)

    def fail(self, backend: Backend[Any], step: int, *, lost: bool) -> None:
        self._running.left, self._running.lost = step, lost

    def heal(self, backend: Backend[Any]) -> None:
        self._running.left = None


class Staff(SoapHarness):
    entity = "people"
    server = StaffServer
    system = systems.staff
    roles = Roles(
        name="login",
        text="note",
        longest=400,
        number="grade",
        flag="enabled",
        day="hired",
        moment="seen",
        many="tags",
        rows=RowRole("mails", key="address", other="kind"),
    )
    group = Group("teams", name="title", members="members", inverse="teams")


class TestStaff(ConformanceSuite):
    """document/literal, SOAP 1.1."""

    harness = Staff()


class Legacy(SoapHarness):
    entity = "users"
    server = LegacyServer
    system = systems.legacy
    roles = Roles(name="login", text="note", longest=60, number="grade", flag="on")


class TestLegacy(ConformanceSuite):
    """rpc/literal, texts, tickets, handles and query texts."""

    harness = Legacy()
